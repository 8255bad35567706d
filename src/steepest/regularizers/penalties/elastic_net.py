"""The absolute and the squared weights as a penalty."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from pydantic import Field
from torch import Tensor

from steepest.regularizers import Penalty

COMPONENTS = {
    "elastic-net": {
        "object": "ElasticNet",
        "what": "λ Σ (a |w| + (1 − a) w²) added to the loss",
        "groups": ["penalty"],
    }
}


class ElasticNet(Penalty):
    r"""The absolute and the squared weights as a penalty.

    .. math:: L + \lambda \sum_i \left( a\,|w_i| + (1 - a)\, w_i^2 \right)

    ``elastic-net(λ, 1)`` is ``l1(λ)`` and ``elastic-net(λ, 0)`` is ``l2(λ)``. The paper's scaling of the result by 1
    + λ₂ is
    left out, as it is in scikit-learn, which halves the squares.

    Args:
        strength: λ, from 0 on; tuned where it is not given.
        share: a, the share of the absolute weights, from 0 to 1.
        on: the parameters that count: by default the weights of layers, not embeddings, biases and norms.

    Source: Zou & Hastie, Regularization and Variable Selection via the Elastic Net, JRSS B 2005.

    Example:
        >>> ElasticNet(strength=0.1).penalty({"w": torch.tensor([[1.0, -2.0]])}).item()
        0.4000000059604645
    """

    name = "elastic-net"
    strengths = (1e-7, 1e-2)
    bibtex = """
@article{zou2005regularization,
  author = {Zou, Hui and Hastie, Trevor},
  title = {Regularization and Variable Selection via the Elastic Net},
  journal = {Journal of the Royal Statistical Society, Series B},
  volume = {67},
  pages = {301--320},
  year = {2005},
}
"""

    strength: float = Field(1e-5, ge=0.0, allow_inf_nan=False, description="λ, a number from 0 on")
    share: float = Field(0.5, ge=0.0, le=1.0, description="a, a share from 0 to 1")

    def unscaled(self, weights: Mapping[str, Tensor]) -> Tensor:
        """Return Σ (a |w| + (1 − a) w²)."""
        found = [
            self.share * each.abs().sum() + (1 - self.share) * each.square().sum()
            for each in weights.values()
        ]
        return torch.stack(found).sum()
