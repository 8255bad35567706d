"""The squared error."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from steepest.objectives import Objective
from steepest.objectives.exact import Array, least_squares

COMPONENTS = {
    "squared": {
        "object": "Squared",
        "what": "the squared error; its optimum is the mean",
        "groups": ["regression"],
    }
}


class Squared(Objective):
    r"""The squared error :math:`\ell = (o - y)^2`, whose optimum is the conditional mean.

    Example:
        >>> import torch
        >>> float(Squared().loss(torch.tensor([[3.0], [1.0]]), torch.tensor([1.0, 1.0])))
        2.0
    """

    name = "squared"
    title = "the squared error"
    serves = "regression"
    solved = "a QR decomposition"

    def losses(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Return the squared error of each row, ``[B]``."""
        return self.residuals(outputs, target).square()

    def residuals(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Return the difference of each row, ``[B]``."""
        return outputs.squeeze(1) - target

    def bend(self, outputs: Tensor, target: Tensor, vector: Tensor) -> Tensor:
        """Return the Hessian of each row's loss in its outputs, times that row of a vector."""
        del outputs, target
        return 2.0 * vector

    def loss(self, outputs: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the loss of a batch, by torch's own function where rows have no weights."""
        if weights is not None:
            return super().loss(outputs, target, weights)
        return functional.mse_loss(outputs.squeeze(1), target)

    def optimum(self, design: Array, target: Array, weights: Array | None = None) -> Array | None:
        """Return the coefficients with the least loss, by a QR decomposition."""
        return least_squares(design, target, weights)
