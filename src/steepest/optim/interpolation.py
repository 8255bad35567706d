r"""Adam's idle sum by interpolation: a few fixed points stand for a measure that all rows share.

A row with averages :math:`m, v` after step :math:`s` is moved by :math:`J` idle steps by

.. math::
    m \sum_{j=1}^{J} \frac{a_j\, x_j}{\sqrt v + \epsilon\, x_j}, \qquad
    a_j = \eta_{s+j}\, \frac{\beta_1^j}{1-\beta_1^{s+j}}, \quad
    x_j = \sqrt{\frac{1-\beta_2^{s+j}}{\beta_2^{j}}},

an integral over the discrete measure :math:`(a_j\ \text{at}\ x_j)`, which does not depend on the row. As a function
of :math:`y = \log x` the integrand has its nearest poles at distance :math:`\pi` from the real line, whatever
:math:`\epsilon/\sqrt v` is, so it is interpolated from n Chebyshev points :math:`\hat y_k` of the range of all
:math:`\log x_j` with an error that shrinks geometrically in n. With Lagrange's basis :math:`L_k`,

.. math::
    \text{sum} \approx \sum_{k=1}^n \frac{A_k}{\sqrt v + \epsilon\, \hat x_k}, \qquad
    A_k = \hat x_k \sum_j a_j L_k(\log x_j).

The points are the same for every row and every step, and :math:`A_k` is linear in the rates: a training step adds
its own term, and any schedule works.

Source: Berrut & Trefethen, *Barycentric Lagrange Interpolation*, SIAM Review 46, 2004.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

TOLERANCE = 1e-9
"""Largest relative error of the sum, over every ε/√v, that the points are chosen for."""
LEFT_OUT = 1e-14
"""Share of the sum that may be left out with the terms after the last one that is kept."""
MOST_POINTS, MOST_TERMS = 32, 5_000


@dataclass(frozen=True)
class Sizes:
    """How many terms and points a pair of betas needs.

    Attributes:
        terms: steps after which the rest of the sum is below ``LEFT_OUT`` of it.
        points: points of the interpolation, an even number.
    """

    terms: int
    points: int


@functools.cache
def sizes_for(beta1: float, beta2: float) -> Sizes | None:
    """Return the number of terms and points for a pair of betas; None where the sum cannot be had that way.

    The terms die as ``(β1/√β2)^j``, so β1 must be below √β2; the x_j lie the farther apart the smaller β2 is, and
    need the more points. Their number is decided by trying: the worst error over every ε/√v at a constant rate
    must be below ``TOLERANCE``, for the first steps as for late ones, few idle steps as for many.

    Example:
        >>> sizes_for(0.9, 0.999), sizes_for(0.9, 0.95), sizes_for(0.999, 0.99)
        (Sizes(terms=330, points=18), None, None)
    """
    terms = number_of_terms(beta1, beta2)
    if terms is None:
        return None
    if beta1 == 0.0:
        return Sizes(terms, 2)  # the average of an idle row is 0
    late = math.ceil(20.0 / (1.0 - beta2))
    for points in range(2, MOST_POINTS + 1, 2):
        if all(error(beta1, beta2, s, Sizes(terms, points)) <= TOLERANCE for s in (1, 2, 5, 30, 200, late)):
            return Sizes(terms, points)
    return None


def number_of_terms(beta1: float, beta2: float) -> int | None:
    """Return after how many idle steps the rest is negligible; None where that takes too many, or never ends."""
    if beta1 == 0.0:
        return 1
    ratio = beta1 / math.sqrt(beta2) if beta2 > 0 else math.inf
    if ratio >= 1.0:
        return None
    terms = math.ceil(math.log(LEFT_OUT * (1.0 - ratio)) / math.log(ratio))
    return terms if terms <= MOST_TERMS else None


@dataclass(frozen=True)
class Grid:
    """The places of the terms and the points that stand for them.

    Attributes:
        decay: ``β1^j`` for j = 1 … terms.
        stretch: ``−½ j log β2``; ``log x_j`` is that plus ``½ log(1−β2^(s+j))``.
        points: the x̂_k, [n].
        nodes: Chebyshev's points in [−1, 1], [n].
        signs: their barycentric weights, [n].
        middle, reach: ``log x`` at 0, and the distance from there to ±1.
    """

    decay: Array
    stretch: Array
    points: Array
    nodes: Array
    signs: Array
    middle: float
    reach: float

    @classmethod
    def of(cls, beta1: float, beta2: float, plan: Sizes) -> Grid:
        """Return the places for two betas."""
        j = np.arange(1.0, plan.terms + 1.0)
        stretch = -0.5 * j * math.log(beta2) if beta2 > 0.0 else np.zeros_like(j)
        low = 0.5 * math.log(1.0 - beta2**2) + stretch[0]
        middle, reach = (stretch[-1] + low) / 2.0, max((stretch[-1] - low) / 2.0, 1e-3)
        angle = (2.0 * np.arange(plan.points) + 1.0) * math.pi / (2.0 * plan.points)
        nodes, signs = np.cos(angle), np.sin(angle) * np.resize([1.0, -1.0], plan.points)
        return cls(beta1**j, stretch, np.exp(middle + reach * nodes), nodes, signs, middle, reach)

    def basis(self, logs: Array) -> Array:
        """Return ``L_k(log x)`` at ``log x`` [J], as [n, J]; each column adds to 1."""
        distance = (logs - self.middle) / self.reach - self.nodes[:, None]
        distance[distance == 0.0] = 1e-300
        share = self.signs[:, None] / distance
        return share / share.sum(0)


def error(beta1: float, beta2: float, s: int, plan: Sizes) -> float:
    """Return the worst relative error over every ε/√v for rows last updated at ``s``, at a constant rate."""
    grid = Grid.of(beta1, beta2, plan)
    j = np.arange(1.0, plan.terms + 1.0)
    logs = 0.5 * np.log(-np.expm1((s + j) * math.log(beta2))) + grid.stretch
    weights, x = grid.decay / (1.0 - beta1 ** (s + j)), np.exp(logs)
    ratio = 10.0 ** np.arange(-6.0, 6.0, 0.25)[:, None]
    worst = 0.0
    for idle in (1, 4, 30, plan.terms):
        found = (weights[:idle] * grid.basis(logs)[:, :idle]).sum(1) * grid.points
        exact = (weights[:idle] * x[:idle] / (1.0 + ratio * x[:idle])).sum(1)
        worst = max(worst, float(np.abs((found / (1.0 + ratio * grid.points)).sum(1) / exact - 1.0).max()))
    return worst
