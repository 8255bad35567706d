"""The quantile (pinball) loss."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from steepest.objectives import Objective
from steepest.objectives.exact import Array, least_quantile

COMPONENTS = {
    "quantile": {
        "object": "Quantile",
        "what": "the pinball loss; its optimum is a quantile",
        "groups": ["regression"],
    }
}


class Quantile(Objective):
    r"""The pinball loss :math:`\ell = \max(q\,e, (q - 1)\,e)` of :math:`e = y - o`.

    Its optimum is the conditional q-quantile; at q = 0.5 it is half of the absolute error.

    Args:
        q: the quantile, between 0 and 1.

    Source: Koenker & Bassett, Regression Quantiles, Econometrica 46, 1978.

    Example:
        >>> Quantile(q=0.75).losses(torch.tensor([[0.0], [0.0]]), torch.tensor([1.0, -1.0])).tolist()
        [0.75, 0.25]
    """

    name = "quantile"
    title = "the quantile loss"
    serves = "regression"
    solved = "linear programming"
    curved = False
    bibtex = """
@article{koenker1978regression,
  author = {Koenker, Roger and Bassett, Gilbert},
  title = {Regression Quantiles},
  journal = {Econometrica},
  volume = {46},
  pages = {33--50},
  year = {1978},
}
"""

    q: float = Field(gt=0.0, lt=1.0, description="a number between 0 and 1, such as 0.9")

    def losses(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Return the pinball loss of each row, ``[B]``."""
        error = target - outputs.squeeze(1)
        return torch.maximum(self.q * error, (self.q - 1.0) * error)

    def optimum(self, design: Array, target: Array, weights: Array | None = None) -> Array | None:
        """Return the coefficients with the least loss, by linear programming."""
        return least_quantile(design, target, weights, self.q)
