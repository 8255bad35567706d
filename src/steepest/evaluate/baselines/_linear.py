r"""Regularised linear models on one-hot codes: the objective of scikit-learn, minimised faster.

.. math:: \min_{W, b}\; \sum_i w_i\, \ell(y_i,\, x_i^\top W + b) + \frac{1}{2C} \lVert W \rVert^2

with the softmax cross-entropy or half the squared error as :math:`\ell`; the intercept is not penalised.
One-hot columns differ in frequency by factors of thousands, so L-BFGS runs in variables that are scaled
by the square root of the Hessian's diagonal (at the class shares); the minimum is the same. In these
variables half the squared gradient estimates what is still to be gained, and that is the stopping rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from steepest.data.dataset import Shape
from steepest.data.numbers import knots_of

Array = NDArray[np.float64]

GAIN = 1e-7
"""Stop where the estimate of what can still be gained in the objective is below this for each row."""

MAX_ITERATIONS = 500


@dataclass(frozen=True)
class QuantileBins:
    """Continuous columns cut at quantiles, so that a linear model can bend: each bin is a code.

    Attributes:
        edges: of all columns, one after the other; a value in the first bin is at most the first edge.
        counts: how many of them belong to each column, ``[D]``; a column with none is not cut.
    """

    edges: Array
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, continuous: Array, most: int) -> QuantileBins:
        """Return up to ``most`` bins with about as many training rows in each; two values need no bins.

        They end at the knots of :func:`~steepest.data.numbers.knots_of`, by which networks get numbers, too: a value
        of many rows has a bin of its own, and the other rows share the rest.

        Example:
            >>> QuantileBins.of(np.array([[0.0]] * 90 + [[5.0], [6.0], [7.0], [8.0]]), 3).edges
            array([0., 5., 6.])
        """
        edges: list[Array] = []
        for column in continuous.T:
            values, counts = np.unique(column, return_counts=True)
            edges.append(knots_of(values, counts, most)[:-1] if len(values) > 2 else values[:0])
        return cls(np.concatenate([np.zeros(0), *edges]), np.array([len(each) for each in edges], np.int64))

    @property
    def sizes(self) -> NDArray[np.int64]:
        """How many bins each of the columns has that are cut."""
        return self.counts[self.counts > 0] + 1

    def codes(self, continuous: Array) -> NDArray[np.int64]:
        """Return the bin of each value of the columns that are cut, ``[N, C]``."""
        codes = [
            np.searchsorted(edges, column)
            for column, edges in zip(continuous.T, np.split(self.edges, np.cumsum(self.counts)), strict=False)
            if len(edges)
        ]
        return np.stack(codes, 1) if codes else np.zeros((len(continuous), 0), np.int64)


@dataclass(frozen=True)
class Design:
    """Rows as features: one-hot codes and continuous columns.

    Attributes:
        codes: one-hot, ``[N, V]`` sparse; V is the sum of all cardinalities, and of all bins.
        continuous: ``[N, D]``.
    """

    codes: Any
    continuous: Array

    @classmethod
    def of(cls, inputs: Sequence[Tensor], shape: Shape, bins: QuantileBins | None = None) -> Design:
        """Return the features of a table's inputs."""
        codes = inputs[0].cpu().numpy()
        continuous = inputs[1].cpu().numpy().astype(np.float64)
        sizes = np.array(list(shape.cardinalities.values()), dtype=np.int64)
        if bins is not None:
            codes = np.concatenate([codes, bins.codes(continuous)], axis=1)
            sizes = np.concatenate([sizes, bins.sizes])
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64) if len(sizes) else sizes
        rows, columns = codes.shape
        one_hot = sparse.csr_matrix(
            (
                np.ones(rows * columns),
                (codes + starts).reshape(-1),
                np.arange(0, rows * columns + 1, max(columns, 1)) if columns else np.zeros(rows + 1, int),
            ),
            shape=(rows, int(sizes.sum())),
        )
        return cls(one_hot, continuous)

    @property
    def columns(self) -> int:
        """V + D."""
        return self.codes.shape[1] + self.continuous.shape[1]

    def apply(self, weights: Array) -> Array:
        """Return X W, ``[N, K]``."""
        cut = self.codes.shape[1]
        return self.codes @ weights[:cut] + self.continuous @ weights[cut:]

    def apply_transposed(self, values: Array) -> Array:
        """Return Xᵀ G, ``[V + D, K]``."""
        return np.concatenate([self.codes.T @ values, self.continuous.T @ values])

    def squares(self, weights: Array) -> Array:
        """Return the weighted sum of squares of each column, ``[V + D]``."""
        return np.concatenate([self.codes.T @ weights, (self.continuous**2).T @ weights])


