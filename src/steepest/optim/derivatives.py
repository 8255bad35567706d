"""Dense derivatives of small problems: the Hessian of a loss, the Jacobian of residuals.

Both are read off one graph by many backward passes at once, so whatever was drawn in the forward pass stays as it was.
``torch.func.jacrev`` of ``jacrev`` would not do: in torch 2.13 it gives a wrong Hessian through batch norm.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from steepest.curvature.backwards import pulled

AT_ONCE = 128
"""Backward passes that are made at once."""


def gradient(loss: Tensor, params: Sequence[Tensor]) -> tuple[list[Tensor], Tensor]:
    """Return the parameters that a loss depends on and its gradient there, ``[n]``, with a graph."""
    found = torch.autograd.grad(loss, params, create_graph=True, allow_unused=True)
    pairs = zip(params, cast("Sequence[Tensor | None]", found), strict=True)
    used = [(param, each) for param, each in pairs if each is not None]
    if not used:
        return [], loss.new_zeros(0)
    return [param for param, _ in used], flat([each for _, each in used])


def hessian(first: Tensor, params: Sequence[Tensor]) -> Tensor:
    """Return the symmetric derivative ``[n, n]`` of a gradient ``[n]`` that has a graph.

    Example:
        >>> w = torch.tensor([3.0, 2.0], requires_grad=True)
        >>> hessian(gradient(w[0] ** 2 * w[1], [w])[1], [w]).tolist()
        [[4.0, 6.0], [6.0, 0.0]]
    """
    if not first.requires_grad:  # a linear loss
        return first.new_zeros(len(first), len(first))
    rows = _pulled(first, params)
    return (rows + rows.T) / 2


def jacobian(residuals: Tensor, params: Sequence[Tensor]) -> Tensor:
    """Return the derivative ``[m, n]`` of residuals ``[m]`` with a graph, by ``min(m, n)`` products with vectors.

    With fewer residuals than parameters these are rows, backward; with more, columns, as the derivative of
    :math:`J^\\top u` by :math:`u`.

    Example:
        >>> w = torch.tensor([3.0, 2.0], requires_grad=True)
        >>> jacobian(torch.stack([w[0] * w[1]]), [w]).tolist()
        [[2.0, 3.0]]
        >>> jacobian(torch.stack([w[0] * w[1], w[1] ** 2, w[0]]), [w]).tolist()
        [[2.0, 3.0], [0.0, 4.0], [1.0, 0.0]]
    """
    size = sum(each.numel() for each in params)
    if len(residuals) <= size:
        return _pulled(residuals, params)
    probe = torch.ones_like(residuals, requires_grad=True)
    pulled = torch.autograd.grad(
        residuals, params, probe, create_graph=True, materialize_grads=True, allow_unused=True
    )
    return _pulled(flat(pulled), [probe]).T


def flat(tensors: Sequence[Tensor]) -> Tensor:
    """Return tensors one after the other, ``[n]``."""
    return torch.cat([each.reshape(-1) for each in tensors])


def size_of(params: Sequence[Tensor]) -> int:
    """Return how many numbers tensors have."""
    return sum(each.numel() for each in params)


@torch.no_grad()
def moved(params: Sequence[Tensor], start: Sequence[Tensor], step: Tensor) -> None:
    """Put parameters at a start plus a step ``[n]``."""
    place = 0
    for param, before in zip(params, start, strict=True):
        part = step[place : place + param.numel()].reshape(param.shape)
        param.copy_(before + part.to(param.dtype))
        place += param.numel()


def _pulled(values: Tensor, params: Sequence[Tensor]) -> Tensor:
    """Return the derivative of values ``[m]``, ``[m, n]``, by m backward passes."""
    units = torch.eye(len(values), dtype=values.dtype, device=values.device)
    return torch.cat([pulled(values, params, some) for some in units.split(AT_ONCE)])
