"""Metrics that are a mean over rows: a value for each row, and when there are enough rows for an interval."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

BY_ROW = ("log_loss", "accuracy", "rmse", "mae")
"""The metrics that are a mean over rows, or a smooth function of one."""

FEWEST_ROWS = 100
"""With fewer rows no interval is honest: see ``python -m benchmarks coverage``."""


def by_row(metric: str, kept: Mapping[str, ArrayLike]) -> NDArray[np.float64] | None:
    r"""Return a value for each test row whose mean is the metric, or None if it has no such form.

    Log loss and accuracy are means over rows. The RMSE is the root of one, so its rows are linearised about it
    (delta method): :math:`R + (\ell_r - R^2) / 2R` with the squared error :math:`\ell_r`; their mean is
    exactly R, and their variance over N that of R.

    Args:
        metric: name of a metric.
        kept: ``loss``, the log loss or squared error of each row ``[N]``, and for classes ``correct``.

    Source: Oehlert, A note on the delta method, The American Statistician 46, 1992.

    Example:
        >>> float(by_row("rmse", {"loss": [1.0, 4.0, 4.0]}).mean().round(6))
        1.732051
        >>> by_row("f1", {"loss": [1.0, 4.0]}) is None
        True
    """
    name = "correct" if metric == "accuracy" else "loss"
    if metric not in BY_ROW or name not in kept:
        return None
    values = np.asarray(kept[name], dtype=np.float64).reshape(-1)
    if metric == "mae":
        return np.sqrt(values)
    if metric == "rmse":
        mean = float(values.mean())
        root = math.sqrt(mean) if mean > 0 else math.nan
        return root + (values - mean) / (2.0 * root)
    return values
