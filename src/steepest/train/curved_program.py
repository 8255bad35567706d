"""The Hessian-free step as a function of tensors, and as one graph.

What the eager step decides by looking at numbers is decided by masks: an iteration that is not made leaves its vectors
as they are, and of the losses of all stored iterates the eager search's is taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import _pytree as tree

from steepest.curvature.cg import stored_places
from steepest.curvature.function import twice_differentiable
from steepest.curvature.hessian_free import DECREASE
from steepest.data.dataset import Part
from steepest.errors import first_line
from steepest.optim.methods.hessian_free import HessianFreeSpec
from steepest.optim.shared_rows import FACTORS, SharedRows
from steepest.optim.tables import unpadded
from steepest.train.problem import SupervisedProblem
from steepest.train.program import NotTraceableError, Traced

Named = dict[str, Tensor]


@dataclass
class CurvedTensors:
    """The tensors that a step changes in place.

    Attributes:
        parameters: those that are trained in full, by name.
        fixed: those that are not trained.
        buffers: the model's.
        direction: the last proposal for the parameters, ``[W]``.
        damping: λ, float64.
        weights, own, era, since: of tables by rows, as :class:`~steepest.optim.shared_rows.Lagging` has them.
        eras: share, way, squares and place of the present one.
    """

    parameters: Named
    fixed: Named
    buffers: Named
    direction: Tensor
    damping: Tensor
    weights: Named = field(default_factory=dict[str, Tensor])
    own: Named = field(default_factory=dict[str, Tensor])
    era: Named = field(default_factory=dict[str, Tensor])
    since: Named = field(default_factory=dict[str, Tensor])
    eras: list[Tensor] = field(default_factory=list[Tensor])


@dataclass
class CurvedChanging:
    """What differs from step to step.

    Attributes:
        batch: inputs and target, and weights of rows where there are any.
        bits: for the masks, 16-bit numbers [n].
        rate, length: the first length, and the one that is tried, float64.
        ids: the row of each place of the batch, by table, [B].
        first: a place with the same row, the same for all of them, [B].
    """

    batch: Part
    bits: Tensor
    rate: Tensor
    length: Tensor
    ids: Named
    first: Named

    def flat(self) -> list[Tensor]:
        """Return the tensors in order."""
        rest = [self.bits, self.rate, self.length, *self.ids.values(), *self.first.values()]
        return [*self.batch.tensors, *rest]

    def holding(self, tensors: list[Tensor]) -> CurvedChanging:
        """Return it with other tensors, in the order of :meth:`flat`."""
        size, count = len(self.batch.tensors), len(self.ids)
        batch, (bits, rate, length, *rest) = self.batch.holding(tensors[:size]), tensors[size:]
        ids, first = (dict(zip(self.ids, part, strict=True)) for part in (rest[:count], rest[count:]))
        return CurvedChanging(batch, bits, rate, length, ids, first)


@dataclass(frozen=True)
class CurvedProgram:
    """A Hessian-free step as a function of tensors.

    Attributes:
        problem: model and loss.
        spec: the hyperparameters.
        tables: those that are executed by rows, or None.
    """

    problem: SupervisedProblem
    spec: HessianFreeSpec
    tables: SharedRows | None

    def step(self, state: CurvedTensors, changing: CurvedChanging) -> Tensor:
        """Make a step unless its length does not do, and return its report, float64.

        It has the loss, the loss of the present weights is finite, the gradient is finite, there is a way, the length
        does, the products and the forward passes.
        """
        with torch.no_grad():
            report, new = torch.func.functionalize(
                lambda leaves: self._computed(_state_of(state, leaves), changing)
            )(tree.tree_leaves(state_parts(state)))
            for name, value in new["buffers"].items():
                state.buffers[name].copy_(value)
            for name, value in new["parameters"].items():
                state.parameters[name].copy_(value)
            state.direction.copy_(new["direction"])
            state.damping.copy_(new["damping"])
            for old, value in zip(state.eras, new["eras"], strict=True):
                old.copy_(value)
            for name, ids in changing.ids.items():
                for kind in ("weights", "own", "era", "since"):
                    getattr(state, kind)[name].index_copy_(0, ids, new[kind][name])
        return report

    def _computed(self, state: CurvedTensors, changing: CurvedChanging) -> tuple[Tensor, dict[str, Any]]:
        """Return the report, and what is to be written."""
        kind = state.direction.dtype
        rate, length = changing.rate, changing.length
        rows, directions, rest, squares = self._gathered(state, changing)
        there = {**state.parameters, **rows}
        sizes = [each.numel() for each in there.values()]

        def flat(named: Mapping[str, Tensor]) -> Tensor:
            return torch.cat([*(named[name].reshape(-1) for name in there), rest.new_zeros(1, dtype=kind)])

        def named(vector: Tensor) -> Named:
            parts = vector[: sum(sizes)].split(sizes)
            return {n: part.reshape(there[n].shape) for n, part in zip(there, parts, strict=True)}

        batch = self.problem.placed(changing.batch, changing.first)

        def started(given: Named) -> tuple[Tensor, Named]:
            return self._outputs(given, state, state.buffers, changing, batch)

        # other tensors: batch norm moves its averages in place without saying so, and equal operations become one
        others = {name: each + 0 for name, each in state.buffers.items()}

        def call(given: Named) -> tuple[Tensor, Named]:
            return self._outputs(given, state, others, changing, batch)

        pulled: Any = torch.func.vjp(started, there, has_aux=True)
        outputs, pull, after_call = pulled
        loss = self.problem.batch_loss(outputs, batch)
        slopes = torch.func.grad(lambda given: self.problem.batch_loss(given, batch))(outputs)
        gradient, value = flat(pull(slopes)[0]), loss.double()

        def product(vector: Tensor) -> Tensor:
            found: Any = torch.func.jvp(call, (there,), (named(vector),), has_aux=True)
            _, moved, _ = found
            bent = flat(pull(self.problem.bend(outputs, batch, moved))[0])
            return bent + state.damping.to(kind) * vector

        def moved_loss(move: Tensor) -> Tensor:
            moves = named(move)
            found, _ = call({name: each + moves[name] for name, each in there.items()})
            value = self.problem.batch_loss(found, batch).double()
            return torch.where(value.isnan(), math.inf, value)

        last = torch.cat(
            [state.direction, *(each.reshape(-1) for each in directions.values()), rest[None].to(kind)]
        )
        iterates, values, count, products, unbroken = self._iterates(
            product, gradient, self.spec.hyper.decay * last
        )
        losses = [moved_loss(rate.to(kind) * each) for each in iterates]
        place, after, forwards = _backtracked(losses, stored_places(self.spec.hyper.cg_iterations), count)
        taken = torch.stack(iterates).index_select(0, place[None])[0]
        slope = (gradient @ taken).double()
        promised = torch.stack(values).index_select(0, place[None])[0]
        if self.spec.hyper.ratio == "undamped":
            promised = promised - 0.5 * state.damping * (taken @ taken).double()
        promised = rate**2 * (promised - slope) + rate * slope
        otherwise = torch.where(after > value, -math.inf, math.inf)
        ratio = torch.where(promised < 0, (after - value) / promised, otherwise)
        same = torch.ones_like(ratio)  # in 64 bits: a choice between two plain numbers has 32
        factor = torch.where(ratio < 0.25, 3 / 2 * same, torch.where(ratio > 0.75, 2 / 3 * same, same))

        move = length.to(kind) * taken
        first = length == rate
        after = torch.where(first, after, moved_loss(move))
        does = (after <= value + DECREASE * length * slope.clamp(max=0.0)) | (length == 0)
        finite, sloped = value.isfinite(), gradient.isfinite().all()
        write = (rate != 0) & finite & sloped & unbroken & does

        def chosen(new: Tensor, old: Tensor) -> Tensor:
            return torch.where(write, new, old)

        moves, width = named(move), state.direction.numel()
        proposal = iterates[-1]
        new: dict[str, Any] = {
            "parameters": {n: chosen(each + moves[n], each) for n, each in state.parameters.items()},
            "buffers": {n: torch.where(first, after_call[n], each) for n, each in state.buffers.items()},
            "direction": chosen(proposal[:width], state.direction),
            "damping": chosen(state.damping * factor, state.damping),
        }
        ends = (proposal[-1].double(), move[-1].double())
        moved_rows = {name: each + moves[name] for name, each in rows.items()}
        self._ended(state, changing, new, moved_rows, named(proposal), rest, squares, ends, chosen)
        flags = [each.double() for each in (finite, sloped, unbroken, does)]
        return torch.stack([value, *flags, products, forwards]), new

    def _outputs(
        self,
        given: Named,
        state: CurvedTensors,
        buffers: Named,
        changing: CurvedChanging,
        batch: Part,
    ) -> tuple[Tensor, Named]:
        modules = {} if self.tables is None else self.tables.modules
        there = dict(given)
        for name, module in modules.items():
            if module.padding_idx is not None:
                padding = (changing.ids[name] == module.padding_idx)[:, None]
                there[name] = torch.where(padding, there[name].detach(), there[name])
        with unpadded(modules.values()), twice_differentiable():
            return self.problem.outputs({**state.fixed, **there}, buffers, batch, {"dropout": changing.bits})

    def _gathered(
        self, state: CurvedTensors, changing: CurvedChanging
    ) -> tuple[Named, Named, Tensor, Tensor]:
        """Return rows, their proposals, the length of the proposal on all others, and squares by era without these.

        A row that several places name is that of the first; at the others the proposal is 0.
        """
        if self.tables is None:
            none = state.damping.new_zeros(())
            return {}, {}, none, none
        share, way, squares, _ = state.eras
        rows, directions = dict[str, Tensor](), dict[str, Tensor]()
        for name, ids in changing.ids.items():
            own, era = state.own[name].index_select(0, ids), state.era[name].index_select(0, ids)
            since, kind = state.since[name].index_select(0, ids), own.dtype
            lag = (way.index_select(0, era) - since).to(kind)[:, None]
            leads = _leads(changing.first[name])
            rows[name] = state.weights[name].index_select(0, ids) + lag * own
            directions[name] = torch.where(
                leads[:, None], share.index_select(0, era).to(kind)[:, None] * own, 0.0
            )
            square = torch.where(leads, own.double().square().sum(1), 0.0)
            squares = squares - torch.zeros_like(squares).index_add(0, era, square)
        squares = squares.clamp(min=0.0)
        length = torch.where(squares > 0, squares * share.square(), 0.0).sum().sqrt()
        return rows, directions, length, squares

    def _ended(
        self,
        state: CurvedTensors,
        changing: CurvedChanging,
        new: dict[str, Any],
        rows: Named,
        directions: Named,
        rest: Tensor,
        squares: Tensor,
        ends: tuple[Tensor, Tensor],
        chosen: Callable[[Tensor, Tensor], Tensor],
    ) -> None:
        """Add what is to be written of tables, as :meth:`SharedRows.end` has it."""
        new.update({kind: {} for kind in ("weights", "own", "era", "since")}, eras=[])
        if self.tables is None:
            return
        share, way, old, now = state.eras
        some, safe = rest > 0, torch.where(rest > 0, rest, 1.0)
        direction, move = ends
        way = torch.where(some, way + share * move / safe, way)
        share = torch.where(some, share * direction / safe, share)
        size = share.index_select(0, now[None])[0].abs()
        later = now + ((size <= FACTORS[0]) | (size >= FACTORS[1])).to(now.dtype)
        places = torch.arange(len(share), device=share.device)
        begun = (places == later) & (later != now)
        share, way = torch.where(begun, 1.0, share), torch.where(begun, 0.0, way)
        factor, present = share.index_select(0, later[None])[0], way.index_select(0, later[None])[0]
        for name, ids in changing.ids.items():
            first = changing.first[name]
            own = directions[name] / factor.to(directions[name].dtype)
            square = torch.where(_leads(first), own.double().square().sum(1), 0.0).sum()
            squares = squares + torch.where(places == later, square, 0.0)
            for kind, value in (
                ("weights", rows[name].index_select(0, first)),
                ("own", own.index_select(0, first)),
                ("era", later.expand(len(ids))),
                ("since", present.expand(len(ids))),
            ):
                new[kind][name] = chosen(value, getattr(state, kind)[name].index_select(0, ids))
        before = (*state.eras[:2], old, now)
        new["eras"] = [chosen(a, b) for a, b in zip((share, way, squares, later), before, strict=True)]

    def _iterates(
        self, product: Callable[[Tensor], Tensor], gradient: Tensor, start: Tensor
    ) -> tuple[list[Tensor], list[Tensor], Tensor, Tensor, Tensor]:
        """Return the stored iterates, their values, the iterations and products made, and whether there was a way."""
        most = self.spec.hyper.cg_iterations
        stored = stored_places(most)
        x, r = start, product(start) + gradient
        p, along = -r, (r @ r).double()
        iterates, values = [x], [0.5 * (x @ (r + gradient)).double()]
        enough = (torch.finfo(gradient.dtype).eps * gradient.norm().double()) ** 2
        goes, unbroken = along > enough, along.isfinite()
        count, products = torch.zeros_like(along), torch.zeros_like(along)
        for i in range(1, most + 1):
            moved = product(p)
            products = products + goes
            bend = (p @ moved).double()
            if i == 1:
                unbroken = unbroken & (bend.isfinite() | ~goes)
            goes = goes & (bend > 0) & bend.isfinite()
            length = (along / bend).to(p.dtype)
            x, r = torch.where(goes, x + length * p, x), torch.where(goes, r + length * moved, r)
            before, along = along, (r @ r).double()
            p = torch.where(goes, (along / before).to(p.dtype) * p - r, p)
            count = count + goes
            if i in stored:
                iterates.append(x)
                values.append(0.5 * (x @ (r + gradient)).double())
            goes = goes & (along > enough)
        return iterates, values, count, products, unbroken


def _backtracked(losses: list[Tensor], stored: list[int], count: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return which stored iterate is taken, the loss there, and how many were looked at.

    An iterate after the last iteration is the one before it again, and is passed over.
    """
    place = torch.zeros_like(count, dtype=torch.int64) + (len(losses) - 1)
    after, looked = losses[-1], torch.ones_like(count)
    goes = torch.ones_like(count, dtype=torch.bool)
    for earlier in range(len(losses) - 2, -1, -1):
        again = stored[earlier] >= count
        worse = (losses[earlier] > after) | ((losses[earlier] == after) & after.isfinite())
        looked = looked + (goes & ~again)
        goes = goes & (again | ~worse)
        place = torch.where(goes, earlier, place)
        after = torch.where(goes, losses[earlier], after)
    return place, after, looked


