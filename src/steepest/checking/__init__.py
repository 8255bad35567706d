"""Checks of derivatives: of expressions, losses, modules and autograd functions, and of a person's own updates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from steepest.checking.expression import ExpressionCheck, check_expression
from steepest.errors import OptionError

__all__ = ["check"]


def check(what: str, *, at: str | Sequence[str] | Mapping[str, float] = ()) -> ExpressionCheck:
    """Check the derivatives of an expression by finite differences, and show how they come about.

    Args:
        what: an expression of numbers, variables, operators and functions, as Python writes it.
        at: the value of every variable, as a mapping or as text: ``"w=2, x=-1"``.

    Returns:
        values, local derivatives and adjoints of all nodes of the graph; ``ok`` is whether the derivatives are right.

    Raises:
        OptionError: the expression cannot be read, or a variable has no value.

    Example:
        >>> found = check("(1 - log(1 + exp(t)))**2", at={"t": 1})
        >>> found.ok, round(found.value, 4), found.derivatives[0].autograd
        (True, 0.0981, 0.4580252880326174)
    """
    return check_expression(what, _values(at))


def _values(at: str | Sequence[str] | Mapping[str, float]) -> dict[str, float]:
    """Return the values of variables.

    Example:
        >>> _values(["w=2,x=-1e3", "b=0"])
        {'w': 2.0, 'x': -1000.0, 'b': 0.0}
    """
    if isinstance(at, Mapping):
        return {name: float(value) for name, value in at.items()}
    found: dict[str, float] = {}
    for text in [at] if isinstance(at, str) else at:
        for each in filter(None, (part.strip() for part in text.split(","))):
            name, equals, value = (part.strip() for part in each.partition("="))
            try:
                if not equals or not name.isidentifier():
                    raise ValueError
                number = float(value)
            except ValueError:
                raise OptionError(
                    f"cannot read --at {each!r}", hint="give numbers to variables: --at w=2,x=-1."
                ) from None
            if name in found:
                raise OptionError(f"{name} has two values in --at", hint="give it one.")
            found[name] = number
    return found
