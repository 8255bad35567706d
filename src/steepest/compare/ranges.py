"""Intervals end where a metric ends: no accuracy is above 1, and no loss below 0."""

from __future__ import annotations

import math
from typing import TypeVar

from steepest.compare.estimates import Difference, Estimate
from steepest.evaluate.metrics import metric_info
from steepest.objectives.tokens import LARGEST

E = TypeVar("E", bound=Estimate)


def within(found: E, metric: str) -> E:
    """Return an estimate whose interval ends where the metric does; it covers the true mean as often as before.

    Args:
        found: the mean of a metric.
        metric: its name.

    Example:
        >>> found = within(Estimate(mean=0.84, low=0.45, high=1.24, n=2), "accuracy")
        >>> found.ends
        (0.45, 1.0)
    """
    if found.ends is None:
        return found
    about, (low, high) = metric_info(metric), found.ends
    if about.least <= low and high <= about.most:
        return found
    ends = {"low": max(low, about.least), "high": min(high, about.most)}
    return found.model_copy(update={**ends, "cut": True})


def exponentiated(found: E) -> E:
    """Return the estimate of an exponential, of the estimate of its logarithm.

    Example:
        >>> found = exponentiated(Estimate(mean=0.0, low=-1.0, high=1.0, n=2))
        >>> [round(each, 3) for each in (found.mean, *found.ends)]
        [1.0, 0.368, 2.718]
    """
    ends = {
        name: None if each is None else _exp(each)
        for name, each in (("low", found.low), ("high", found.high))
    }
    return found.model_copy(update={"mean": _exp(found.mean), **ends, "cut": found.ends is not None})


def _exp(value: float) -> float:
    """Return an exponential, infinite where it is beyond the largest number."""
    return math.exp(value) if not value > LARGEST else math.inf


def difference_within(found: Difference) -> Difference:
    """Return a difference of two means whose intervals end where the difference of two values of the metric does.

    Example:
        >>> found = Difference(first="a", second="b", metric="accuracy", over="seeds", mean=0.5, low=-1.5, high=2.5,
        ...                    n=2, told_apart=False)
        >>> difference_within(found).ends
        (-1.0, 1.0)
    """
    about = metric_info(found.metric)
    span = about.most - about.least
    if not math.isfinite(span):
        return found
    ends = {"by_seeds": found.by_seeds, "by_rows": found.by_rows, "both": found.ends}
    cut = {name: each and (max(-span, each[0]), min(span, each[1])) for name, each in ends.items()}
    low, high = cut.pop("both") or (None, None)
    return found.model_copy(update={**cut, "low": low, "high": high})


def covers_all(found: Estimate, metric: str) -> bool:
    """Return whether an interval holds every value that the metric can have, and so says nothing.

    Example:
        >>> covers_all(Estimate(mean=0.7, low=0.0, high=1.0, n=2, cut=True), "accuracy")
        True
    """
    if found.ends is None or not found.cut:  # another tool's metrics are not cut, nor known here
        return False
    about, (low, high) = metric_info(metric), found.ends
    return low <= about.least and about.most <= high
