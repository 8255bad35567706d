"""What the headline of a comparison depends on, and how its numbers and names are written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from steepest.compare.effects import Factorial
from steepest.compare.estimates import Difference
from steepest.compare.limits import Limits
from steepest.compare.result import Metric, Row
from steepest.report.claims import corrected, evidence
from steepest.report.digits import Digits
from steepest.report.words import Subject


@dataclass(frozen=True)
class HeadlineCase:
    """What the headline of a comparison depends on.

    Attributes:
        metric: the deciding metric.
        written: how its values are written.
        winner: the arm that validation picked.
        rivals: the winner minus every other arm.
        against: the winner minus every baseline.
        baselines: the rows of the baselines, the best on validation first.
        recommended: the baseline that is recommended instead of the winner, or None.
        limits: what restricts the claims.
        subject: what is compared.
        factorial: main effects, where several factors vary in all combinations.
    """

    metric: Metric
    written: Digits
    winner: Row
    rivals: Sequence[Difference]
    against: Sequence[Difference]
    baselines: Sequence[Row]
    recommended: Row | None
    limits: Limits
    subject: Subject = field(default_factory=Subject)
    factorial: Factorial | None = None

    @property
    def compared(self) -> list[Difference]:
        """The differences from arms with a finished run."""
        return [each for each in self.rivals if math.isfinite(each.mean)]

    @property
    def failed(self) -> bool:
        """Whether no run of the winner finished."""
        return not math.isfinite(self.winner.metrics[self.metric.name].mean)

    def value(self, row: Row) -> str:
        """Return a row's value with its unit."""
        unit = "%" if self.metric.percent else ""
        return f"{self.written.value(row.metrics[self.metric.name])}{unit}"

    def result(self, row: Row) -> str:
        """Return the metric, a row's value, and what it is a mean of."""
        if row.kind == "baseline":
            return f"{self.metric.title} {self.value(row)}"
        return f"{self.metric.title} {self.value(row)} ({self.runs(row)})"

    def runs(self, row: Row) -> str:
        """Return how many runs the value of an arm is a mean of."""
        sets = self.subject.sets
        return self.subject.runs(row.metrics[self.metric.name].n if sets == 1 else row.seeds)

    def name(self, title: str) -> str:
        """Return how an arm or a baseline is called in a sentence."""
        return self.subject.name(title)

    @property
    def winning(self) -> str:
        """The winner, where its network has been named already."""
        return "the network" if self.subject.several else self.winner.name

    def gap(self, found: Difference) -> str:
        """Return by how much the first of a difference is better or worse, with the interval."""
        worse = (found.mean > 0) != self.metric.higher_is_better and found.mean != 0
        return f"{self.written.text(found, forward=True)} {'worse' if worse else 'better'}"

    def to(self, row: Row) -> Difference | None:
        """Return the winner minus a baseline, if the two were compared."""
        return next(
            (one for one in self.against if one.second == row.name and one.metric == self.metric.name), None
        )

    def nearest(self, found: Sequence[Difference]) -> Difference:
        """Return the difference in which the winner is the least ahead, or the furthest behind."""
        return min(found, key=lambda each: each.mean if self.metric.higher_is_better else -each.mean)


def based_on(found: Sequence[Difference]) -> str:
    """Return what differences were measured on, and whether only a correction took one away."""
    return f"{evidence(found[0])}{corrected(found)}"


def before(found: Difference) -> str:
    """Return that an interval is of this difference alone, where the correction took the difference away."""
    return "before correction, " if found.only_uncorrected else ""
