"""What a procedure is, and how one is built from its specification."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from steepest.components import grammar
from steepest.components.references import load_reference
from steepest.components.registry import Registry
from steepest.errors import OptionError, unknown_name
from steepest.procedures.pruning import Pruning
from steepest.procedures.teaching import SavedTeacher, Teaching

Point = Literal["best", "last"]
"""Weights of a run: those that were best on the validation rows, or those after the last step."""
POINTS: tuple[Point, ...] = get_args(Point)

Draw = Literal["", "glorot", "another", "another glorot"]
"""How first weights are drawn: as the model draws them, by Glorot's rule, or either again with other random numbers."""
DRAWS: tuple[Draw, ...] = get_args(Draw)

registry = Registry("procedure", "steepest.procedures.chains")


@dataclass(frozen=True)
class Stage:
    """One run of a procedure.

    Attributes:
        share: its steps in lengths of a plain run, above 0.
        start: which weights of the stage before it starts from, or is pruned by; None for the first stage, whose
            weights are drawn.
        prune: which weights are held at zero: those that are small at ``start``; None where none are.
        rewind: where it does not start from the weights at ``start``: the share of the first stage after whose steps
            it takes its weights from there, 0 for those that were drawn; None where it goes on from ``start``.
        draw: how weights are drawn; only where the stage does not start from those of another.
        model: the specification of the model that it trains; empty for the arm's own.
        taught: how it learns of its teacher, the run of the stage before, instead of starting from its weights.
        teacher: the saved network that is its teacher instead.
        unlabelled: a file of rows of which it learns its teacher's answers alone; empty for none.
    """

    share: float
    start: Point | None = None
    prune: Pruning | None = field(default=None, repr=False)
    rewind: float | None = field(default=None, repr=False)
    draw: Draw = field(default="", repr=False)
    model: str = field(default="", repr=False)
    taught: Teaching | None = field(default=None, repr=False)
    teacher: SavedTeacher | None = field(default=None, repr=False)
    unlabelled: str = field(default="", repr=False)

    def __str__(self) -> str:
        more: dict[str, object] = {
            "pruned by": self.prune,
            "rewound to": self.rewind,
            "drawn": self.draw or None,
        }
        more |= {"of": self.model or None, "taught by": self.taught, "answered by": self.teacher}
        more["and the rows of"] = self.unlabelled or None
        said = [f" {name} {value}" for name, value in more.items() if value is not None]
        return f"{self.share!r} from {self.start}{''.join(said)}"


@dataclass(frozen=True)
class Procedure:
    """A chain of stages, each a run that starts from the weights of the one before.

    Attributes:
        stages: in order; their shares sum to ``length``.
        control: the procedure of equal length that it should be compared with.
        length: its steps in lengths of a plain run, ``train``.
        text: its specification with every option.
        title: its specification without keyword-only options at their defaults, as people read it.
    """

    stages: tuple[Stage, ...]
    control: str = "train"
    length: float = 1.0
    text: str = ""
    title: str = ""

    def prefix(self, count: int) -> str:
        """Return what the first ``count`` stages are: procedures that begin alike share these runs.

        Example:
            >>> one, other = make_procedure("continue(0.5)"), make_procedure("continue(0.5, point=last)")
            >>> one.prefix(1) == other.prefix(1), one.prefix(2) == other.prefix(2)
            (True, False)
        """
        kept = "".join(f", kept at {share!r}" for share in self.kept) if count == 1 else ""
        return ", ".join(str(each) for each in self.stages[:count]) + kept

    @property
    def kept(self) -> tuple[float, ...]:
        """The shares of the first stage after which later ones need its weights.

        Example:
            >>> make_procedure("continue").kept
            ()
        """
        return tuple(sorted({each.rewind for each in self.stages if each.rewind}))

    @property
    def models(self) -> tuple[str, ...]:
        """The models of its stages besides that of the arm.

        Example:
            >>> make_procedure("distil('mlp(hidden=(64,))')").models
            ('mlp(hidden=(64,))',)
        """
        return tuple(dict.fromkeys(each.model for each in self.stages if each.model))

    @property
    def teacher(self) -> SavedTeacher | None:
        """The saved network that answers its training rows, if there is one.

        Example:
            >>> make_procedure("distil(teacher=runs/x)").teacher
            SavedTeacher(folder='runs/x', arm='')
        """
        return next((each.teacher for each in self.stages if each.teacher), None)

    @property
    def unlabelled(self) -> str:
        """The file of rows without a label that its student learns of its teacher, too; empty where there is none.

        Example:
            >>> make_procedure("distil(linear, unlabelled='more.csv')").unlabelled
            'more.csv'
        """
        return next((each.unlabelled for each in self.stages if each.unlabelled), "")

    @property
    def prunes(self) -> bool:
        """Whether one of its stages holds weights at zero.

        Example:
            >>> make_procedure("prune(0.9)").prunes, make_procedure("train").prunes
            (True, False)
        """
        return any(each.prune for each in self.stages)


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
        wrong = next((each for each in spec.options if each not in signature.parameters), None)
        if wrong is not None:
            found = unknown_name("option", wrong, signature.parameters)
            raise OptionError(f"{name} has no option {wrong!r}", hint=found.hint) from None
        hint = f"its options are {known}." if known else "it has no options."
        raise OptionError(f"the procedure {text!r} cannot be made: {error}", hint=hint) from None
    bound.apply_defaults()
    for key, value in bound.arguments.items():  # 3 and 3.0 are the same length
        if type(value) is int and "float" in str(signature.parameters[key].annotation):
            bound.arguments[key] = float(value)
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
        shown = value if isinstance(value, str) and _PLAIN.fullmatch(value) else repr(value)
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            parts.append(shown)
        elif not short or value != parameter.default:
            parts.append(f"{key}={shown}")
    return f"{name}({', '.join(parts)})" if parts else name


_PLAIN = re.compile(r"[A-Za-z_][\w-]*")
"""Strings that stand in a specification without quotes."""


def _check(made: Procedure, text: str) -> None:
    shares = [each.share for each in made.stages]
    if not shares or not all(each > 0 for each in shares) or not math.isclose(sum(shares), made.length):
        raise OptionError(
            f"the stages of {text!r} have the shares {shares}, which do not sum to {made.length:g}",
            hint=f"give stages shares above 0 that sum to {made.length:g}: a procedure is as long as its control.",
        )
    first, *later = [each.start for each in made.stages]
    if first is not None or not all(each in POINTS for each in later):
        raise OptionError(
            f"the stages of {text!r} start from {[first, *later]}",
            hint=f"the first stage starts from None, others from {' or '.join(map(repr, POINTS))}.",
        )
