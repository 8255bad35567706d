"""Outputs of a model as a table of predictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from steepest.objectives.target import Target


def predictions_table(
    target: Target, labels: pl.Series, classes: Sequence[str], outputs: Tensor, kept: Tensor, rows: int
) -> pl.DataFrame:
    """Return outputs of a model as a table of predictions.

    Args:
        target: what is predicted.
        labels: of the classes, as they are in the table.
        classes: their names, for the columns of probabilities; none of a number.
        outputs: of the rows that are left, ``[N, K]`` or ``[N, 1]``.
        kept: their numbers among all rows, ``[N]``.
        rows: how many rows there are in all; those that are left out have no prediction.
    """

    def whole(values: Tensor) -> NDArray[np.float64]:
        full = np.full((rows, *values.shape[1:]), np.nan)
        full[kept.numpy()] = values.numpy()
        return full

    if not classes:
        values = target.values(outputs)
        if not values.is_floating_point():  # an image for each row
            return pl.DataFrame({"prediction": pl.Series(values.numpy())})
        return pl.DataFrame({target.predicted: pl.Series(whole(values)).fill_nan(None)})
    probabilities = whole(torch.softmax(outputs.double(), 1))
    there = np.zeros(rows, dtype=bool)
    there[kept.numpy()] = True
    best = np.nan_to_num(probabilities).argmax(1)
    codes = pl.select(pl.when(pl.Series(there)).then(pl.Series(best))).to_series()
    columns: dict[str, Any] = {
        "prediction": labels.gather(codes),
        "probability": pl.Series(probabilities[np.arange(rows), best]).fill_nan(None),
    }
    columns |= {f"p_{name}": probabilities[:, i] for i, name in enumerate(classes)}
    return pl.DataFrame(columns)
