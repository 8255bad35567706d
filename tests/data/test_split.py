"""Splits: every row once, exact sizes, pure in the seed."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from steepest.data.split import Split, group_split, random_split, sizes, stratified_split, time_split
from steepest.errors import DataError

N = 997
CODES = np.random.default_rng(0).choice(5, N, p=[0.6, 0.3, 0.07, 0.02, 0.01]).astype(np.int64)
GROUPS = np.random.default_rng(1).integers(0, 60, N)
MOMENTS = np.random.default_rng(2).integers(0, 400, N)

SPLITS: dict[str, Callable[[float, float, int], Split]] = {
    "random": lambda validation, test, seed: random_split(N, validation, test, seed),
    "stratified": lambda validation, test, seed: stratified_split(CODES, validation, test, seed),
    "group": lambda validation, test, seed: group_split(GROUPS, validation, test, seed),
    "time": lambda validation, test, seed: time_split(MOMENTS, validation, test),
}
SHARES = [(0.1, 0.1), (0.25, 0.05), (0.001, 0.5), (0.0, 0.2), (0.3, 0.0)]


@pytest.mark.parametrize("name", SPLITS)
@pytest.mark.parametrize(("validation", "test"), SHARES)
def test_parts_are_disjoint_and_cover_all_rows(name: str, validation: float, test: float) -> None:
    split = SPLITS[name](validation, test, 0)
    parts = [split.train, split.validation, split.test]
    assert sorted(np.concatenate(parts)) == list(range(N))
    assert all((np.diff(each) > 0).all() for each in parts)
    if name == "time":
        assert not {*MOMENTS[split.test]} & {*MOMENTS[split.train], *MOMENTS[split.validation]}
        assert not {*MOMENTS[split.validation]} & {*MOMENTS[split.train]}
        most, wanted = int(np.bincount(MOMENTS).max()), sizes(N, validation, test)
        assert (len(split.validation), len(split.test)) == pytest.approx(wanted, abs=most)
        assert all(len(part) > 0 for part, share in ((split.train, 1), (split.test, test)) if share)
    elif name != "group":
        assert (len(split.validation), len(split.test)) == sizes(N, validation, test)
    else:
        assert len(split.test) == pytest.approx(N * test, abs=int(max(np.bincount(GROUPS))))


@pytest.mark.parametrize("name", SPLITS)
def test_a_split_is_pure_in_its_seed(name: str) -> None:
    first, again, other = (SPLITS[name](0.1, 0.1, seed) for seed in (3, 3, 4))
    assert np.array_equal(first.test, again.test)
    assert np.array_equal(first.validation, again.validation)
    assert np.array_equal(first.test, other.test) == (name == "time")


@pytest.mark.parametrize(("validation", "test"), SHARES)
def test_stratified_parts_have_the_same_proportions(validation: float, test: float) -> None:
    split = stratified_split(CODES, validation, test, 0)
    counts = np.bincount(CODES)
    for rows, share in ((split.validation, validation), (split.test, test)):
        assert np.abs(np.bincount(CODES[rows], minlength=5) - counts * share).max() <= 1 + (share < 0.01) * 2


@given(
    counts=st.lists(st.integers(1, 40), min_size=2, max_size=12),
    shares=st.sampled_from([(0.1, 0.1), (0.2, 0.2), (0.4, 0.3)]),
)
@settings(max_examples=60, deadline=None)
def test_stratified_keeps_rare_classes_in_training(counts: list[int], shares: tuple[float, float]) -> None:
    codes = np.repeat(np.arange(len(counts)), counts)
    if len(codes) < 10:
        return
    split = stratified_split(codes, *shares, 0)
    assert (len(split.validation), len(split.test)) == sizes(len(codes), *shares)
    trained = np.bincount(codes[split.train], minlength=len(counts))
    room = sum(each - 1 for each in counts if each >= 3)
    if room >= len(split.validation) + len(split.test) + 2 * len(counts):
        assert (trained >= 1).all()


def test_a_class_of_a_few_rows_is_in_every_part() -> None:
    codes = np.array([0] * 300 + [1] * 3 + [2] * 2)
    split = stratified_split(codes, 0.1, 0.1, 0)
    for rows in (split.train, split.validation, split.test):
        assert (codes[rows] == 1).sum() == 1
    assert (codes[split.train] == 2).sum() == 2


def test_no_group_is_in_two_parts() -> None:
    for seed in range(5):
        split = group_split(GROUPS, 0.1, 0.2, seed)
        parts = [set(GROUPS[rows]) for rows in (split.train, split.validation, split.test)]
        assert not parts[0] & parts[1]
        assert not parts[0] & parts[2]
        assert not parts[1] & parts[2]


def test_three_groups_of_any_size_make_three_parts() -> None:
    groups = np.repeat([0, 1, 2], [1000, 5, 5])
    split = group_split(groups, 0.1, 0.1, 0)
    assert {len(set(groups[rows])) for rows in (split.train, split.validation, split.test)} == {1}


def test_a_group_larger_than_a_part_stays_in_training() -> None:
    """Half of the rows are of one group, so that no other division comes near the shares."""
    groups = np.concatenate([np.zeros(500, dtype=np.int64), np.arange(1, 501)])
    for seed in range(40):
        split = group_split(groups, 0.1, 0.1, seed)
        assert (len(split.validation), len(split.test)) == (100, 100)


def test_where_every_group_is_too_large_the_smallest_are_taken() -> None:
    groups = np.repeat([0, 1, 2, 3], [300, 250, 230, 220])
    for seed in range(6):
        split = group_split(groups, 0.1, 0.1, seed)
        assert {len(split.validation), len(split.test)} == {220, 230}


def test_time_goes_from_train_to_validation_to_test() -> None:
    split = time_split(MOMENTS, 0.1, 0.1)
    assert MOMENTS[split.train].max() <= MOMENTS[split.validation].min()
    assert MOMENTS[split.validation].max() <= MOMENTS[split.test].min()


@pytest.mark.parametrize("counts", [[1, 98, 1], [98, 1, 1], [1, 1, 98], [13] * 33, [50, 3, 47]])
def test_no_moment_is_in_two_parts_and_no_part_is_empty(counts: list[int]) -> None:
    moments = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    for validation, test in ((0.1, 0.1), (0.3, 0.3), (0.0, 0.2), (0.1, 0.0)):
        split = time_split(moments, validation, test)
        parts = [moments[each] for each in (split.train, split.validation, split.test)]
        there = [each for each, share in zip(parts, (1, validation, test), strict=True) if share]
        assert all(len(each) for each in there)
        assert all(one.max() < other.min() for one, other in itertools.pairwise(there))
    days = np.repeat(np.arange(33), 13)
    split = time_split(days, 0.1, 0.1)
    assert (len(split.train), len(split.validation), len(split.test)) == (26 * 13, 4 * 13, 3 * 13)


def test_fewer_moments_than_parts_are_refused() -> None:
    with pytest.raises(DataError, match="the split column has 2 moments for 3 parts"):
        time_split(np.repeat([2023, 2024], 50), 0.1, 0.1)
    assert len(time_split(np.repeat([2023, 2024], 50), 0.0, 0.1).test) == 50


@pytest.mark.parametrize(
    ("n", "validation", "test", "fact"),
    [(9, 0.1, 0.1, "9 rows"), (10, 0.5, 0.45, "10 rows leave 1"), (0, 0.1, 0.1, "0 rows")],
)
def test_too_few_rows(n: int, validation: float, test: float, fact: str) -> None:
    with pytest.raises(DataError, match=fact):
        sizes(n, validation, test)