@dataclass(frozen=True)
class LinearSolution:
    """Weights ``[V + D, K]`` and intercept ``[K]``, and whether the minimum was reached."""

    weights: Array
    intercept: Array
    converged: bool = True
    iterations: int = 0

    def widened(self, design: Design) -> LinearSolution:
        """Return the same function of a design that has bins besides, whose weights are 0."""
        cut = len(self.weights) - design.continuous.shape[1]
        bins = np.zeros((design.columns - len(self.weights), self.weights.shape[1]))
        weights = np.concatenate([self.weights[:cut], bins, self.weights[cut:]])
        return LinearSolution(weights, self.intercept)

    def outputs(self, design: Design) -> Array:
        """Return logits or values, ``[N, K]``."""
        return design.apply(self.weights) + self.intercept


Loss = Callable[[Array], tuple[float, Array]]
"""Outputs ``[N, K]`` → the weighted sum of the rows' losses and its gradient ``[N, K]``."""


def cross_entropy(target: NDArray[np.int64], weights: Array) -> Loss:
    """Return the softmax cross-entropy against class codes ``[N]``, weighted by ``[N]``."""
    rows = np.arange(len(target))

    def loss(outputs: Array) -> tuple[float, Array]:
        outputs -= outputs.max(axis=1, keepdims=True)
        truth = outputs[rows, target]
        np.exp(outputs, out=outputs)
        total = outputs.sum(axis=1)
        value = float(weights @ (np.log(total) - truth))
        outputs /= total[:, None]
        outputs[rows, target] -= 1.0
        outputs *= weights[:, None]
        return value, outputs

    return loss


def half_squares(target: Array, weights: Array | None = None) -> Loss:
    """Return half the sum of squared errors against values ``[N]``, weighted by ``[N]`` if there are weights."""

    def loss(outputs: Array) -> tuple[float, Array]:
        outputs -= target[:, None]
        if weights is None:
            return 0.5 * float((outputs * outputs).sum()), outputs
        errors = outputs * weights[:, None]
        return 0.5 * float((outputs * errors).sum()), errors

    return loss


def fit(
    design: Design, loss: Loss, c: float, start: LinearSolution, curvature: Array, *, gain: float = GAIN
) -> LinearSolution:
    """Return the minimum at one C.

    Args:
        design: the training rows.
        loss: of the training rows.
        c: inverse strength of the penalty, positive.
        start: where to begin, such as the minimum at the C before.
        curvature: estimate of the diagonal of the loss's Hessian, ``[V + D + 1, K]``, intercept last.
        gain: stop where less than this can still be gained for each row.
    """
    penalty = np.full_like(curvature, 1.0 / c)
    penalty[-1] = 0.0
    scale = 1.0 / np.sqrt(np.maximum(curvature + penalty, 1e-12))
    rows = design.codes.shape[0]
    shape = curvature.shape
    gradient = np.zeros(shape)

    def objective(scaled: Array) -> tuple[float, Array]:
        full = scaled.reshape(shape) * scale
        value, errors = loss(design.apply(full[:-1]) + full[-1])
        gradient[:-1] = design.apply_transposed(errors)
        gradient[-1] = errors.sum(axis=0)
        shrunk = penalty * full
        value += 0.5 * float((shrunk * full).sum())
        np.add(gradient, shrunk, out=gradient)
        np.multiply(gradient, scale, out=gradient)
        return value / rows, (gradient / rows).reshape(-1)

    def enough(_: Array) -> None:
        if 0.5 * float((gradient * gradient).sum()) < gain * rows:
            raise StopIteration

    first = np.concatenate([start.weights, start.intercept[None]]) / scale
    from scipy import optimize  # slow to import

    found = optimize.minimize(
        objective,
        first.reshape(-1),
        jac=True,
        method="L-BFGS-B",
        callback=enough,
        options={
            "maxiter": MAX_ITERATIONS,
            "maxfun": 2 * MAX_ITERATIONS,
            "ftol": 0.0,
            "gtol": 0.0,
            "maxcor": 10,
        },
    )
    full = found.x.reshape(shape) * scale
    _, last = objective(found.x)
    converged = 0.5 * float((last * last).sum()) * rows < 2.0 * gain
    return LinearSolution(full[:-1], full[-1], converged, int(found.nit))
