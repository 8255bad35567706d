"""Losses of rows that belong to several classes in part, as regularizers change targets."""

from __future__ import annotations

from torch import Tensor

from steepest.objectives import Objective, total_weight
from steepest.objectives.target import Target


def are_shares(target: Tensor, of: Target | None) -> bool:
    """Return whether targets are shares of classes ``[B, K]`` instead of codes."""
    return target.dim() == 2 and of is not None and of.classes > 0


def weights_of_classes(target: Tensor, of: Target | None, weights: Tensor) -> Tensor:
    """Return the weight of each row's class, ``[B]``; of several classes in part, the mean by their shares."""
    return target.to(weights.dtype) @ weights if are_shares(target, of) else weights[target]


def loss_of_shares(
    objective: Objective, outputs: Tensor, shares: Tensor, weights: Tensor | None, by_class: Tensor | None
) -> Tensor:
    r"""Return the loss of a batch, :math:`\sum_{ik} w_i c_k s_{ik} \ell_k(o_i) / \sum_{ik} w_i c_k s_{ik}`.

    Args:
        objective: the losses :math:`\ell_k` that a row would have if its class were k.
        outputs: of the model, ``[B, K]``.
        shares: s, ``[B, K]``, whose rows sum to 1.
        weights: w of rows ``[B]``, or None for 1.
        by_class: c of classes ``[K]``, or None for 1.

    Example:
        >>> import torch
        >>> from steepest.objectives import read_objective
        >>> shares = torch.tensor([[0.5, 0.5]])
        >>> round(float(loss_of_shares(read_objective("cross-entropy"), torch.zeros(1, 2), shares, None, None)), 4)
        0.6931
    """
    shares = shares.to(outputs.dtype)
    if weights is None and by_class is None:
        return objective.of_shares(outputs, shares).mean()
    shares = shares if by_class is None else shares * by_class
    shares = shares if weights is None else shares * weights[:, None]
    return objective.of_shares(outputs, shares).sum() / total_weight(shares.sum(1))
