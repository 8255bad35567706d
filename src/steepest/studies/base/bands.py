"""Whether a published number of one run is one that a further seed may give."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats


def band(values: Sequence[float]) -> tuple[float, float]:
    """Return the ends between which the value of a further seed lies with 95 % probability, if values are normal.

    They are the mean ± t s √(1 + 1/n) with Student's t of n − 1 degrees of freedom and the standard deviation s.

    Args:
        values: of n ≥ 2 seeds.

    Example:
        >>> [round(each, 2) for each in band([1.0, 2.0, 3.0])]
        [-2.97, 6.97]
    """
    wide = float(
        stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) * math.sqrt(1 + 1 / len(values))
    )
    middle = float(np.mean(values))
    return middle - wide, middle + wide


def agrees(published: float, values: Sequence[float]) -> bool:
    """Return whether a published number is one that a further seed may give.

    Example:
        >>> agrees(1.5, [1.0, 2.0, 3.0]), agrees(9.0, [1.0, 2.0, 3.0])
        (True, False)
    """
    low, high = band(values)
    return low <= published <= high
