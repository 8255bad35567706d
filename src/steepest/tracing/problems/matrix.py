"""A system of equations: the problem for optimizers that treat a matrix as one thing."""

from __future__ import annotations

from torch import Tensor

from steepest.tracing.problem import Parameters, SmallProblem, numbers

COMPONENTS = {
    "matrix": {"object": "Matrix", "what": "½ |A·W − B|² of a 2 × 2 matrix W, for optimizers of matrices"}
}

A = numbers(2, 1, 1, 3).reshape(2, 2)
B = numbers(5, 1, 0, 8).reshape(2, 2)


class Matrix(SmallProblem):
    """Find W in A·W = B, where A = (2 1; 1 3), B = (5 1; 0 8), and W begins at the unit matrix; it is (3 −1; −1 3).

    Example:
        >>> problem = Matrix()
        >>> problem.loss({"W": numbers(3, -1, -1, 3).reshape(2, 2)}, step=0).item()
        0.0
    """

    name = "matrix"

    def begin(self) -> Parameters:
        """Return W."""
        return {"W": numbers(1, 0, 0, 1).reshape(2, 2)}

    def loss(self, parameters: Parameters, step: int) -> Tensor:
        """Return half the sum of squares of what is missing."""
        del step
        return 0.5 * (A @ parameters["W"] - B).square().sum()
