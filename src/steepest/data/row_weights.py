"""Weights of rows, read from a column: how much each row counts in losses, metrics and baselines."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from steepest.data.dataset import Note
from steepest.data.labels import as_text
from steepest.data.parts import SPLIT_COLUMN
from steepest.errors import DataError, unknown_name
from steepest.wording import counted

Weights = NDArray[np.float64]
_OF = "sample|sampling|survey|case|row|obs|observation|person|people|household|design|final|prob|probability|freq"
_NAMED = re.compile(
    rf"(?:(?:{_OF}|frequency)_?)?(?:weights?|wgts?)|(?:{_OF}|frequency)_?wts?|[pfai]w(?:eigh|g)ts?|fnlwgt"
)
"""Names of columns of weights; wt alone is as often how heavy something is."""


def about_unnamed_weights(columns: Iterable[pl.Series], named: str | None) -> list[Note]:
    """Return a hint for a column of inputs that is named like weights of rows and could hold them.

    Args:
        columns: those used as inputs.
        named: the column of weights that is named already.

    Example:
        >>> [note] = about_unnamed_weights([pl.Series("weight", [0.5, 2.25, 1.0])], None)
        >>> note.text
        'weight is used as an input; if it says how much each row counts, as in a survey, name it: --weight weight.'
    """
    notes: list[Note] = []
    for each in () if named else columns:
        if not _NAMED.fullmatch(re.sub(r"[^a-z0-9]+", "_", each.name.lower()).strip("_")):
            continue
        values = as_text(each).cast(pl.Float64, strict=False) if not each.dtype.is_numeric() else each
        least = values.min()
        if values.null_count() == 0 and isinstance(least, int | float) and least >= 0:
            text = f"{each.name} is used as an input; if it says how much each row counts, as in a survey, name it"
            notes.append(Note("info", f"{text}: --weight {shlex.quote(each.name)}."))
    return notes


def row_weights(frame: pl.DataFrame, name: str, numbers: pl.Series | None = None) -> Weights:
    """Return the weights of all rows, ``[N]``, as they are in the table.

    Args:
        frame: the prepared table.
        name: the column.
        numbers: of its rows, their numbers in their file, counted from 0, where some are left out.

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

    def at(place: int) -> int:
        return 1 + (place if numbers is None else int(numbers[place]))

    values = as_text(frame[name])
    floats = values.cast(pl.Float64, strict=False) if not values.dtype.is_temporal() else None
    texts = values.is_not_null() & floats.is_null() if floats is not None else values.is_not_null()
    if floats is None or texts.any():
        first = int(texts.arg_true()[0])
        raise DataError(
            f"the weight of row {at(first)} is {str(values[first])!r} in column {name!r} "
            f"({counted(int(texts.sum()), 'such row')})",
            hint="a column of weights holds numbers.",
        )
    lacking = (floats.is_null() | floats.is_nan().fill_null(True)).arg_true()
    if len(lacking):
        raise DataError(
            f"column {name!r} has no weight in row {at(int(lacking[0]))} ({counted(len(lacking), 'such row')})",
            hint=f"give every row a weight, or remove these rows with a filter step: where = '\"{name}\" IS NOT NULL'.",
        )
    odd = ((floats < 0) | floats.is_infinite()).arg_true()
    if len(odd):
        raise DataError(
            f"the weight of row {at(int(odd[0]))} is {floats[int(odd[0])]} in column {name!r} "
            f"({counted(len(odd), 'such row')})",
            hint="weights are finite numbers from 0; a row with the weight 0 does not count.",
        )
    return floats.to_numpy()


def weights_of_new(column: pl.Series) -> Weights:
    """Return the weights of new rows, ``[N]``; NaN where there is none: no value, no number, below 0 or infinite.

    Example:
        >>> weights_of_new(pl.Series(["2", "0", "-1", "many", None])).tolist()
        [2.0, 0.0, nan, nan, nan]
    """
    if column.dtype.is_temporal() or column.dtype.is_nested():
        return np.full(len(column), np.nan)
    found = as_text(column).cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()
    return np.where(np.isfinite(found) & (found >= 0.0), found, np.nan)


