"""What variants of a dataset have from it: which rows there are, and how the target is encoded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from steepest.data.columns import Columns
from steepest.data.dataset import TargetScale, Task
from steepest.data.parts import SPLIT_COLUMN


@dataclass(frozen=True)
class InheritedData:
    """What a variant of a dataset takes from it instead of deciding it anew.

    Attributes:
        ids: which rows there are, as ``row_ids`` numbers them, in rising order.
        parts: the part of each of them (of type ``SPLIT_TYPE``).
        task, classes, scale: how the target is encoded.
        columns: what the columns are used for, if not decided anew.
    """

    ids: NDArray[np.uint64]
    parts: pl.Series
    task: Task
    classes: tuple[str, ...]
    scale: TargetScale
    columns: Columns | None = None

    def places(self, ids: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return where rows are among these, -1 for other rows."""
        at = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1).astype(np.int64)
        at[self.ids[at] != ids] = -1
        return at

    def restricted(self, frame: pl.DataFrame, numbers: pl.Series) -> tuple[pl.DataFrame, pl.Series]:
        """Return these rows of a table with their parts, and their numbers."""
        places = self.places(row_ids(frame[SPLIT_COLUMN], numbers))
        there = pl.Series(places >= 0)
        parts = self.parts.gather(places[places >= 0]).alias(SPLIT_COLUMN)
        return frame.filter(there).with_columns(parts), numbers.filter(there)


def row_ids(files: pl.Series, numbers: pl.Series) -> NDArray[np.uint64]:
    """Return a number for each row that it keeps under other preparations.

    Args:
        files: the part of rows from a file of its own, else null (of type ``SPLIT_TYPE``).
        numbers: of each row, its number in its file.
    """
    file = files.to_physical().fill_null(0).to_numpy().astype(np.uint64)
    return (file << np.uint64(32)) + numbers.to_numpy().astype(np.uint64)
