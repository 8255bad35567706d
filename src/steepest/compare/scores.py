"""What each arm gets on the test rows, by seed and row: what differences, effects and interactions are made of."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steepest.compare.folds import SetKind, check_sets
from steepest.evaluate.rowwise import RAREST, by_row, in_groups

MOST_ROWS = 20_000
"""More test rows than this are averaged in groups of equal size first."""

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """What one arm or one baseline gets on the test rows, or a weighted sum of several arms.

    Attributes:
        name: how it is called.
        metric: name of the metric.
        values: of each seed ``[S]``, NaN for a diverged run; one value for a baseline. With several test sets the means
            of each set.
        rows: of each seed and row (or group of rows) ``[S, G]``, or None if the metric has no value by row, and with
            several test sets.
        n_rows: how many test rows the values are of; 0 if that is not known.
        rarest: how many of them are of the rarest class; None for a number, or if that is not known.
        seeded: whether another seed would give another value; a baseline is fitted once.
        weights: the arms that it is a weighted sum of, with their weights; empty for an arm itself.
        sets: its scores on each of several test sets; empty where there is one.
        kind: how the test sets came about.
        test_share: the share of a table's rows, training and test rows together, that one of several test sets has.
    """

    name: str
    metric: str
    values: Values
    rows: Values | None = None
    n_rows: int = 0
    rarest: int | None = None
    seeded: bool = True
    weights: tuple[tuple[str, float], ...] = ()
    sets: tuple[Scores, ...] = ()
    kind: SetKind = "folds"
    test_share: float = 0.0

    @property
    def made_of(self) -> tuple[tuple[str, float], ...]:
        """The arms that it is a weighted sum of, with their weights; an arm is made of itself."""
        return self.weights or ((self.name, 1.0),)

    def without(self, dropped: NDArray[np.bool_]) -> Scores:
        """Return the scores without some seeds, of one test set."""
        rows = None if self.rows is None else self.rows[~dropped]
        return replace(self, values=self.values[~dropped], rows=rows)


def scores(
    name: str,
    metric: str,
    values: Sequence[float],
    kept: Sequence[Mapping[str, ArrayLike] | None],
    *,
    seeded: bool = True,
) -> Scores:
    """Return the scores of one arm or baseline.

    Args:
        name: how it is called.
        metric: name of the metric.
        values: its value for each seed; NaN for a diverged run.
        kept: what is known of each seed's test rows, as :func:`by_row` takes it; None where nothing is.
        seeded: False for a baseline.

    Example:
        >>> found = scores("adam", "accuracy", [0.5, 1.0], [{"correct": [True, False]}, {"correct": [True, True]}])
        >>> found.rows.tolist(), found.n_rows
        ([[1.0, 0.0], [1.0, 1.0]], 2)
    """
    exact = np.asarray(values, dtype=np.float64).reshape(-1)
    tables = [None if each is None else by_row(metric, each) for each in kept]
    known = [each for each in tables if each is not None and np.isfinite(each).all()]
    lengths = {len(each) for each in known}
    usable = len(kept) == len(exact) and len(lengths) == 1
    complete = usable and all(
        not math.isfinite(value) or (each is not None and bool(np.isfinite(each).all()))
        for value, each in zip(exact, tables, strict=True)
    )
    n_rows = min((len(np.asarray(each["loss"])) for each in kept if each and "loss" in each), default=0)
    rarest = min((int(np.asarray(each[RAREST])[0]) for each in kept if each and RAREST in each), default=None)
    if not complete:
        return Scores(name, metric, exact, n_rows=n_rows, seeded=seeded)
    length = lengths.pop()
    empty = np.full(length, math.nan)
    rows = np.stack(
        [
            empty if each is None or not math.isfinite(value) else each
            for value, each in zip(exact, tables, strict=True)
        ]
    )
    return Scores(name, metric, exact, in_groups(rows, MOST_ROWS), n_rows or length, rarest, seeded)


def over_sets(each: Sequence[Scores], kind: SetKind, test_share: float) -> Scores:
    """Return the scores of one arm or baseline on several test sets as one, which every comparison takes as it is.

    A seed of one set is another run than the seed with the same number of another set. What an interval over several
    test sets holds is written in :mod:`steepest.compare.folds`.

    Args:
        each: of one arm, its scores on each test set.
        kind: ``folds`` where each row is tested once, ``repeats`` where every split draws its test rows anew.
        test_share: the share of the rows, training and test rows together, that a test set has: 0.2 with five folds.

    Raises:
        OptionError: the share is out of range.

    Example:
        >>> halves = [scores("adam", "f1", [0.5, 0.7], [None, None]), scores("adam", "f1", [0.8, 0.6], [None, None])]
        >>> over_sets(halves, "folds", 0.5).values.round(3).tolist()
        [0.6, 0.7]
    """
    if len(each) == 1:
        return each[0]
    check_sets(len(each), test_share)
    first, counts = each[0], [one.n_rows for one in each]
    rarest = [one.rarest for one in each if one.rarest is not None]
    # of repeated splits, the share of the tested rows that are expected to be different ones
    distinct = (1.0 - (1.0 - test_share) ** len(each)) / len(each) / test_share if kind == "repeats" else 1.0
    return Scores(
        name=first.name,
        metric=first.metric,
        values=np.array([_mean(one.values) for one in each]),
        n_rows=round(distinct * sum(counts)) if all(counts) else 0,
        rarest=round(distinct * sum(rarest)) if len(rarest) == len(each) else None,
        seeded=first.seeded,
        sets=tuple(each),
        kind=kind,
        test_share=test_share,
    )


def weighted(name: str, arms: Sequence[Scores], weights: Sequence[float]) -> Scores:
    """Return a weighted sum of arms, seed by seed and row by row; a seed that one of them lacks, the sum lacks.

    Args:
        name: how the sum is called.
        arms: scores on the same test rows with the same seeds.
        weights: one for each.

    Example:
        >>> one, other = scores("a", "f1", [0.5, 0.7], []), scores("b", "f1", [0.9, 0.8], [])
        >>> weighted("mean", [one, other], [0.5, 0.5]).values.tolist()
        [0.7, 0.75]
    """
    first, factors = arms[0], np.asarray(weights, dtype=np.float64)
    made_of: dict[str, float] = {}
    for arm, factor in zip(arms, factors, strict=True):
        for part, weight in arm.made_of:
            made_of[part] = made_of.get(part, 0.0) + float(factor) * weight
    rarest = [arm.rarest for arm in arms if arm.rarest is not None]
    tables = [arm.rows for arm in arms if arm.rows is not None]
    alike = len(tables) == len(arms) and len({table.shape for table in tables}) == 1
    return replace(
        first,
        name=name,
        values=np.tensordot(factors, np.stack([arm.values for arm in arms]), 1),
        rows=np.tensordot(factors, np.stack(tables), 1) if alike else None,
        n_rows=min(arm.n_rows for arm in arms),
        rarest=min(rarest, default=None),
        weights=tuple(made_of.items()),
        sets=tuple(weighted(name, some, weights) for some in zip(*(arm.sets for arm in arms), strict=True)),
    )


def _mean(values: Values) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else math.nan
