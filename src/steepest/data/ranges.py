"""The range of the numbers in an array, learned on training rows: which new numbers lie far outside of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steepest.data.unforeseen import Far

MOST_COLUMNS = 64
"""Up to so many columns of an array have a range each, as those of a table; wider rows, as of pixels, have one."""


@dataclass(frozen=True)
class ArrayRange:
    """The least and the greatest training value of the columns of an array, or of all its numbers.

    Attributes:
        low, high: of each column of an array ``[N, D]`` with up to 64 columns; else one of all numbers.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]

    @classmethod
    def fit(cls, values: NDArray[Any]) -> ArrayRange:
        """Learn from the training rows ``[N, …]``, at least one.

        Example:
            >>> ArrayRange.fit(np.array([[0, 5], [2, 5]])), ArrayRange.fit(np.zeros((2, 8, 8)))
            (ArrayRange(low=(0.0, 5.0), high=(2.0, 5.0)), ArrayRange(low=(0.0,), high=(0.0,)))
        """
        over = 0 if values.ndim == 2 and values.shape[1] <= MOST_COLUMNS else None
        low, high = (np.atleast_1d(each(values, axis=over)).tolist() for each in (np.min, np.max))
        return cls(tuple(map(float, low)), tuple(map(float, high)))

    @property
    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What numbers lie outside of if they are far from those of training.

        They are beyond the least or greatest one by more than the width of the range. A column of one value has the
        width of the widest column, but at least its own size: pixels at the edge of an image may be black in training.

        Example:
            >>> [each.tolist() for each in ArrayRange((0.0, 5.0, 0.0), (2.0, 5.0, 0.0)).bounds]
            [[-2.0, 0.0, -2.0], [4.0, 10.0, 2.0]]
        """
        low, high = np.array(self.low), np.array(self.high)
        width = high - low
        alike = np.maximum(np.abs(low), width.max())
        width = np.where(width > 0, width, np.where(alike > 0, alike, 1.0))
        return low - width, high + width

    def outside(self, name: str, values: NDArray[Any]) -> tuple[int, Far | None]:
        """Return how many numbers of new rows ``[N, …]`` are far from those of training, and of these the farthest.

        Args:
            name: of the array, for the place of the farthest number.

        Example:
            >>> ArrayRange((0.0, 5.0), (2.0, 5.0)).outside("x", np.array([[4.5, 5.0], [1.0, -900.0]]))
            (2, Far(value=-900.0, low=5.0, high=5.0, place='x[:, 1]'))
        """
        least, most = self.bounds
        rows = values.reshape(len(values), -1) if len(self.low) > 1 else values.reshape(-1, 1)
        found = (rows < least) | (rows > most)
        count = int(np.count_nonzero(found))
        if not count:
            return 0, None
        at, column = np.nonzero(found)
        which = [f"{name}[:, {i}]" for i in range(len(self.low))] if len(self.low) > 1 else [""]
        far = [
            Far(float(rows[i, j]), self.low[j], self.high[j], which[j])
            for j in map(int, np.unique(column))
            for i in _ends(rows[:, j], at[column == j])
        ]
        return count, max(far, key=lambda each: each.away)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Sequence[float]]) -> ArrayRange:
        """Return what :meth:`to_dict` gave."""
        return cls(tuple(map(float, stored["low"])), tuple(map(float, stored["high"])))


def _ends(column: NDArray[Any], places: NDArray[np.intp]) -> tuple[int, int]:
    """Return where of some places of a column its least and its greatest number are."""
    return int(places[np.argmin(column[places])]), int(places[np.argmax(column[places])])
