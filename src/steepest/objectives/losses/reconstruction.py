"""The squared error of a reconstruction."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from steepest.objectives import Objective

COMPONENTS = {
    "reconstruction": {
        "object": "Reconstruction",
        "what": "the mean squared error of an image's pixels",
        "groups": ["reconstruction"],
    }
}


class Reconstruction(Objective):
    r"""The mean squared error of an image's D standardised pixels, :math:`\ell = \sum_j (o_j - x_j)^2 / D`.

    Of a linear network with a bottleneck of k units the least loss is that of the first k principal components.

    Source: Baldi & Hornik, Neural networks and principal component analysis, Neural Networks 2, 1989.

    Example:
        >>> import torch
        >>> float(Reconstruction().loss(torch.tensor([[3.0, 1.0]]), torch.tensor([[1.0, 1.0]])))
        2.0
    """

    name = "reconstruction"
    title = "the squared error of pixels"
    serves = "reconstruction"
    bibtex = """
@article{baldi1989neural,
  author = {Baldi, Pierre and Hornik, Kurt},
  title = {Neural networks and principal component analysis: Learning from examples without local minima},
  journal = {Neural Networks},
  volume = {2},
  pages = {53--58},
  year = {1989},
}
"""

    def losses(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Return the mean squared error of each image, ``[B]``."""
        return (outputs - target).square().mean(1)

    def bend(self, outputs: Tensor, target: Tensor, vector: Tensor) -> Tensor:
        """Return the Hessian of each row's loss in its outputs, times that row of a vector."""
        del outputs, target
        return 2.0 / vector[0].numel() * vector

    def loss(self, outputs: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the loss of a batch, by torch's own function where rows have no weights."""
        if weights is not None:
            return super().loss(outputs, target, weights)
        return functional.mse_loss(outputs, target)
