"""The absolute weights as a penalty."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from pydantic import Field
from torch import Tensor

from steepest.regularizers import WeightRegularizer

COMPONENTS = {"l1": {"object": "L1", "what": "λ Σ |w| added to the loss", "groups": ["penalty"]}}


class L1(WeightRegularizer):
    r"""The sum of the absolute weights as a penalty.

    .. math:: L + \lambda \sum_i |w_i|

    Its gradient is :math:`\lambda \operatorname{sign}(w)`, 0 at 0. Steps of this gradient bring weights near 0, not
    to 0.

    Args:
        strength: λ, above 0.
        on: the parameters that count: by default the weights of layers, not embeddings, biases and norms.

    Source: Tibshirani, Regression Shrinkage and Selection via the Lasso, JRSS B 1996.

    Example:
        >>> round(L1(strength=0.1).penalty({"w": torch.tensor([[1.0, -2.0]])}).item(), 6)
        0.3
    """

    name = "l1"
    bibtex = """
@article{tibshirani1996regression,
  author = {Tibshirani, Robert},
  title = {Regression Shrinkage and Selection via the Lasso},
  journal = {Journal of the Royal Statistical Society, Series B},
  volume = {58},
  pages = {267--288},
  year = {1996},
}
"""

    strength: float = Field(1e-5, gt=0.0, allow_inf_nan=False, description="λ, a number above 0")

    def penalty(self, weights: Mapping[str, Tensor]) -> Tensor:
        """Return λ Σ |w|."""
        return self.strength * torch.stack([each.abs().sum() for each in weights.values()]).sum()
