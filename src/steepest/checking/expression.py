r"""The derivatives of an expression, step by step: forward values, local derivatives, adjoints.

An expression is a graph of operations :math:`v_j = f_j(v_{i_1}, v_{i_2})`. Backpropagation gives every node its
adjoint, the derivative of the result :math:`z` by it, from the result back to the variables:

.. math:: \bar z = 1, \qquad \bar v_i = \sum_{j \text{ uses } i} \bar v_j \frac{\partial f_j}{\partial v_i}.

The sums are made here, one product after another, as on paper. Beside the adjoint of a variable stand the derivative
that autograd has and one by finite differences.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from steepest.checking.differences import SAFETY, FiniteDifference, derivative, noise_of
from steepest.checking.grammar import CONSTANTS, FUNCTIONS, OPERATORS, Operation, names, parse
from steepest.errors import OptionError

LEAF = "AccumulateGrad"
"""What autograd calls the end of the graph, where a gradient is added to its variable."""
RELATIVE = 1e-10
"""The rounding errors of a derivative itself, as a share of it: a million roundings of one operation, more than the few
of an expression can have."""
UNDECIDED = 1e-6
"""A tolerance above the derivative decides nothing, unless the derivative is 0, up to this share of how much the
function varies over the size of the variable."""


@dataclass(frozen=True)
class Slope:
    """A local derivative: of a node by one of its operands.

    Attributes:
        operand: name of the operand.
        formula: the derivative in words, such as ``1 / v2``.
        value: its value.
    """

    operand: str
    formula: str
    value: float


@dataclass(frozen=True)
class Node:
    """An operation or a variable.

    Attributes:
        name: a variable's own name, ``z`` for the result, ``v1``, ``v2``, … in between.
        text: the operation on the names of its operands; empty for a variable.
        operation: what autograd calls it.
        value: its value.
        slopes: its derivative by each operand.
        adjoint: the derivative of the result by it.
    """

    name: str
    text: str
    operation: str
    value: float
    slopes: tuple[Slope, ...]
    adjoint: float


@dataclass(frozen=True)
class Derivative:
    """The derivative of the result by one variable, three times.

    Attributes:
        variable: its name.
        by_steps: the adjoint, by the sums and products that are shown.
        autograd: by ``torch.autograd.grad``.
        estimate: by finite differences.
        tolerance: the difference that is allowed between autograd and finite differences.
        cause: what is wrong; empty where nothing is.
    """

    variable: str
    by_steps: float
    autograd: float
    estimate: FiniteDifference
    tolerance: float
    cause: str

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.cause


@dataclass(frozen=True)
class ExpressionCheck:
    """An expression with its graph and its derivatives.

    Attributes:
        expression: the text.
        at: the values of the variables.
        result: name of the result.
        value: its value.
        nodes: variables first, then operations, the result last.
        derivatives: by each variable.
    """

    expression: str
    at: Mapping[str, float]
    result: str
    value: float
    nodes: tuple[Node, ...]
    derivatives: tuple[Derivative, ...]

    @property
    def ok(self) -> bool:
        """Whether every derivative is right."""
        return all(each.ok for each in self.derivatives)

    @property
    def chain(self) -> str:
        """Autograd's operations from the result along the first variable operands.

        Example:
            >>> check_expression("exp(-t)", {"t": 0.0}).chain
            'ExpBackward0 → NegBackward0 → AccumulateGrad'
        """
        by_name = {each.name: each for each in self.nodes}
        found = [self.nodes[-1]]
        while found[-1].slopes:
            found.append(by_name[max(found[-1].slopes, key=lambda s: by_name[s.operand].text != "").operand])
        return " → ".join(each.operation for each in found)

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain values; a number that is not finite as a text."""
        return {"kind": "expression", "ok": self.ok, "chain": self.chain, **plain(asdict(self))}


