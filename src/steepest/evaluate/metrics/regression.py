"""Metrics of a number, in the target's units."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from steepest.evaluate.metrics._left_out import pseudo_values
from steepest.objectives.decoded import ValueOutputs

COMPONENTS: dict[str, dict[str, Any]] = {
    "rmse": {
        "object": "rmse",
        "mean_of": "squared_errors",
        "root": True,
        "range": (0.0, None),
        "what": "root of the mean squared error, in target units",
        "groups": ["regression"],
        "title": "RMSE",
    },
    "r2": {
        "object": "r2",
        "range": (None, 1.0),
        "what": "share of the target's variance explained",
        "by_row": "r2_by_row",
        "groups": ["regression"],
        "title": "R²",
        "higher": True,
    },
    "mae": {
        "object": "mae",
        "mean_of": "absolute_errors",
        "range": (0.0, None),
        "what": "mean absolute error, in target units",
        "groups": ["regression"],
        "title": "MAE",
    },
    "mse": {
        "object": "mse",
        "mean_of": "squared_errors",
        "range": (0.0, None),
        "what": "mean squared error, in squared target units",
        "groups": ["regression"],
        "title": "MSE",
        "on_request": True,
    },
}


def rmse(rows: ValueOutputs) -> Tensor:
    """Return the square root of the mean squared error, in the target's units."""
    return rows.mean(squared_errors(rows)).sqrt()


def mse(rows: ValueOutputs) -> Tensor:
    """Return the mean squared error, in squares of the target's units."""
    return rows.mean(squared_errors(rows))


def mae(rows: ValueOutputs) -> Tensor:
    """Return the mean absolute error, in the target's units."""
    return rows.mean(absolute_errors(rows))


def squared_errors(rows: ValueOutputs) -> Tensor:
    """Return the squared error of every row."""
    return (rows.values - rows.target).square()


def absolute_errors(rows: ValueOutputs) -> Tensor:
    """Return the absolute error of every row."""
    return (rows.values - rows.target).abs()


def r2(rows: ValueOutputs) -> Tensor:
    """Return the share of the target's variance that is explained; at most 1.

    A target that is constant on the evaluated rows gives 1 for exact predictions and else 0.
    """
    values, target = rows.counting(rows.values), rows.counting(rows.target)
    if bool((target == target[0]).all()):
        return torch.equal(values, target) * torch.ones(())
    spread = rows.total((rows.target - rows.mean(rows.target)).square())
    return 1.0 - rows.total(squared_errors(rows)) / spread


def r2_by_row(rows: ValueOutputs) -> Tensor:
    """Return the pseudo-values of R²; all the same for a constant target."""
    n, away = len(rows.target), (rows.target - rows.target.mean()).square()
    if n < 3 or bool((rows.target == rows.target[0]).all()):
        return torch.full_like(away, float(r2(rows)))
    errors = (rows.values - rows.target).square()
    spread = away.sum() - away * (n / (n - 1))
    return pseudo_values(r2(rows), 1.0 - (errors.sum() - errors) / spread)
