r"""How well probabilities fit: rows in bins of confidence, and what calibration errors are sums over.

The confidence of a row is the probability of its most probable class, :math:`c_i = \max_k p_{ik}`; it is right
(:math:`a_i = 1`) if that is the true class. Of a bin b of rows with weights :math:`w_i` (1 where rows have none),

.. math:: W_b = \sum_{i \in b} w_i, \quad \operatorname{conf}_b = \frac{1}{W_b} \sum_{i \in b} w_i c_i, \quad
          \operatorname{acc}_b = \frac{1}{W_b} \sum_{i \in b} w_i a_i, \quad
          \mathrm{ECE} = \sum_b \frac{W_b}{W} \left| \operatorname{acc}_b - \operatorname{conf}_b \right| .

Bins hold their upper end, as those of scikit-learn's ``calibration_curve``. Bins of equal width cut [0, 1] evenly; bins
of equal mass are cut at quantiles of the confidences, so that equal confidences share a bin.

**The bias.** Where few rows are in a bin, :math:`\operatorname{acc}_b` differs from :math:`\operatorname{conf}_b` by
chance, and the absolute value never averages that away: the ECE of a finite sample is too large. Of a network that is
perfectly calibrated, :math:`a_i` is 1 with probability :math:`c_i`, and the mean of a normal variable's absolute value
gives about

.. math:: \mathrm{E}[\mathrm{ECE}] \approx \sqrt{\tfrac{2}{\pi}}\, \frac{1}{W}
          \sum_b \Bigl( \sum_{i \in b} w_i^2 c_i (1 - c_i) \Bigr)^{1/2} .

Sources: Naeini, Cooper & Hauskrecht, *Obtaining well calibrated probabilities using Bayesian binning*, AAAI 2015; Guo,
Pleiss, Sun & Weinberger, *On calibration of modern neural networks*, ICML 2017; Nixon, Dusenberry, Zhang, Jerfel
& Tran, *Measuring calibration in deep learning*, CVPR workshops 2019 (equal mass).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from steepest.objectives.decoded import ClassOutputs

BINS = 15
"""Bins of confidence, as in Guo et al. (2017)."""

Binning = Literal["width", "mass"]
"""Bins of equal width, or of equally many rows."""


@dataclass(frozen=True)
class Binned:
    """Rows in bins of confidence, float64 ``[bins]`` each.

    Attributes:
        rows: the rows of each bin, or the sum of their weights.
        confidence: the sum over its rows of weight times confidence.
        right: the weights of its rows that are predicted correctly.
        variance: the variance that ``right`` has where confidences are true probabilities.
        place: the bin of each row, int64 ``[N]``.
    """

    rows: Tensor
    confidence: Tensor
    right: Tensor
    variance: Tensor
    place: Tensor

    @property
    def error(self) -> Tensor:
        """The expected calibration error, a scalar from 0 to 1."""
        return (self.right - self.confidence).abs().sum() / self.rows.sum()

    @property
    def of_chance(self) -> Tensor:
        """About the expected calibration error that perfectly calibrated predictions would have on so many rows."""
        return math.sqrt(2.0 / math.pi) * self.variance.sqrt().sum() / self.rows.sum()


def binned(rows: ClassOutputs, by: Binning = "width", bins: int = BINS) -> Binned:
    """Return rows in bins of the confidence in their most probable class.

    Args:
        rows: the predictions.
        by: bins of equal ``width``, or of equal ``mass``.
        bins: how many, at least 1.

    Example:
        >>> even = ClassOutputs(torch.tensor([[0.75, 0.25], [0.375, 0.625]]).log(), torch.tensor([0, 0]))
        >>> found = binned(even, bins=2)
        >>> found.rows.tolist(), found.right.tolist(), round(float(found.error), 4)
        ([0.0, 2.0], [0.0, 1.0], 0.1875)
    """
    confidence = rows.probabilities.max(dim=1).values.to(torch.float64)
    right = (rows.labels == rows.target).to(torch.float64)
    weights = torch.ones_like(confidence) if rows.weights is None else rows.weights.to(torch.float64)
    edges = _edges(confidence, rows.weights, by, bins)
    place = torch.bucketize(confidence, edges)

    def total(values: Tensor) -> Tensor:
        return values.new_zeros(bins).index_add(0, place, values)

    return Binned(
        rows=total(weights),
        confidence=total(weights * confidence),
        right=total(weights * right),
        variance=total(weights.square() * confidence * (1.0 - confidence)),
        place=place,
    )


def _edges(confidence: Tensor, weights: Tensor | None, by: Binning, bins: int) -> Tensor:
    """Return the inner ends of the bins, ascending, ``[bins - 1]``."""
    cuts = torch.arange(1, bins, device=confidence.device)
    shares = cuts.to(torch.float64) / bins
    if by == "width":
        return shares
    ordered, order = confidence.sort()
    if weights is None:
        below = (
            cuts * (len(ordered) - 1) // bins
        )  # whole numbers, so that an edge at a row is exactly its confidence
        beyond = (cuts * (len(ordered) - 1) % bins).to(torch.float64) / bins
        above = (below + 1).clamp(max=len(ordered) - 1)
        return ordered[below] + beyond * (ordered[above] - ordered[below])
    cumulative = weights[order].to(torch.float64).cumsum(0)
    places = torch.searchsorted(cumulative, shares * cumulative[-1])
    return ordered[places.clamp(max=len(ordered) - 1)]
