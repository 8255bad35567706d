"""Standard scores of a column of numbers, learned on training rows only."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from torch import Tensor

from steepest.components.comma_lists import shell_name
from steepest.data.columns import check_finite
from steepest.data.crowding import Crowd, about_column, about_target, crowded, middle
from steepest.data.dataset import Note
from steepest.data.sizes import beyond_floats, check_size, deviation
from steepest.errors import DataError

LARGEST_SCORE = 1e30
"""A larger standard score would overflow in the network."""


@dataclass(frozen=True)
class Standardization:
    """How one continuous column is standardised: ``(value - shift - mean) / sd``, missing values at the mean.

    Attributes:
        mean, sd: of the known training values less the shift; of a constant, its size counts as the sd.
        missing: whether training rows had missing values, so that an indicator column is added.
        shift: what is subtracted first, exactly, from whole numbers that are too large for floats.
        middle: whether the middle value stands for the mean, because around that, few far values would make 32 bits
            merge the others; close to 0 they hold much smaller differences.
        low, high: the least and the greatest known training value less the shift; None where none is known, and in
            models of earlier versions.
    """

    mean: float
    sd: float
    missing: bool = False
    shift: int = 0
    middle: bool = False
    low: float | None = None
    high: float | None = None

    @classmethod
    def fit(cls, values: pl.Series) -> Standardization:
        """Learn from the training rows.

        Raises:
            DataError: a value is too large to be squared.

        Example:
            >>> Standardization.fit(pl.Series([0.0, 2e-13]))
            Standardization(mean=1e-13, sd=1e-13, missing=False, shift=0, middle=False, low=0.0, high=2e-13)
        """
        known, missing = values.drop_nulls(), values.null_count() > 0
        if len(known) == 0:
            return cls(0.0, 1.0, missing)
        check_size(values, cure=f"leave the column out: --drop {shell_name(values.name)}")
        shift = int(known.min()) if beyond_floats(known) else 0  # pyright: ignore[reportArgumentType]
        numbers = _less(known, shift)
        low, high = float(numbers.min()), float(numbers.max())
        if low == high:
            return cls(low, abs(low + shift) or 1.0, missing, shift, low=low, high=high)
        mean, sd = float(numbers.mean()), deviation(numbers)
        if crowded(numbers, mean, sd):
            return cls(middle(numbers), sd, missing, shift, middle=True, low=low, high=high)
        return cls(mean, sd, missing, shift, low=low, high=high)

    @property
    def as_it_is(self) -> Standardization:
        """The same column in its own unit."""
        low, high = (None if each is None else each + self.shift for each in (self.low, self.high))
        return Standardization(0.0, 1.0, self.missing, low=low, high=high)

    @property
    def range(self) -> tuple[float, float] | None:
        """The least and the greatest training value; None where they are not known."""
        return (
            None if self.low is None or self.high is None else (self.low + self.shift, self.high + self.shift)
        )

    @property
    def bounds(self) -> tuple[float, float]:
        """What values less the shift lie outside of if they are far from those of training.

        They are beyond the least or greatest one by more than the width of the range, or by more than its size where
        training had one value.

        Example:
            >>> Standardization.fit(pl.Series([20.0, 30.0])).bounds, Standardization.fit(pl.Series([5.0])).bounds
            ((10.0, 40.0), (0.0, 10.0))
        """
        if self.low is None or self.high is None:
            return -math.inf, math.inf
        width = self.high - self.low or self.sd
        return self.low - width, self.high + width

    def outside(self, values: pl.Series) -> pl.Series:
        """Return the values that are far from those of training."""
        low, high = self.bounds
        found = _less(values, self.shift)
        with np.errstate(invalid="ignore"):
            return values.filter(pl.Series((found < low) | (found > high)))

    def crowd(self, values: pl.Series) -> Crowd | None:
        """Return what scores around the mean would merge of the training rows, where the middle stands for it."""
        if not self.middle:
            return None
        numbers = _less(values.drop_nulls(), self.shift)
        found = Crowd.of(numbers, float(numbers.mean()), self.sd)
        return found and replace(
            found, centre=found.centre + self.shift, farthest=found.farthest + self.shift
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        optional = {"middle": False, "low": None, "high": None}
        return {
            name: value
            for name, value in asdict(self).items()
            if name not in optional or value is not optional[name]
        }

    def encode(self, values: pl.Series) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return standard scores ``[N]`` and where values are missing.

        Raises:
            DataError: the column holds an infinity, or a value whose score does not fit into 32 bits.
        """
        found = _less(values, self.shift)
        if np.isinf(found).any():
            check_finite(values, values.name, cure="remove those rows")
        lacking = np.isnan(found)
        found[lacking] = self.mean
        with np.errstate(over="ignore"):
            scores = (found - self.mean) / self.sd
        far = np.flatnonzero(np.abs(scores) > LARGEST_SCORE)
        if len(far):
            raise DataError(
                f"column {values.name!r} holds {values[int(far[0])]:g} in row {far[0] + 1}, "
                f"{np.abs(scores[far[0]]):.0e} standard deviations from the training rows' mean",
                hint=f"correct it in the table, or leave the column out: --drop {shell_name(values.name)}.",
            )
        return scores, lacking

    def decode(self, scores: Tensor) -> list[float]:
        """Return values from scores ``[N]``, with the digits that 32 bits hold."""
        away = scores.double() * self.sd
        if self.middle:  # scores close to 0 hold more digits than others
            return [float(f"{each:.7g}") + self.mean + self.shift for each in away.tolist()]
        digits = 6 - math.ceil(math.log10(self.sd))
        return [round(value, digits) + 0.0 + self.shift for value in (away + self.mean).tolist()]

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Standardization:
        """Return what ``to_dict`` stored."""
        found = cls(**stored)
        if not (math.isfinite(found.mean) and math.isfinite(found.sd) and found.sd > 0):
            raise ValueError(
                f"a column cannot have the mean {found.mean} and the standard deviation {found.sd}"
            )
        mean, sd, shift = float(found.mean), float(found.sd), int(found.shift)
        low, high = (None if each is None else float(each) for each in (found.low, found.high))
        return cls(mean, sd, bool(found.missing), shift, bool(found.middle), low, high)


