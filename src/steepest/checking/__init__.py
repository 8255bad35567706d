"""Checks of derivatives: of expressions, losses, modules and autograd functions, and of a person's own updates."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from steepest.checking.expression import ExpressionCheck, check_expression
from steepest.checking.result import GradientCheck
from steepest.errors import OptionError, unknown_name

if TYPE_CHECKING:
    from steepest.checking.updates import UpdateCheck

__all__ = ["check"]


REFERENCE = re.compile(r"[\w./\\~-]+:[^\W\d]")
"""How a function in a file or a module begins, such as ``mine.py:loss``; an expression does not."""


def check(
    what: Any,
    *,
    at: str | Sequence[str] | Mapping[str, float] = (),
    inputs: str | Mapping[str, Any] | Sequence[Any] | None = None,
    against: str | None = None,
    timing: bool = False,
) -> ExpressionCheck | GradientCheck | UpdateCheck:
    r"""Check derivatives by autograd against finite differences, and say what is wrong with them.

    A function that returns several numbers :math:`o` is checked through :math:`s = u \cdot o` with a random :math:`u`.
    For every number :math:`x_i` of every parameter and input, or some of them where there are many,

    .. math:: \left| \frac{\partial s}{\partial x_i} - D_i \right| \le 10\, (\tau_i + \rho_i) + 10^{-9} \max_j
              \left| \frac{\partial s}{\partial x_j} \right|,

    where :math:`D_i` is a central difference, extrapolated from three steps, with its estimated truncation error
    :math:`\tau_i` and rounding error :math:`\rho_i`. It is computed in float64; the gradient in float32 is compared
    with it as well. Dropout masks are held, and batch norm normalises by the batch.

    With ``against``, an update is compared with the rule that it is meant to be: both get the same gradients for ten
    steps, and where they differ, the usual mistakes are tried until one has the same numbers.

    Args:
        what: the name of a model or a loss with its options; ``FILE:NAME`` of a function, a ``torch.nn.Module`` or a
            ``torch.autograd.Function``, or the object itself; or an expression, such as ``"exp(-t**2)"``.
        at: of an expression, the value of every variable, as a mapping or as text: ``"w=2, x=-1"``.
        inputs: of a function or a module, the tensors that it is called with, in order or by name; or a text, such as
            ``"x=normal(4, 3), target=integers(4, below=3)"``. Left out, they are made up.
        against: an optimizer by name, such as ``"rmsprop"``: ``what`` is an update of a parameter, such as
            ``update(w, g, state, lr)``, or a torch optimizer.
        timing: measure the time of a gradient by autograd and by finite differences, too.

    Returns:
        what was found; ``ok`` is whether the derivatives are right, and ``faults`` names what is not.

    Raises:
        OptionError: it cannot be read, loaded or called.

    Example:
        >>> found = check("(1 - log(1 + exp(t)))**2", at={"t": 1})
        >>> found.ok, round(found.value, 4), found.derivatives[0].autograd
        (True, 0.0981, 0.4580252880326174)
        >>> def loss(outputs, target):
        ...     return ((outputs - target) / outputs.detach().std()).square().mean()
        >>> [(each.cause, each.tensor) for each in check(loss).faults]
        [('detached', 'outputs')]
        >>> def update(w, g, state, lr):
        ...     state["v"] = 0.9 * state["v"] + 0.1 * g
        ...     return w - lr * state["v"]
        >>> check(update, against="momentum").difference.slot
        'momentum_buffer'
    """
    with torch.inference_mode(False), torch.enable_grad():  # whatever the caller is in
        return _check(what, at, inputs, against, timing)


def _check(
    what: Any,
    at: str | Sequence[str] | Mapping[str, float],
    inputs: str | Mapping[str, Any] | Sequence[Any] | None,
    against: str | None,
    timing: bool,
) -> ExpressionCheck | GradientCheck | UpdateCheck:
    if against is not None:
        from steepest.checking.updates import check_update

        if at or inputs is not None or timing:
            name = "--at" if at else "--timing" if timing else "--inputs"
            raise OptionError(
                f"{name} has no effect with --against, which makes up gradients",
                hint="leave one of the two out.",
            )
        return check_update(what, against)
    if isinstance(what, str) and not REFERENCE.match(what) and (at or _is_expression(what)):
        if timing:
            raise OptionError(
                "--timing is for functions and modules",
                hint="check one, such as steepest check mlp --timing.",
            )
        if inputs is not None:
            raise OptionError(
                "an expression has no inputs",
                hint="give values to its variables: --at t=1.",
                python="use at='t=1'.",
            )
        return check_expression(what, _values(at))
    if at:
        raise OptionError(
            "--at is for expressions",
            hint="describe what a function is called with by --inputs: --inputs 'x=normal(4, 3)'.",
            python="describe the inputs of a function by inputs='x=normal(4, 3)'.",
        )
    from steepest.checking.functions import check_function
    from steepest.checking.subject import open_subject

    subject = open_subject(what, inputs)
    found = check_function(subject)
    if not timing:
        return found
    from steepest.checking.timing import timings

    return replace(found, timing=timings(subject))


def _is_expression(text: str) -> bool:
    """Whether a text is an expression and not the name of something.

    Raises:
        UnknownNameError: it is a name that nothing has.
    """
    from steepest.checking.grammar import CONSTANTS, FUNCTIONS
    from steepest.components import grammar
    from steepest.models import registry as models
    from steepest.objectives import registry as losses

    try:
        spec = grammar.parse(text)
    except OptionError:
        return True
    known = [*models.entries, *losses.entries]
    if spec.is_reference or spec.name.lower().replace("_", "-") in known:
        return False
    if spec.name in FUNCTIONS or spec.name in CONSTANTS:
        return True
    if len(spec.name) > 1 and spec.name[0].isalpha() and not set(spec.name) & set("+-*/0123456789"):
        raise unknown_name(
            "model or loss", text, known, more=" A file's own are written FILE:NAME, an expression with --at."
        )
    return True


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
