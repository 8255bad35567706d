"""Metrics of the order in which a class's scores put the rows, one class against the rest.

Without weights they are scikit-learn's. With weights they are the same sums in torch, so that they have a derivative
with respect to the weight of a row, of which its value by row is made.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from steepest.objectives.decoded import ClassOutputs, shares


@dataclass(frozen=True)
class RankMetric:
    """A metric of an order.

    Attributes:
        plain: the name of scikit-learn's, of truth and scores, NumPy arrays ``[N]``; it is imported at its first use,
            which is after a run.
        weighted: of truth, scores and weights, tensors ``[N]``; a scalar.
    """

    plain: str
    weighted: Callable[[Tensor, Tensor, Tensor], Tensor]


def one_against_rest(ranking: RankMetric, rows: ClassOutputs, code: int) -> Tensor:
    """Return such a metric of one class against the rest, a scalar."""
    truth, scores = rows.target == code, rows.probabilities[:, code]
    if rows.weights is not None:
        return ranking.weighted(truth, scores, rows.weights)
    plain: Any = getattr(importlib.import_module("sklearn.metrics"), ranking.plain)
    return torch.tensor(float(plain(truth.cpu().numpy(), scores.cpu().numpy())), dtype=torch.float64)


def weighted_roc_auc(truth: Tensor, scores: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted share of pairs of a positive and a negative row that the scores order rightly.

    A tie counts one half.

    Example:
        >>> truth, weights = torch.tensor([True, False, False]), torch.tensor([1.0, 3.0, 1.0])
        >>> float(weighted_roc_auc(truth, torch.tensor([0.5, 0.2, 0.9]), weights))
        0.75
    """
    positive, negative = _by_level(truth, scores, weights)
    below = negative.cumsum(0) - negative / 2.0
    return (positive * below).sum() / (positive.sum() * negative.sum())


def weighted_average_precision(truth: Tensor, scores: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted precision at each score, averaged over the positive rows (step-wise).

    Example:
        >>> truth, weights = torch.tensor([True, False, True]), torch.tensor([1.0, 3.0, 1.0])
        >>> round(float(weighted_average_precision(truth, torch.tensor([0.5, 0.6, 0.9]), weights)), 6)
        0.7
    """
    positive, negative = _by_level(truth, -scores, weights)
    found = positive.cumsum(0)
    return (positive * shares(found, found + negative.cumsum(0))).sum() / positive.sum()


def _by_level(truth: Tensor, scores: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return the weights of the positive and of the negative rows at each score, from the lowest score on."""
    levels, place = scores.unique(return_inverse=True)
    none = weights.new_zeros(len(levels))
    return none.index_add(0, place, weights * truth), none.index_add(0, place, weights * ~truth)


ROC_AUC = RankMetric("roc_auc_score", weighted_roc_auc)
AVERAGE_PRECISION = RankMetric("average_precision_score", weighted_average_precision)
