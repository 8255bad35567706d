r"""Gauss quadrature for Adam's idle sum, from the moments of a measure that all rows share.

A row with averages :math:`m, v` after step :math:`s` is moved by :math:`J` idle steps by

.. math::
    m \sum_{j=1}^{J} \frac{a_j\, x_j}{\sqrt v + \epsilon\, x_j}, \qquad
    a_j = \eta_{s+j}\, \frac{\beta_1^j}{1-\beta_1^{s+j}}, \quad
    x_j = \sqrt{\frac{1-\beta_2^{s+j}}{\beta_2^{j}}},

an integral over the discrete measure :math:`(a_j\ \text{at}\ x_j)`, which does not depend on the row. With the
recurrence coefficients :math:`\alpha_k, b_k` of its orthogonal polynomials and :math:`b_0 = \sum_j a_j`, the n-point
Gauss rule is a continued fraction of n divisions, exact at both ends of :math:`\epsilon/\sqrt v`:

.. math::
    E_k = \frac{\epsilon}{\sqrt v + \epsilon \alpha_k - \epsilon\, b_{k+1} E_{k+1}}, \qquad
    u = \alpha_0 - b_1 E_1, \qquad \text{sum} \approx b_0\, \frac{u}{\sqrt v + \epsilon u}.

Source: Golub & Meurant, *Matrices, Moments and Quadrature with Applications*, 2010; Gautschi, *Orthogonal
Polynomials: Computation and Approximation*, 2004 (the algorithms of Chebyshev and of Stieltjes).
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

TOLERANCE = 1e-9
"""Largest relative error of the sum, over every ε/√v, that the nodes are chosen for."""
LEFT_OUT = 1e-14
"""Share of the sum that may be left out with the terms after the last one that is kept."""
MOST_NODES, MOST_START_NODES, MOST_TERMS = 6, 32, 5_000


@dataclass(frozen=True)
class Plan:
    """How many terms and nodes a pair of betas needs.

    Attributes:
        terms: steps after which the rest of the sum is below ``LEFT_OUT`` of it.
        nodes: nodes from moments, for rows that were last updated at step ``begin`` or later.
        begin: the step from which so many nodes are enough.
        start_nodes: nodes from the measure itself, for earlier rows.
    """

    terms: int
    nodes: int
    begin: int
    start_nodes: int


@functools.cache
def plan(beta1: float, beta2: float) -> Plan | None:
    """Return the number of terms and nodes for a pair of betas; None where the sum cannot be had that way.

    The terms die as ``(β1/√β2)^j``, so β1 must be below √β2; the nodes converge where the x_j lie together
    over the terms that count, so β2 must be near 1. Both are decided by trying: the worst error over every
    ε/√v at a constant rate must be below ``TOLERANCE``, for the first step as for late ones.

    Example:
        >>> plan(0.9, 0.999), plan(0.9, 0.95), plan(0.999, 0.99)
        (Plan(terms=330, nodes=3, begin=256, start_nodes=13), None, None)
    """
    terms = number_of_terms(beta1, beta2)
    if terms is None:
        return None
    late = max(64, math.ceil(20.0 / (1.0 - beta2)))
    limit = 1.0 / (1.0 - beta2)
    start = next(
        (n for n in range(2, MOST_START_NODES + 1) if start_error(beta1, beta2, 1, terms, n) <= TOLERANCE),
        None,
    )
    if start is None:
        return None
    for nodes in range(2, MOST_NODES + 1):
        if _error(beta1, beta2, late, terms, nodes) > TOLERANCE:
            continue
        begin = 1
        while _error(beta1, beta2, begin, terms, nodes) > TOLERANCE:
            begin *= 2
        if begin <= max(limit, 64.0):
            return Plan(terms, nodes, begin, start)
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
    """The places of the terms: what depends on the betas and on the number of idle steps only.

    Attributes:
        decay: ``β1^j`` for j = 1 … terms.
        stretch: ``β2^(−j/2)``; ``x_j`` is that times ``√(1−β2^(s+j))``.
        beyond: ``β2^(−j) − β2^(−J)``, the distance of ``x_j²`` from the centre's.
        beta2, middle, reach: β2, the number of idle steps J at the centre, and at one unit beyond it.
    """

    decay: Array
    stretch: Array
    beyond: Array
    beta2: float
    middle: float
    reach: float

    @classmethod
    def of(cls, beta1: float, beta2: float, terms: int) -> Grid:
        """Return the places of so many terms."""
        j = np.arange(1.0, terms + 1.0)
        middle = 1.0 / (1.0 - beta1)
        log = math.log(beta2)
        beyond = np.exp(-middle * log) * np.expm1(-(j - middle) * log)
        return cls(beta1**j, np.exp(-0.5 * j * log), beyond, beta2, middle, 2.0 * middle)

    def frame(self, s: Array) -> tuple[Array, Array]:
        """Return centre and unit in which the moments of rows last updated at ``s`` are kept.

        Centred there, the moments lose no digits to each other, though all x_j lie close to 1.
        """
        log = math.log(self.beta2)
        before = -np.expm1(s * log)
        centre = np.sqrt(np.expm1(-self.middle * log) + before)
        return centre, np.sqrt(np.expm1(-self.reach * log) + before) - centre


def from_moments(moments: Array, atoms: Array) -> tuple[Array, Array]:
    """Return the recurrence coefficients ``alpha`` and ``b``, each [n, S], of S measures (Chebyshev's algorithm).

    Args:
        moments: the first 2n moments of each, [2n, S].
        atoms: how many points each has, [S]; the recurrence ends there.

    Example:
        >>> x, a = np.array([0.0, 1.0, 3.0]), np.array([1.0, 1.0, 2.0])
        >>> alpha, b = from_moments(np.stack([[(a * x**k).sum()] for k in range(4)]), np.array([3.0]))
        >>> alpha.ravel().round(6).tolist(), b.ravel().round(6).tolist()
        ([1.75, 1.472222], [4.0, 1.6875])
    """
    n = len(moments) // 2
    alpha, b = np.empty((2, n, moments.shape[1]))
    alive = moments[0] != 0.0
    before, now = moments[:0], moments / np.where(alive, moments[0], 1.0)
    b[0], alpha[0] = moments[0], now[1]
    size = np.ones(moments.shape[1])
    for k in range(1, n):
        after = now[2:] - alpha[k - 1] * now[1:-1]
        if k > 1:
            after = after - b[k - 1] * before[2:-2]
        alive = alive & (atoms > k) & (after[0] > 0.0)
        norm = np.where(alive, after[0], 1.0)
        b[k] = np.where(alive, norm / size, 0.0)
        alpha[k] = np.where(alive, after[1] / norm - now[1] / size, alpha[0])
        before, now, size = now, after, norm
    return alpha, b


def from_points(weights: Array, points: Array, n: int) -> tuple[Array, Array]:
    """Return the same, n of each, of S measures given by their points (the algorithm of Stieltjes).

    Args:
        weights: [S, J], 0 where a measure has fewer points.
        points: [S, J].

    Example:
        >>> alpha, b = from_points(np.array([[1.0, 1.0, 2.0]]), np.array([[0.0, 1.0, 3.0]]), 2)
        >>> alpha.ravel().round(6).tolist(), b.ravel().round(6).tolist()
        ([1.75, 1.472222], [4.0, 1.6875])
    """
    alpha, b = np.zeros((2, n, len(weights)))
    atoms = (weights != 0.0).sum(1)
    before, now = np.zeros_like(points), np.ones_like(points)
    size = weights.sum(1)
    b[0] = size
    alive = size != 0.0
    for k in range(n):
        share = weights * now * now
        norm = share.sum(1)
        alive = alive & (atoms > k) & (norm > 0.0)
        if k:
            b[k] = np.where(alive, norm / size, 0.0)
        size = np.where(alive, norm, 1.0)
        alpha[k] = np.where(alive, (share * points).sum(1) / size, alpha[0])
        after = (points - alpha[k][:, None]) * now - (b[k][:, None] * before if k else 0.0)
        # The polynomials shrink geometrically, and only ratios of their norms count; finished ones stay at 0.
        scale = np.where(alive, np.abs(after).max(1), 1.0)
        scale[scale == 0.0] = 1.0
        before, now = now / scale[:, None], np.where(alive[:, None], after / scale[:, None], 0.0)
        size = size / scale**2
    return alpha, b


def tidied(alpha: Array, b: Array, low: Array, high: Array) -> tuple[Array, Array]:
    """Return coefficients without what rounding alone put there: means inside the support, no lost variances."""
    alpha = np.clip(alpha, low, high)
    b[1:] = np.where(b[1:] > 1e-14 * alpha[0] ** 2, b[1:], 0.0)
    return alpha, b


def start_error(beta1: float, beta2: float, s: int, terms: int, n: int) -> float:
    """Return the worst relative error over every ε/√v by n nodes from the measure itself, at a constant rate."""
    weights, points = _measure(Grid.of(beta1, beta2, terms), s)
    alpha, b = from_points(weights[None], points[None], n)
    return _worst(weights, points, alpha[:, 0], b[:, 0])


def _error(beta1: float, beta2: float, s: int, terms: int, n: int) -> float:
    """Return the same by n nodes from moments."""
    grid = Grid.of(beta1, beta2, terms)
    weights, points = _measure(grid, s)
    centre, unit = grid.frame(np.array([float(s)]))
    places = grid.beyond / ((points + centre) * unit)
    moments = np.array([[float((weights * places**k).sum())] for k in range(2 * n)])
    alpha, b = from_moments(moments, np.array([float(terms)]))
    b[1:] *= unit**2
    alpha, b = tidied(centre + unit * alpha, b, points[:1], points[-1:])
    return _worst(weights, points, alpha[:, 0], b[:, 0])


def _measure(grid: Grid, s: int) -> tuple[Array, Array]:
    j = np.arange(1.0, len(grid.decay) + 1.0)
    beta1 = float(grid.decay[0])
    root = np.sqrt(-np.expm1((s + j) * math.log(grid.beta2)))
    return grid.decay / (1.0 - beta1 ** (s + j)), root * grid.stretch


def _worst(weights: Array, points: Array, alpha: Array, b: Array) -> float:
    ratio = 10.0 ** np.arange(-6.0, 6.0, 0.25)
    exact = (weights * points / (1.0 + ratio[:, None] * points)).sum(1)
    rest = np.zeros_like(ratio)
    for mean, spread in zip(alpha[:0:-1], b[:0:-1], strict=True):
        rest = spread * ratio / (1.0 + ratio * (mean - rest))
    mean = alpha[0] - rest
    return float(np.abs(b[0] * mean / (1.0 + ratio * mean) / exact - 1.0).max()) if b[0] else 0.0