def plain(value: Any) -> Any:
    """Return a tree of plain values that JSON can hold.

    Example:
        >>> plain({"a": (1.5, float("nan"))})
        {'a': [1.5, 'nan']}
    """
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def check_expression(text: str, at: Mapping[str, float]) -> ExpressionCheck:
    """Return the derivatives of an expression, step by step.

    Args:
        text: the expression, as Python writes it. It is parsed, not run.
        at: the value of every variable.

    Raises:
        OptionError: it cannot be read, or a variable has no value.

    Example:
        >>> found = check_expression("(1 - log(1 + exp(t)))**2", {"t": 1.0})
        >>> found.derivatives[0].autograd, found.ok
        (0.4580252880326174, True)
        >>> [(each.name, each.text, each.operation) for each in found.nodes[-2:]]
        [('v4', '1 - v3', 'RsubBackward1'), ('z', 'v4**2', 'PowBackward0')]
    """
    tree = parse(text)
    used = [name for name in names(tree) if name in at or name not in CONSTANTS]
    _check_values(text, used, at)
    if not used:
        raise OptionError(f"{text!r} has no variable", hint="write one, such as t, and its value: --at t=1.")
    graph = _Graph({name: float(at[name]) for name in used})
    result = graph.visit(tree)
    assert isinstance(result, Tensor)
    nodes = graph.nodes(result)
    return ExpressionCheck(
        expression=text,
        at=dict(graph.at),
        result=nodes[-1].name,
        value=nodes[-1].value,
        nodes=nodes,
        derivatives=tuple(_derivatives(tree, graph, result, nodes)),
    )


def _check_values(text: str, used: list[str], at: Mapping[str, float]) -> None:
    missing = [name for name in used if name not in at]
    if missing:
        values = ",".join(f"{name}=1" for name in missing)
        raise OptionError(
            f"the expression {text!r} has no value for {', '.join(missing)}",
            hint=f"give it: --at {values}.",
            python=f"give it: at={values!r}.",
        )
    unused = [name for name in at if name not in used]
    if unused:
        raise OptionError(
            f"{unused[0]!r} is no variable of {text!r}",
            hint=f"its variables are {', '.join(used) or '(none)'}.",
        )


@dataclass(frozen=True)
class _Made:
    tensor: Tensor
    operation: Operation | None = None
    operands: tuple[Tensor | float, ...] = ()
    slopes: tuple[float, ...] = ()
    """Of the operands that are tensors."""


class _Graph:
    """Computes an expression and remembers its operations."""

    def __init__(self, at: Mapping[str, float]) -> None:
        self.at = at
        self.leaves = {
            name: torch.tensor(value, dtype=torch.float64, requires_grad=True) for name, value in at.items()
        }
        self.made = [_Made(leaf) for leaf in self.leaves.values()]

    def visit(self, node: ast.expr) -> Tensor | float:
        """Return the value of a part: a tensor, or a number where it has no variable."""
        match node:
            case ast.Constant(value=value):
                return float(value)  # pyright: ignore[reportArgumentType]
            case ast.Name(id=name):
                return self.leaves[name] if name in self.leaves else CONSTANTS[name]
            case ast.BinOp(left=left, op=op, right=right):
                return self._apply(OPERATORS[type(op)], self.visit(left), self.visit(right))
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.visit(operand)
            case ast.UnaryOp(operand=operand):
                return self._apply(OPERATORS[ast.USub], self.visit(operand))
            case ast.Call(func=ast.Name(id=name), args=arguments):
                return self._apply(FUNCTIONS[name], *map(self.visit, arguments))
            case _:
                raise AssertionError(ast.dump(node))

    def _apply(self, operation: Operation, *operands: Tensor | float) -> Tensor | float:
        if not any(isinstance(each, Tensor) for each in operands):
            return operation.apply(*map(_wide, operands)).item()
        # A number stays one in an operator, so that autograd's graph is the one that a person's own code has.
        given = operands if operation in OPERATORS.values() else tuple(map(_wide, operands))
        result = operation.apply(*given)
        slopes = tuple(
            _local(operation, given, place) for place, each in enumerate(operands) if isinstance(each, Tensor)
        )
        self.made.append(_Made(result, operation, operands, slopes))
        return result

    def nodes(self, result: Tensor) -> tuple[Node, ...]:
        """Return all nodes with their adjoints; the result is the last."""
        named = self._names(result)
        adjoints = dict.fromkeys(named, 0.0)
        adjoints[id(result)] = 1.0
        for each in reversed(self.made):
            variable = [operand for operand in each.operands if isinstance(operand, Tensor)]
            for operand, slope in zip(variable, each.slopes, strict=True):
                adjoints[id(operand)] += adjoints[id(each.tensor)] * slope
        return tuple(_node(each, named, adjoints[id(each.tensor)]) for each in self.made)

    def _names(self, result: Tensor) -> dict[int, str]:
        """Return the name of every node, none of them twice."""
        letter = next(each for each in "vuabcdfghkmnpqrs" if not any(n[0] == each for n in self.leaves))
        named = {id(leaf): name for name, leaf in self.leaves.items()}
        if id(result) not in named:
            named[id(result)] = next(each for each in ("z", "y", "f", "result") if each not in self.leaves)
        for each in self.made:
            named.setdefault(id(each.tensor), f"{letter}{len(named) - len(self.leaves)}")
        return named


