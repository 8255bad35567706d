"""Values by row of metrics that are not a mean over rows: delete-one jackknife pseudo-values in closed form.

The pseudo-value of row i is N·θ − (N − 1)·θ without the row. Where θ is a smooth function of means, the pseudo-values
vary as rows that the metric is a mean of would. What a metric would be without a row follows from counts or from ranks,
so no metric is computed N times.

Source: Tukey, Bias and confidence in not quite large samples, 1958; Efron, The Jackknife, the Bootstrap and Other
Resampling Plans, 1982.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from steepest.objectives.decoded import ClassOutputs, shares

Numbers = NDArray[np.float64]
Ranked = Callable[[NDArray[np.bool_], Numbers], Numbers]


def pseudo_values(whole: Tensor | float, without: Tensor) -> Tensor:
    """Return the pseudo-values of rows, shifted so that their mean is the metric itself.

    Args:
        whole: the metric of all rows.
        without: the metric without each row, ``[N]``.

    Example:
        >>> values = torch.tensor([1.0, 2.0, 6.0], dtype=torch.float64)  # the pseudo-values of a mean are the values
        >>> pseudo_values(values.mean(), (values.sum() - values) / 2).tolist()
        [1.0, 2.0, 6.0]
    """
    return whole + (len(without) - 1) * (without.mean() - without)


def class_without(rows: ClassOutputs, actual: int, predicted: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return a class's share of right rows as it is, and with one row less; ``[K]`` each.

    The share is of the rows that belong to a class (recall), for which it is predicted (precision), or of both (F1).

    Args:
        rows: the predictions.
        actual: how often the rows that belong to the class count, 0 or 1.
        predicted: how often those for which it is predicted count, 0 or 1.

    Returns:
        the share; without a row that is right; without a row of the class for which another one is predicted; without a
        row of another class for which this one is predicted.
    """
    times = actual + predicted
    right, whole = times * rows.right, actual * rows.actual + predicted * rows.predicted
    return (
        shares(right, whole),
        shares(right - times, whole - times),
        shares(right, whole - actual),
        shares(right, whole - predicted),
    )


def positive_without(rows: ClassOutputs, actual: int, predicted: int) -> Tensor:
    """Return the share of the positive class, as :func:`class_without` counts it, without each row ``[N]``."""
    share, right, missed, wrong = (each[rows.positive] for each in class_without(rows, actual, predicted))
    is_true, is_predicted = rows.target == rows.positive, rows.labels == rows.positive
    hit = torch.where(is_predicted, right, missed)
    return torch.where(is_true, hit, torch.where(is_predicted, wrong, share))


def macro_without(rows: ClassOutputs, actual: int, predicted: int) -> Tensor:
    """Return the mean over the classes present of such a share without each row ``[N]``."""
    share, right, missed, wrong = class_without(rows, actual, predicted)
    share, wrong = share * rows.present, wrong * rows.present  # a class that no row has does not count
    true, guess = rows.target, rows.labels
    last = rows.actual[true] == 1  # its class would be gone
    change = torch.where(true == guess, right[true], missed[true])
    change = torch.where(last, 0.0, change) - share[true]
    change = change + torch.where(true == guess, 0.0, wrong[guess] - share[guess])
    return (share.sum() + change) / classes_left(rows)


def ranked_without(rows: ClassOutputs, metric: Ranked) -> Tensor:
    """Return the mean over the classes present of a metric of one class against the rest, without each row ``[N]``."""
    total = torch.zeros(len(rows.target), dtype=torch.float64, device=rows.target.device)
    for code in rows.present.nonzero().flatten().tolist():
        left = class_ranked_without(rows, metric, code)
        total += torch.where(rows.target == code, 0.0, left) if rows.actual[code] == 1 else left
    return total / classes_left(rows)


def class_ranked_without(rows: ClassOutputs, metric: Ranked, code: int) -> Tensor:
    """Return a metric of one class against the rest without each row ``[N]``."""
    truth = (rows.target == code).cpu().numpy()
    found = metric(truth, rows.probabilities[:, code].cpu().numpy())
    return torch.from_numpy(found).to(rows.target.device)


def classes_left(rows: ClassOutputs) -> Tensor:
    """Return how many classes are present without each row ``[N]``, at least 1."""
    return (rows.present.sum() - (rows.actual[rows.target] == 1).to(torch.int64)).clamp(min=1)


def roc_auc_without(truth: NDArray[np.bool_], scores: Numbers) -> Numbers:
    """Return the area under the ROC curve without each row.

    The area is the mean of the placements: of the share of negative rows that a positive row lies above.

    Source: DeLong, DeLong & Clarke-Pearson, Comparing the areas under two or more correlated receiver operating
    characteristic curves, 1988.

    Example:
        >>> roc_auc_without(np.array([True, True, False, False]), np.array([0.9, 0.4, 0.6, 0.1])).tolist()
        [0.5, 1.0, 1.0, 0.5]
    """
    placed = np.empty(len(scores))
    for side in (True, False):
        other = np.sort(scores[truth != side])
        mine = scores[truth == side]
        below, up_to = (np.searchsorted(other, mine, where) for where in ("left", "right"))
        half = (below + up_to) / 2.0
        placed[truth == side] = half if side else len(other) - half
    positive = int(truth.sum())
    negative = len(truth) - positive
    pairs = np.where(truth, (positive - 1) * negative, positive * (negative - 1))
    return (placed[truth].sum() - placed) / np.maximum(pairs, 1)


def average_precision_without(truth: NDArray[np.bool_], scores: Numbers) -> Numbers:
    """Return the average precision (step-wise) without each row.

    Example:
        >>> average_precision_without(np.array([True, True, False]), np.array([0.9, 0.4, 0.6])).round(3).tolist()
        [0.5, 1.0, 1.0]
    """
    levels, place = np.unique(-scores, return_inverse=True)
    place = place.reshape(-1)
    counts = np.bincount(place, minlength=len(levels)).astype(np.float64)
    hits = np.bincount(place, weights=truth, minlength=len(levels))  # positive rows at each level
    above, found = counts.cumsum(), hits.cumsum()  # rows, and positive rows, from the top to each level
    fewer = np.maximum(above - 1.0, 1.0)
    before = np.concatenate([[0.0], (hits * found / above).cumsum()])[:-1]
    after_negative = _from(hits * found / fewer)
    after_positive = _from(hits * (found - 1.0) / fewer)
    at = (hits - 1.0) * (found - 1.0) / fewer - hits * (found - 1.0) / fewer
    positive = float(truth.sum())
    without_positive = (before + at + after_positive) / max(positive - 1.0, 1.0)
    without_negative = (before + after_negative) / max(positive, 1.0)
    return np.where(truth, without_positive[place], without_negative[place])


def _from(values: Numbers) -> Numbers:
    return values[::-1].cumsum()[::-1]
