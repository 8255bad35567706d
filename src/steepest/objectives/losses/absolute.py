"""The absolute error."""

from __future__ import annotations

from torch import Tensor

from steepest.objectives import Objective
from steepest.objectives.exact import Array, least_quantile

COMPONENTS = {
    "absolute": {
        "object": "Absolute",
        "what": "the absolute error; its optimum is the median",
        "groups": ["regression"],
    }
}


class Absolute(Objective):
    r"""The absolute error :math:`\ell = |o - y|`, whose optimum is the conditional median.

    Its gradient with respect to an output is the sign of the error, and 0 where the error is 0.

    Example:
        >>> import torch
        >>> float(Absolute().loss(torch.tensor([[3.0], [1.0]]), torch.tensor([1.0, 1.0])))
        1.0
    """

    name = "absolute"
    title = "the absolute error"
    serves = "regression"
    solved = "linear programming"
    metric = "mae"
    curved = False

    def losses(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Return the absolute error of each row, ``[B]``."""
        return (outputs.squeeze(1) - target).abs()

    def optimum(self, design: Array, target: Array, weights: Array | None = None) -> Array | None:
        """Return the coefficients with the least loss, by linear programming."""
        return least_quantile(design, target, weights)
