"""Values that belong together: pairs, and what happens to a pair when one run diverged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steepest.errors import OptionError

Values = NDArray[np.float64]


def finite(values: Sequence[float] | ArrayLike) -> Values:
    """Return the values that are finite, as float64; a diverged run leaves NaN and is dropped here.

    Example:
        >>> finite([1.0, float("nan"), 3.0])
        array([1., 3.])
    """
    array = np.asarray(values, dtype=np.float64).reshape(-1)
    return array[np.isfinite(array)]


def pairs(first: Sequence[float] | ArrayLike, second: Sequence[float] | ArrayLike) -> tuple[Values, Values]:
    """Return both sequences without the pairs in which one of the two is not finite.

    Args:
        first: values by seed (or by row).
        second: values of the same seeds (or rows) in the same order.

    Returns:
        two float64 arrays of equal length; their length is the n that counts.

    Raises:
        OptionError: the lengths differ, so the values cannot belong together.

    Example:
        >>> pairs([1.0, float("nan"), 3.0], [0.5, 0.5, 2.0])
        (array([1., 3.]), array([0.5, 2. ]))
    """
    a = np.asarray(first, dtype=np.float64).reshape(-1)
    b = np.asarray(second, dtype=np.float64).reshape(-1)
    if len(a) != len(b):
        raise OptionError(
            f"cannot pair {len(a)} values with {len(b)}",
            hint="compare runs with the same seeds, or losses of the same rows in the same order.",
        )
    both = np.isfinite(a) & np.isfinite(b)
    return a[both], b[both]
