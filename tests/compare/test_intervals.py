"""Intervals against scipy, and their coverage in seeded simulations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from steepest import rng
from steepest.compare.intervals import holm, paired_bootstrap, paired_t, smallest_visible, t_interval
from steepest.compare.pairing import pairs
from steepest.errors import OptionError

NAN = math.nan


@pytest.mark.parametrize("n", [2, 3, 5, 30])
@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_t_interval_equals_scipy(n, level):
    values = rng.stream(0, "data", n).normal(2.0, 3.0, n)
    mean, low, high = t_interval(values, level)
    expected = stats.ttest_1samp(values, 0.0).confidence_interval(level)
    assert mean == pytest.approx(values.mean())
    assert (low, high) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize("n", [2, 5, 30])
def test_paired_t_equals_scipy(n):
    generator = rng.stream(1, "data", n)
    a, b = generator.normal(size=n), generator.normal(0.4, 1.0, n)
    found = paired_t(a, b)
    expected = stats.ttest_rel(a, b)
    interval = expected.confidence_interval(0.95)
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.mean, found.low, found.high) == pytest.approx(((a - b).mean(), interval.low, interval.high))
    assert found.n == n


def test_a_diverged_run_takes_its_pair_with_it():
    a, b = [1.0, NAN, 3.0, 4.0, math.inf], [0.5, 1.0, NAN, 3.0, 1.0]
    assert [list(each) for each in pairs(a, b)] == [[1.0, 4.0], [0.5, 3.0]]
    assert paired_t(a, b) == paired_t([1.0, 4.0], [0.5, 3.0])
    assert paired_t(a, b).n == 2
    assert t_interval([1.0, NAN, 3.0]) == t_interval([1.0, 3.0])
    rows = rng.stream(0, "data").normal(size=200)
    spoiled = np.append(rows, NAN)
    assert paired_bootstrap(spoiled, 0.0 * spoiled, 0) == paired_bootstrap(rows, 0.0 * rows, 0)


@pytest.mark.parametrize("values", [[], [NAN], [NAN, math.inf]])
def test_nothing_finite_is_nan(values):
    assert all(math.isnan(each) for each in t_interval(values))
    assert all(math.isnan(each) for each in paired_bootstrap(values, values, 0))
    found = paired_t(values, values)
    assert found.n == 0
    assert math.isnan(found.p)
    assert smallest_visible(values) == math.inf


SPREADLESS = [
    ([2.5], [1.5]),
    ([1.0, 1.0], [0.0, 0.0]),
    ([2.0, 3.0], [1.0, 2.0]),
    ([0.5, 0.6, 0.7], [0.4, 0.5, 0.6]),  # 0.1 but for rounding
    ([1e300, 2e300], [0.0, 1e300]),
]


@pytest.mark.parametrize(("a", "b"), SPREADLESS)
def test_without_spread_there_is_no_interval_and_no_p(a, b):
    found = paired_t(a, b)
    assert found.mean == pytest.approx(a[0] - b[0])
    assert found.n == len(a)
    assert all(math.isnan(each) for each in (found.low, found.high, found.p))
    assert all(math.isnan(each) for each in t_interval([a[0]] * len(a))[1:])


def test_one_value_could_have_shown_nothing():
    assert smallest_visible([0.1]) == math.inf


def test_t_interval_covers_as_often_as_it_says():
    draws = rng.stream(2, "data").normal(size=(2000, 5))
    inside = sum(low <= 0.0 <= high for _, low, high in map(t_interval, draws))
    assert abs(inside / 2000 - 0.95) < 0.015  # three standard errors


def test_bootstrap_covers_skewed_rows():
    draws = rng.stream(3, "data").exponential(size=(400, 300)) - 1.0
    inside = sum(
        low <= 0.0 <= high
        for _, low, high in (paired_bootstrap(each, 0.0 * each, seed, 400) for seed, each in enumerate(draws))
    )
    assert abs(inside / 400 - 0.95) < 0.035


@pytest.mark.parametrize("rows", [500, 20_001, 300_000])
def test_bootstrap_agrees_with_the_normal_interval(rows):
    """Also where rows are put into groups first; their sizes differ by one."""
    generator = rng.stream(4, "data", rows)
    a, b = generator.gamma(2.0, size=rows), generator.gamma(2.0, size=rows)
    mean, low, high = paired_bootstrap(a, b, seed=0)
    half = 1.96 * (a - b).std(ddof=1) / math.sqrt(rows)
    assert mean == pytest.approx((a - b).mean())
    assert (mean - low, high - mean) == pytest.approx((half, half), rel=0.12)


def test_bootstrap_depends_on_its_seed_alone():
    rows = rng.stream(5, "data").normal(size=300)
    np.random.default_rng(0)
    first = paired_bootstrap(rows, rows[::-1], seed=7)
    assert paired_bootstrap(rows, rows[::-1], seed=7) == first
    assert paired_bootstrap(rows, rows[::-1], seed=8) != first


def test_pairing_is_what_makes_the_interval_narrow():
    generator = rng.stream(6, "data")
    hard = generator.exponential(2.0, 2000)
    a, b = hard + generator.normal(0.05, 0.1, 2000), hard
    _, low, high = paired_bootstrap(a, b, seed=0)
    _, other_low, other_high = paired_bootstrap(a, generator.permutation(b), seed=0)
    assert high - low < 0.1 * (other_high - other_low)


@pytest.mark.parametrize("n", [2, 3, 5, 20, 12_000, 1_000_000])
def test_smallest_visible_difference_is_seen_as_often_as_it_says(n):
    delta = smallest_visible(2.0, n)
    noncentrality = delta / 2.0 * math.sqrt(n)
    bound = stats.t.ppf(0.975, n - 1)
    assert stats.nct.sf(bound, n - 1, noncentrality) == pytest.approx(0.8, abs=1e-6)


def test_smallest_visible_difference_by_simulation():
    delta = smallest_visible(1.0, 5)
    draws = rng.stream(8, "data").normal(delta, 1.0, size=(2000, 5))
    seen = sum(t_interval(each).low > 0.0 for each in draws)
    assert abs(seen / 2000 - 0.8) < 0.027  # three standard errors


def test_smallest_visible_takes_differences_or_their_spread():
    differences = [0.1, 0.3, -0.2, NAN, 0.05]
    spread = float(np.std([0.1, 0.3, -0.2, 0.05], ddof=1))
    assert smallest_visible(differences) == pytest.approx(smallest_visible(spread, 4))
    assert smallest_visible([1.0, 1.0, 1.0]) == 0.0


HOLM = [
    ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),
    ([0.5, 0.9], [1.0, 1.0]),
    ([0.02], [0.02]),
    ([0.01, NAN, 0.2], [0.02, NAN, 0.2]),
    ([], []),
]


@pytest.mark.parametrize(("given", "expected"), HOLM)
def test_holm(given, expected):
    assert holm(given) == pytest.approx(expected, nan_ok=True)


def test_holm_keeps_the_share_of_families_with_a_false_finding():
    draws = rng.stream(9, "data").uniform(size=(2000, 6))
    false = sum(min(holm(each)) < 0.05 for each in draws)
    assert false / 2000 < 0.05 + 0.015


ERRORS = [
    (lambda: t_interval([1.0, 2.0], level=1.0), "level of 1.0"),
    (lambda: paired_t([1.0, 2.0], [1.0]), "pair 2 values with 1"),
    (lambda: paired_bootstrap([1.0], [1.0], 0, resamples=3), "3 resamples"),
    (lambda: smallest_visible(0.1), "without the number of pairs"),
    (lambda: smallest_visible(0.1, 5, power=1.0), "power of 1.0"),
]


@pytest.mark.parametrize(("call", "message"), ERRORS)
def test_errors_name_the_value(call, message):
    with pytest.raises(OptionError, match=message):
        call()
