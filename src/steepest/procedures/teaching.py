"""What a student learns of its teacher, as a text in its recipe: ``teacher(0.9, temperature=4.0)``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from steepest.components import grammar
from steepest.errors import OptionError
from steepest.procedures.pruning import check_one_of, check_share

Targets = Literal["soft", "hard"]
"""What is learned of a teacher of classes: its probabilities, or its decisions."""
TARGETS: tuple[Targets, ...] = get_args(Targets)
Reduction = Literal["batchmean", "mean"]
"""What a batch's divergence is divided by: its rows, or its rows times the classes."""
REDUCTIONS: tuple[Reduction, ...] = get_args(Reduction)
NAME = "teacher"
TEMPERATURE = 4.0
"""T where none is given."""


@dataclass(frozen=True)
class Teaching:
    """How a student's loss is made of the labels and of its teacher.

    Attributes:
        alpha: share α of the teacher, from 0 to 1.
        temperature: T, by which the logits of both are divided, above 0; None for :data:`TEMPERATURE`, where it counts.
        targets: probabilities or decisions of the teacher.
        reduction: what a batch's divergence is divided by.
        squared: whether the divergence is multiplied by T².

    Example:
        >>> str(Teaching(0.9, 4.0)), read_teaching("teacher(0.9, temperature=4.0)") == Teaching(0.9, 4.0)
        ('teacher(0.9, temperature=4.0)', True)
    """

    alpha: float
    temperature: float | None = None
    targets: Targets = "soft"
    reduction: Reduction = "batchmean"
    squared: bool = True

    def __str__(self) -> str:
        usual = {"temperature": None, "targets": "soft", "reduction": "batchmean", "squared": True}
        more = {name: getattr(self, name) for name, value in usual.items() if getattr(self, name) != value}
        return str(grammar.Spec(NAME, (self.alpha,), more))

    @property
    def of_classes(self) -> list[str]:
        """The options that are given and mean something for classes only."""
        usual = Teaching(self.alpha)
        names = ("temperature", "targets", "reduction", "squared")
        return [name for name in names if getattr(self, name) != getattr(usual, name)]


@dataclass(frozen=True)
class SavedTeacher:
    """A teacher that is there already: the network of a finished comparison.

    Attributes:
        folder: of the comparison, or of one of its models.
        arm: the name, label or id of an arm of the comparison, whose network it is; empty for the best one.

    Example:
        >>> str(SavedTeacher("runs/x")), str(SavedTeacher("runs/x", "adam"))
        ("'runs/x'", "'runs/x', arm 'adam'")
    """

    folder: str
    arm: str = ""

    def __str__(self) -> str:
        return repr(self.folder) + (f", arm {self.arm!r}" if self.arm else "")


def read_teaching(text: str) -> Teaching:
    """Return what a text in a recipe says.

    Raises:
        OptionError: it is no such text, or a value is out of range.

    Example:
        >>> read_teaching("teacher(1.0)").alpha
        1.0
    """
    spec = grammar.parse(text)
    if spec.name != NAME or len(spec.arguments) != 1:
        raise OptionError(f"cannot read the teaching {text!r}", hint=f"write it as {NAME}(0.9).")
    made = Teaching(spec.arguments[0], **spec.options)
    check_teaching(made)
    return made


def check_teaching(made: Teaching) -> None:
    """Raise an ``OptionError`` if a value is out of range.

    Example:
        >>> check_teaching(Teaching(0.5, 2.0))
    """
    check_share("alpha", made.alpha, whole=True)
    if made.temperature is not None and (
        isinstance(made.temperature, bool) or not 0 < made.temperature < math.inf
    ):
        raise OptionError(
            f"temperature={made.temperature!r} is not a number above 0", hint="give one, such as 4."
        )
    check_one_of("targets of distil", made.targets, TARGETS)
    check_one_of("reduction", made.reduction, REDUCTIONS)
    if not isinstance(made.squared, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise OptionError(f"squared={made.squared!r}", hint="give true or false.")
    if made.targets == "hard" and set(made.of_classes) - {"targets"}:
        raise OptionError(
            f"{' and '.join(set(made.of_classes) - {'targets'})} is given for the teacher's decisions",
            hint="leave it out: it is of targets=soft.",
        )
