"""What a procedure is, and how one is built from its specification."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from steepest.components import grammar
from steepest.components.references import load_reference
from steepest.components.registry import Registry
from steepest.errors import OptionError

Point = Literal["best", "last"]
"""Weights of a run: those that were best on the validation rows, or those after the last step."""
POINTS: tuple[Point, ...] = get_args(Point)

registry = Registry("procedure", "steepest.procedures.chains")


@dataclass(frozen=True)
class Stage:
    """One run of a procedure.

    Attributes:
        share: its part of the steps of the whole, above 0 and at most 1.
        start: which weights of the stage before it starts from; None for the first stage, whose weights are drawn.
    """

    share: float
    start: Point | None = None


@dataclass(frozen=True)
class Procedure:
    """A chain of stages, each a run that starts from the weights of the one before.

    Attributes:
        stages: in order; their shares sum to 1.
        control: the procedure of equal length that it should be compared with.
        text: its specification with every option.
        title: its specification without keyword-only options at their defaults, as people read it.
    """

    stages: tuple[Stage, ...]
    control: str = "train"
    text: str = ""
    title: str = ""

    def prefix(self, count: int) -> str:
        """Return what the first ``count`` stages are: procedures that begin alike share these runs.

        Example:
            >>> one, other = make_procedure("continue(0.5)"), make_procedure("continue(0.5, point=last)")
            >>> one.prefix(1) == other.prefix(1), one.prefix(2) == other.prefix(2)
            (True, False)
        """
        return ", ".join(f"{each.share!r} from {each.start}" for each in self.stages[:count])


def make_procedure(text: str) -> Procedure:
    """Return the procedure that a specification names.

    Raises:
        UnknownNameError: there is none with this name.
        OptionError: an option does not exist or is out of range, or the stages are no chain of the control's length.

    Example:
        >>> found = make_procedure("continue(at=0.25)")
        >>> found.title, found.text, found.control
        ('continue(0.25)', 'continue(0.25, point=best)', 'train')
        >>> [(each.share, each.start) for each in found.stages]
        [(0.25, None), (0.75, 'best')]
    """
    spec = grammar.parse(text)
    build: Any = load_reference(spec.name, "procedure") if spec.is_reference else registry.load(spec.name)
    name = spec.name if spec.is_reference else registry.entry(spec.name).name
    signature = inspect.signature(build)
    try:
        bound = signature.bind(*spec.arguments, **spec.options)
    except TypeError as error:
        known = ", ".join(signature.parameters)
        hint = f"its options are {known}." if known else "it has no options."
        raise OptionError(f"the procedure {text!r} cannot be made: {error}", hint=hint) from None
    bound.apply_defaults()
    try:
        made = build(*bound.args, **bound.kwargs)
    except TypeError as error:
        raise OptionError(
            f"the procedure {text!r} has a value of the wrong kind: {error}",
            hint="shares are numbers, points are names such as best.",
        ) from error
    if not isinstance(made, Procedure):
        raise OptionError(
            f"{name} is not a procedure but {type(made).__name__!r}", hint="return a Procedure of stages."
        )
    _check(made, text)
    whole = _written(name, signature.parameters, bound.arguments, short=False)
    return replace(made, text=whole, title=_written(name, signature.parameters, bound.arguments, short=True))


def _written(
    name: str, parameters: Mapping[str, inspect.Parameter], values: Mapping[str, Any], *, short: bool
) -> str:
    """Return a specification; a short one leaves out keyword-only options at their defaults."""
    parts: list[str] = []
    for key, parameter in parameters.items():
        value = values[key]
        shown = value if isinstance(value, str) else repr(value)
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            parts.append(shown)
        elif not short or value != parameter.default:
            parts.append(f"{key}={shown}")
    return f"{name}({', '.join(parts)})" if parts else name


def _check(made: Procedure, text: str) -> None:
    shares = [each.share for each in made.stages]
    if not shares or not all(0 < each <= 1 for each in shares) or not math.isclose(sum(shares), 1.0):
        raise OptionError(
            f"the stages of {text!r} have the shares {shares}, which do not sum to 1",
            hint="give stages shares above 0 that sum to 1: a procedure is as long as its control.",
        )
    first, *later = [each.start for each in made.stages]
    if first is not None or not all(each in POINTS for each in later):
        raise OptionError(
            f"the stages of {text!r} start from {[first, *later]}",
            hint=f"the first stage starts from None, others from {' or '.join(map(repr, POINTS))}.",
        )
