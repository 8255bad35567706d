"""Metrics of reconstructed images."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from steepest.objectives.decoded import PixelOutputs
from steepest.objectives.target import WHITE

COMPONENTS: dict[str, dict[str, Any]] = {
    "pixel-mse": {
        "object": "pixel_mse",
        "mean_of": "squared_errors",
        "range": (0.0, 1.0),
        "what": "mean squared error of pixels (0 to 1)",
        "groups": ["reconstruction"],
        "title": "MSE of pixels",
    },
    "pixel-rmse": {
        "object": "pixel_rmse",
        "mean_of": "squared_errors_in_values",
        "root": True,
        "range": (0.0, 255.0),
        "what": "root mean squared error of pixels (0 to 255)",
        "groups": ["reconstruction"],
        "title": "RMSE of pixels (0 to 255)",
    },
    "pixel-mae": {
        "object": "pixel_mae",
        "mean_of": "absolute_errors_in_values",
        "range": (0.0, 255.0),
        "what": "mean absolute error of pixels (0 to 255)",
        "groups": ["reconstruction"],
        "title": "MAE of pixels (0 to 255)",
    },
}


def pixel_mse(rows: PixelOutputs) -> Tensor:
    """Return the mean squared error of pixels from 0 (black) to 1 (white)."""
    return rows.mean(squared_errors(rows))


def pixel_rmse(rows: PixelOutputs) -> Tensor:
    """Return the root of the mean squared error of pixels from 0 to 255."""
    return rows.mean(squared_errors_in_values(rows)).sqrt()


def pixel_mae(rows: PixelOutputs) -> Tensor:
    """Return the mean absolute error of pixels from 0 to 255."""
    return rows.mean(absolute_errors_in_values(rows))


def squared_errors(rows: PixelOutputs) -> Tensor:
    """Return the mean squared error of each image, pixels from 0 to 1."""
    return rows.squared


def squared_errors_in_values(rows: PixelOutputs) -> Tensor:
    """Return the mean squared error of each image, pixels from 0 to 255."""
    return rows.squared * WHITE**2


def absolute_errors_in_values(rows: PixelOutputs) -> Tensor:
    """Return the mean absolute error of each image, pixels from 0 to 255."""
    return rows.absolute * WHITE
