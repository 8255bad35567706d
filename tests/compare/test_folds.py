"""Several test sets: the parts against plain loops, what is paired, what is lacking, and the corrected t test."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from benchmarks import coverage_folds as simulation
from benchmarks.coverage import FALSE, LOWEST
from steepest import rng
from steepest.compare import folds
from steepest.compare.differences import difference, differences
from steepest.compare.scores import over_sets, scores
from steepest.errors import OptionError
from steepest.evaluate import crossed
from steepest.evaluate.rowwise import RAREST


def tables(
    sets: int = 5, seeds: int = 3, rows: int = 60, shift: float = 0.0, seed: int = 0
) -> list[np.ndarray]:
    draw = rng.stream(seed, "data")
    return [
        shift + 0.05 * draw.normal() + 0.05 * draw.normal(size=(seeds, 1)) + draw.exponential(size=(1, rows))
        + 0.1 * draw.normal(size=(seeds, rows))
        for _ in range(sets)
    ]  # fmt: skip


def arm(name: str, each: list[np.ndarray], kind: str = "folds", share: float = 0.2, metric: str = "log_loss"):
    kept = [[{"loss": row} for row in table] if metric == "log_loss" else [] for table in each]
    return over_sets(
        [scores(name, metric, table.mean(1).tolist(), some) for table, some in zip(each, kept, strict=True)],
        kind,
        share,
    )


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize(("kind", "share"), [("folds", 0.2), ("repeats", 0.3)])
def test_parts_are_those_of_plain_loops(seeds, kind, share):
    given = tables(5, seeds)
    found = folds.parts(given, kind, share)
    means, rows, within = [], [], []
    for table in given:
        means.append(sum(map(float, table.ravel())) / table.size)
        one = crossed.parts(table)
        rows.append(float(one.rows))
        within.append(float(one.seeds) if seeds > 1 else 0.0)
    middle = sum(means) / 5
    spread = sum((mean - middle) ** 2 for mean in means) / 4
    alone = 1.0 - share if kind == "repeats" else 1.0
    assert float(found.mean) == pytest.approx(middle)
    expected = max((spread - alone * sum(rows) / 5) / 5, sum(within) / 25)
    assert float(found.seeds) == pytest.approx(expected)
    again = 0.2 + 0.8 * share if kind == "repeats" else 0.2
    assert float(found.rows) == pytest.approx(sum(rows) / 5 * again)
    assert (found.n_seeds, found.n_rows) == (5, 5 * 59 + 1)


def test_a_difference_over_folds_is_paired_by_fold_seed_and_row():
    shared = tables(seed=1)
    better = [table - 0.3 + 0.02 * each for table, each in zip(shared, tables(seed=2), strict=True)]
    found = difference(arm("a", better), arm("b", shared))
    gaps = [one - other for one, other in zip(better, shared, strict=True)]
    parts = folds.parts(gaps, "folds", 0.2)
    half = float(crossed.half_width(parts))
    assert found.mean == pytest.approx(np.mean([gap.mean() for gap in gaps]))
    assert (found.low, found.high) == pytest.approx((found.mean - half, found.mean + half))
    assert found.p == pytest.approx(float(crossed.p_value(parts)), rel=1e-6)
    assert (found.over, found.sets, found.n, found.rows, found.better) == ("both", 5, 3, 300, "a")
    assert "by 5 test sets × 3 seeds and 300 rows" in str(found)
    assert found.by_rows[0] < found.mean < found.by_rows[1]
    assert math.isfinite(found.visible)


def test_seeds_of_different_folds_are_not_paired_with_each_other():
    """Another numbering of the seeds within the folds changes nothing, as long as both arms have it."""
    one, other = tables(seed=1), tables(seed=2, shift=0.1)
    found = difference(arm("a", one), arm("b", other))
    turned = [
        [table[::-1] if place % 2 else table for place, table in enumerate(each)] for each in (one, other)
    ]
    again = difference(arm("a", turned[0]), arm("b", turned[1]))
    assert (again.mean, again.low, again.p) == pytest.approx((found.mean, found.low, found.p))


def test_a_family_over_folds_is_pooled_and_corrected_and_baselines_vary_by_fold():
    made = [tables(seed=place, shift=0.2 * place) for place in range(3)]
    arms = [arm(name, each) for name, each in zip("abc", made, strict=True)]
    base = arm("x", [table[:1] for table in tables(seed=9, shift=1.0)])
    pairs, against = differences(arms, [base])
    assert [each.comparisons for each in (*pairs, *against)] == [3] * 6
    assert all(each.ends and each.sets == 5 for each in (*pairs, *against))
    assert [each.better for each in against] == ["a", "b", "c"]
    gaps = [
        [x - y for x, y in zip(one, other, strict=True)] for one, other in itertools.combinations(made, 2)
    ]
    expected = crossed.pool([folds.parts(each, "folds", 0.2) for each in gaps], 2)
    for pair, parts in zip(pairs, expected, strict=True):
        half = float(crossed.half_width(parts))
        assert parts.degrees == 8
        assert (pair.low, pair.high) == pytest.approx((pair.mean - half, pair.mean + half))


@pytest.mark.parametrize("metric", ["f1", "roc_auc"])
def test_metrics_without_values_by_row_have_the_corrected_resampled_t_interval(metric):
    one, other = tables(seed=1, rows=200), tables(seed=2, rows=200)
    found = difference(arm("a", one, metric=metric), arm("b", other, metric=metric))
    gaps = np.array([a.mean() - b.mean() for a, b in zip(one, other, strict=True)])
    error = math.sqrt((1 / 5 + 0.2 / 0.8) * gaps.var(ddof=1))
    assert (found.over, found.sets) == ("sets", 5)
    assert found.high - found.mean == pytest.approx(stats.t.ppf(0.975, 4) * error)
    assert found.p == pytest.approx(2 * stats.t.sf(abs(gaps.mean()) / error, 4))
    assert "by 5 test sets × 3 seeds, p = " in str(found)


def test_a_failed_run_leaves_its_fold_and_a_fold_without_a_pair_leaves_no_interval():
    one, other = tables(seed=1), tables(seed=2)
    sets = [
        scores("a", "log_loss", table.mean(1).tolist(), [{"loss": row} for row in table]) for table in one
    ]
    sets[1] = scores("a", "log_loss", [one[1][0].mean(), math.nan, one[1][2].mean()],
                     [{"loss": one[1][0]}, None, {"loss": one[1][2]}])  # fmt: skip
    found = difference(over_sets(sets, "folds", 0.2), arm("b", other))
    gaps = [a - b for a, b in zip(one, other, strict=True)]
    gaps[1] = gaps[1][[0, 2]]
    assert found.mean == pytest.approx(np.mean([gap.mean() for gap in gaps]))
    assert found.n == 2
    sets[1] = scores("a", "log_loss", [math.nan] * 3, [None] * 3)
    lost = difference(over_sets(sets, "folds", 0.2), arm("b", other))
    assert (lost.ends, lost.reason, lost.told_apart) == (None, "no run of a finished on test set 2", False)


def test_few_rows_together_have_no_interval_and_one_set_is_itself():
    few = difference(arm("a", tables(rows=15)), arm("b", tables(seed=1, rows=15)))
    assert (few.ends, few.reason) == (None, "75 test rows, fewer than 100")
    alone = scores("a", "log_loss", [1.0, 2.0], [])
    assert over_sets([alone], "folds", 0.2) is alone
    same = difference(arm("a", tables()), arm("b", tables()))
    assert (same.ends, same.reason) == (None, "identical results")
    with pytest.raises(OptionError, match="a test share of 1"):
        folds.corrected_t([1.0, 2.0], 1.0)
    with pytest.raises(OptionError, match="a test share of 0"):
        arm("a", tables(), "repeats", 0.0)
    with pytest.raises(OptionError, match="1 test sets"):
        folds.parts(tables(1), "folds", 0.5)


def test_rows_of_repeated_splits_are_counted_once():
    found = arm("a", tables(10, rows=100), "repeats", 0.2)
    assert found.n_rows == round(500 * (1 - 0.8**10))
    assert arm("a", tables(10, rows=100), "folds", 0.1).n_rows == 1000
    kept = [{"loss": [0.1, 0.2], "roc_auc": [0.5, 0.7], RAREST: [30]}]
    each = [scores("a", "roc_auc", [0.6], kept) for _ in range(10)]
    assert over_sets(each, "repeats", 0.2).rarest == round(150 * (1 - 0.8**10))
    assert over_sets(each, "folds", 0.1).rarest == 300


@pytest.mark.parametrize("plan", [simulation.PLANS[0], simulation.PLANS[1], simulation.PLANS[-1]], ids=str)
@pytest.mark.parametrize("regime", ["rows", "rows and training sets"])
def test_intervals_over_test_sets_cover(plan, regime):
    """The rest is in ``python -m benchmarks coverage_folds``."""
    found = simulation.simulated(plan, simulation.REGIMES[regime], 400)  # standard error 1.1 points at 95 %
    assert min(found["ours"], found["by value"]) >= LOWEST - 0.01
    if regime != "rows":
        assert found["rows and seeds"] < LOWEST


def test_families_over_folds_cover_and_claim_little_where_one_arm_is_noisy():
    covered, false = simulation.family(simulation.PLANS[1], simulation.REGIMES["all three"], 300, noise=10.0)
    assert covered >= LOWEST - 0.02
    assert false <= FALSE


def test_a_trained_network_s_difference_is_covered():
    assert simulation.covered_when_trained(simulation.TRAINED[2], 80)["ours"] >= LOWEST
