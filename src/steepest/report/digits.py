"""How many digits a metric is shown with: decided once, for table, sentence, report and export alike."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from steepest.compare.estimates import Difference, Estimate
from steepest.compare.result import Comparison, Metric, Row
from steepest.report import format as show

ROUNDING = 1e-9
"""A difference that is so small beside its interval is what rounding leaves of none."""


@dataclass(frozen=True)
class Digits:
    """How the values and the differences of one metric are written.

    Attributes:
        decimals: of all of them; see :func:`steepest.report.format.column_decimals`.
        percent: fractions are shown times 100.
        needed: decimals that the differences need; a value of another order than its column has no more than its own
            and these.
    """

    decimals: int
    percent: bool = False
    needed: int | None = field(default=None, repr=False)

    @property
    def scale(self) -> float:
        """What stored values are multiplied with."""
        return 100.0 if self.percent else 1.0

    def value(self, value: Estimate | None, *, tight: bool = False) -> str:
        """Return a value with its interval, or a dash.

        Example:
            >>> found = Estimate(mean=0.4712, low=0.468, high=0.4744, n=5)
            >>> Digits(1, percent=True).value(found), Digits(1).value(None)
            ('47.1 ± .3', '–')
        """
        if value is None:
            return show.MISSING
        text = show.estimate(value, percent=self.percent, decimals=self.decimals, needed=self.needed)
        return text.replace("± ", "±") if tight else text

    def gap(
        self, found: Difference | None, *, sign: bool = False, tight: bool = False, forward: bool = False
    ) -> tuple[str, str]:
        """Return a difference and its interval, which is empty where there is none.

        Args:
            found: the difference; a dash where there is none.
            sign: write a plus before a positive difference.
            tight: no blank inside the brackets.
            forward: count in the direction of the difference, so that it is positive.
        """
        if found is None or not math.isfinite(found.mean):
            return show.MISSING, ""
        factor = self.scale * (math.copysign(1.0, found.mean) if forward else 1.0)
        ends = None if found.ends is None else sorted(factor * end for end in found.ends)
        low, high = ends or (None, None)
        mean = factor * found.mean
        if ends is not None and abs(mean) < ROUNDING * (ends[1] - ends[0]):
            mean = 0.0
        return show.difference(mean, low, high, self.decimals, sign=sign, tight=tight)

    def text(self, found: Difference, *, sign: bool = False, forward: bool = False) -> str:
        """Return a difference, its interval and its unit for a sentence; see :meth:`gap`.

        Example:
            >>> found = Difference(first="a", second="b", metric="accuracy", over="both", mean=0.021, low=0.01,
            ...                    high=0.032, n=5, told_apart=True)
            >>> Digits(1, percent=True).text(found, sign=True)
            '+2.1 [1.0, 3.2] points'
        """
        parts = [*self.gap(found, sign=sign, forward=forward), "points" if self.percent else ""]
        return " ".join(each for each in parts if each)

    def ends(self, found: Difference, pair: tuple[float, float]) -> str:
        """Return another interval of a difference, with the decimals of its own."""
        low, high = (None, None) if found.ends is None else (self.scale * end for end in found.ends)
        decimals = show.difference_decimals(self.scale * found.mean, low, high, self.decimals)
        return show.interval(self.scale * pair[0], self.scale * pair[1], decimals)


def digits(metric: Metric, rows: Iterable[Row], differences: Iterable[Difference] = ()) -> Digits:
    """Return how a metric is written, from the rows and the differences of a comparison.

    Where the difference of two values as they are written is not the difference that is written beside them, there are
    more digits, until the last one is worth at most a fifth of that difference's uncertainty.

    Example:
        >>> loss = Metric(name="log_loss", title="log loss", higher_is_better=False)
        >>> row = Row(kind="arm", name="adam", metrics={"log_loss": Estimate(mean=1.4, low=1.39, high=1.41, n=5)})
        >>> digits(loss, [row])
        Digits(decimals=2, percent=False)
    """
    values = {
        row.name: row.metrics[metric.name]
        for row in rows
        if row.kind in ("arm", "baseline") and metric.name in row.metrics
    }
    known = [
        each
        for each in differences
        if each.metric == metric.name and each.ends is not None and math.isfinite(each.mean)
    ]
    gaps = [(each.mean, _half(each)) for each in known]
    decimals = show.column_decimals(values.values(), gaps, percent=metric.percent)
    scale = 100.0 if metric.percent else 1.0
    sizes = [size for gap in gaps if 0 < (size := max(map(abs, gap)) * scale) < math.inf]
    needed = max(map(show.decimals_for_a_fifth, sizes), default=0)
    for each in known:
        if each.first in values and each.second in values and 0 < _half(each) * scale < math.inf:
            enough = show.decimals_for_a_fifth(_half(each) * scale)
            pair = values[each.first].mean * scale, values[each.second].mean * scale
            while decimals < enough and _contradicts(*pair, each.mean * scale, decimals):
                decimals += 1
    return Digits(decimals, metric.percent, needed)


def _half(found: Difference) -> float:
    return math.nan if found.ends is None else (found.ends[1] - found.ends[0]) / 2


def _contradicts(first: float, second: float, gap: float, decimals: int) -> bool:
    """Return whether two rounded values differ by something else than their rounded difference.

    A gap that is not the difference of the two values, because seeds are missing in one of them, contradicts nothing.

    Example:
        >>> _contradicts(126.6, 124.4, 2.2, 0), _contradicts(126.6, 124.4, 2.2, 1), _contradicts(126.6, 124.4, 9.0, 0)
        (True, False, False)
    """
    unit = 10.0**-decimals
    if not abs(first - second - gap) < unit / 2:
        return False
    return abs(round(first, decimals) - round(second, decimals) - round(gap, decimals)) > unit / 2


def digits_of(comparison: Comparison, metric: Metric) -> Digits:
    """Return how a metric of a comparison is written."""
    return digits(metric, comparison.rows, comparison.differences)


def from_winner(comparison: Comparison, name: str, metric: str) -> Difference | None:
    """Return the difference of a row from the winner, row − winner, or None if the two were not compared."""
    for each in sorted(comparison.differences, key=lambda each: each.over == "rows"):
        if each.metric == metric and {each.first, each.second} == {comparison.winner, name}:
            return each if each.first == name else each.swapped()
    return None
