"""Which rows a model was trained or chosen on, so that scores on them are not taken for scores on new rows."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
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
from steepest.rng import seed_for

FILE = "training_rows.safetensors"


@dataclass(frozen=True)
class SeenRows:
    """The training and validation rows of a model, as hashes of 32 bits: of what the model gets, and of the target.

    Attributes:
        hashes: in rising order, each once; uint32.
        chance: the share of test rows, which are new to the model, that equal one of these rows all the same; without
            test rows, the share of validation rows that equal a training row.
    """

    hashes: NDArray[np.uint32]
    chance: float

    @classmethod
    def of(cls, dataset: Dataset) -> SeenRows:
        """Return the training and validation rows of a dataset."""
        train, validation, test = (
            hashed((*(each.cpu() for each in part.inputs), part.target.cpu()))
            for part in (dataset.true_train, dataset.validation, dataset.test)
        )
        seen = np.unique(np.concatenate([train, validation]))
        new, known = (test, seen) if len(test) else (validation, train)
        return cls(seen, (int(np.isin(new, known).sum()) + 1) / (len(new) + 2))

    def contains(self, values: Iterable[Tensor]) -> NDArray[np.bool_]:
        """Whether rows are among these; ``values`` are as for ``hashed``."""
        return np.isin(hashed(values), self.hashes)

    def save(self, folder: Path) -> None:
        """Write one file into the folder of a model.

        Raises:
            FolderError: it cannot be written.
        """
        stored = {
            "hashes": torch.from_numpy(self.hashes.view(np.int32)),
            "chance": torch.tensor([self.chance], dtype=torch.float64),
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
            return cls(stored["hashes"].numpy().view(np.uint32), float(stored["chance"].item()))
        except (OSError, safetensors.SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as error:
            raise FolderError(
                f"cannot read {str(path)!r}: {error}",
                hint="delete it: the model predicts without it, but does not recognise its training rows.",
            ) from None


def hashed(values: Iterable[Tensor]) -> NDArray[np.uint32]:
    """Return a hash of each row, the same in every process: multilinear hashing with fixed random numbers.

    Args:
        values: int64 or float32 of each row, ``[N]`` or ``[N, D]``.

    Example:
        >>> first, second = hashed([torch.tensor([[1.5, 2.0], [2.0, 1.5]]), torch.tensor([0, 0])])
        >>> bool(first != second), hashed([torch.tensor([[2.0, 1.5]]), torch.tensor([0])])[0] == second
        (True, np.True_)

    Source: Lemire and Kaser, Strongly universal string hashing is fast, The Computer Journal 57, 2014.
    """
    columns = [column for each in values for column in (each[:, None] if each.dim() == 1 else each).T]
    found = np.full(len(columns[0]), seed_for(0, "data", 0), dtype=np.uint64)
    for i, column in enumerate(columns, 1):
        bits = column.contiguous().numpy()
        bits = bits.view(np.uint32) if column.is_floating_point() else bits.astype(np.uint32)
        found += bits.astype(np.uint64) * np.uint64(seed_for(0, "data", i))
    return (found >> np.uint64(32)).astype(np.uint32)


def beyond_chance(seen: int, rows: int, chance: float) -> bool:
    """Whether more of some rows are known to a model than new rows that happen to equal its own would be.

    Example:
        >>> beyond_chance(80, 100, 0.5), beyond_chance(55, 100, 0.5), beyond_chance(1, 1, 0.01)
        (True, False, True)
    """
    return seen > rows * chance + 4 * math.sqrt(rows * chance * (1 - chance))
