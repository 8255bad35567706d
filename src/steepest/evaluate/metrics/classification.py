"""Metrics of classes.

Averages over classes (``macro``) are over the classes that the evaluated rows contain: a class without a
row has no recall, and counting it as 0 or as 1 would change the metric with the split. A class that is
never predicted has precision and F1 of 0.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from steepest.evaluate.metrics._left_out import (
    average_precision_without,
    class_ranked_without,
    classes_left,
    macro_without,
    pseudo_values,
    ranked_without,
    roc_auc_without,
)
from steepest.evaluate.metrics._ranked import AVERAGE_PRECISION, ROC_AUC, RankMetric, one_against_rest
from steepest.objectives.decoded import ClassOutputs, shares

COMPONENTS: dict[str, dict[str, Any]] = {
    "log-loss": {
        "object": "log_loss",
        "mean_of": "row_log_losses",
        "range": (0.0, None),
        "what": "mean negative log probability of the true class",
        "groups": ["classification"],
        "title": "log loss",
    },
    "accuracy": {
        "object": "accuracy",
        "mean_of": "hits",
        "range": (0.0, 1.0),
        "what": "share of rows predicted correctly",
        "groups": ["classification"],
        "title": "accuracy",
        "percent": True,
    },
    "balanced-accuracy": {
        "object": "balanced_accuracy",
        "by_row": "recall_by_row",
        "by_class": True,
        "range": (0.0, 1.0),
        "what": "recall, averaged over classes",
        "groups": ["classification"],
        "title": "balanced accuracy",
        "percent": True,
    },
    "precision": {
        "object": "precision",
        "by_row": "precision_by_row",
        "by_class": True,
        "range": (0.0, 1.0),
        "what": "precision, averaged over classes (macro)",
        "groups": ["classification"],
        "title": "precision (macro)",
        "percent": True,
    },
    "recall": {
        "object": "recall",
        "by_row": "recall_by_row",
        "by_class": True,
        "range": (0.0, 1.0),
        "what": "recall, averaged over classes (macro)",
        "groups": ["classification"],
        "title": "recall (macro)",
        "percent": True,
    },
    "f1": {
        "object": "f1",
        "by_row": "f1_by_row",
        "by_class": True,
        "range": (0.0, 1.0),
        "what": "F1, averaged over classes (macro)",
        "groups": ["classification"],
        "title": "F1 (macro)",
        "percent": True,
    },
    "top-3": {
        "object": "top_k",
        "mean_of": "top_k_by_row",
        "range": (0.0, 1.0),
        "what": "share of rows with the true class in the top 3",
        "groups": ["classification"],
        "title": "top-3 accuracy",
        "percent": True,
    },
    "roc-auc": {
        "object": "roc_auc",
        "by_row": "roc_auc_by_row",
        "by_class": True,
        "range": (0.0, 1.0),
        "what": "area under the ROC curve, averaged over classes",
        "groups": ["classification"],
        "title": "ROC AUC (macro)",
        "higher": True,
    },
    "average-precision": {
        "object": "average_precision",
        "by_row": "average_precision_by_row",
        "by_class": True,
        "range": (0.0, 1.0),
        "what": "average precision, averaged over classes",
        "groups": ["classification"],
        "title": "average precision (macro)",
        "higher": True,
    },
    "brier-score": {
        "object": "brier_score",
        "mean_of": "brier_score_by_row",
        "range": (0.0, 2.0),
        "what": "squared error of the probabilities",
        "groups": ["classification"],
        "title": "Brier score",
    },
}


def log_loss(rows: ClassOutputs) -> Tensor:
    """Return the mean negative logarithm of the probability of the true class, in nats; from 0.

    Equal to scikit-learn's except for probabilities below 2e-16, which scikit-learn clips.
    """
    if rows.weights is None:
        return functional.nll_loss(rows.log_probabilities, rows.target)
    return rows.mean(row_log_losses(rows))


def row_log_losses(rows: ClassOutputs) -> Tensor:
    """Return the negative logarithm of the probability of each row's true class."""
    return functional.nll_loss(rows.log_probabilities, rows.target, reduction="none")


def accuracy(rows: ClassOutputs) -> Tensor:
    """Return the share of rows whose most probable class is the true one; from 0 to 1."""
    return rows.mean(hits(rows))


def hits(rows: ClassOutputs) -> Tensor:
    """Return 1 for every row whose most probable class is the true one, else 0."""
    return (rows.labels == rows.target).to(torch.float64)


