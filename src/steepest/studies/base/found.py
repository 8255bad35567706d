"""The measured numbers of a study: by arm and seed, with intervals, and paired differences."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from steepest.compare.intervals import paired_t, t_interval
from steepest.compare.result import Comparison
from steepest.compare.sizes import NetworkSize
from steepest.record.arms import ArmEntry
from steepest.record.schema import Record
from steepest.report.digits import ROUNDING
from steepest.report.format import own_decimals
from steepest.studies.base.data import StudyData

Weights = Literal["best", "last"]

Curve = list[tuple[int, float]]


@dataclass(frozen=True)
class StudyColumn:
    """A column of the table of arms: a mean over seeds with half the width of its interval.

    Attributes:
        head: its head.
        of: returns the values of the seeds from the numbers, the comparison's name and the arm's title.
        percent: whether it is a share, shown in percent.
        digits: digits behind the point.
    """

    head: str
    of: Callable[[Found, str, str], Sequence[float]]
    percent: bool = True
    digits: int = 1


def headed(*heads: str) -> list[StudyColumn]:
    """Return the columns of a study that gives the cells of all its rows itself.

    Example:
        >>> [each.head for each in headed("rate", "loss")]
        ['rate', 'loss']
    """
    return [StudyColumn(head, _nothing, percent=False) for head in heads]


def _nothing(found: Found, of: str, arm: str) -> list[float]:
    del found, of, arm
    return []


class Gap(NamedTuple):
    """A paired difference over seeds.

    Attributes:
        mean, low, high: of ``first − second`` with its t interval, which holds together with those of the differences
            that it was computed with; NaN where there is none.
        n: pairs.
    """

    mean: float
    low: float
    high: float
    n: int

    def text(self, *, percent: bool = True, digits: int = 1) -> str:
        """Return the size of the difference with its interval, such as ``1.2 [0.4, 2.0]``.

        An end that is not zero is never written as zero: its sign says whether the interval excludes it.

        Example:
            >>> Gap(-0.012, -0.02, -0.004, 5).text()
            '−1.2 [−2.0, −0.4] points'
            >>> Gap(-0.014, -0.028, -0.0003, 5).text()
            '−1.4 [−2.8, −0.03] points'
            >>> Gap(0.0, math.nan, math.nan, 5).text()  # all seeds have the same difference
            '0.0 points with every seed'
            >>> Gap(math.nan, math.nan, math.nan, 0).text()
            'not known, as runs failed'
        """
        if math.isnan(self.mean):
            return "not known, as runs failed"
        scale = 100 if percent else 1
        mean = signed(self.mean * scale, digits)
        low, high = (signed_end(each * scale, digits) for each in (self.low, self.high))
        unit = " points" if percent else ""
        if math.isnan(self.low):
            return f"{mean}{unit} with {'every seed' if self.n > 1 else 'one seed'}"
        return f"{mean} [{low}, {high}]{unit}"

    @property
    def verdict(self) -> str:
        """``more``, ``less`` or ``same``: what the interval supports of the first against the second."""
        if self.low > 0:
            return "more"
        return "less" if self.high < 0 else "same"


def signed(value: float, digits: int) -> str:
    """Return a number with so many digits and a true minus sign; a rounded zero has none.

    Example:
        >>> signed(-1.25, 1), signed(-0.01, 1), signed(2.0, 0)
        ('−1.2', '0.0', '2')
    """
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if not float(text) else text.replace("-", "−")


def signed_end(value: float, digits: int) -> str:
    """Return an end of an interval as :func:`signed` does, with more digits where these would round it to zero.

    Example:
        >>> signed_end(-0.03, 1), signed_end(-1.25, 1), signed_end(0.0, 1), signed_end(1e-14, 1)
        ('−0.03', '−1.2', '0.0', '0.0')
    """
    return signed(value, digits if abs(value) < ROUNDING else own_decimals(value, digits))


class Found:
    """The numbers of a finished study.

    Args:
        comparisons: by name.
        records: the records of their runs, by (recipe, seed).
        data: the data.
        size: of the study.
        measured: the numbers of its measurements, by their names.
    """

    def __init__(
        self,
        comparisons: Mapping[str, Comparison],
        records: Mapping[str, Mapping[tuple[str, int], Record]],
        data: StudyData,
        size: str,
        measured: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.comparisons, self.data, self.size = comparisons, data, size
        self.measured = measured or {}
        self._records = records

    def arms(self, of: str = "") -> list[ArmEntry]:
        """Return the arms of a comparison in the order in which the study lists them."""
        return list(self.comparisons[of].arms)

    def network_size(self, arm: str, of: str = "") -> NetworkSize:
        """Return how large the saved network of an arm is, where one of its comparison is pruned."""
        entry = next(each for each in self.arms(of) if arm in (each.title, each.name))
        return next(each for each in self.comparisons[of].sizes if each.arm == entry.title)

    def records(self, arm: str, of: str = "") -> list[Record]:
        """Return the final runs of an arm, by seed."""
        entry = next(each for each in self.arms(of) if arm in (each.title, each.name))
        runs = [tuple(each.rsplit("-", 1)) for each in entry.runs]
        found = [self._records[of][recipe, int(seed)] for recipe, seed in runs]
        return sorted((each for each in found if each.key.phase == "final"), key=lambda each: each.key.seed)

    def values(self, metric: str, arm: str, weights: Weights = "best", of: str = "") -> list[float]:
        """Return a test metric of every seed of an arm; NaN for a run that failed."""
        found: list[float] = []
        for record in self.records(arm, of):
            last = record.test_last if weights == "last" else {}
            found.append((last or record.test).get(metric, math.nan))
        return found

    def validation(self, metric: str, arm: str, weights: Weights = "best", of: str = "") -> list[float]:
        """Return a validation metric of every seed of an arm; infinite for a run that failed."""
        return [
            math.inf if each.failed else (each.last if weights == "last" else each.best).get(metric, math.inf)
            for each in self.records(arm, of)
        ]

    def training_loss(self, arm: str, of: str = "") -> list[float]:
        """Return the training loss of every seed of an arm before its last evaluation, a mean over the steps there."""
        return [each.curve[-1].train_loss for each in self.records(arm, of)]

    def logged(self, name: str, arm: str, of: str = "") -> list[Curve]:
        """Return what every seed of an arm has logged under a name."""
        return [record.logged.get(name, []) for record in self.records(arm, of)]

    def last_logged(self, name: str, arm: str, of: str = "") -> list[float]:
        """Return the last number that every seed of an arm has logged under a name; NaN where there is none."""
        return [curve[-1][1] if curve else math.nan for curve in self.logged(name, arm, of)]

    def logged_at(self, name: str, arm: str, step: int, of: str = "") -> list[float]:
        """Return what every seed of an arm has logged at the last step up to one."""
        found = [[value for at, value in curve if at <= step] for curve in self.logged(name, arm, of)]
        return [each[-1] if each else math.nan for each in found]

    def reached(self, name: str, arm: str, value: float, of: str = "") -> list[float]:
        """Return the first step at which every seed of an arm has logged at least a value; infinite where none has."""
        return [
            next((float(step) for step, each in curve if each >= value), math.inf)
            for curve in self.logged(name, arm, of)
        ]


def gaps(pairs: Sequence[tuple[Sequence[float], Sequence[float]]]) -> list[Gap]:
    """Return paired differences over seeds, with intervals that all hold together with 95 % probability (Bonferroni).

    Example:
        >>> [found] = gaps([([0.9, 0.8, 0.85], [0.5, 0.45, 0.4])])
        >>> round(found.mean, 3), found.verdict
        (0.4, 'more')
        >>> wider, _ = gaps([([0.9, 0.8, 0.85], [0.5, 0.45, 0.4])] * 2)
        >>> wider.high > found.high
        True
    """
    level = 1 - 0.05 / len(pairs)
    found = [paired_t(first, second, level) for first, second in pairs]
    return [Gap(each.mean, each.low, each.high, each.n) for each in found]


def mean(values: Sequence[float]) -> float:
    """Return the mean of numbers, of which one may be infinite.

    Example:
        >>> mean([1.0, 3.0])
        2.0
    """
    return sum(values) / len(values)


def mean_text(values: Sequence[float], *, percent: bool = True, digits: int = 1) -> str:
    """Return a mean over seeds with half the width of its 95 % interval.

    Example:
        >>> mean_text([0.5, 0.6, 0.7]), mean_text([1.0, 1.0])
        ('60.0 ±24.8', '100.0')
    """
    scale = 100 if percent else 1
    mean, _, high = t_interval(values)
    if math.isnan(mean):
        return "–"
    text = signed(mean * scale, digits)
    return text if math.isnan(high) else f"{text} ±{signed((high - mean) * scale, digits)}"


def ends(values: Sequence[float], scale: float = 1.0) -> tuple[float, float, float]:
    """Return the mean and the ends of its 95 % interval; the ends are the mean where there is no interval."""
    mean, low, high = t_interval(values)
    return (
        mean * scale,
        (mean if math.isnan(low) else low) * scale,
        (mean if math.isnan(high) else high) * scale,
    )


def times(gap: Gap) -> str:
    """Return a difference of decadic logarithms as a factor.

    Example:
        >>> times(Gap(1.0, 0.5, 1.5, 5)), times(Gap(-1.0, -2.5, 0.5, 5))
        ('10 [3.2, 32] times', '0.1 [0.0032, 3.2] times')
    """
    if math.isnan(gap.mean):
        return gap.text()
    mean, low, high = (f"{float(f'{10**each:.2g}'):,g}" for each in gap[:3])
    return f"{mean} times" if math.isnan(gap.low) else f"{mean} [{low}, {high}] times"
