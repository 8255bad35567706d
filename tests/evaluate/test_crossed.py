"""Crossed intervals: against scipy and by hand, what they become at their limits, and what p and power say of them."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from steepest import rng
from steepest.compare import intervals
from steepest.errors import OptionError
from steepest.evaluate import crossed


def crossed_table(seeds: int, rows: int, one: float, other: float, both: float, index: int = 0) -> np.ndarray:
    draw = rng.stream(index, "data", seeds, rows)
    return (
        0.3
        + one * draw.normal(size=(seeds, 1))
        + other * draw.normal(size=(1, rows))
        + both * draw.normal(size=(seeds, rows))
    )


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
@pytest.mark.parametrize("level", [0.8, 0.95, 0.995])
def test_rows_that_add_nothing_leave_the_paired_t_test_of_scipy(seeds, level):
    by_seed = rng.stream(0, "data", seeds).normal(0.5, 1.0, seeds)
    found = crossed.parts(np.repeat(by_seed[:, None], 40, axis=1))
    expected = stats.ttest_1samp(by_seed, 0.0)
    interval = expected.confidence_interval(level)
    half = float(crossed.half_width(found, level))
    assert (found.mean - half, found.mean + half) == pytest.approx((interval.low, interval.high))
    assert float(crossed.p_value(found)) == pytest.approx(expected.pvalue, rel=1e-9)
    assert float(found.share) == 1.0


@pytest.mark.parametrize("rows", [2, 30, 500])
def test_one_seed_and_identical_seeds_leave_the_t_test_over_rows(rows):
    """But for the two further rows, which are those of a table that has them and the same mean."""
    by_row = rng.stream(1, "data", rows).normal(0.2, 1.0, rows)
    expected = stats.ttest_1samp(by_row, 0.0)
    farthest = float(abs(by_row - by_row.mean()).max())
    longer = np.append(by_row, by_row.mean() + farthest * np.array([-1.0, 1.0]))
    for seeds in (1, 4):
        whole = crossed.parts(np.repeat(by_row[None], seeds, axis=0))
        found = whole._replace(tail=np.zeros(()))
        interval = expected.confidence_interval(0.95)
        half = float(crossed.half_width(found))
        assert (found.mean - half, found.mean + half) == pytest.approx((interval.low, interval.high))
        assert float(crossed.p_value(found)) == pytest.approx(expected.pvalue, rel=1e-9)
        assert math.isnan(found.seeds) == (seeds == 1)
        squares = ((longer - longer.mean()) ** 2).sum()
        assert float(whole.rows + whole.tail) == pytest.approx(squares / (rows * (rows - 1)))


def test_two_classifiers_get_a_further_row_that_only_one_of_them_gets_right():
    """Of 100 rows, 6 are right under the first alone and 1 under the second alone: as if it were 7 and 2."""
    table = np.array([[1.0] * 6 + [-1.0] + [0.0] * 93])
    found = crossed.parts(table)
    assert float(found.tail) == pytest.approx(2 * (1 + 0.05) ** 2 / (100 * 99))
    assert float(crossed.p_value(found)) == pytest.approx(0.10, abs=0.01)
    assert float(crossed.p_value(found._replace(tail=0.0 * found.tail))) == pytest.approx(0.057, abs=0.002)


def test_the_parts_are_those_of_a_two_way_analysis_of_variance():
    """A table that can be added up by hand: mean squares 24, 8 and 2 over 2 seeds and 3 rows."""
    table = np.array([[1.0, 2.0, 6.0], [4.0, 7.0, 10.0]])
    found = crossed.parts(table)
    mean_square_seeds = 3 * np.var(table.mean(1), ddof=1)
    mean_square_rows = 2 * np.var(table.mean(0), ddof=1)
    left = table - table.mean(1, keepdims=True) - table.mean(0, keepdims=True) + table.mean()
    mean_square_left = (left**2).sum() / 2
    assert float(found.seeds) == pytest.approx(mean_square_seeds / 6)
    assert float(found.rows) == pytest.approx((mean_square_rows - mean_square_left) / 6)
    assert float(found.shared) == pytest.approx(mean_square_left / 6)
    assert float(found.rows + found.shared) == pytest.approx(np.var(table.mean(0), ddof=1) / 3)


def test_the_parts_estimate_the_variance_of_the_mean():
    seeds, rows, one, other, both = 5, 60, 0.4, 1.5, 2.0
    tables = np.stack([crossed_table(seeds, rows, one, other, both, index) for index in range(4000)])
    found = crossed.parts(tables)
    expected = one**2 / seeds + both**2 / (seeds * rows), other**2 / rows
    assert found.seeds.mean() == pytest.approx(expected[0], rel=0.05)
    assert found.rows.mean() == pytest.approx(expected[1], rel=0.05)
    assert found.mean.var() == pytest.approx(sum(expected), rel=0.08)


def test_many_tables_at_once_give_what_each_gives():
    tables = np.stack([crossed_table(4, 50, 0.1, 1.0, 1.0, index) for index in range(6)]).reshape(2, 3, 4, 50)
    together = crossed.parts(tables)
    p, half = crossed.p_value(together), crossed.half_width(together)
    for place in np.ndindex(2, 3):
        alone = crossed.parts(tables[place])
        assert float(crossed.p_value(alone)) == pytest.approx(p[place])
        assert float(crossed.half_width(alone)) == pytest.approx(half[place])


@pytest.mark.parametrize("index", range(8))
def test_the_interval_at_level_one_less_p_just_reaches_zero(index):
    found = crossed.parts(crossed_table(3 + index % 3, 200, 0.2, 1.0, 1.0, index))
    p = float(crossed.p_value(found))
    assert float(crossed.half_width(found, 1.0 - p)) == pytest.approx(abs(float(found.mean)), rel=1e-6)


def test_both_is_never_narrower_than_the_seeds_alone_and_turns_with_the_sign():
    for index in range(50):
        table = crossed_table(3, 80, 0.1, 1.0, 1.0, index)
        found, turned = crossed.parts(table), crossed.parts(-table)
        alone = intervals.t_interval(table.mean(1))
        assert float(crossed.half_width(found)) >= (alone.high - alone.low) / 2 - 1e-12
        assert float(crossed.p_value(found)) >= intervals.paired_t(table.mean(1), np.zeros(3)).p - 1e-9
        assert float(crossed.p_value(turned)) == float(crossed.p_value(found))
        assert float(turned.mean) == pytest.approx(-float(found.mean))


@pytest.mark.parametrize("table", [np.full((3, 4), 2.0), np.zeros((3, 4)), np.full((1, 1), 2.0)])
def test_without_spread_there_is_no_p(table):
    assert math.isnan(crossed.p_value(crossed.parts(table)))


def family_of(optimizers: int, seeds: int, one: float, index: int = 0) -> list[crossed.Parts]:
    draw = rng.stream(index, "data", optimizers, seeds)
    tables = one * draw.normal(size=(optimizers, seeds, 1)) + draw.normal(size=(optimizers, 1, 200))
    pairs = itertools.combinations(tables, 2)
    return [crossed.parts(first - second) for first, second in pairs]


@pytest.mark.parametrize("optimizers", [3, 4, 6])
def test_the_pooled_part_is_the_residual_of_seeds_by_optimizers(optimizers):
    """Twice the residual mean square of a two-way layout without repetition, over the seeds; so it has its degrees."""
    seeds = 5
    means = rng.stream(3, "data", optimizers).normal(size=(optimizers, seeds))
    left = means - means.mean(0) - means.mean(1, keepdims=True) + means.mean()
    degrees = (optimizers - 1) * (seeds - 1)
    pairs = [crossed.parts(np.repeat((a - b)[:, None], 7, 1)) for a, b in itertools.combinations(means, 2)]
    for found in crossed.pool(pairs, optimizers - 1):
        assert found.degrees == degrees
        assert float(found.pooled) == pytest.approx(2 * (left**2).sum() / degrees / seeds)


def test_a_lost_seed_counts_in_the_pool_as_it_does_alone():
    long, short = (
        crossed.parts(crossed_table(5, 50, 0.3, 1.0, 1.0)),
        crossed.parts(crossed_table(3, 50, 0.3, 1.0, 1.0)),
    )
    found = crossed.pool([long, short], 2)
    variance = (4 * 5 * long.seeds + 2 * 3 * short.seeds) / 6
    assert [float(each.pooled) for each in found] == pytest.approx([float(variance / 5), float(variance / 3)])
    assert {each.degrees for each in found} == {6.0}


def test_alone_or_with_one_seed_there_is_nothing_to_pool():
    one, other = (crossed.parts(crossed_table(3, 50, 0.3, 1.0, 1.0, index)) for index in (0, 1))
    single = crossed.parts(crossed_table(1, 50, 0.3, 1.0, 1.0))
    assert crossed.pool([one], 1) == [one]
    assert crossed.pool([one, other], 1) == [one, other]
    assert crossed.pool([one, single], 2) == [one, single]
    assert [each.pooled is None for each in crossed.pool([one, single, other], 2)] == [False, True, False]


def test_a_pool_helps_where_the_rows_are_most_of_the_variance_and_is_left_alone_where_they_add_nothing():
    level = 1 - 0.05 / 15

    def ratios(one: float) -> np.ndarray:
        family = family_of(6, 3, one)
        own = np.array([crossed.half_width(each, level) for each in family])
        return np.array([crossed.half_width(each, level) for each in crossed.pool(family, 5)]) / own

    assert np.median(ratios(0.03)) < 0.8
    assert ratios(100.0) == pytest.approx(np.ones(15), rel=1e-2)


@pytest.mark.parametrize("one", [0.02, 0.1, 1.0])
def test_p_and_interval_of_a_pool_cannot_disagree(one):
    for index in range(10):
        for found in crossed.pool(family_of(4, 3, one, index), 3):
            p = float(crossed.p_value(found))
            assert float(crossed.half_width(found, 1.0 - p)) == pytest.approx(
                abs(float(found.mean)), rel=1e-6
            )
            assert (p < 0.05) == (abs(found.mean) > crossed.half_width(found))


@pytest.mark.parametrize("level", [0.95, 0.99])
@pytest.mark.parametrize("shares", [(1.0, 0.0), (0.5, 0.5), (0.1, 0.9)])
@pytest.mark.parametrize("pooled", [False, True])
def test_the_smallest_visible_difference_is_seen_as_often_as_it_says(shares, level, pooled):
    seeds, rows, times = 4, 4000, 20_000
    one, other = (np.asarray(share) for share in shares)
    none = np.zeros(())
    known = crossed.Parts(none, one, other, none, none, seeds, rows, one if pooled else None, 9.0)
    delta = crossed.smallest_visible(known, level)
    draw = rng.stream(2, "data", seeds)
    drawn_seeds = draw.normal(delta, math.sqrt(shares[0] * seeds), size=(times, seeds))
    means = drawn_seeds.mean(1) + math.sqrt(shares[1]) * draw.normal(size=times)
    spread = drawn_seeds.var(1, ddof=1) / seeds
    made = known._replace(mean=means, seeds=spread, rows=np.full(times, shares[1]))
    seen = (means - crossed.half_width(made, level) > 0).mean()
    assert abs(seen - 0.8) < 3 * math.sqrt(0.8 * 0.2 / times) + 1e-3


def test_more_of_everything_sees_smaller_differences():
    def visible(seeds: int, rows: int, level: float = 0.95) -> float:
        parts = crossed.Parts(np.asarray(0.0), np.asarray(1.0 / seeds), np.asarray(100.0 / rows), np.asarray(0.0),
                              np.asarray(0.0), seeds, rows)  # fmt: skip
        return crossed.smallest_visible(parts, level)

    assert visible(3, 500) > visible(5, 500) > visible(10, 500) > visible(10, 5000)
    assert visible(5, 500, 0.99) > visible(5, 500)
    alone = family_of(6, 3, 0.05)[0]
    [pooled, *_] = crossed.pool(family_of(6, 3, 0.05), 5)
    assert crossed.smallest_visible(pooled, 1 - 0.05 / 15) < crossed.smallest_visible(alone, 1 - 0.05 / 15)
    assert crossed.smallest_visible(crossed.parts([[1.0, 2.0, 3.0]])) == math.inf


ERRORS = [
    (lambda: crossed.parts([1.0, 2.0]), r"shape \(2,\)"),
    (lambda: crossed.parts(np.zeros((0, 4))), r"shape \(0, 4\)"),
    (lambda: crossed.half_width(crossed.parts(np.zeros((2, 2))), 1.0), "level of 1.0"),
    (lambda: crossed.smallest_visible(crossed.parts(np.zeros((2, 2))), power=0.01), "power of 0.01"),
]


@pytest.mark.parametrize(("call", "message"), ERRORS)
def test_errors_name_the_value(call, message):
    with pytest.raises(OptionError, match=message):
        call()
