"""Which rows a model was trained or chosen on, so that scores on them are not taken for scores on new rows."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import safetensors
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor

from steepest.data.dataset import Dataset
from steepest.errors import FolderError
from steepest.files import write_atomically
from steepest.objectives.target import target_of
from steepest.rng import seed_for

FILE = "training_rows.safetensors"
NO_ROW = torch.zeros(0, dtype=torch.int64)
_HASHED_AT_ONCE = 1 << 20
COUNTED = ("hashes", "trained", "tested", "unused")


@dataclass(frozen=True)
class Origin:
    """What the rows of a model are as a whole.

    Attributes:
        rows: of training, validation and test together, and those of the table that are none of them.
        copies: how many different training and validation rows there are so many times: ``{1: 500, 2: 20}``.
        chance: the share of test rows, which are new to the model, that equal a training or validation row all the
            same; without test rows, the share of validation rows that equal a training row; without these, the share of
            training rows that equal another one.
        judged: how many rows this share was found on.
    """

    rows: int
    copies: Mapping[int, int]
    chance: float
    judged: float = math.inf

    def has(self, found: int, rows: int) -> bool:
        """Whether so many training and validation rows are more than as many new rows would equal.

        Of ``rows`` new rows, those that equal a certain training row follow a Poisson distribution, and count as
        often as the training row is there.
        """
        if self.beyond_chance(found, rows):
            return True
        mean, variance = self._equal(rows, self.chance)
        above, _ = self._equal(rows, min(self.chance + self.error, 1.0))
        return found > mean + 4 * math.sqrt(variance + (above - mean) ** 2)

    def beyond_chance(self, found: int, rows: int) -> bool:
        """Whether more of some rows equal a training or validation row than such new rows would.

        Example:
            >>> origin = Origin(1000, {1: 900}, 0.5, 400)
            >>> origin.beyond_chance(80, 100), origin.beyond_chance(55, 100)
            (True, False)
        """
        variance = rows * self.chance * (1 - self.chance) + (rows * self.error) ** 2
        return found > rows * self.chance + 4 * math.sqrt(variance)

    @property
    def error(self) -> float:
        """The standard error of ``chance``."""
        return math.sqrt(self.chance * (1 - self.chance) / self.judged)

    def _equal(self, rows: int, chance: float) -> tuple[float, float]:
        """Return mean and variance of the number of training rows that are found among new rows."""
        times, different = np.array(list(self.copies.items()), dtype=np.float64).reshape(-1, 2).T
        rate = rows * chance * times / max(float(times @ different), 1.0)
        from scipy.special import pdtr  # slow to import

        most = 1.0 - pdtr(times - 1, rate)
        mean = rate * _at_most(times - 2, rate) + times * most
        square = rate**2 * _at_most(times - 3, rate) + rate * _at_most(times - 2, rate) + times**2 * most
        return float(mean @ different), float(np.maximum(square - mean**2, 0.0) @ different)


def _at_most(count: NDArray[np.float64], rate: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.special import pdtr  # slow to import

    return np.where(count < 0, 0.0, pdtr(np.maximum(count, 0.0), rate))


@dataclass(frozen=True)
class SeenRows:
    """The rows of a model, as hashes of 32 bits: of what the model gets, and of the target.

    Attributes:
        hashes: in rising order, each once; uint32.
        trained: how often each is a training or validation row.
        tested: how often each is a test row.
        unused: how often each is a row of the comparison's table that the model was neither trained, chosen nor
            tested on, where it was trained on fewer rows than others.
        chance, judged: as in :class:`Origin`.
    """

    hashes: NDArray[np.uint32]
    trained: NDArray[np.uint32]
    tested: NDArray[np.uint32]
    unused: NDArray[np.uint32]
    chance: float
    judged: float

    @classmethod
    def of(cls, dataset: Dataset, *, seed: int | None = None) -> SeenRows:
        """Return the rows of a dataset.

        Args:
            dataset: training, validation and test rows.
            seed: the run seed, where each run draws its own training rows; None: the rows of the split seed's draw.
        """
        held = (dataset.validation, dataset.test)
        train, validation, test = (
            hashed(target_of(dataset).whole_rows(part))
            for part in (
                dataset.true_train if seed is None else dataset.true_training(seed),
                *(each if dataset.held_out else each.take(NO_ROW) for each in held),
            )
        )
        seen = np.concatenate([train, validation])
        hashes, place = np.unique(np.concatenate([seen, test]), return_inverse=True)
        trained, tested = (
            np.bincount(each, minlength=len(hashes)).astype(np.uint32)
            for each in (place[: len(seen)], place[len(seen) :])
        )
        if len(test) or len(validation):
            equal = np.isin(test, seen) if len(test) else np.isin(validation, train)
            judged = len(equal) + 2
        else:  # each training row among the others, which a new row equals as often; two that are equal are found twice
            equal = trained[place] > 1
            judged = len(equal) / 2 + 2
        chance = (int(equal.sum()) + 1) / (len(equal) + 2)
        return cls(hashes, trained, tested, np.zeros_like(trained), chance, judged)

    def within(self, table: NDArray[np.uint32]) -> SeenRows:
        """Return these with what a table has beside them, so that the table is recognised.

        Args:
            table: hashes of its rows, as :func:`hashed` returns them.

        Example:
            >>> once = np.ones(2, dtype=np.uint32)
            >>> rows = SeenRows(np.array([5, 7], dtype=np.uint32), once, 0 * once, 0 * once, 0.5, 2)
            >>> found = rows.within(np.array([9, 7, 5, 7], dtype=np.uint32))
            >>> found.hashes.tolist(), found.trained.tolist(), found.unused.tolist()
            ([5, 7, 9], [1, 1, 0], [0, 1, 1])
        """
        hashes, place = np.unique(np.concatenate([self.hashes, table]), return_inverse=True)
        trained, tested = (np.zeros(len(hashes), dtype=np.uint32) for _ in range(2))
        mine, there = np.split(place, [len(self.hashes)])
        trained[mine], tested[mine] = self.trained, self.tested
        unused = np.bincount(there, minlength=len(hashes)) - trained - tested
        return replace(
            self,
            hashes=hashes,
            trained=trained,
            tested=tested,
            unused=np.maximum(unused, 0).astype(np.uint32),
        )

    @functools.cached_property
    def origin(self) -> Origin:
        """What these rows are as a whole."""
        times, different = np.unique(self.trained[self.trained > 0], return_counts=True)
        copies = dict(zip(times.tolist(), different.tolist(), strict=True))
        rows = int(self.trained.sum() + self.tested.sum() + self.unused.sum())
        return Origin(rows, copies, self.chance, self.judged)

    def look_up(self, values: Iterable[Tensor]) -> NDArray[np.uint32]:
        """Return of each row its hash, and how often it is trained on, tested on and unused, ``[N, 4]``.

        Args:
            values: as for :func:`hashed`.
        """
        found = hashed(values)
        place = np.minimum(np.searchsorted(self.hashes, found), len(self.hashes) - 1)
        there = (self.hashes[place] == found).astype(np.uint32)
        counts = (self.trained, self.tested, self.unused)
        return np.column_stack([found, *(each[place] * there for each in counts)])

    def save(self, folder: Path) -> None:
        """Write one file into the folder of a model.

        Raises:
            FolderError: it cannot be written.
        """
        stored = {
            **{name: torch.from_numpy(getattr(self, name).view(np.int32)) for name in COUNTED},
            "chance": torch.tensor([self.chance, self.judged], dtype=torch.float64),
        }
        write_atomically(folder / FILE, safetensors.torch.save(stored))

    @classmethod
    def load(cls, folder: Path) -> SeenRows | None:
        """Read what ``save`` wrote; None if there is none, as in models of earlier versions.

        Raises:
            FolderError: the file cannot be read.
        """
        path = folder / FILE
        if not path.is_file():
            return None
        try:
            stored = safetensors.torch.load(path.read_bytes())
            if "trained" not in stored:  # an earlier version kept each training or validation row once
                stored["trained"] = torch.ones_like(stored["hashes"])
                stored["tested"] = torch.zeros_like(stored["hashes"])
            stored.setdefault("unused", torch.zeros_like(stored["hashes"]))
            hashes, trained, tested, unused = (stored[name].numpy().view(np.uint32) for name in COUNTED)
            chance, judged = [*stored["chance"].tolist(), math.inf][:2]
            return cls(hashes, trained, tested, unused, chance, judged)
        except (OSError, safetensors.SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as error:
            raise FolderError(
                f"cannot read {str(path)!r}: {error}",
                hint="delete it: the model predicts without it, but does not recognise its training rows.",
            ) from None


def hashed(values: Iterable[Tensor]) -> NDArray[np.uint32]:
    """Return a hash of each row, the same in every process: multilinear hashing with fixed random numbers.

    Args:
        values: int64, float32 or uint8 of each row, ``[N]`` or ``[N, …]``.

    Example:
        >>> first, second = hashed([torch.tensor([[1.5, 2.0], [2.0, 1.5]]), torch.tensor([0, 0])])
        >>> bool(first != second), hashed([torch.tensor([[2.0, 1.5]]), torch.tensor([0])])[0] == second
        (True, np.True_)

    Source: Lemire and Kaser, Strongly universal string hashing is fast, The Computer Journal 57, 2014.
    """
    given = [each[:, None] if each.dim() == 1 else each.flatten(1) for each in values]
    found = np.full(len(given[0]), seed_for(0, "data", 0), dtype=np.uint64)
    columns = 0
    for each in given:
        width = each.shape[1]
        factors = [np.uint64(seed_for(0, "data", columns + i)) for i in range(1, width + 1)]
        columns += width
        if each.dtype == torch.uint8:  # pixels: many columns, which are read row by row
            step = max(1, _HASHED_AT_ONCE // max(1, width))
            for start in range(0, len(each), step):
                block = each[start : start + step].numpy().astype(np.uint64)
                found[start : start + step] += block @ np.array(factors)
            continue
        for column, factor in zip(each.T, factors, strict=True):
            bits = column.contiguous().numpy()
            bits = bits.view(np.uint32) if column.is_floating_point() else bits.astype(np.uint32)
            found += bits.astype(np.uint64) * factor
    return (found >> np.uint64(32)).astype(np.uint32)


def hashed_once(
    batches: Iterable[tuple[Iterable[Tensor], NDArray[np.int64] | None]],
) -> NDArray[np.uint32]:
    """Return a hash of each row of batches, one where several rows are parts of one.

    Args:
        batches: values as for :func:`hashed`, and numbers of the rows, the same ones for parts of one; or None.

    Example:
        >>> values, places = [torch.tensor([7, 7, 9])], np.array([0, 0, 1])
        >>> len(hashed_once([(values, None)])), len(hashed_once([(values, places)]))
        (3, 2)
    """
    found: list[NDArray[np.uint32]] = []
    numbers: list[NDArray[np.int64]] = []
    for values, places in batches:
        found.append(hashed(values))
        numbers += [] if places is None else [places]
    rows = np.concatenate([np.zeros(0, dtype=np.uint32), *found])
    return rows[np.unique(np.concatenate(numbers), return_index=True)[1]] if numbers else rows


def parted(found: NDArray[np.uint32], origin: Origin) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which rows of a table are those that the model was trained or chosen on, and which others equal one.

    In the comparison's own table all rows but the test rows count as such, also those that this model did not get.

    Of the copies of a row, as many as there were in training and validation are taken for those rows, and as many as
    there were in the test set for test rows. What is left is a repetition of the model's rows, or new rows that
    happen to equal one: that depends on how many there are. Copies are the same in everything, so it does not matter
    which of them are which.

    Args:
        found: as :meth:`SeenRows.look_up` returns it, ``[N, 4]``.
        origin: what the model's rows are as a whole.

    Example:
        >>> rows = np.array([[7, 2, 1, 0]] * 3 + [[9, 0, 1, 0]], dtype=np.uint32)  # all of the model's
        >>> [each.tolist() for each in parted(rows, Origin(4, {2: 1}, 0.5))]
        [[True, True, False, False], [False, False, True, False]]
    """
    n, (hashes, trained, tested, unused) = len(found), found.T
    equal = trained > 0
    _, first, which, counts = np.unique(hashes, return_index=True, return_inverse=True, return_counts=True)
    place = np.empty(n, dtype=np.int64)  # of a row among its copies
    place[np.argsort(which, kind="stable")] = np.arange(n) - np.repeat(np.cumsum(counts) - counts, counts)
    if n == origin.rows and bool((counts == (trained + tested + unused)[first]).all()):  # the table itself
        seen = place < trained + unused
        return seen, equal & ~seen
    seen, known = place < trained, place < trained + tested
    if not origin.has(int(seen.sum()), n):
        return np.zeros(n, dtype=np.bool_), equal
    if not (tested[~equal] > 0).any():  # no row of the test set that is nothing else: not that set
        known = seen
    repeated = equal & ~known
    if origin.beyond_chance(int(repeated.sum()), n - int(known.sum())):
        seen = seen | repeated
    return seen, equal & ~seen
