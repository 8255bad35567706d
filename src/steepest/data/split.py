"""Which rows train, which choose (validation) and which are read once at the end (test)."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steepest.errors import DataError
from steepest.rng import seed_for, stream
from steepest.wording import counted

MIN_ROWS = 10
"""Fewer rows with a target than this cannot be split into three parts that mean anything."""

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Which part each row belongs to (``validation`` or ``test`` are empty if the split has none).

    Attributes:
        part: uint8 ``[N]``, 0 to train, 1 to validate, 2 to test.
    """

    part: NDArray[np.uint8]

    @property
    def train(self) -> Rows:
        """Row numbers in ascending order, int64."""
        return np.flatnonzero(self.part == 0)

    @property
    def validation(self) -> Rows:
        """Row numbers in ascending order, int64."""
        return np.flatnonzero(self.part == 1)

    @property
    def test(self) -> Rows:
        """Row numbers in ascending order, int64."""
        return np.flatnonzero(self.part == 2)


def sizes(n: int, validation: float, test: float) -> tuple[int, int]:
    """Return the exact numbers of validation and test rows; a share above 0 gives at least one row.

    Raises:
        DataError: the table has too few rows.

    Example:
        >>> sizes(125_590, 0.1, 0.1)
        (12559, 12559)
    """
    if n < MIN_ROWS:
        raise DataError(
            f"the table has {counted(n, 'row')} with a target, too few to split",
            hint=f"at least {MIN_ROWS} rows are needed, a few hundred to learn anything.",
        )
    counts = [max(1, round(n * share)) if share > 0 else 0 for share in (validation, test)]
    if n - sum(counts) < 2:
        raise DataError(
            f"{n} rows leave {n - sum(counts)} for training (validation {counts[0]}, test {counts[1]})",
            hint="give smaller --validation and --test shares.",
        )
    return counts[0], counts[1]


def random_split(n: int, validation: float, test: float, seed: int) -> Split:
    """Split at random, with exact sizes, as a pure function of the split seed.

    Example:
        >>> split = random_split(50, 0.1, 0.2, seed=0)
        >>> len(split.train), len(split.validation), len(split.test)
        (35, 5, 10)
    """
    n_validation, n_test = sizes(n, validation, test)
    order = np.arange(
        n, dtype=np.int32 if n < 1 << 31 else np.int64
    )  # the same order as ``permutation``, in half
    stream(seed, "split").shuffle(order)  # the memory and two thirds of the time
    return _chosen(n, order[n_test : n_test + n_validation], order[:n_test])


def stratified_split(codes: Rows, validation: float, test: float, seed: int) -> Split:
    """Split so that every part has each class in the table's proportions; the sizes stay exact.

    Shares are rounded by largest remainder. A class with three rows or more gets at least one row in
    each part as far as the sizes allow; one with fewer keeps its rows for training.

    Args:
        codes: class codes of all rows, int64 ``[N]``, from 0.
        validation, test: shares of all rows.
        seed: the split seed.

    Example:
        >>> codes = np.repeat([0, 1], [90, 10])
        >>> np.bincount(codes[stratified_split(codes, 0.1, 0.1, seed=0).test]).tolist()
        [9, 1]
    """
    return _by_quota(codes, validation, test, stream(seed, "split").permutation(len(codes)))


def last_split(users: Rows, moments: NDArray[np.generic], validation: float, test: float) -> Split:
    """Split by time within each user: the latest rows are the test rows, those before them validation.

    The sizes are exact; how many rows of a user are in each part is as for the classes of a stratified split.

    Args:
        users: codes of who the rows are of, int64 ``[N]``, from 0.
        moments: when they were made, ``[N]``; ties keep their order.
        validation, test: shares of all rows.

    Example:
        >>> users, moments = np.repeat([0, 1], 10), np.tile(np.arange(10), 2)
        >>> last_split(users, moments, 0.2, 0.1).test.tolist()
        [9, 19]
    """
    return _by_quota(users, validation, test, np.argsort(moments, kind="stable")[::-1].astype(np.int64))


