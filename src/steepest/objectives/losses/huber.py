"""The Huber loss."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor
from torch.nn import functional

from steepest.curvature.outputs import huber
from steepest.objectives import Objective

COMPONENTS = {
    "huber": {
        "object": "Huber",
        "what": "squared for small errors, linear for large ones",
        "groups": ["regression"],
    }
}


class Huber(Objective):
    r"""The Huber loss of an error :math:`e = o - y`.

    .. math::
        \ell = \tfrac12 e^2 \ \text{for}\ |e| \le \delta, \qquad
        \ell = \delta\,(|e| - \tfrac12 \delta) \ \text{else}

    Args:
        delta: where it changes from squared to linear, in standard deviations of the training target, above 0.

    Source: Huber, Robust Estimation of a Location Parameter, 1964.

    Example:
        >>> import torch
        >>> Huber(delta=1.0).losses(torch.tensor([[0.5], [3.0]]), torch.zeros(2)).tolist()
        [0.125, 2.5]
    """

    name = "huber"
    title = "the Huber loss"
    serves = "regression"
    bibtex = """
@article{huber1964robust,
  author = {Huber, Peter J.},
  title = {Robust Estimation of a Location Parameter},
  journal = {The Annals of Mathematical Statistics},
  volume = {35},
  pages = {73--101},
  year = {1964},
}
"""

    delta: float = Field(
        1.0,
        gt=0.0,
        allow_inf_nan=False,
        description="a number above 0, in standard deviations of the training target",
    )

    def losses(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Return the Huber loss of each row, ``[B]``."""
        return functional.huber_loss(outputs.squeeze(1), target, reduction="none", delta=self.delta)

    def bend(self, outputs: Tensor, target: Tensor, vector: Tensor) -> Tensor:
        """Return the Hessian of each row's loss in its outputs, times that row of a vector."""
        return huber(outputs - target[:, None], vector, self.delta)
