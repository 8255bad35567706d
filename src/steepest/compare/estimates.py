"""Numbers with their intervals: means, estimates over run seeds, and differences between two things compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, cast

from pydantic import model_validator

from steepest.record.schema import Frozen
from steepest.wording import significant

IDENTICAL = "identical results"
"""Why there is no interval where two arms have the same value in every seed, and on every row where rows are known."""


class Interval(Frozen):
    """A number with the ends of its 95 % interval; both are None where there is none.

    An interval without width is none: it would claim that there is no spread where none was seen.
    """

    mean: float
    low: float | None = None
    high: float | None = None
    n: int

    @model_validator(mode="before")
    @classmethod
    def _ends_have_width(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        fields = cast("dict[str, Any]", given)
        low, high = fields.get("low"), fields.get("high")
        if isinstance(low, int | float) and isinstance(high, int | float):
            narrow = not low < high
        else:
            narrow = low is None or high is None
        return fields | cls.lacking() if narrow else fields

    @classmethod
    def lacking(cls) -> dict[str, Any]:
        """Return the fields that have no value without an interval."""
        return {"low": None, "high": None}

    @property
    def ends(self) -> tuple[float, float] | None:
        """Both ends of the interval, or None."""
        return None if self.low is None or self.high is None else (self.low, self.high)


class Estimate(Interval):
    """A mean over run seeds with its 95 % t interval; there is none for one run, or where all gave the same.

    Attributes:
        same: whether several runs all gave the same.
        cut: whether the interval is not symmetric about the mean: it was cut to the range of the metric, or the metric
            is an exponential.
    """

    same: bool = False
    cut: bool = False

    @model_validator(mode="before")
    @classmethod
    def _without_spread(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        fields = cast("dict[str, Any]", given)
        low, high = fields.get("low"), fields.get("high")
        narrow = isinstance(low, int | float) and isinstance(high, int | float) and not low < high
        return fields | {"same": True} if narrow and fields.get("n", 0) > 1 else fields


class Difference(Interval):
    """``first - second`` on one metric.

    Attributes:
        over: what the interval holds: ``both`` (run seeds and test rows, crossed), ``seeds`` (paired t interval
            over run seeds: the metric has no value by row), ``rows`` (test rows alone: there is one run) or ``sets``
            (several test sets, of whose rows the metric has no values).
        mean, low, high: the difference and its 95 % interval, of this difference alone; without an interval
            there is no p-value either and nothing is told apart.
        n: pairs (seeds, of each test set where there are several; rows where ``over`` is ``rows``).
        sets: how many test sets it is the mean of; what its interval holds then: :mod:`steepest.compare.folds`.
        reason: why there is no interval, in words such as ``one seed``; None where there is one.
        told_apart: the corrected p-value is below 0.05.
        better: which of the two is better, if they are told apart.
        rows: test rows that the interval holds; 0 where it holds none.
        p: two-sided p-value of a difference of zero, consistent with the interval.
        p_adjusted: the same, corrected for the number of comparisons (Holm).
        comparisons: how many comparisons it was corrected for.
        seed_share: the seeds' share of the variance of the mean, from 0 to 1, where ``over`` is ``both``; with several
            test sets that of seeds and training sets.
        by_seeds: the ends of the 95 % interval over the run seeds alone.
        by_rows: the ends of the 95 % interval over the test rows alone.
        visible: the smallest true difference that would have been told apart with probability 0.8.
    """

    first: str
    second: str
    metric: str
    over: Literal["seeds", "rows", "both", "sets"]
    sets: int = 1
    reason: str | None = None
    told_apart: bool
    better: str | None = None
    rows: int = 0
    p: float | None = None
    p_adjusted: float | None = None
    comparisons: int = 1
    seed_share: float | None = None
    by_seeds: tuple[float, float] | None = None
    by_rows: tuple[float, float] | None = None
    visible: float | None = None

    def __str__(self) -> str:
        by = f"{self.n} seeds and {self.rows:,} rows" if self.over == "both" else f"{self.n:,} {self.over}"
        if self.sets > 1:
            runs = f"{self.sets} test sets × {self.n} seed{'' if self.n == 1 else 's'}"
            by = f"{runs} and {self.rows:,} rows" if self.over == "both" else runs
        found = f"{self.first} - {self.second} on {self.metric}: {significant(self.mean, 4)}"
        if self.ends is None or self.p_adjusted is None:
            return f"{found} (no interval: {self.reason or 'the spread is unknown'})"
        low, high = (significant(each, 4) for each in self.ends)
        verdict = "no detectable difference"
        if self.told_apart:
            verdict = f"{self.better} is better" if self.better else "detectable"
        p = f"p = {self.p_adjusted:.2g}"
        p += f" corrected for {self.comparisons} comparisons" if self.comparisons > 1 else ""
        return f"{found} [{low}, {high}] by {by}, {p}: {verdict}"

    def __repr__(self) -> str:
        return f"Difference({self})"

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval of this difference alone lies on one side of zero."""
        return self.ends is not None and (self.ends[0] > 0 or self.ends[1] < 0)

    @property
    def detected(self) -> bool | None:
        """Whether this is a detectable difference; None where that cannot be established: there is no interval."""
        return self.told_apart if self.ends is not None else None

    @property
    def only_uncorrected(self) -> bool:
        """Whether the interval of this difference alone excludes zero, and the correction took the difference away."""
        return self.excludes_zero and not self.told_apart

    @classmethod
    def lacking(cls) -> dict[str, Any]:
        """Return the fields that have no value without an interval."""
        return super().lacking() | {"p": None, "p_adjusted": None, "told_apart": False, "better": None}

    def swapped(self) -> Difference:
        """Return ``second - first``.

        Example:
            >>> found = Difference(first="a", second="b", metric="log_loss", over="seeds", mean=1.0, low=-1.0,
            ...                    high=3.0, n=5, told_apart=False, by_seeds=(-1.0, 3.0))
            >>> found.swapped().by_seeds
            (-3.0, 1.0)
        """
        low, high = _turned(self.ends) or (None, None)
        return self.model_copy(
            update={
                "first": self.second,
                "second": self.first,
                "mean": -self.mean,
                "low": low,
                "high": high,
                "by_seeds": _turned(self.by_seeds),
                "by_rows": _turned(self.by_rows),
            }
        )


def _turned(ends: tuple[float, float] | None) -> tuple[float, float] | None:
    return None if ends is None else (-ends[1], -ends[0])


def why(found: Sequence[Difference]) -> str:
    """Return why nothing is known of differences; that two arms are identical says it only where all pairs are."""
    reasons = [each.reason for each in found if each.reason]
    return next((each for each in reasons if each != IDENTICAL), reasons[0] if reasons else "one seed")