def _by_quota(codes: Rows, validation: float, test: float, order: Rows) -> Split:
    """Return a split in which each code's first rows in an order are for the test, the next ones for validation."""
    n_validation, n_test = sizes(len(codes), validation, test)
    counts = np.bincount(codes)
    for_test = _quotas(counts, n_test, keep=1 + (n_validation > 0))
    for_validation = _quotas(counts, n_validation, keep=1, taken=for_test)
    order = _by_class(order, codes)
    starts = np.cumsum(counts) - counts
    quotas = zip(starts.tolist(), for_test.tolist(), for_validation.tolist(), strict=True)
    chosen = [(order[at : at + t], order[at + t : at + t + v]) for at, t, v in quotas]
    tests, validations = zip(*chosen, strict=True)
    return _chosen(len(codes), np.concatenate(validations), np.concatenate(tests))


def group_split(groups: Rows, validation: float, test: float, seed: int) -> Split:
    """Split so that no group is in two parts; the sizes come as near as undivided groups allow.

    Args:
        groups: group codes of all rows, int64 ``[N]``, from 0.

    Raises:
        DataError: there are fewer groups than parts.

    Example:
        >>> groups = np.repeat(np.arange(10), 5)
        >>> split = group_split(groups, 0.1, 0.1, seed=0)
        >>> len(set(groups[split.test])), len(set(groups[split.test]) & set(groups[split.train]))
        (1, 0)
    """
    n_validation, n_test = sizes(len(groups), validation, test)
    counts = np.bincount(groups)
    parts = 1 + (n_validation > 0) + (n_test > 0)
    if len(counts) < parts:
        raise DataError(
            f"the split column has {counted(len(counts), 'group')} for {parts} parts",
            hint="choose a column with more different values for --split group:COLUMN.",
        )
    order: list[int] = stream(seed, "split").permutation(len(counts)).tolist()
    part = np.zeros(len(counts), dtype=np.uint8)
    for which, wanted in ((2, n_test), (1, n_validation)):
        if not wanted:
            continue
        kept = 1 + (which == 2 and n_validation > 0)  # a group for each part that comes after
        part[_some_groups(order, counts, wanted, kept)] = which
        order = [group for group in order if part[group] == 0]
    return Split(part[groups])


def _some_groups(order: list[int], counts: Rows, wanted: int, kept: int) -> list[int]:
    """Return groups with about ``wanted`` rows, the first in ``order`` that fit; ``kept`` groups at least are left."""
    chosen: list[int] = []
    filled = 0
    for group in order:
        if counts[group] // 2 >= wanted:  # taking it would be further off than taking nothing
            continue
        if len(order) - len(chosen) == kept or filled + counts[group] // 2 >= wanted:
            break
        chosen.append(group)
        filled += int(counts[group])
    return chosen or [min(order, key=lambda group: counts[group])]


def time_split(moments: NDArray[np.generic], validation: float, test: float) -> Split:
    """Split by time: the latest rows are the test rows, those before them validation, and no moment is in two parts.

    The sizes are as for other splits where all moments differ; else each cut is at the nearest change of the moment.

    Args:
        moments: when the rows were made, ``[N]``.

    Raises:
        DataError: there are fewer moments than parts.

    Example:
        >>> time_split(np.arange(20)[::-1], 0.1, 0.1).test.tolist()
        [0, 1]
        >>> time_split(np.repeat(np.arange(10), 5), 0.15, 0.12).test.tolist()  # 6 of 50 rows would be 1.2 moments
        [45, 46, 47, 48, 49]
    """
    n_validation, n_test = sizes(len(moments), validation, test)
    order = np.argsort(moments, kind="stable").astype(np.int64)
    changes = np.flatnonzero(np.diff(moments[order])) + 1
    wanted = [
        (n_test, 1 + (n_validation > 0)),
        (n_validation, 1),
    ]  # with how many parts there are, up to each cut
    if len(changes) < sum(rows > 0 for rows, _ in wanted):
        raise DataError(
            f"the split column has {counted(len(changes) + 1, 'moment')} for "
            f"{1 + (n_validation > 0) + (n_test > 0)} parts",
            hint="name a column of finer times, or give validation and test rows in files of their own.",
        )
    part = np.zeros(len(order), dtype=np.uint8)
    end, at = len(order), len(order)
    for which, (rows, parts) in zip((2, 1), wanted, strict=True):
        at -= rows
        if rows:
            open_ = changes[parts - 1 :]
            open_ = open_[open_ < end]
            cut = int(open_[np.argmin(np.abs(open_ - at))])
            part[order[cut:end]] = which
            end = cut
    return Split(part)


