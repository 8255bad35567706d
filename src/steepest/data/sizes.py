"""Numbers of any size: which can be standardised, and how much they vary."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
from numpy.typing import NDArray

from steepest.errors import DataError

LARGEST_VALUE = 1e150
"""The square of a larger one would overflow."""

_SQUARED = 1e-100, 1e100
"""The squares of smaller differences would vanish, and sums of those of larger ones overflow."""


def check_size(values: pl.Series, *, cure: str, what: str = "column") -> None:
    """Raise a ``DataError`` if a column holds a number that is too large to be used.

    Args:
        values: numbers.
        cure: what to do beside mending the value.
        what: how the error calls the column.
    """
    size = values.cast(pl.Float64).abs().max()
    if isinstance(size, float) and size > LARGEST_VALUE:
        raise DataError(
            f"{what} {values.name!r} contains a number of size {size:g}, too large to be standardised",
            hint=f"correct it in the table, or {cure}.",
        )


def beyond_floats(values: pl.Series) -> bool:
    """Whether some values are whole numbers that floats do not hold exactly.

    Example:
        >>> beyond_floats(pl.Series([2**60])), beyond_floats(pl.Series([2**50])), beyond_floats(pl.Series([1e300]))
        (True, False, False)
    """
    if not values.dtype.is_integer():
        return False
    least, most = (int(each or 0) for each in (values.min(), values.max()))  # pyright: ignore[reportArgumentType]
    return max(-least, most) > 1 << 53


def deviation(values: NDArray[np.float64]) -> float:
    """Return the standard deviation of numbers, which is 0 only if floats hold no difference.

    Example:
        >>> deviation(np.array([0.0, 2e-200]))
        1e-200
    """
    centred = values - values.mean()
    most = float(np.abs(centred).max())
    if most == 0.0:
        return 0.0
    if _SQUARED[0] < most < _SQUARED[1]:
        return float(values.std())
    return most * float((centred / most).std()) or math.ulp(0.0)