def balanced_accuracy(rows: ClassOutputs) -> Tensor:
    """Return the mean over the classes present of the share of its rows that are recognised (= recall)."""
    return recall(rows)


def precision(rows: ClassOutputs) -> Tensor:
    """Return the mean over the classes present of the share of right ones among its predictions (macro-precision)."""
    return shares(rows.right, rows.predicted)[rows.present].mean()


def recall(rows: ClassOutputs) -> Tensor:
    """Return the mean over the classes present of the share of its rows that are recognised (macro-recall)."""
    return shares(rows.right, rows.actual)[rows.present].mean()


def f1(rows: ClassOutputs) -> Tensor:
    """Return the mean over the classes present of the harmonic mean of its precision and recall (macro-f1)."""
    return shares(2.0 * rows.right, rows.predicted + rows.actual)[rows.present].mean()


def top_k(rows: ClassOutputs) -> Tensor:
    """Return the share of rows whose true class is among the k most probable; 1 where k >= K.

    Of equally probable classes the last ones count as the more probable, as in scikit-learn.
    """
    return rows.mean(top_k_by_row(rows))


def top_k_by_row(rows: ClassOutputs) -> Tensor:
    """Return 1 for every row whose true class is among the k most probable, else 0."""
    if rows.k >= rows.classes:
        return torch.ones(len(rows.target), dtype=torch.float64, device=rows.target.device)
    true = rows.log_probabilities.gather(1, rows.target[:, None])
    later = torch.arange(rows.classes, device=rows.target.device) > rows.target[:, None]
    before = (rows.log_probabilities > true) | ((rows.log_probabilities == true) & later)
    return (before.sum(dim=1) < rows.k).to(torch.float64)


def roc_auc(rows: ClassOutputs) -> Tensor:
    """Return the mean over the classes present of the area under its one-against-the-rest ROC curve.

    It is 0.5 where only one class is present: there is nothing to rank. The areas of two classes are the same.
    """
    if int(rows.present.sum()) < 2:
        return torch.tensor(0.5)
    if rows.classes == 2:
        return one_against_rest(ROC_AUC, rows, 1)
    return _over_present(ROC_AUC, rows)


def average_precision(rows: ClassOutputs) -> Tensor:
    """Return the mean over the classes present of its average precision, step-wise (macro-average-precision)."""
    return _over_present(AVERAGE_PRECISION, rows)


def brier_score(rows: ClassOutputs) -> Tensor:
    """Return the mean over rows of the squared distance of the probabilities to the one-hot truth; 0 to 2.

    Of two classes it is half of that, the squared error of one probability, from 0 to 1.

    Source: Brier, Verification of forecasts expressed in terms of probability, 1950.
    """
    return rows.mean(brier_score_by_row(rows))


def brier_score_by_row(rows: ClassOutputs) -> Tensor:
    """Return the Brier score of every row."""
    truth = functional.one_hot(rows.target, rows.classes).to(torch.float64)
    both = (rows.probabilities - truth).square().sum(dim=1)
    return both / 2.0 if rows.classes == 2 else both


def precision_by_row(rows: ClassOutputs) -> Tensor:
    """Return the pseudo-values of precision (macro)."""
    return pseudo_values(precision(rows), macro_without(rows, actual=0, predicted=1))


def recall_by_row(rows: ClassOutputs) -> Tensor:
    """Return the pseudo-values of recall (macro)."""
    return pseudo_values(recall(rows), macro_without(rows, actual=1, predicted=0))


def f1_by_row(rows: ClassOutputs) -> Tensor:
    """Return the pseudo-values of F1 (macro)."""
    return pseudo_values(f1(rows), macro_without(rows, actual=1, predicted=1))


def roc_auc_by_row(rows: ClassOutputs) -> Tensor:
    """Return the pseudo-values of the area under the ROC curve (macro)."""
    if rows.classes == 2:
        without = class_ranked_without(rows, roc_auc_without, 1)
    else:
        without = ranked_without(rows, roc_auc_without)
    without = torch.where(classes_left(rows) < 2, 0.5, without)
    return pseudo_values(roc_auc(rows), without)


def average_precision_by_row(rows: ClassOutputs) -> Tensor:
    """Return the pseudo-values of the average precision (macro)."""
    return pseudo_values(average_precision(rows), ranked_without(rows, average_precision_without))


def _over_present(ranking: RankMetric, rows: ClassOutputs) -> Tensor:
    each = [one_against_rest(ranking, rows, code) for code in rows.present.nonzero().flatten().tolist()]
    return torch.stack(each).mean()