def row_folds(codes: NDArray[np.integer[Any]], folds: int, seed: int) -> Rows:
    """Return the fold of each row, int64 ``[N]``: at random, each class and all rows as evenly as they can be.

    Args:
        codes: class codes of all rows, ``[N]``, from 0; all 0 if nothing is to be stratified.
        folds: how many folds there are.
        seed: the split seed.

    Raises:
        DataError: there are fewer rows than folds.

    Example:
        >>> codes = np.repeat([0, 1], [20, 5])
        >>> np.bincount(row_folds(codes, 5, seed=0)[codes == 1]).tolist()
        [1, 1, 1, 1, 1]
    """
    n = len(codes)
    if n < folds:
        raise DataError(f"{counted(n, 'row')} cannot be in {folds} folds", hint="give fewer folds.")
    order = _by_class(stream(seed, "split").permutation(n), codes)
    found = np.empty(n, dtype=np.int64)
    found[order] = np.arange(n) % folds  # the rows of a class are dealt out like cards
    return found


def row_fold(codes: NDArray[np.integer[Any]], folds: Rows, fold: int, validation: float, seed: int) -> Split:
    """Return the split that tests one fold; the validation rows are drawn from the others, stratified.

    Args:
        codes, seed: as for ``row_folds``.
        folds: what ``row_folds`` returned.
        fold: the fold to test, from 0.
        validation: share of all rows.

    Raises:
        DataError: there are too few rows.
    """
    tested = folds == fold
    n_validation = _fold_validation(np.bincount(folds), validation)
    for_test, counts = np.bincount(codes[tested], minlength=int(codes.max()) + 1), np.bincount(codes)
    quotas = _quotas(counts, n_validation, keep=1, taken=for_test)
    order = _by_class(stream(seed, "split", fold + 1).permutation(np.flatnonzero(~tested)), codes)
    starts = np.cumsum(counts - for_test) - (counts - for_test)
    chosen = [order[at : at + quota] for at, quota in zip(starts.tolist(), quotas.tolist(), strict=True)]
    return _chosen(len(codes), np.concatenate(chosen), np.flatnonzero(tested))


def group_folds(groups: Rows, folds: int, seed: int) -> Rows:
    """Return the fold of each row, int64 ``[N]``: no group in two folds, which are as even as groups allow.

    The largest groups are assigned first, each to the fold with the fewest rows; groups of about the same size (within
    a factor of two) come in random order.

    Args:
        groups: group codes of all rows, int64 ``[N]``, from 0 without gaps.
        folds: how many folds there are.
        seed: the split seed.

    Raises:
        DataError: there are fewer groups than folds.

    Example:
        >>> np.bincount(group_folds(np.repeat(np.arange(10), 5), 5, seed=0)).tolist()
        [10, 10, 10, 10, 10]
    """
    counts = np.bincount(groups)
    if len(counts) < folds:
        raise DataError(
            f"the split column has {counted(len(counts), 'group')} for {folds} folds",
            hint="give fewer folds, or a column with more different values after group: in --split.",
        )
    order = stream(seed, "split").permutation(len(counts))
    order = order[np.argsort(-np.floor(np.log2(counts[order])), kind="stable")]
    fullness = [(0, fold) for fold in range(folds)]
    found = np.empty(len(counts), dtype=np.int64)
    for group in order.tolist():
        rows, found[group] = fullness[0]
        heapq.heapreplace(fullness, (rows + int(counts[group]), int(found[group])))
    return found[groups]