def weightless(frame: pl.DataFrame, name: str) -> pl.Series:
    """Return which rows have the weight 0, and so count for nothing; none where there is no such column (yet).

    Example:
        >>> weightless(pl.DataFrame({"people": [120.0, 0.0, None]}), "people").to_list()
        [False, True, False]
    """
    if name not in frame.columns or frame[name].dtype.is_temporal() or frame[name].dtype.is_nested():
        return pl.Series([False]).new_from_index(0, frame.height)
    return (as_text(frame[name]).cast(pl.Float64, strict=False) == 0.0).fill_null(False)


def counting(
    frame: pl.DataFrame, numbers: pl.Series, name: str
) -> tuple[pl.DataFrame, pl.Series, list[Note]]:
    """Return the rows whose weight is not 0, their numbers, and a note of those that are left out.

    Args:
        frame: the rows, of which the column ``split`` says the part where they are from separate files.
        numbers: of each row, its number in its file.
        name: the column of weights; without it all rows stay.

    Raises:
        DataError: no row of the table, or of a part of its own file, has a weight above 0.
    """
    out = weightless(frame, name)
    n = int(out.sum())
    if n == 0:
        return frame, numbers, []
    left = frame.filter(~out)
    for part in frame[SPLIT_COLUMN].unique():
        if not left[SPLIT_COLUMN].eq_missing(part).any():
            what = "row" if part is None else f"{'training' if part == 'train' else part} row"
            raise DataError(
                f"no {what} has a weight above 0 in column {name!r}",
                hint="split the rows otherwise, for example with another --split-seed, or correct the weights.",
            )
    verbs = ("has", "is") if n == 1 else ("have", "are")
    text = f"{n:,} of {frame.height:,} rows {verbs[0]} the weight 0 in {name} and {verbs[1]} left out."
    return left, numbers.filter(~out), [Note("info", text)]


def scaled(
    weights: Weights, parts: Mapping[str, NDArray[np.bool_]], name: str, numbers: pl.Series
) -> tuple[dict[str, NDArray[np.float32]], Note]:
    """Return the weights of each part with mean 1 over the training rows, and a note of them.

    Args:
        weights: of all rows, ``[N]``.
        parts: which rows belong to each part, bool ``[N]``.
        name: the column.
        numbers: of all rows, their numbers in their file, counted from 0.

    Raises:
        DataError: no row of a part has a weight above 0, or one is too far from the others for 32 bits.
    """
    for part, rows in parts.items():
        what = "training" if part == "train" else part
        if rows.any() and not weights[rows].any():
            raise DataError(
                f"no {what} row has a weight above 0 in column {name!r}",
                hint="split the rows otherwise, for example with another --split-seed, or correct the weights.",
            )
    trained = weights[parts["train"]]
    with np.errstate(over="ignore", under="ignore"):
        # a power of two changes no digit, and the sum of what is left does not overflow
        near = np.ldexp(weights, -int(np.frexp(trained.max())[1]))
        shares = (near / near[parts["train"]].mean()).astype(np.float32)
    lost = (weights > 0) & ((shares < np.finfo(np.float32).tiny) | np.isinf(shares))
    odd = np.flatnonzero(lost & np.any(list(parts.values()), axis=0))
    if len(odd):
        first, most = int(odd[0]), float(trained.max())
        size = "small" if weights[first] < most else "large"
        raise DataError(
            f"the weight of row {numbers[first] + 1} is {weights[first]:g} in column {name!r}, too {size} beside the "
            f"largest of training, {most:g} ({counted(len(odd), 'such row')})",
            hint="correct the weights: they are divided by their mean and must then fit into 32 bits.",
        )
    found = {part: shares[rows] for part, rows in parts.items()}
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
