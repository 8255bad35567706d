"""Coverage of the intervals, false claims and power, by seeded draws of seeds and rows from recorded runs.

``python -m benchmarks coverage`` prints the whole of it.
"""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest

from benchmarks import coverage as simulation
from benchmarks import coverage_metrics
from benchmarks.coverage import FALSE, FAMILIES, FEW, LOWEST, POOL, Family, Tally
from steepest import rng
from steepest.evaluate.rowwise import FEWEST_ROWS


def named(value: object) -> str:
    return value.name if isinstance(value, Family) else str(value)


TIMES = 2000  # a standard error of 0.49 points at 95 %
SLACK = 2 * 0.0049


@pytest.mark.parametrize(
    ("regime", "seeds", "rows"),
    [
        *itertools.product(["seeds dominate", "mixed", "rows dominate"], [3, 5, 10], [FEWEST_ROWS]),
        ("seeds dominate", 10, 2000),
        ("mixed", 3, 2000),
        ("rows dominate", 5, 500),
        ("only interaction", 5, 500),
    ],
)
def test_intervals_cover_at_least_93_percent(regime, seeds, rows):
    table = simulation.recorded(simulation.REGIMES[regime], seeds, rows)
    found = simulation.coverage(table, seeds, rows, TIMES)
    assert found["ours"] >= LOWEST, found
    if regime == "mixed":
        assert found["seeds alone"] < LOWEST
        assert found["rows alone"] < LOWEST


@pytest.mark.parametrize("kind", ["log-normal", "log-normal both", "accuracy", "rare"])
@pytest.mark.parametrize("seeds", [1, 3, 10])
def test_as_few_rows_as_give_an_interval_cover(kind, seeds):
    assert simulation.coverage_of_few(kind, seeds, FEWEST_ROWS, TIMES)["ours"] >= LOWEST


def test_fewer_rows_would_not_and_long_tails_need_the_two_further_rows():
    few = max(each for each in FEW if each < FEWEST_ROWS)
    assert simulation.coverage_of_few("rare", 3, few, TIMES)["ours"] < LOWEST
    assert simulation.coverage_of_few("log-normal", 3, FEWEST_ROWS, TIMES)["rows as they are"] < LOWEST


@functools.cache
def found_in(family: Family, noise: str, share: float, seeds: int = 3, rows: int = 200) -> dict[str, Tally]:
    table = simulation.recorded(
        (share, 0.95 - share, 0.05), seeds, rows, family.optimizers, POOL, noise, family.baselines
    )
    return simulation.tried(family, table, seeds, rows, TIMES // 2)


HARD = [
    (family, noise, share)
    for family, noise, share in itertools.product(FAMILIES[1:], simulation.NOISE, (0.1, 0.5, 0.9))
    if (family.optimizers, noise) != (3, "two groups")
]


@pytest.mark.parametrize(("family", "noise", "share"), HARD, ids=named)
def test_families_cover_and_claim_little_with_seeds_that_vary_tenfold_or_in_groups(family, noise, share):
    found = found_in(family, noise, share)["ours"]
    assert found.lowest >= LOWEST - 0.01
    assert found.false <= FALSE + 2 * 0.0069


def test_the_family_s_seeds_alone_would_not_cover_a_noisy_optimizer():
    """Nor would the larger of own and family's, where the seeds are most of the variance."""
    found = found_in(FAMILIES[-1], "one tenfold", 0.9)
    assert found["pooled"].lowest < 0.9
    assert found["larger"].lowest < LOWEST
    assert found["larger"].false > FALSE


@pytest.mark.parametrize(
    ("family", "power"), [(FAMILIES[0], 0.95), (FAMILIES[3], 0.85), (FAMILIES[4], 0.85)], ids=named
)
def test_three_seeds_with_a_tenth_of_the_variance_do_not_hide_five_standard_errors_of_the_rows(family, power):
    table = simulation.recorded((0.1, 0.9, 0.0), 3, 1000, family.optimizers, POOL, baselines=family.baselines)
    found = simulation.tried(family, table, 3, 1000, TIMES // 2)
    assert found["ours"].seen >= power
    if len(family.pairs) > 1:
        assert found["own"].seen < 0.6


@pytest.mark.parametrize("regime", ["seeds dominate", "mixed", "rows dominate"])
@pytest.mark.parametrize("family", FAMILIES[:3], ids=named)
def test_false_claims_of_a_difference_stay_below_5_percent(regime, family):
    table = simulation.recorded(simulation.REGIMES[regime], 5, 200, family.optimizers, POOL)
    assert simulation.tried(family, table, 5, 200, TIMES)["ours"].false <= FALSE + SLACK


def test_picking_the_winner_from_the_same_runs_makes_no_more_false_claims():
    """Its own three comparisons alone would: the best of four on validation is lucky on test too."""
    found = simulation.false_claims_of_the_picked(4, 5, 200, TIMES, "seeds dominate")
    assert found["all pairs"] <= FALSE + SLACK
    assert found["its own"] > found["all pairs"]


def test_the_recorded_optimizers_are_equally_good_and_baselines_have_no_seeds():
    table = simulation.recorded(simulation.REGIMES["mixed"], 5, 500, 3, pool=(20, 300), baselines=2)
    assert table.mean((1, 2)) == pytest.approx([1.0] * 5)
    assert table[3:].std(1).max() == pytest.approx(0.0, abs=1e-12)
    noisy = simulation.recorded((1.0, 0.0, 0.0), 5, 500, 4, (2000, 5), "one tenfold")
    assert noisy[:, :, 0].var(1) == pytest.approx([50.0, 5.0, 5.0, 5.0], rel=0.25)
    blocks = list(simulation.drawn(table, 4, 50, 7))
    assert sum(len(each) for each in blocks) == 7
    assert blocks[0].shape[1:] == (5, 4, 50)


@pytest.mark.parametrize(("share", "rows"), [(0.1, 200), (0.5, FEWEST_ROWS)])
def test_metrics_that_are_no_mean_over_rows_cover(share, rows):
    found = coverage_metrics.tried(share, rows, 3, 150)  # standard error 1.8 points at 95 %
    for name, each in found.items():
        assert min(each.baseline, each.network) >= LOWEST, name
        assert each.false <= FALSE, name


@pytest.mark.parametrize("name", coverage_metrics.METRICS)
def test_the_value_in_the_population_is_that_of_very_many_rows(name):
    model = coverage_metrics.equal_baseline(name, 0.1, 0.1)
    draw = rng.stream(0, "data")
    target = np.arange(200_000) < 20_000
    inputs = draw.normal(size=(200_000, 4))
    inputs[:, 0] += (target - 0.5) * coverage_metrics.APART
    found = coverage_metrics.values(model, inputs, target, [name])[name].mean()
    assert found == pytest.approx(coverage_metrics.population(name, model, 0.1)[0], abs=0.006)
