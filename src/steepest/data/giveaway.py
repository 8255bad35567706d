"""Columns that alone give the target away, which often means that they are known only after the outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from steepest.components.comma_lists import shell_name
from steepest.data.dataset import Note, Part
from steepest.data.encode import INDICATOR
from steepest.rng import stream

OF_ERRORS, OF_VARIANCE = 0.8, 0.9
"""A column is warned about when it alone removes this share of the error that the constant guess makes.

Inputs that are known beforehand often explain most of a number, such as a diamond's weight 0.87 of its price, so that
the limit is higher there.
"""

SAMPLE = 50_000
LEAST_ROWS = 20
"""Of fewer rows nothing is said."""
BINS, A_BIN = 64, 10
"""A number has at most so many bins, and on average at least so many rows in each."""
_Array = np.ndarray[Any, Any]


def giveaways(
    train: Part,
    categorical: list[str],
    continuous: list[str],
    target: str,
    *,
    classes: int,
    sources: Mapping[str, str] | None = None,
) -> list[Note]:
    """Return a warning for each column that alone gives the target away.

    For each value of the column (numbers in up to 64 bins of equal counts, on average of ten rows or more) the
    majority class, or the mean, of one random half of at most 50,000 training rows predicts the other half, and the
    other way round. Where column and target are numbers, so does the least-squares line, and the better guess counts:
    neither few rows nor a long tail hide a copy of the target in another unit. With e the error of that guess (share
    of wrong classes, or squared error) and e0 that of the constant guess, a column with ``1 - e / e0 >= 0.8``
    (classes) or ``0.9`` (squared error) is named. Where rows have weights, they count by these.

    Args:
        train: the encoded training rows.
        categorical, continuous: names of the columns of the two inputs.
        target: the target's name.
        classes: number of classes, or 0 for regression.
        sources: the column of the table that each of these is made of, which the warning tells to drop; a column with
            several, as a date has, is named once.

    Example:
        >>> import torch
        >>> code = torch.arange(100) % 3
        >>> train = Part((code[:, None], torch.zeros(100, 0)), code)
        >>> giveaways(train, ["code"], [], "kind", classes=3)[0].text
        'code alone predicts 100.0% of kind (the largest class: ...%): if it is known only afterwards, ...'
    """
    generator = stream(0, "data")
    rows = generator.choice(len(train), min(len(train), SAMPLE), replace=False)
    if len(rows) < LEAST_ROWS:
        return []
    half = np.arange(len(rows)) % 2 == 0
    y = train.target.numpy()[rows]
    weights = np.ones(len(rows)) if train.weights is None else train.weights.numpy()[rows].astype(np.float64)
    if not weights.any():
        return []
    codes, scores = (each.numpy() for each in train.inputs)
    most = float(np.bincount(y, weights=weights).max() / weights.sum()) if classes else None
    threshold = OF_ERRORS if classes else OF_VARIANCE
    bins = min(BINS, int((weights > 0).sum()) // A_BIN)
    found: dict[str, tuple[float, Note]] = {}
    for names, table, binned in ((categorical, codes, False), (continuous, scores, True)):
        for i, name in enumerate(names):
            values = _bins(table[rows, i], bins) if binned else table[rows, i]
            _, values = np.unique(values, return_inverse=True)
            error, constant = _errors(values, y, weights, half, classes)
            if binned and not classes:
                error = min(error, _error_of_line(table[rows, i], y, weights, half))
            if constant <= 0 or 1 - error / constant < threshold:
                continue
            column = _source(name, sources or {})
            if column not in found or error < found[column][0]:
                text = _text(name, column, target, error, constant, most)
                found[column] = error, Note("warning", text, giveaway=column)
    return [note for _, note in found.values()]


def _source(name: str, sources: Mapping[str, str]) -> str:
    """Return the column that a feature, or an indicator of missing values, is made of."""
    return sources.get(name) or sources.get(name.removesuffix(INDICATOR), name)


def without_giveaways(notes: Sequence[Note]) -> tuple[Note, ...]:
    """Return the notes for data whose inputs are always known, as where a curve runs or who rates what."""
    return tuple(each for each in notes if not each.giveaway)


def _bins(values: _Array, bins: int) -> _Array:
    edges = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1]))
    return np.searchsorted(edges, values, side="right")


def _errors(values: _Array, y: _Array, weights: _Array, half: _Array, classes: int) -> tuple[float, float]:
    """Return the mean error of the guess by values, and of the constant one, both weighted."""
    error = constant = 0.0
    n_values = int(values.max()) + 1
    for fit in (half, ~half):
        v, t, w = values[fit], y[fit], weights[fit]
        others = weights[~fit]
        if classes:
            pairs, place = np.unique(v.astype(np.int64) * classes + t, return_inverse=True)
            order = np.argsort(np.bincount(place, weights=w), kind="stable")
            majority = int(np.bincount(t, weights=w, minlength=classes).argmax())
            guess = np.full(n_values, majority)
            guess[pairs[order] // classes] = pairs[order] % classes
            error += float(others[guess[values[~fit]] != y[~fit]].sum())
            constant += float(others[y[~fit] != majority].sum())
        else:
            count = np.bincount(v, weights=w, minlength=n_values)
            total = np.bincount(v, weights=w * t, minlength=n_values)
            mean = float(total.sum() / (count.sum() or 1.0))
            means = np.where(count > 0, total / np.where(count > 0, count, 1.0), mean)
            error += float((others * (means[values[~fit]] - y[~fit]) ** 2).sum())
            constant += float((others * (mean - y[~fit]) ** 2).sum())
    return error / float(weights.sum()), constant / float(weights.sum())


def _error_of_line(values: _Array, y: _Array, weights: _Array, half: _Array) -> float:
    """Return the weighted mean squared error of straight lines, each fitted to one half and applied to the other."""
    x, y = values.astype(np.float64), y.astype(np.float64)
    error = 0.0
    for fit in (half, ~half):
        w = weights[fit] / (weights[fit].sum() or 1.0)
        x_mean, y_mean = float(w @ x[fit]), float(w @ y[fit])
        spread = float(w @ (x[fit] - x_mean) ** 2)
        slope = float(w @ ((x[fit] - x_mean) * (y[fit] - y_mean))) / spread if spread > 0 else 0.0
        error += float(weights[~fit] @ (y_mean + slope * (x[~fit] - x_mean) - y[~fit]) ** 2)
    return error / float(weights.sum())


def _text(name: str, column: str, target: str, error: float, constant: float, most: float | None) -> str:
    if name == f"{column}{INDICATOR}":
        name = f"whether {name}"
    if most is not None:
        what = f"{name} alone predicts {1 - error:.1%} of {target} (the largest class: {most:.1%})"
    else:
        what = f"{name} alone explains {1 - error / constant:.1%} of the variance of {target}"
    return f"{what}: if it is known only afterwards, leave it out: --drop {shell_name(column)}."
