"""Weights of rows, read from a column: how much each row counts in losses, metrics and baselines."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from steepest.data.dataset import Note
from steepest.data.labels import as_text
from steepest.errors import DataError, unknown_name
from steepest.wording import counted

Weights = NDArray[np.float64]


def row_weights(frame: pl.DataFrame, name: str) -> Weights:
    """Return the weights of all rows, ``[N]``, as they are in the table.

    Args:
        frame: the prepared table.
        name: the column.

    Raises:
        UnknownNameError: there is no such column.
        DataError: a weight is missing, no number, below 0 or infinite; the message has it and its row.

    Example:
        >>> row_weights(pl.DataFrame({"people": [120, 0, -1]}), "people")
        Traceback (most recent call last):
        ...
        steepest.errors.DataError: the weight of row 3 is -1.0 in column 'people' (1 such row)
        Hint: weights are finite numbers from 0; a row with the weight 0 does not count.
    """
    if name not in frame.columns:
        raise unknown_name("column of weights", name, frame.columns)
    values = as_text(frame[name])
    numbers = values.cast(pl.Float64, strict=False) if not values.dtype.is_temporal() else None
    texts = values.is_not_null() & numbers.is_null() if numbers is not None else values.is_not_null()
    if numbers is None or texts.any():
        first = int(texts.arg_true()[0])
        raise DataError(
            f"the weight of row {first + 1} is {str(values[first])!r} in column {name!r} "
            f"({counted(int(texts.sum()), 'such row')})",
            hint="a column of weights holds numbers.",
        )
    lacking = (numbers.is_null() | numbers.is_nan().fill_null(True)).arg_true()
    if len(lacking):
        raise DataError(
            f"column {name!r} has no weight in row {int(lacking[0]) + 1} ({counted(len(lacking), 'such row')})",
            hint=f"give every row a weight, or remove these rows with a filter step: where = '\"{name}\" IS NOT NULL'.",
        )
    odd = ((numbers < 0) | numbers.is_infinite()).arg_true()
    if len(odd):
        raise DataError(
            f"the weight of row {int(odd[0]) + 1} is {numbers[int(odd[0])]} in column {name!r} "
            f"({counted(len(odd), 'such row')})",
            hint="weights are finite numbers from 0; a row with the weight 0 does not count.",
        )
    return numbers.to_numpy()


def scaled(
    weights: Weights, parts: Mapping[str, NDArray[np.bool_]], name: str
) -> tuple[dict[str, NDArray[np.float32]], Note]:
    """Return the weights of each part with mean 1 over the training rows, and a note of them.

    Args:
        weights: of all rows, ``[N]``.
        parts: which rows belong to each part, bool ``[N]``.
        name: the column.

    Raises:
        DataError: no row of a part has a weight above 0.
    """
    for part, rows in parts.items():
        what = "training" if part == "train" else part
        if rows.any() and not weights[rows].any():
            raise DataError(
                f"no {what} row has a weight above 0 in column {name!r}",
                hint="split the rows otherwise, for example with another --split-seed, or correct the weights.",
            )
    mean = weights[parts["train"]].mean()
    found = {part: (weights[rows] / mean).astype(np.float32) for part, rows in parts.items()}
    text = (
        f"rows are weighted by {name} ({weights.min():g} to {weights.max():g}) in losses, metrics and baselines; for "
        "training, weights are divided by their mean over the training rows"
    )
    tested = found["test"]
    if len(tested):
        text += (
            f". A mean over the {counted(len(tested), 'test row')} is as precise as one over "
            f"{effective_rows(tested):,.0f} of equal weight"
        )
    return found, Note("info", f"{text}.")


def effective_rows(weights: NDArray[np.floating]) -> float:
    r"""Return how many rows of equal weight give a mean of the same precision: :math:`(\sum w)^2 / \sum w^2`.

    Source: Kish, Survey Sampling, 1965.

    Example:
        >>> effective_rows(np.array([1.0, 1.0, 1.0])), effective_rows(np.array([4.0, 0.0, 0.0]))
        (3.0, 1.0)
    """
    weights = weights.astype(np.float64)
    return float(weights.sum() ** 2 / (weights**2).sum())
