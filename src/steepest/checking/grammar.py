"""What an expression may consist of: numbers, variables, operators and some functions, with their derivatives in words.

An expression is parsed and never run as Python: whatever is not in these tables is refused.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from steepest.errors import OptionError, unknown_name

CONSTANTS = {"pi": math.pi, "e": math.e}
DEEPEST = 100
"""Operations within each other."""
LONGEST = 10_000


@dataclass(frozen=True)
class Operation:
    """An operation of an expression.

    Attributes:
        apply: computes it on tensors or numbers; at least one is a tensor.
        text: how it is written, with ``{0}`` and ``{1}`` for its operands.
        slopes: its derivative by each operand, written so that it can be checked by hand; ``{z}`` is its own value.
    """

    apply: Callable[..., Tensor]
    text: str
    slopes: tuple[str, ...]


def _power(base: Any, exponent: Any) -> Any:
    return base**exponent


OPERATORS: dict[type[ast.AST], Operation] = {
    ast.Add: Operation(lambda a, b: a + b, "{0} + {1}", ("1", "1")),
    ast.Sub: Operation(lambda a, b: a - b, "{0} - {1}", ("1", "-1")),
    ast.Mult: Operation(lambda a, b: a * b, "{0} * {1}", ("{1}", "{0}")),
    ast.Div: Operation(lambda a, b: a / b, "{0} / {1}", ("1 / {1}", "-{0} / {1}**2")),
    ast.Pow: Operation(_power, "{0}**{1}", ("{1} * {0}**({1} - 1)", "log({0}) * {z}")),
    ast.USub: Operation(lambda a: -a, "-{0}", ("-1",)),
}

FUNCTIONS: dict[str, Operation] = {
    name: Operation(apply, f"{name}({', '.join(f'{{{i}}}' for i in range(len(slopes)))})", tuple(slopes))
    for name, apply, *slopes in (
        ("exp", torch.exp, "{z}"),
        ("expm1", torch.expm1, "exp({0})"),
        ("log", torch.log, "1 / {0}"),
        ("log1p", torch.log1p, "1 / (1 + {0})"),
        ("log2", torch.log2, "1 / ({0} * log(2))"),
        ("log10", torch.log10, "1 / ({0} * log(10))"),
        ("sqrt", torch.sqrt, "1 / (2 * {z})"),
        ("sin", torch.sin, "cos({0})"),
        ("cos", torch.cos, "-sin({0})"),
        ("tan", torch.tan, "1 + {z}**2"),
        ("asin", torch.asin, "1 / sqrt(1 - {0}**2)"),
        ("acos", torch.acos, "-1 / sqrt(1 - {0}**2)"),
        ("atan", torch.atan, "1 / (1 + {0}**2)"),
        ("sinh", torch.sinh, "cosh({0})"),
        ("cosh", torch.cosh, "sinh({0})"),
        ("tanh", torch.tanh, "1 - {z}**2"),
        ("sigmoid", torch.sigmoid, "{z} * (1 - {z})"),
        ("softplus", functional.softplus, "sigmoid({0})"),
        ("relu", torch.relu, "1 if {0} > 0 else 0"),
        ("abs", torch.abs, "sign({0})"),
        ("square", torch.square, "2 * {0}"),
        ("erf", torch.erf, "2 / sqrt(pi) * exp(-{0}**2)"),
        (
            "max",
            torch.maximum,
            "1 if {0} > {1}, 1/2 if equal, else 0",
            "1 if {1} > {0}, 1/2 if equal, else 0",
        ),
        (
            "min",
            torch.minimum,
            "1 if {0} < {1}, 1/2 if equal, else 0",
            "1 if {1} < {0}, 1/2 if equal, else 0",
        ),
    )
}


def parse(text: str) -> ast.expr:
    """Return the tree of an expression.

    Raises:
        OptionError: it is no expression of numbers, variables, operators and known functions.

    Example:
        >>> names(parse("w * x + exp(-t)**2"))
        ['w', 'x', 't']
        >>> parse("__import__('os')")
        Traceback (most recent call last):
        ...
        steepest.errors.UnknownNameError: unknown function '__import__'
        Hint: Known: abs, acos, asin, atan, cos, cosh, erf, exp, expm1, log, log10, log1p, log2, max, min, relu, \
sigmoid, sin, sinh, softplus, sqrt, square, tan, tanh.
    """
    if len(text) > LONGEST:
        raise OptionError(
            f"the expression has {len(text):,} characters", hint=f"at most {LONGEST:,} are read."
        )
    try:
        tree = ast.parse(text.strip().replace("^", "**"), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise OptionError(
            f"cannot read the expression {text!r}",
            hint="write it as in Python, with * for every product: '(1 - log(1 + exp(t)))**2'.",
        ) from None
    _check(tree, DEEPEST)
    return tree


def _check(node: ast.expr, deeper: int) -> None:
    if deeper == 0:
        raise OptionError(
            f"the expression is more than {DEEPEST} operations deep", hint="check a part of it."
        )
    match node:
        case ast.Constant(value=bool() | complex()):
            pass
        case ast.Constant(value=int() | float()) | ast.Name():
            return
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            _check(left, deeper - 1)
            _check(right, deeper - 1)
            return
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            _check(operand, deeper - 1)
            return
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            if name not in FUNCTIONS:
                raise unknown_name("function", name, FUNCTIONS)
            wanted = len(FUNCTIONS[name].slopes)
            if len(arguments) != wanted:
                raise OptionError(
                    f"{name} has {len(arguments)} arguments", hint=f"it takes {wanted}: {ast.unparse(node)}."
                )
            for each in arguments:
                _check(each, deeper - 1)
            return
        case _:
            pass
    raise OptionError(
        f"{ast.unparse(node)!r} cannot stand in an expression",
        hint="numbers, variables, + - * / **, brackets and functions such as exp(t) can.",
    )


def names(tree: ast.expr) -> list[str]:
    """Return the variables of an expression, constants too, in the order in which they are written.

    Example:
        >>> names(parse("b - a * b + pi"))
        ['b', 'a', 'pi']
    """
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in called]
    found.sort(key=lambda node: (node.lineno, node.col_offset))
    return list(dict.fromkeys(node.id for node in found))
