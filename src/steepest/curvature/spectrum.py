"""Eigenvalues of curvature by its products alone: the largest ones, and how all of them are distributed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from steepest.curvature.products import Curvature, Kind
from steepest.errors import OptionError
from steepest.rng import stream

Array = NDArray[np.float64]
Which = Literal["largest", "smallest", "magnitude"]
_ARPACK = {"largest": "LA", "smallest": "SA", "magnitude": "LM"}


@dataclass(frozen=True)
class Eigenpairs:
    """Eigenvalues, the largest first, with their vectors and what these miss by.

    Attributes:
        values: ``[n]``.
        vectors: of length 1, ``[P, n]``.
        residuals: the norms of Av − λv, ``[n]``: an eigenvalue lies at most so far from the value.
        products: how many were used.
    """

    values: Array
    vectors: Array
    residuals: Array
    products: int


@dataclass(frozen=True)
class Density:
    """How eigenvalues are distributed, by stochastic Lanczos quadrature.

    Attributes:
        nodes: Ritz values of all probes.
        weights: the share of eigenvalues that each stands for; they sum to 1.
        points: where the smoothed density is given.
        density: its values there; their integral is 1.
    """

    nodes: Array
    weights: Array
    points: Array
    density: Array


def top_eigenvalues(
    at: Curvature,
    kind: Kind = "gauss-newton",
    count: int = 5,
    which: Which = "largest",
    tolerance: float = 0.0,
    seed: int = 0,
    divisor: torch.Tensor | None = None,
) -> Eigenpairs:
    """Return some eigenvalues by the implicitly restarted Lanczos method, SciPy's ``eigsh``.

    Args:
        at: where.
        kind: of which matrix.
        count: how many, fewer than there are parameters.
        which: the largest, the smallest, or those farthest from 0.
        tolerance: relative accuracy; 0 for that of the machine.
        seed: of the vector that it starts from.
        divisor: numbers above 0, ``[P]``: the eigenvalues are those of D^(−1/2) A D^(−1/2), which are those of D⁻¹A.

    Raises:
        OptionError: there are not so many eigenvalues.

    Example:
        >>> from torch import nn
        >>> net = nn.Linear(1, 1).double()
        >>> at = Curvature.of(net, nn.MSELoss(), torch.tensor([[3.0]]).double(), torch.zeros(1, 1).double())
        >>> top_eigenvalues(at, count=1).values.round(9).tolist()
        [20.0]
    """
    from scipy.sparse.linalg import LinearOperator, eigsh

    if not 0 < count < at.size:
        raise OptionError(
            f"{count} eigenvalues of a matrix of {at.size} rows",
            hint=f"give 1 to {at.size - 1}; steepest.curvature.matrix has all of a small network.",
        )
    used = 0
    scale = 1.0 if divisor is None else _numbers(divisor) ** -0.5

    def product(vector: Any) -> Array:
        nonlocal used
        used += 1
        scaled = np.ascontiguousarray(scale * vector.ravel())
        return scale * _numbers(at.product(kind, torch.from_numpy(scaled).to(at.outputs)))

    operator = LinearOperator((at.size, at.size), matvec=product, dtype=np.float64)  # pyright: ignore
    start = stream(seed, "evaluation").standard_normal(at.size)
    values, vectors = eigsh(operator, k=count, which=_ARPACK[which], tol=tolerance, v0=start)  # pyright: ignore
    order = np.argsort(-values)
    values, vectors = values[order], vectors[:, order]
    residuals = [
        float(np.linalg.norm(product(vectors[:, i]) - values[i] * vectors[:, i])) for i in range(count)
    ]
    return Eigenpairs(values, vectors, np.array(residuals), used)


def spectral_density(
    at: Curvature,
    kind: Kind = "gauss-newton",
    probes: int = 10,
    steps: int = 50,
    points: int = 200,
    width: float = 0.01,
    seed: int = 0,
) -> Density:
    """Return how the eigenvalues are distributed, by stochastic Lanczos quadrature.

    Ghorbani, Krishnan & Xiao, *An Investigation into Neural Net Optimization via Hessian Eigenvalue Density*, ICML
    2019.

    Args:
        at: where.
        kind: of which matrix.
        probes: random vectors.
        steps: products for each of them, at most.
        points: where the smoothed density is given, evenly over its range.
        width: standard deviation of the Gaussian bell that each value becomes, as a share of the range.
        seed: of the random vectors.
    """
    nodes: list[Array] = []
    weights: list[Array] = []
    for probe in range(probes):
        start = stream(seed, "evaluation", probe).standard_normal(at.size)
        values, shares = _quadrature(at, kind, start / np.linalg.norm(start), min(steps, at.size))
        nodes.append(values)
        weights.append(shares / probes)
    every, shares = np.concatenate(nodes), np.concatenate(weights)
    span = float(every.max() - every.min()) or 1.0
    sd = width * span
    places = np.linspace(every.min() - 4 * sd, every.max() + 4 * sd, points)
    bells = np.exp(-0.5 * ((places[:, None] - every) / sd) ** 2) / (sd * np.sqrt(2 * np.pi))
    return Density(every, shares, places, bells @ shares)


def _quadrature(at: Curvature, kind: Kind, start: Array, steps: int) -> tuple[Array, Array]:
    """Return nodes and weights of one probe: eigenvalues of the Lanczos matrix, and squares of first components."""
    basis = [start]
    on: list[float] = []
    off: list[float] = []
    for step in range(steps):
        vector = torch.from_numpy(basis[-1]).to(at.outputs)
        moved = _numbers(at.product(kind, vector))
        on.append(float(basis[-1] @ moved))
        every = np.stack(basis)
        for _ in range(2):  # against rounding, twice is enough
            moved = moved - every.T @ (every @ moved)
        rest = float(np.linalg.norm(moved))
        if step + 1 == steps or rest <= 1e-10 * max(map(abs, on)):
            break
        off.append(rest)
        basis.append(moved / rest)
    values, vectors = np.linalg.eigh(np.diag(on) + np.diag(off, 1) + np.diag(off, -1))
    return values, vectors[0] ** 2


def _numbers(vector: torch.Tensor) -> Array:
    return vector.detach().cpu().numpy().astype(np.float64)
