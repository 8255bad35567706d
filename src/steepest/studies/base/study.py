"""The contract of a study: question, data, arms, published numbers, checks, figure and headline."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Literal, TypeVar, get_args

from steepest.compare.studied import Beside, Check, Drawing, StudyRow, Way
from steepest.experiment.given import Arm
from steepest.studies.base.data import StudyData, three_classes
from steepest.studies.base.found import Found, StudyColumn

Value = TypeVar("Value")

Size = Literal["quick", "default", "full"]
SIZES: tuple[Size, ...] = get_args(Size)
"""Half a minute on data that comes with the package; five minutes on two cores; as published, with tuned rates."""

MAIN = ""
"""The name of a study's own comparison; further ones are in folders of their own below it."""


@dataclass(frozen=True)
class StudyArm:
    """One arm of a study.

    Attributes:
        arm: as for :func:`steepest.compare`.
        way: whether it is trained as published, with a fault corrected, or with its rate tuned.
    """

    arm: Arm
    way: Way


@dataclass(frozen=True)
class Comparing:
    """One comparison of a study.

    Attributes:
        arms: what is compared.
        options: of the protocol and the model, as for :func:`steepest.compare`.
        watching: callbacks that only watch, by reference.
    """

    arms: Sequence[StudyArm]
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    watching: Sequence[str] = ()


Measurement = Callable[[StudyData], Mapping[str, Any]]
"""What is measured without a run of training: a function of the data whose numbers can be written as JSON."""


@dataclass(frozen=True)
class Answer:
    """What a study makes of its numbers.

    Attributes:
        verdict: which of the study's headlines the intervals support.
        fields: what the headline is filled with.
        beside: published beside measured.
        checks: the checks, each with whether it holds.
        drawings: figures.
        notes: what else is to be known.
    """

    verdict: str
    fields: Mapping[str, str]
    beside: Sequence[Beside] = ()
    checks: Sequence[Check] = ()
    drawings: Sequence[Drawing] = ()
    notes: Sequence[str] = ()


class Study(ABC):
    """A named experiment that asks one question.

    A subclass in a file of :mod:`steepest.studies` declares, in the file's ``COMPONENTS``, besides its one-line
    description ``what`` the budgets ``minutes`` (on two cores) and ``tflop`` by size, and ``yours``: the command,
    without ``steepest``, that asks its question of one's own data.

    Attributes:
        name: its name.
        question: what it asks.
        source: where the published experiment is from.
        headlines: a sentence for each verdict, with the names of fields in braces.
        short: what a table with a short cell says for a verdict, with the same names of fields; by default the first
            sentence of the headline.
        sizes_differ: why its sizes may answer differently, for a study whose stored answers do.
        tasks: further tasks for a worksheet, which its numbers do not answer.
    """

    name: ClassVar[str]
    question: ClassVar[str]
    source: ClassVar[str]
    headlines: ClassVar[Mapping[str, str]]
    short: ClassVar[Mapping[str, str]] = {}
    sizes_differ: ClassVar[str] = ""
    tasks: ClassVar[Sequence[str]] = ()

    def data(self, size: Size) -> StudyData:
        """Return the data: by default three classes of images."""
        return three_classes(bundled=size == "quick")

    def comparisons(self, size: Size, data: StudyData) -> Mapping[str, Comparing]:
        """Return the comparisons by name; the one with an empty name is the study's own.

        None where everything is measured: then the study needs :meth:`measurements` and :meth:`rows`.

        Args:
            size: of the study.
            data: the data that it is made on: that of its folder where it was begun.
        """
        del size, data
        return {}

    def measurements(self, size: Size) -> Mapping[str, Measurement]:
        """Return what is measured without a run of training, by name; by default nothing.

        The numbers of each are written to the folder as soon as they are there, and are not measured again.
        """
        del size
        return {}

    @abstractmethod
    def columns(self) -> Sequence[StudyColumn]:
        """Return the columns of the table of arms."""

    def rows(self, found: Found) -> Sequence[StudyRow]:
        """Return the rows of what was measured, which stand behind those of the arms; by default none."""
        del found
        return ()

    def made_of(self, arm: str) -> Sequence[str]:
        """Return the names of what is made of an arm's networks after training: each has a row behind the arm's.

        Columns are asked for them by these names; a callback that only watches has logged what they say. By default
        nothing is made.
        """
        del arm
        return ()

    @abstractmethod
    def answer(self, found: Found) -> Answer:
        """Return what the measured numbers say."""


def by_size(size: Size, quick: Value, default: Value, full: Value) -> Value:
    """Return the value of a size.

    Example:
        >>> by_size("default", 3, 5, 10)
        5
    """
    return {"quick": quick, "default": default, "full": full}[size]