def group_fold(groups: Rows, folds: Rows, fold: int, validation: float, seed: int) -> Split:
    """Return the split that tests one fold; the validation rows are other groups, drawn from the other folds.

    Args:
        groups, seed: as for ``group_folds``.
        folds: what ``group_folds`` returned.
        fold: the fold to test, from 0.
        validation: share of all rows.

    Raises:
        DataError: there are too few rows or groups.
    """
    tested = folds == fold
    n_validation = _fold_validation(np.bincount(folds), validation)
    counts, others = np.bincount(groups), np.unique(groups[~tested])
    if len(others) < 2:
        raise DataError(
            f"the split column leaves {counted(len(others), 'group')} for training and validation beside a fold",
            hint="give more folds, or a column with more different values after group: in --split.",
        )
    order: list[int] = stream(seed, "split", fold + 1).permutation(others).tolist()
    mine = np.isin(groups, _some_groups(order, counts, n_validation, kept=1))
    return _chosen(len(groups), np.flatnonzero(mine), np.flatnonzero(tested))


def repeat_seed(seed: int, repeat: int) -> int:
    """Return the split seed of a repeated split; the first one is the ordinary split of ``seed``.

    Example:
        >>> repeat_seed(7, 0), repeat_seed(7, 1) == repeat_seed(8, 0)
        (7, False)
    """
    return seed_for(seed, "split", repeat) if repeat else seed


def _fold_validation(fold_sizes: Rows, validation: float) -> int:
    """Return the number of validation rows beside each fold."""
    n = int(fold_sizes.sum())
    wanted, _ = sizes(n, validation, 0.0)
    left = n - int(fold_sizes.max()) - wanted
    if left < 2:
        raise DataError(
            f"{counted(len(fold_sizes), 'fold')} of {n} rows leave {max(0, left)} for training (validation {wanted}, "
            f"test {fold_sizes.max()})",
            hint="give another number of folds, or a smaller --validation share.",
        )
    return wanted


def _by_class(rows: Rows, codes: NDArray[np.integer[Any]]) -> Rows:
    """Return rows sorted by class, in their order within each."""
    mine = codes[rows]
    small = (
        mine.astype(np.uint16) if int(codes.max()) < 1 << 16 else mine
    )  # sorted by digits: five times faster
    return rows[np.argsort(small, kind="stable")]


def _chosen(n: int, validation: NDArray[np.integer[Any]], test: NDArray[np.integer[Any]]) -> Split:
    part = np.zeros(n, dtype=np.uint8)
    part[validation], part[test] = 1, 2
    return Split(part)


def _quotas(counts: Rows, wanted: int, *, keep: int, taken: Rows | None = None) -> Rows:
    taken = np.zeros_like(counts) if taken is None else taken
    room = np.maximum(counts - taken - keep, 0)
    room[counts < 3] = 0
    ideal = counts * (wanted / counts.sum())
    quota = np.minimum(np.floor(ideal).astype(np.int64), room)
    if (room > 0).sum() <= wanted:
        quota = np.maximum(quota, np.minimum(room, 1))
    while quota.sum() < wanted:
        open_ = np.flatnonzero(quota < room)
        if len(open_) == 0:
            spare = np.flatnonzero(quota + taken < counts)
            best = spare[np.argmax((counts - taken - quota)[spare])]
        else:
            best = open_[np.argmax((ideal - quota)[open_])]
        quota[best] += 1
    while quota.sum() > wanted:
        fair = np.where(quota > 1, quota - ideal, -np.inf)
        quota[np.argmax(fair if np.isfinite(fair).any() else quota)] -= 1
    return quota
