r"""Exact optima of training losses that are linear or quadratic in the coefficients of a linear model.

With rows :math:`x_i` of a design, targets :math:`y_i` and weights :math:`w_i`, the coefficients minimise
:math:`\sum_i w_i \ell(y_i - x_i^\top c)`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MOST_NUMBERS = 1_000_000
"""Numbers of a design up to which linear programming is quick."""


def least_squares(design: Array, target: Array, weights: Array | None = None) -> Array | None:
    """Return the coefficients of least squares, by a QR decomposition; None if they are not unique.

    Args:
        design: ``[N, P]``.
        target: ``[N]``.
        weights: of rows ``[N]``, or None for equal ones.

    Example:
        >>> x = np.array([0.0, 1.0, 2.0])
        >>> least_squares(np.stack([np.ones(3), x], 1), 3.0 - 2.0 * x).round(12).tolist()
        [3.0, -2.0]
    """
    if weights is not None:
        root = np.sqrt(weights)
        design, target = design * root[:, None], target * root
    q, r = np.linalg.qr(design)
    diagonal = np.abs(np.diag(r))
    if len(r) < design.shape[1] or diagonal.min() <= diagonal.max() * np.finfo(np.float64).eps * len(design):
        return None
    return np.asarray(np.linalg.solve(r, q.T @ target), dtype=np.float64)


def least_quantile(
    design: Array, target: Array, weights: Array | None = None, q: float = 0.5
) -> Array | None:
    r"""Return coefficients of the least pinball loss, by linear programming; None if it is too large or fails.

    The residuals are :math:`u - v` with :math:`u, v \ge 0`, and :math:`\sum_i w_i (q u_i + (1 - q) v_i)` is minimised;
    q = 0.5 gives least absolute deviations.

    Args:
        design, target, weights: as for :func:`least_squares`.
        q: the quantile.

    Example:
        >>> least_quantile(np.ones((3, 1)), np.array([1.0, 2.0, 9.0])).tolist()
        [2.0]
    """
    from scipy import sparse
    from scipy.optimize import linprog

    rows, columns = design.shape
    if design.size > MOST_NUMBERS:
        return None
    each = np.ones(rows) if weights is None else weights
    costs = np.concatenate([np.zeros(columns), q * each, (1.0 - q) * each])
    one = sparse.identity(rows, format="csr")
    found = linprog(
        costs,
        A_eq=sparse.hstack([sparse.csr_matrix(design), one, -one], format="csr"),
        b_eq=target,
        bounds=[(None, None)] * columns + [(0.0, None)] * (2 * rows),
        method="highs-ds",
    )
    return np.asarray(found.x[:columns]) if found.status == 0 else None
