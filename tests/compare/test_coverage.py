"""Coverage of the intervals and false claims, by seeded draws of seeds and rows from recorded runs."""

from __future__ import annotations

import itertools

import pytest

from benchmarks import coverage as simulation

TIMES = 4000  # a standard error of 0.34 points at 95 %, 0.24 at 97.6 %


@pytest.mark.parametrize(
    ("regime", "seeds", "rows"),
    [
        *itertools.product(["seeds dominate", "mixed", "rows dominate"], [3, 5, 10], [500]),
        ("seeds dominate", 10, 5000),
        ("mixed", 3, 5000),
        ("rows dominate", 5, 5000),
        ("only interaction", 5, 500),
    ],
)
def test_intervals_cover_between_93_and_98_percent(regime, seeds, rows):
    times = TIMES if seeds * rows < 20_000 else TIMES // 4  # the more seeds, the further from the limits
    table = simulation.recorded(simulation.REGIMES[regime], seeds, rows)
    found = simulation.coverage(table, seeds, rows, times)
    assert simulation.LOWEST <= found["both (ours)"] <= simulation.HIGHEST, found
    if regime == "mixed":
        assert found["seeds alone"] < simulation.LOWEST
        assert found["rows alone"] < simulation.LOWEST


@pytest.mark.parametrize("regime", ["seeds dominate", "mixed", "rows dominate"])
@pytest.mark.parametrize("comparisons", [1, 3, 8])
def test_false_claims_of_a_difference_stay_below_5_percent(regime, comparisons):
    """2,000 families each, standard error 0.49 points; two of them are allowed."""
    assert simulation.false_claims(comparisons, 5, 200, 2000, regime) <= 0.05 + 2 * 0.0049


def test_picking_the_winner_from_the_same_runs_makes_no_more_false_claims():
    """Its own three comparisons alone would: the best of four on validation is lucky on test too."""
    found = simulation.false_claims_of_the_picked(4, 5, 200, 2000, "seeds dominate")
    assert found["all pairs"] <= 0.05 + 2 * 0.0049
    assert found["its own"] > found["all pairs"]


def test_the_recorded_optimizers_are_equally_good():
    table = simulation.recorded(simulation.REGIMES["mixed"], 5, 500, 3, pool=(20, 300))
    assert table.mean((1, 2)) == pytest.approx([1.0, 1.0, 1.0])
    blocks = list(simulation.drawn(table, 4, 50, 7))
    assert sum(len(each) for each in blocks) == 7
    assert blocks[0].shape[1:] == (3, 4, 50)
