"""Metrics of the positive class, the one of two classes that is looked for."""

from __future__ import annotations

from typing import Any

import torch
from sklearn.metrics import average_precision_score
from torch import Tensor

from steepest.evaluate.metrics._contract import ClassOutputs, shares
from steepest.evaluate.metrics.classification import one_against_rest

COMPONENTS: dict[str, dict[str, Any]] = {
    "positive-average-precision": {
        "object": "positive_average_precision",
        "what": "average precision of the positive class",
        "groups": ["classification"],
        "title": "positive average precision",
        "higher": True,
    },
    "positive-f1": {
        "object": "positive_f1",
        "what": "F1 of the positive class",
        "groups": ["classification"],
        "title": "positive F1",
        "percent": True,
    },
    "positive-precision": {
        "object": "positive_precision",
        "what": "precision of the positive class",
        "groups": ["classification"],
        "title": "positive precision",
        "percent": True,
    },
    "positive-recall": {
        "object": "positive_recall",
        "what": "recall of the positive class",
        "groups": ["classification"],
        "title": "positive recall",
        "percent": True,
    },
}


def positive_average_precision(rows: ClassOutputs) -> Tensor:
    """Return the average precision of the positive class (step-wise); 0 where no row is positive."""
    if not bool(rows.present[rows.positive]):
        return torch.tensor(0.0)
    return torch.tensor(one_against_rest(average_precision_score, rows, rows.positive), dtype=torch.float64)


def positive_f1(rows: ClassOutputs) -> Tensor:
    """Return the harmonic mean of the positive class's precision and recall; 0 where both are 0."""
    return shares(2.0 * rows.right, rows.predicted + rows.actual)[rows.positive]


def positive_precision(rows: ClassOutputs) -> Tensor:
    """Return the share of positive rows among those predicted positive; 0 where none is."""
    return shares(rows.right, rows.predicted)[rows.positive]


def positive_recall(rows: ClassOutputs) -> Tensor:
    """Return the share of the positive rows that are predicted positive; 0 where no row is positive."""
    return shares(rows.right, rows.actual)[rows.positive]
