"""The new rows that can be scored: they have a known value of the target and, where rows are weighted, a weight."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from steepest.data.row_weights import Weights, weights_of_new
from steepest.data.sources.rows import Encoded
from steepest.data.target import known_codes
from steepest.objectives.target import Target
from steepest.prediction.known import Unscored


@dataclass(frozen=True)
class Answered:
    """Rows that can be scored.

    Attributes:
        values: what is hashed of them: inputs and target.
        wanted: codes or standardised values, ``[N]``.
        there: which of the predicted rows they are.
        weights: of these rows, ``[N]``, above 0; None where rows are not weighted.
        unscored: the other rows.
        places: numbers of what is hashed, the same ones for rows that are parts of one; None where every row is one.
    """

    values: tuple[Tensor, ...]
    wanted: Tensor
    there: Tensor
    weights: Weights | None = None
    unscored: Unscored = field(default_factory=Unscored)
    places: NDArray[np.int64] | None = None


def answered(
    rows: Encoded, target: Target, classes: Sequence[str], *, mean: float, sd: float
) -> Answered | None:
    """Return the rows that can be scored, or None if there is no target.

    Args:
        rows: new rows.
        target: what is predicted.
        classes: in the order of their codes; empty for a number.
        mean, sd: how numbers were standardised.
    """
    own = target.of_inputs(rows.inputs) if rows.wanted is None else rows.wanted
    if own is not None:
        weights = None if rows.weights is None else rows.weights.cast(pl.Float64).to_numpy()
        known, there = rows.known_by or (*rows.inputs, own), torch.ones(len(own), dtype=torch.bool)
        return Answered(known, own, there, weights, places=rows.places)
    if rows.target is None:
        return None
    missing, odd = rows.target.null_count(), list[str]()
    if classes:
        answers, odd = known_codes(rows.target, classes)
        there = answers >= 0
    else:
        numbers = rows.target.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()
        answers, there = (numbers - mean) / sd, np.isfinite(numbers)
        missing = int((~there).sum())
    weights, unweighed, weightless = None, 0, 0
    if rows.weights is not None:
        every = weights_of_new(rows.weights)
        unweighed, weightless = int((there & np.isnan(every)).sum()), int((there & (every == 0.0)).sum())
        there &= every > 0.0
        weights = every[there]
    wanted, kept = torch.from_numpy(answers[there]), torch.from_numpy(there)
    values = (*(each[kept] for each in rows.inputs), wanted if classes else wanted.float())
    return Answered(
        values, wanted, kept, weights, Unscored(missing, dict(Counter(odd)), unweighed, weightless)
    )
