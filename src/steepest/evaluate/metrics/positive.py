"""Metrics of the positive class, the one of two classes that is looked for."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from steepest.evaluate.metrics._left_out import (
    average_precision_without,
    class_ranked_without,
    positive_without,
    pseudo_values,
)
from steepest.evaluate.metrics._ranked import AVERAGE_PRECISION, one_against_rest
from steepest.objectives.decoded import ClassOutputs, shares

COMPONENTS: dict[str, dict[str, Any]] = {
    "positive-average-precision": {
        "object": "positive_average_precision",
        "by_row": "positive_average_precision_by_row",
        "by_class": True,
        "range": (0.0, 1.0),
        "what": "average precision of the positive class",
        "groups": ["classification"],
        "title": "positive average precision",
        "higher": True,
    },
    "positive-f1": {
        "object": "positive_f1",
        "by_row": "positive_f1_by_row",
        "by_class": True,
        "range": (0.0, 1.0),
        "what": "F1 of the positive class",
        "groups": ["classification"],
        "title": "positive F1",
        "percent": True,
    },
    "positive-precision": {
        "object": "positive_precision",
        "by_row": "positive_precision_by_row",
        "by_class": True,
        "range": (0.0, 1.0),
        "what": "precision of the positive class",
        "groups": ["classification"],
        "title": "positive precision",
        "percent": True,
    },
    "positive-recall": {
        "object": "positive_recall",
        "by_row": "positive_recall_by_row",
        "by_class": True,
        "range": (0.0, 1.0),
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
    return one_against_rest(AVERAGE_PRECISION, rows, rows.positive)


def positive_f1(rows: ClassOutputs) -> Tensor:
    """Return the harmonic mean of the positive class's precision and recall; 0 where both are 0."""
    return shares(2.0 * rows.right, rows.predicted + rows.actual)[rows.positive]


def positive_precision(rows: ClassOutputs) -> Tensor:
    """Return the share of positive rows among those predicted positive; 0 where none is."""
    return shares(rows.right, rows.predicted)[rows.positive]


def positive_recall(rows: ClassOutputs) -> Tensor:
    """Return the share of the positive rows that are predicted positive; 0 where no row is positive."""
    return shares(rows.right, rows.actual)[rows.positive]


def positive_average_precision_by_row(rows: ClassOutputs) -> Tensor:
    """Return the pseudo-values of the positive class's average precision."""
    without = class_ranked_without(rows, average_precision_without, rows.positive)
    return pseudo_values(positive_average_precision(rows), without)


def positive_f1_by_row(rows: ClassOutputs) -> Tensor:
    """Return the pseudo-values of the positive class's F1."""
    return pseudo_values(positive_f1(rows), positive_without(rows, actual=1, predicted=1))


def positive_precision_by_row(rows: ClassOutputs) -> Tensor:
    """Return the pseudo-values of the positive class's precision."""
    return pseudo_values(positive_precision(rows), positive_without(rows, actual=0, predicted=1))


def positive_recall_by_row(rows: ClassOutputs) -> Tensor:
    """Return the pseudo-values of the positive class's recall."""
    return pseudo_values(positive_recall(rows), positive_without(rows, actual=1, predicted=0))
