"""The cells of a study's table of arms: means over seeds with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from steepest.compare.evidence import estimate_of
from steepest.report.format import estimate
from steepest.studies.base.found import StudyColumn, mean_text


@dataclass(frozen=True)
class PerplexityColumn(StudyColumn):
    """A column of perplexities: the exponentials of a mean loss and of the ends of its interval."""

    percent: bool = False
    digits: int = 2


def cell(column: StudyColumn, values: Sequence[float]) -> str:
    """Return the mean of the values of the seeds with its 95 % interval, as far as there is one.

    Example:
        >>> column = PerplexityColumn("perplexity", lambda *_: [])
        >>> cell(column, [100.0, 103.0, 106.0]), cell(column, [261.9, 261.9]), cell(column, [9.0])
        ('102.97 [95.78, 110.70]', '261.90', '9.00')
    """
    if isinstance(column, PerplexityColumn):
        found = estimate_of(values, "perplexity")
        if found.cut and not found.same:
            return estimate(found, decimals=column.digits)
        values = values[:1] if found.same else values
    return mean_text(values, percent=column.percent, digits=column.digits)