def _leads(first: Tensor) -> Tensor:
    """Return which places are the first with their row."""
    return first == torch.arange(len(first), device=first.device)


def state_parts(state: CurvedTensors) -> list[Any]:
    """Return the tensors of a state in order."""
    return [getattr(state, each.name) for each in fields(CurvedTensors)]


def _state_of(like: CurvedTensors, leaves: list[Tensor]) -> CurvedTensors:
    return CurvedTensors(*tree.tree_unflatten(leaves, tree.tree_structure(state_parts(like))))


def trace_curved(program: CurvedProgram, state: CurvedTensors, changing: CurvedChanging) -> Traced:
    """Return a step as a graph, in which what occurs twice, as the forward pass of every product, is computed once.

    Raises:
        NotTraceableError: the model does something that depends on the values, or has no derivative forwards.
    """
    from torch._functorch.compile_utils import fx_graph_cse  # with sympy, which no first eager step waits for

    leaves = tree.tree_leaves(state_parts(state))

    def flattened(*tensors: Tensor) -> Tensor:
        given = list(tensors)
        return program.step(_state_of(state, given[: len(leaves)]), changing.holding(given[len(leaves) :]))

    examples = (*leaves, *changing.flat())
    try:
        graph = make_fx(flattened, tracing_mode="fake", _allow_non_fake_inputs=True)(*examples)
        graph.graph.eliminate_dead_code()
        graph.graph = fx_graph_cse(graph.graph)
        graph.recompile()
    except Exception as error:
        raise NotTraceableError(
            f"the step cannot be traced: {type(error).__name__}: {first_line(error)}",
            hint="it runs eagerly, --compile off.",
        ) from error
    return Traced(graph, examples)
