"""What is mapped: vectors, and what is known of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from steepest.errors import DataError, ModelError, OptionError
from steepest.mapping.projection import Vectors
from steepest.rng import stream
from steepest.wording import counted

LEAST = 3
"""Points that a map needs."""
NUMBERS = 12
"""Whole numbers with more values than this are shown on a scale; fewer are labels."""

Index = NDArray[np.int64]


@dataclass(frozen=True)
class Points:
    """Vectors, and what is known of each.

    Attributes:
        vectors: ``[N, d]``.
        about: columns that name each point and say more of it, the one that identifies it first.
        colour: the column of ``about`` by which points are coloured, or None.
        numeric: whether its values are on a scale; else they are labels.
        what: the points in words, such as ``test rows of churn``.
        by: the vectors in words, such as ``the activations of layer blocks.1 (64 numbers)``.
        notes: what is worth knowing of them.
        named: the column with the names that are written beside points, where they have names.
        pictures: of images, ``[N, C, H, W]`` (uint8).
        learned: whether a network makes the vectors of the points.
    """

    vectors: Vectors
    about: pl.DataFrame
    colour: str | None
    numeric: bool
    what: str
    by: str
    notes: tuple[str, ...] = ()
    named: str | None = None
    pictures: NDArray[np.uint8] | None = None
    learned: bool = False

    def checked(self) -> Points:
        """Return the points if they can be mapped.

        Raises:
            DataError: there are too few.
            ModelError: the vectors have one number, are all the same, or are not finite.
        """
        rows, width = self.vectors.shape
        if rows < LEAST:
            raise DataError(
                f"{counted(rows, 'point')} cannot be mapped",
                hint=f"a map needs at least {LEAST}: name more rows.",
            )
        if width < 2:
            raise ModelError(
                f"{self.by}: one number needs no map",
                hint="name another layer or field, with at least two numbers.",
            )
        odd = int((~np.isfinite(self.vectors)).any(1).sum())
        if odd:
            raise ModelError(
                f"{self.by}: {counted(odd, 'point has', 'points have')} values that are not finite",
                hint="the network diverged; name another arm with --arm, or an earlier layer.",
            )
        if (self.vectors == self.vectors[0]).all():
            raise ModelError(
                f"{self.by}: all {rows:,} points have the same values",
                hint="there is nothing to map; name another layer, or rows that differ.",
            )
        return self

    @property
    def values(self) -> NDArray[Any] | None:
        """What the points are coloured by: numbers, NaN where there is none, or labels, None where there is none."""
        if self.colour is None:
            return None
        series = self.about[self.colour]
        if self.numeric:
            return series.cast(pl.Float64).fill_null(np.nan).to_numpy()
        return np.array(series.cast(pl.String).to_list(), dtype=object)


def on_scale(values: pl.Series) -> bool:
    """Return whether values are shown on a scale of colours instead of as labels.

    Example:
        >>> on_scale(pl.Series([0.5, 1.0])), on_scale(pl.Series([1, 2, 1])), on_scale(pl.Series(["a"]))
        (True, False, False)
    """
    return values.dtype.is_float() or (values.dtype.is_integer() and values.n_unique() > NUMBERS)


def chosen(rows: int, most: int, seed: int) -> Index:
    """Return the numbers of the rows that are mapped, in order: all, or ``most`` of them at random.

    Example:
        >>> chosen(3, 5, 0).tolist(), len(chosen(10, 5, 0))
        ([0, 1, 2], 5)
    """
    if rows <= most:
        return np.arange(rows)
    return np.sort(stream(seed, "map").permutation(rows)[:most])


def largest(weights: Sequence[float], most: int) -> Index:
    """Return the numbers of the points with the largest weights, the largest first.

    Example:
        >>> largest([1, 5, 3], 2).tolist()
        [1, 2]
    """
    return np.argsort(-np.asarray(weights, dtype=np.float64), kind="stable")[:most]


def check_number(points: int) -> None:
    """Raise an ``OptionError`` if a number of points is too small for a map."""
    if points < LEAST:
        raise OptionError(f"points: {points} is below {LEAST}", hint=f"give a whole number from {LEAST}.")


def coloured(points: Points, column: str) -> Points:
    """Return points that are coloured by one of the columns about them."""
    return replace(points, colour=column, numeric=on_scale(points.about[column]))
