"""The absolute weights as a penalty."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from pydantic import Field
from torch import Tensor

from steepest.regularizers import Coefficients, Moment, Penalty, Place

COMPONENTS = {"l1": {"object": "L1", "what": "λ Σ |w| added to the loss", "groups": ["penalty"]}}


class L1(Penalty):
    r"""The sum of the absolute weights as a penalty.

    .. math:: L + \lambda \sum_i |w_i|

    Its gradient is :math:`\lambda \operatorname{sign}(w)`, 0 at 0. Steps of this gradient bring weights near 0, not
    to 0. With ``proximal=true`` it is no part of the gradient; after each update, weights are drawn to 0 instead and
    stay
    there exactly,

    .. math:: w \leftarrow \operatorname{sign}(w) \max(|w| - \eta_t \lambda, 0)

    with the learning rate :math:`\eta_t` of the step: with ``sgd`` the proximal gradient method for the same sum.
    Optimizers
    that scale the gradient, as ``adam`` does, do not scale this. It is not clipped.

    Args:
        strength: λ, from 0 on; tuned where it is not given.
        proximal: whether weights are drawn to 0 after the update, which gives exact zeros.
        on: the parameters that count: by default the weights of layers, not embeddings, biases and norms.

    Source: Tibshirani, Regression Shrinkage and Selection via the Lasso, JRSS B 1996; Daubechies, Defrise & De Mol, An
    Iterative Thresholding Algorithm for Linear Inverse Problems with a Sparsity Constraint, CPAM 2004.

    Example:
        >>> round(L1(strength=0.1).penalty({"w": torch.tensor([[1.0, -2.0]])}).item(), 6)
        0.3
        >>> L1(strength=0.1, proximal=True).updated(torch.tensor([0.3, -0.05]), {"threshold": 0.1})
        tensor([0.2000, -0.0000])
    """

    name = "l1"
    strengths = (1e-7, 1e-2)
    bibtex = """
@article{tibshirani1996regression,
  author = {Tibshirani, Robert},
  title = {Regression Shrinkage and Selection via the Lasso},
  journal = {Journal of the Royal Statistical Society, Series B},
  volume = {58},
  pages = {267--288},
  year = {1996},
}
@article{daubechies2004iterative,
  author = {Daubechies, Ingrid and Defrise, Michel and De Mol, Christine},
  title = {An Iterative Thresholding Algorithm for Linear Inverse Problems with a Sparsity Constraint},
  journal = {Communications on Pure and Applied Mathematics},
  volume = {57},
  pages = {1413--1457},
  year = {2004},
}
"""
    by_name = ("proximal", "on")

    strength: float = Field(1e-5, ge=0.0, allow_inf_nan=False, description="λ, a number from 0 on")
    proximal: bool = Field(False, description="true or false")

    @property
    def cited(self) -> list[str]:
        """The second paper only where weights are drawn to 0."""
        return ["tibshirani1996regression", *(["daubechies2004iterative"] if self.proximal else [])]

    @property
    def places(self) -> tuple[Place, ...]:
        """The penalty, or what follows the update."""
        return ("update",) if self.proximal else ("penalty",)

    @property
    def by_rate(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether it draws weights to 0 by the learning rate."""
        return self.proximal

    def numbers(self, at: Moment) -> dict[str, float]:
        """The strength, or by how much weights are drawn to 0 in the step."""
        return {"threshold": at.rate * self.strength} if self.proximal else super().numbers(at)

    def unscaled(self, weights: Mapping[str, Tensor]) -> Tensor:
        """Return Σ |w|."""
        return torch.stack([each.abs().sum() for each in weights.values()]).sum()

    def updated(self, weight: Tensor, c: Coefficients) -> Tensor:
        """Return the weight nearer to 0 by the step's threshold."""
        return weight.sign() * (weight.abs() - c["threshold"]).clamp(min=0.0)