def _less(values: pl.Series, shift: int) -> NDArray[np.float64]:
    """Return ``values - shift`` as new floats, not-a-number where they are missing; exact for close whole numbers."""
    numbers = values.cast(pl.Float64).to_numpy(writable=True)
    if not shift:
        return numbers
    numbers -= float(shift)
    if not values.dtype.is_integer():
        return numbers
    whole = values.fill_null(shift).to_numpy()
    near = np.abs(numbers) < 2.0**62
    exact = whole.astype(np.uint64) - np.uint64(shift % (1 << 64))  # what overflows comes back
    numbers[near] = exact.view(np.int64)[near]
    return numbers


def about_crowds(features: Iterable[tuple[str, pl.Series]], target: pl.Series | None) -> list[Note]:
    """Return warnings about columns of numbers, and a target of numbers, that few far values press together.

    Example:
        >>> values = pl.Series("x", [1.0, 2.0, 3.0, 4.0, 1e12])
        >>> [note.text for note in about_crowds([("x", values)], None)]
        ['around the mean, the 5 different values of x would become 2 standard scores in 32 bits, because of ...']
    """
    found: list[Note] = []
    for name, values in features:
        with contextlib.suppress(DataError):  # what cannot be standardised is an error later
            crowd = Standardization.fit(values).crowd(values)
            found += [] if crowd is None else [about_column(name, crowd)]
    if target is not None:
        numbers = target.drop_nulls().cast(pl.Float64).to_numpy()
        if len(numbers) and np.ptp(numbers) > 0:
            found += about_target(numbers, target.name, float(numbers.mean()), deviation(numbers))
    return found
