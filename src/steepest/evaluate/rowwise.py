"""Values by row, of which a metric is the mean, and when there are enough rows for an interval."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from steepest import rng
from steepest.evaluate.metrics import metric_info, values_by_row
from steepest.objectives.target import WHITE, Target
from steepest.objectives.tokens import LARGEST

BY_ROW = ("log_loss", "accuracy", "rmse", "mse", "mae", "pixel_mse", "pixel_rmse", "token_loss")
"""The metrics whose value by row follows from its loss, or from whether it is correct."""

PERPLEXITY = "perplexity"
"""Its values by row follow from the loss, too, though an evaluation computes it itself."""

FEWEST_ROWS = 100
"""With fewer rows no interval is honest: see ``python -m benchmarks coverage``."""

FEWEST_OF_A_CLASS = 20
"""With fewer rows of a class, neither is one of a metric that weighs classes."""

MOST_GROUPS = 2_000
"""Of more rows, the values of other metrics are kept as means of so many groups."""

RAREST = "rarest_class"
"""The key of how many rows the rarest class has."""


def other_values(
    outputs: Tensor, target: Tensor, of: Target, names: Sequence[str], weights: Tensor | None = None
) -> dict[str, Tensor]:
    """Return what is kept of the rows for metrics beside :data:`BY_ROW`: values by row or group, and the rarest class.

    Args:
        outputs, target, of, names, weights: as for :func:`~steepest.evaluate.metrics.evaluate`.

    Example:
        >>> from steepest.objectives.target import ClassTarget
        >>> found = other_values(torch.eye(2), torch.tensor([0, 1]), ClassTarget(2), ["recall"])
        >>> {name: value.tolist() for name, value in found.items()}
        {'recall': [1.0, 1.0], 'rarest_class': [1]}
    """
    rest = [name for name in names if metric_info(name).name not in BY_ROW]
    values = values_by_row(outputs, target, of, rest, weights)
    found = {
        name: torch.from_numpy(in_groups(each.cpu().numpy()[None], MOST_GROUPS)[0])
        for name, each in values.items()
    }
    rarest = of.rarest(target if weights is None else target[weights > 0]) if found else None
    if rarest is not None:
        found[RAREST] = torch.tensor([rarest])
    return found


def in_groups(rows: NDArray[np.float64], most: int) -> NDArray[np.float64]:
    """Return the means of groups of equal size ``[S, G]`` of rows ``[S, N]``, at most so many, drawn at random.

    For a mean, groups give the same interval as rows. The groups are the same for every table of so many rows. A few
    rows may be left over; the mean over the groups is that of all rows.

    Example:
        >>> in_groups(np.arange(8.0)[None], 4).shape, float(in_groups(np.arange(8.0)[None], 4).mean())
        ((1, 4), 3.5)
    """
    length = rows.shape[1]
    if length <= most:
        return rows
    size = -(-length // most)
    order = rng.stream(0, "bootstrap", length).permutation(length)[: length // size * size]
    groups = rows[:, order].reshape(len(rows), -1, size).mean(-1)
    return groups + (rows.mean(1, keepdims=True) - groups.mean(1, keepdims=True))


def too_few(metric: str, rows: int, rarest: int | None, what: str = "row") -> str | None:
    """Return why rows are too few for an interval of a metric, or None if they are enough.

    Args:
        metric: its name.
        rows: how many there are.
        rarest: rows of the rarest class among them; None for a number, or if that is not known.
        what: what a row is called.

    Example:
        >>> too_few("accuracy", 60, 30), too_few("accuracy", 200, 3)
        ('60 rows, fewer than 100', None)
        >>> too_few("roc_auc", 200, 3, "test row")
        '3 test rows of the rarest class, fewer than 20'
    """
    if rows < FEWEST_ROWS:
        return f"{rows:,} {what}{'' if rows == 1 else 's'}, fewer than {FEWEST_ROWS}"
    if rarest is not None and rarest < FEWEST_OF_A_CLASS and metric_info(metric).by_class:
        return (
            f"{rarest} {what}{'' if rarest == 1 else 's'} of the rarest class, fewer than {FEWEST_OF_A_CLASS}"
        )
    return None


def by_row(metric: str, kept: Mapping[str, ArrayLike]) -> NDArray[np.float64] | None:
    r"""Return a value for each test row, or group of rows, whose mean is the metric, or None if there is none.

    Log loss and accuracy are means over rows. The RMSE is the root of one, so its rows are linearised about it
    (delta method): :math:`R + (\ell_r - R^2) / 2R` with the squared error :math:`\ell_r`; their mean is
    exactly R, and their variance over N that of R. In the same way the rows of a perplexity :math:`P`, the exponential
    of a mean, are :math:`P + P (\ell_r - \log P)`. The values of other metrics are kept under their name.
    With weights of rows a mean is linearised in the same way, as the ratio :math:`M = \sum w_r v_r / \sum w_r`:
    :math:`M + w_r (v_r - M) / \bar w`.

    Args:
        metric: name of a metric.
        kept: ``loss``, the log loss or (mean) squared error of each row ``[N]``, for classes ``correct``, where rows
            have weights ``weights``, and what :func:`other_values` returns.

    Source: Oehlert, A note on the delta method, The American Statistician 46, 1992.

    Example:
        >>> float(by_row("rmse", {"loss": [1.0, 4.0, 4.0]}).mean().round(6))
        1.732051
        >>> by_row("f1", {"loss": [1.0, 4.0]}) is None
        True
    """
    of_losses = metric in BY_ROW or metric == PERPLEXITY
    name = {"accuracy": "correct"}.get(metric, "loss" if of_losses else metric)
    if name not in kept:
        return None
    values = np.asarray(kept[name], dtype=np.float64).reshape(-1)
    if metric == "mae":
        values = np.sqrt(values)
    if metric == "pixel_rmse":
        values = values * WHITE**2
    if "weights" in kept and of_losses:
        weights = np.asarray(kept["weights"], dtype=np.float64).reshape(-1)
        mean = float(weights @ values / weights.sum())
        values = mean + weights / weights.mean() * (values - mean)
    if metric == PERPLEXITY:
        mean = float(values.mean())
        value = math.exp(mean) if mean < LARGEST else math.inf
        return value + value * (values - mean)
    if metric in ("rmse", "pixel_rmse"):
        mean = float(values.mean())
        root = math.sqrt(mean) if mean > 0 else math.nan
        return root + (values - mean) / (2.0 * root)
    return values
