"""What a metric is a function of: the outputs for many rows, and the truth."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True)
class Outputs:
    """Predictions on N rows.

    Attributes:
        weights: how much each row counts, float64 ``[N]``, at least 0 and not all of them 0; None where all count the
            same.
    """

    weights: Tensor | None = field(default=None, kw_only=True)

    def total(self, values: Tensor) -> Tensor:
        """Return the sum of values of rows ``[N]``, each times the row's weight."""
        return values.sum() if self.weights is None else (self.weights * values).sum()

    def mean(self, values: Tensor) -> Tensor:
        """Return the weighted mean of values of rows ``[N]``."""
        return values.mean() if self.weights is None else self.total(values) / self.weights.sum()

    def counting(self, values: Tensor) -> Tensor:
        """Return the values of the rows that count: of those with a weight above 0."""
        return values if self.weights is None else values[self.weights > 0]


@dataclass(frozen=True)
class ClassOutputs(Outputs):
    """Predictions of classes on N rows with what several metrics need of them.

    Attributes:
        log_probabilities: float64 ``[N, K]``.
        target: class codes, int64 ``[N]``.
        positive: code of the positive class; 1 where nobody says which of two it is.
        k: how many classes ``top_k`` looks at.
    """

    log_probabilities: Tensor
    target: Tensor
    positive: int = 1
    k: int = 3

    @property
    def classes(self) -> int:
        """K, the number of classes."""
        return self.log_probabilities.shape[1]

    @functools.cached_property
    def probabilities(self) -> Tensor:
        """Probabilities, float64 ``[N, K]``, from 0 to 1."""
        return self.log_probabilities.exp().clamp(max=1.0)

    @functools.cached_property
    def labels(self) -> Tensor:
        """The most probable class of each row, int64 ``[N]``; the first of equals."""
        return self.log_probabilities.argmax(dim=1)

    @functools.cached_property
    def actual(self) -> Tensor:
        """How many rows are of each class, or the sum of their weights, float64 ``[K]``."""
        return self._count(self.target)

    @functools.cached_property
    def predicted(self) -> Tensor:
        """For how many rows each class is predicted, or the sum of their weights, float64 ``[K]``."""
        return self._count(self.labels)

    @functools.cached_property
    def right(self) -> Tensor:
        """For how many rows each class is predicted and true, or the sum of their weights, float64 ``[K]``."""
        return self._count(self.target, self.labels == self.target)

    @property
    def present(self) -> Tensor:
        """Which classes the rows contain, those without weight apart, bool ``[K]``."""
        return self.actual > 0

    def _count(self, codes: Tensor, which: Tensor | None = None) -> Tensor:
        if self.weights is None:
            chosen = codes if which is None else codes[which]
            return torch.bincount(chosen, minlength=self.classes).to(torch.float64)
        weights = self.weights if which is None else self.weights * which
        return weights.new_zeros(self.classes).index_add(0, codes, weights)


@dataclass(frozen=True)
class ValueOutputs(Outputs):
    """Predictions of a number on N rows, on the original scale: float64 ``[N]`` each."""

    values: Tensor
    target: Tensor


@dataclass(frozen=True)
class PixelOutputs(Outputs):
    """Reconstructions of N images, pixels counted from 0 (black) to 1 (white).

    Attributes:
        squared: the mean squared error of the pixels of each image, float64 ``[N]``.
        absolute: their mean absolute error, float64 ``[N]``.
    """

    squared: Tensor
    absolute: Tensor


@dataclass(frozen=True)
class TokenOutputs(Outputs):
    """Predictions of the next token in N rows of a text, float64 ``[N]`` each.

    Attributes:
        losses: the mean negative log-probability of the scored tokens of each row, in nats.
        right: the share of them that are the most probable one.
        tokens: how many are scored.
        words: how many words begin in them.
        bytes: how many bytes they are.
        weights: in proportion to ``tokens``, so that weighted means over rows are means over tokens.
    """

    losses: Tensor
    right: Tensor
    tokens: Tensor
    words: Tensor
    bytes: Tensor

    def over(self, units: Tensor) -> Tensor:
        """Return the nats of all rows for each of other units than tokens, such as words; rows have ``[N]``."""
        return self.total(self.losses) / self.total(units / self.tokens)


def shares(part: Tensor, whole: Tensor) -> Tensor:
    """Return ``part / whole``; 0 where the denominator is 0.

    Example:
        >>> shares(torch.tensor([1.0, 0.0]), torch.tensor([2.0, 0.0])).tolist()
        [0.5, 0.0]
    """
    there = whole > 0
    return torch.where(there, part / torch.where(there, whole, 1.0), 0.0)
