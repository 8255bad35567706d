r"""The Hessian of a loss in the outputs, times a vector.

It is the :math:`H` of the Gauss-Newton matrix :math:`J^\top H J`. Of losses that are known it is written down; of any
other it is taken by differentiating the loss twice in the outputs, which costs little beside the network.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from steepest.errors import OptionError

Loss = Callable[[Tensor], Tensor]
"""The loss of a batch as a function of the outputs, a scalar."""
Bend = Callable[[Tensor, Tensor], Tensor]
"""Takes outputs and a vector of their shape, and returns the Hessian of the loss in the outputs times the vector."""


def softmax(outputs: Tensor, vector: Tensor) -> Tensor:
    r"""Return :math:`(\mathrm{diag}(p) - p p^\top) v` of each row, with :math:`p` the softmax of its logits.

    Example:
        >>> softmax(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]])).tolist()
        [[0.25, -0.25]]
    """
    found = outputs.softmax(1) * vector
    return found - outputs.softmax(1) * found.sum(1, keepdim=True)


def bernoulli(outputs: Tensor, vector: Tensor) -> Tensor:
    r"""Return :math:`p (1 - p) v` of each element, with :math:`p` the logistic function of its logit.

    Example:
        >>> bernoulli(torch.zeros(1, 1), torch.ones(1, 1)).tolist()
        [[0.25]]
    """
    return outputs.sigmoid() * (-outputs).sigmoid() * vector


def huber(error: Tensor, vector: Tensor, delta: float) -> Tensor:
    """Return the vector where the error is at most ``delta``, and 0 elsewhere.

    Example:
        >>> huber(torch.tensor([0.5, 3.0]), torch.ones(2), 1.0).tolist()
        [1.0, 0.0]
    """
    return torch.where(error.abs() <= delta, vector, torch.zeros_like(vector))


def twice_differentiated(loss: Loss) -> Bend:
    """Return the product with a loss's Hessian, by differentiating it twice.

    Example:
        >>> twice_differentiated(lambda o: (o ** 3).sum())(torch.tensor([2.0]), torch.tensor([1.0])).tolist()
        [12.0]
    """

    def bend(outputs: Tensor, vector: Tensor) -> Tensor:
        with torch.enable_grad():
            leaf = outputs.detach().requires_grad_()
            [slope] = torch.autograd.grad(loss(leaf), [leaf], create_graph=True)
            if not slope.requires_grad:  # linear in the outputs
                return torch.zeros_like(vector)
            again: Any = torch.autograd.grad(slope, [leaf], vector, allow_unused=True)
        return torch.zeros_like(vector) if again[0] is None else again[0].detach()

    return bend


def no_curvature(what: str) -> OptionError:
    """Return the error that a loss is piecewise linear, so that no step can be made with its curvature.

    Example:
        >>> print(no_curvature("the absolute error"))
        the absolute error has no curvature: its second derivative is zero
        Hint: choose a loss that is curved, such as the squared error or the Huber loss.
    """
    return OptionError(
        f"{what} has no curvature: its second derivative is zero",
        hint="choose a loss that is curved, such as the squared error or the Huber loss.",
    )


def bend_of(loss: Any, target: Tensor) -> Bend:
    """Return the product with the Hessian of one of torch's losses, or of any function of outputs and target.

    Raises:
        OptionError: the loss is piecewise linear.

    Example:
        >>> bend_of(nn.MSELoss(), torch.zeros(4, 1))(torch.ones(4, 1), torch.ones(4, 1)).sum().item()
        2.0
    """
    if isinstance(loss, nn.L1Loss) or loss is nn.functional.l1_loss:
        raise no_curvature("the absolute error")
    known = _known(loss, target)
    if known is None:
        return twice_differentiated(lambda outputs: loss(outputs, target))

    def bend(outputs: Tensor, vector: Tensor) -> Tensor:
        found = known(outputs, vector)
        if loss.reduction == "sum":
            return found
        return found / (len(outputs) if isinstance(loss, nn.CrossEntropyLoss) else outputs.numel())

    return bend


def _known(loss: Any, target: Tensor) -> Bend | None:
    """Return the Hessian of the sum of the losses, where it is written down."""
    if getattr(loss, "reduction", "none") not in ("mean", "sum"):
        return None
    weight: Tensor | None = getattr(loss, "weight", None)
    if isinstance(loss, nn.CrossEntropyLoss):
        whole = weight is None and loss.label_smoothing == 0 and not (target == loss.ignore_index).any()
        return softmax if whole and target.dim() == 1 else None
    if isinstance(loss, nn.BCEWithLogitsLoss):
        return bernoulli if weight is None and loss.pos_weight is None else None
    if isinstance(loss, nn.MSELoss):
        return lambda _, vector: 2.0 * vector
    if isinstance(loss, nn.HuberLoss):
        return lambda outputs, vector: huber(outputs - target, vector, loss.delta)
    return None
