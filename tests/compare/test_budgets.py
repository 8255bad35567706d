"""The expected best of k trials is the mean over all sets of k of them, computed by writing the sets down."""

from __future__ import annotations

import itertools
import math
import statistics

import numpy as np
import pytest

from steepest.compare.budgets import best_after, expected_best, leaders
from steepest.compare.search import BestAfter
from steepest.rng import stream

VALUES = [0.9, 0.31, math.nan, 0.5, 0.31, 0.77, 2.0]


@pytest.mark.parametrize("higher", [False, True])
def test_it_is_the_mean_over_all_sets(higher: bool) -> None:
    best, worst = (max, min) if higher else (min, max)
    known = [worst(each for each in VALUES if each == each) if each != each else each for each in VALUES]
    for k, found in enumerate(expected_best(VALUES, higher=higher), 1):
        every = [best(some) for some in itertools.combinations(known, k)]
        assert found == pytest.approx(statistics.fmean(every), rel=1e-12)


def test_it_has_no_bias_for_independent_trials() -> None:
    draw = stream(0, "data")
    pools = draw.random((4000, 6))
    means = np.mean([expected_best(pool.tolist(), higher=False) for pool in pools], axis=0)
    assert means == pytest.approx(
        [1 / (k + 1) for k in range(1, 7)], abs=0.01
    )  # the least of k uniform numbers


def test_the_interval_covers_what_new_trials_would_give() -> None:
    draw, inside = stream(1, "data"), 0
    for seed in range(60):
        found = best_after(draw.random(20).tolist(), 1.0, seed, higher=False)
        assert found is not None
        assert all(low <= high for low, high in zip(found.low, found.high, strict=True))
        inside += found.low[2] <= 1 / 4 <= found.high[2]
    assert inside >= 50


def test_nothing_is_expected_of_trials_that_all_failed() -> None:
    assert expected_best([math.nan, math.nan], higher=False) == []
    assert best_after([math.nan], 1.0, 0, higher=True) is None


def sharp(means: list[float]) -> BestAfter:
    """Return what is known without an interval."""
    return BestAfter(mean=means, low=means, high=means, length=1.0)


def test_who_is_ahead_changes_with_the_budget() -> None:
    steady, lucky = (
        sharp(expected_best([1.0] * 5, higher=False)),
        sharp(expected_best([3.0, 3.0, 3.0, 3.0, 0.0], higher=False)),
    )
    assert leaders([("steady", steady), ("lucky", lucky)], higher=False) == [
        (1, 3, "steady"),
        (4, 5, "lucky"),
    ]
    assert leaders([], higher=False) == []


def test_nobody_is_ahead_where_intervals_overlap() -> None:
    wide = BestAfter(mean=[2.0, 1.0, 0.9], low=[1.4, 0.8, 0.8], high=[2.6, 1.2, 1.0], length=0.25)
    other = sharp([2.5, 2.0, 1.9])
    assert leaders([("wide", wide), ("other", other)], higher=False) == [(1, 1, ""), (2, 3, "wide")]
