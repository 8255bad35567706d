r"""What of a network's loss is a polynomial of the point in a plane, computed once for all points.

Parameters are :math:`\theta_0 + \alpha d_1 + \beta d_2`, so that look-ups, products with the inputs, and all else up to
the first operation that is not linear are polynomials in :math:`\alpha` and :math:`\beta`. Their coefficients are
computed once; at a point they are a weighted sum, and only the operations behind them are left to do. Of a network of
embeddings, batch norm and layers these are everything up to the first activation: three gathers in the place of tables
at every point, and ten matrices in the place of the widest product.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx

aten = torch.ops.aten

Monomial = tuple[int, int]
"""The powers of α and β."""

LINEAR = frozenset(
    {
        aten.embedding.default, aten.view.default, aten._unsafe_view.default, aten.reshape.default, aten.t.default,
        aten.transpose.int, aten.permute.default, aten.unsqueeze.default, aten.squeeze.dim, aten.expand.default,
        aten.select.int, aten.slice.Tensor, aten.clone.default, aten.detach.default, aten.alias.default,
        aten.neg.default, aten.index_select.default, aten.index.Tensor, aten.sum.dim_IntList, aten.mean.dim,
        aten.view_copy.default, aten.t_copy.default, aten.transpose_copy.int, aten.permute_copy.default,
        aten.unsqueeze_copy.default, aten.expand_copy.default, aten.select_copy.int, aten.slice_copy.Tensor,
        aten.detach_copy.default, aten.alias_copy.default, aten.div.Tensor, aten.div.Scalar, aten.mul.Scalar,
        aten.sum.default, aten.mean.default,
    }
)  # fmt: skip
"""Operations that are linear in their first argument, whatever the others are."""

BILINEAR = frozenset({aten.mm.default, aten.bmm.default, aten.mul.Tensor})


@dataclass(frozen=True)
class PlanePolynomial:
    """A tensor whose entries are polynomials in α and β.

    Attributes:
        terms: the coefficient of each monomial; all have one shape.
    """

    terms: dict[Monomial, Tensor]

    @property
    def nbytes(self) -> int:
        """What the coefficients take."""
        return sum(each.nbytes for each in self.terms.values())

    @property
    def shape(self) -> torch.Size:
        """The shape of the tensor."""
        return next(iter(self.terms.values())).shape

    def map(self, change: Callable[[Tensor], Tensor]) -> PlanePolynomial:
        """Return the polynomial after a linear operation."""
        return PlanePolynomial({key: change(each) for key, each in self.terms.items()})

    def stacked(self) -> Stacked:
        """Return the coefficients in one matrix."""
        return Stacked(
            tuple(self.terms),
            torch.stack([each.reshape(-1) for each in self.terms.values()]),
            tuple(self.shape),
        )


@dataclass(frozen=True, eq=False)
class Stacked:
    """A polynomial whose coefficients are the rows of a matrix.

    Attributes:
        powers: of α and β in each monomial.
        matrix: ``[monomials, numbers]``.
        shape: of the tensor.
    """

    powers: tuple[Monomial, ...]
    matrix: Tensor
    shape: tuple[int, ...]

    def at(self, points: Tensor) -> Tensor:
        """Return the tensor at points ``[c, 2]``, ``[c, …]``.

        Example:
            >>> one = PlanePolynomial({(0, 0): torch.ones(2), (1, 1): torch.tensor([0.0, 5.0])}).stacked()
            >>> one.at(torch.tensor([[2.0, 3.0]])).tolist()
            [[1.0, 31.0]]
        """
        powers = torch.stack([points[:, 0] ** i * points[:, 1] ** j for i, j in self.powers], 1)
        return (powers.to(self.matrix.dtype) @ self.matrix).reshape(len(points), *self.shape)


def plus(one: Any, other: Any, factor: float = 1.0) -> PlanePolynomial:
    """Return the sum of two polynomials, tensors or numbers; the second one times a factor."""
    terms, further = _terms(one), {key: factor * each for key, each in _terms(other).items()}
    shape = torch.broadcast_shapes(*(each.shape for each in (*terms.values(), *further.values())))
    keys = dict.fromkeys((*terms, *further))
    return PlanePolynomial(
        {
            key: (
                terms[key] + further[key]
                if key in terms and key in further
                else (terms.get(key, further.get(key)))
            ).expand(shape)  # pyright: ignore[reportOptionalMemberAccess]
            for key in keys
        }
    )


def times(one: Any, other: Any, product: Callable[[Tensor, Tensor], Tensor]) -> PlanePolynomial:
    """Return what is linear in two polynomials, tensors or numbers."""
    found: dict[Monomial, Tensor] = {}
    for ((i, j), first), ((k, m), second) in itertools.product(_terms(one).items(), _terms(other).items()):
        key, value = (i + k, j + m), product(first, second)
        found[key] = found[key] + value if key in found else value
    return PlanePolynomial(found)


def _terms(value: Any) -> dict[Monomial, Tensor]:
    if isinstance(value, PlanePolynomial):
        return value.terms
    return {(0, 0): value if isinstance(value, Tensor) else torch.as_tensor(value)}


def lifted(target: Any, arguments: Sequence[Any], options: dict[str, Any]) -> PlanePolynomial | None:
    """Return the result of an operation on polynomials, or None where it is none."""
    inside = [each for value in arguments for each in (value if isinstance(value, list | tuple) else [value])]
    count = sum(isinstance(each, PlanePolynomial) for each in (*inside, *options.values()))
    if target in LINEAR:
        first, *rest = arguments
        if count > 1 or not isinstance(first, PlanePolynomial):
            return None
        return first.map(lambda each: target(each, *rest, **options))
    if target in BILINEAR:
        return times(*arguments, product=target)
    if target in (aten.add.Tensor, aten.sub.Tensor):
        factor = options.get("alpha", 1) * (1 if target is aten.add.Tensor else -1)
        return plus(*arguments, factor=factor)
    if target is aten.addmm.default and not options:
        bias, *factors = arguments
        return plus(bias, times(*factors, product=aten.mm.default))
    if target is aten.cat.default:
        parts, *dims = arguments
        terms = [_terms(each) for each in parts]
        keys = dict.fromkeys(key for each in terms for key in each)
        zeros = [torch.zeros_like(next(iter(each.values()))) for each in terms]
        return PlanePolynomial(
            {
                key: torch.cat([each.get(key, zero) for each, zero in zip(terms, zeros, strict=True)], *dims)
                for key in keys
            }
        )
    return None


@dataclass
class LiftedProgram:
    """A traced program, and what of it is the same for all batches.

    Attributes:
        traced: its operations.
        varying: the places of inputs that are other tensors at every point, and no polynomials.
        of_batch: the places of inputs that are other tensors for every batch.
        shared: what was computed of the other inputs.
    """

    traced: fx.GraphModule
    varying: frozenset[int]
    of_batch: frozenset[int]
    shared: dict[fx.Node, Any] = field(default_factory=dict[fx.Node, Any])

    def lift(
        self, inputs: Sequence[Any], most_bytes: int
    ) -> tuple[fx.GraphModule, tuple[Any, ...], tuple[int, ...]]:
        """Do what can be done for all points.

        Args:
            inputs: polynomials and tensors.
            most_bytes: of the coefficients of one operation; one with more is left for every point.

        Returns:
            what is left; the values that it takes, polynomials or what is the same at every point; and those among
            them that vary, as places of the inputs, -1 of all others.
        """
        done: dict[fx.Node, Any] = {}
        from_batch: set[fx.Node] = set()
        graph, copied = fx.Graph(), dict[fx.Node, fx.Node]()
        values, places = list[Any](), list[int]()

        def input_for(node: fx.Node, value: Any, place: int = -1) -> fx.Node:
            copied[node] = graph.placeholder(f"value_{len(values)}")
            values.append(value)
            places.append(place)
            return copied[node]

        def left(node: fx.Node) -> fx.Node:
            return copied[node] if node in copied else input_for(node, done[node])

        given = iter(enumerate(inputs))
        for node in self.traced.graph.nodes:
            if node.op == "placeholder":
                place, value = next(given)
                if place in self.of_batch:
                    from_batch.add(node)
                if place in self.varying:
                    input_for(node, value, place)
                else:
                    done[node] = value
                continue
            if node.op == "get_attr":
                done[node] = getattr(self.traced, str(node.target))
                continue
            needed = node.all_input_nodes
            if any(each in from_batch for each in needed):
                from_batch.add(node)
            if node.op == "call_function" and all(each in done for each in needed):
                if node in self.shared:
                    done[node] = self.shared[node]
                    continue
                found = _result(node, done)
                fits = not isinstance(found, PlanePolynomial) or found.nbytes <= most_bytes
                if fits and found is not None:
                    done[node] = found
                    if node not in from_batch:
                        self.shared[node] = found
                    continue
            copied[node] = graph.node_copy(node, left)
        return fx.GraphModule(self.traced, _inputs_first(graph)), tuple(values), tuple(places)


def _result(node: fx.Node, done: dict[fx.Node, Any]) -> Any:
    """Return the result of an operation whose inputs are known, None where it is no polynomial."""
    arguments, options = fx.map_arg((node.args, node.kwargs), lambda each: done[each])
    if any(isinstance(done[each], PlanePolynomial) for each in node.all_input_nodes):
        return lifted(node.target, arguments, options)
    return node.target(*arguments, **options)  # pyright: ignore[reportCallIssue]


def _inputs_first(graph: fx.Graph) -> fx.Graph:
    """Return a graph with its inputs first, in their order."""
    ordered, moved = fx.Graph(), dict[fx.Node, fx.Node]()
    inputs = [each for each in graph.nodes if each.op == "placeholder"]
    for node in (*inputs, *(each for each in graph.nodes if each.op != "placeholder")):
        moved[node] = ordered.node_copy(node, lambda each: moved[each])
    return ordered