def _node(made: _Made, named: Mapping[int, str], adjoint: float) -> Node:
    name = named[id(made.tensor)]
    function = made.tensor.grad_fn
    value = made.tensor.item()
    if made.operation is None or function is None:
        return Node(name, "", LEAF, value, (), adjoint)
    texts = [
        named[id(each)] if isinstance(each, Tensor) else _bracketed(f"{each:.15g}") for each in made.operands
    ]
    places = [place for place, each in enumerate(made.operands) if isinstance(each, Tensor)]
    slopes = tuple(
        Slope(texts[place], _formula(made.operation, place, made.operands, texts, name), slope)
        for place, slope in zip(places, made.slopes, strict=True)
    )
    return Node(name, made.operation.text.format(*texts), function.name(), value, slopes, adjoint)


def _wide(value: Tensor | float) -> Tensor:
    return value if isinstance(value, Tensor) else torch.tensor(value, dtype=torch.float64)


def _bracketed(text: str) -> str:
    """Return an operand as it stands within an operation: a negative number in brackets."""
    return f"({text})" if text.startswith("-") else text


def _formula(
    operation: Operation, place: int, operands: Sequence[Tensor | float], texts: Sequence[str], result: str
) -> str:
    """Return a local derivative in words; a power's is shortened where its exponent is a number."""
    if operation is OPERATORS[ast.Pow] and place == 0 and not isinstance(operands[1], Tensor):
        less = operands[1] - 1
        power = "" if less == 1 else f"**{_bracketed(f'{less:.15g}')}"
        return f"{texts[1]} * {texts[0]}{power}" if less else texts[1]
    return operation.slopes[place].format(*texts, z=result)


def _local(operation: Operation, given: Sequence[Tensor | float], place: int) -> float:
    """Return the derivative of an operation by one of its operands alone."""
    alone = [each.detach() if isinstance(each, Tensor) else each for each in given]
    by = _wide(alone[place]).requires_grad_(True)
    alone[place] = by
    [slope] = torch.autograd.grad(operation.apply(*alone), by)
    return slope.item()


def _derivatives(tree: ast.expr, graph: _Graph, result: Tensor, nodes: tuple[Node, ...]) -> list[Derivative]:
    found: list[Derivative] = []
    steps = {each.name: each.adjoint for each in nodes}
    for name, leaf in graph.leaves.items():
        [gradient] = torch.autograd.grad(result, leaf, retain_graph=True)

        def moved(distance: float, name: str = name) -> float:
            made = _Graph({**graph.at, name: graph.at[name] + distance}).visit(tree)
            return made.item() if isinstance(made, Tensor) else made

        size = abs(graph.at[name]) or 1.0
        varies = max(abs(moved(end) - result.item()) for end in (-size, size)) / size
        estimate = derivative(moved, max(1.0, size), noise_of(moved, size))
        autograd = gradient.item()
        tolerance = SAFETY * estimate.error + RELATIVE * abs(autograd)
        cause = _cause(result.item(), varies, autograd, estimate, tolerance)
        found.append(Derivative(name, steps[name], autograd, estimate, tolerance, cause))
    return found


def _cause(value: float, varies: float, autograd: float, estimate: FiniteDifference, tolerance: float) -> str:
    if not math.isfinite(value):
        return f"the value is {value} here: a function is outside its domain, or overflows"
    if not math.isfinite(autograd):
        return f"the derivative is {autograd} here, though the value is {value:.6g}"
    if estimate.kink:
        return (
            f"not differentiable near here: a kink: the slope is {estimate.left:.6g} from the left and "
            f"{estimate.right:.6g} from the right; autograd takes {autograd:.6g}"
        )
    if estimate.edge or not math.isfinite(estimate.value):
        return "not differentiable here: the expression has no value on one side of this point"
    if tolerance > abs(autograd) > UNDECIDED * varies:
        return f"not decided: the finite difference has an error of up to {tolerance:.1g}, more than the derivative"
    if abs(autograd - estimate.value) > tolerance:
        return f"autograd differs from finite differences by {abs(autograd - estimate.value):.3g}"
    return ""
