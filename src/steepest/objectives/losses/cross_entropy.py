"""Cross-entropy of logits."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from steepest.curvature.outputs import softmax
from steepest.objectives import Objective

COMPONENTS = {
    "cross-entropy": {
        "object": "CrossEntropy",
        "what": "the negative log-probability of the true class",
        "groups": ["classification"],
    }
}


class CrossEntropy(Objective):
    r"""The negative log-probability of the true class, :math:`\ell = -\log \operatorname{softmax}(o)_y`.

    With weights of classes a batch's loss is :math:`\sum_i w_{y_i} \ell_i / \sum_i w_{y_i}`.

    Example:
        >>> import torch
        >>> round(float(CrossEntropy().loss(torch.tensor([[0.0, 0.0]]), torch.tensor([1]))), 6)
        0.693147
    """

    name = "cross-entropy"
    title = "cross-entropy"
    serves = "classification"

    def losses(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Return the negative log-probability of each row's true class, ``[B]``."""
        return functional.cross_entropy(outputs, target, reduction="none")

    def of_shares(self, outputs: Tensor, shares: Tensor) -> Tensor:
        """Return the cross-entropy of each row's shares, ``[B]``."""
        return functional.cross_entropy(outputs, shares, reduction="none")

    def bend(self, outputs: Tensor, target: Tensor, vector: Tensor) -> Tensor:
        """Return the Hessian of each row's loss in its outputs, times that row of a vector."""
        del target
        return softmax(outputs, vector)

    def loss(self, outputs: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the loss of a batch, by torch's own function where rows have no weights."""
        return (
            functional.cross_entropy(outputs, target)
            if weights is None
            else super().loss(outputs, target, weights)
        )

    def class_weighted(self, outputs: Tensor, target: Tensor, class_weights: Tensor) -> Tensor:
        """Return the loss of a batch in which each row has the weight of its class, by torch's own function."""
        return functional.cross_entropy(outputs, target, weight=class_weights)
