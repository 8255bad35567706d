"""Many backward passes through one graph at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def pulled(outputs: Tensor, parameters: Sequence[Tensor], covectors: Tensor) -> Tensor:
    """Return several vectors of the outputs' shape brought back to the parameters, Jᵀu for every u.

    Args:
        outputs: with a graph, which is kept.
        parameters: of P numbers together; one that the outputs do not depend on has zeros.
        covectors: ``[n, *outputs.shape]``.

    Returns:
        ``[n, P]``, without a graph.

    Example:
        >>> w = torch.tensor([3.0, 2.0], requires_grad=True)
        >>> pulled(torch.stack([w[0] * w[1], w[1] ** 2]), [w], torch.eye(2)).tolist()
        [[2.0, 3.0], [0.0, 4.0]]
    """
    count = len(covectors)
    try:
        found = _backward(outputs, parameters, covectors, batched=True)
    except RuntimeError:  # an operation without a rule for several at once
        rows = [_backward(outputs, parameters, each, batched=False) for each in covectors]
        return torch.stack(
            [torch.cat([part.reshape(-1) for part in _filled(row, parameters)]) for row in rows]
        )
    columns = _filled(found, parameters, count)
    return torch.cat([each.reshape(count, -1) for each in columns], 1).detach()


def _backward(
    outputs: Tensor, parameters: Sequence[Tensor], along: Tensor, *, batched: bool
) -> Sequence[Tensor | None]:
    given: Any = torch.autograd.grad(
        outputs, list(parameters), along, retain_graph=True, is_grads_batched=batched, allow_unused=True
    )
    return given


def _filled(
    found: Sequence[Tensor | None], parameters: Sequence[Tensor], count: int | None = None
) -> list[Tensor]:
    """Return derivatives, dense, with zeros where there are none."""
    leading = () if count is None else (count,)
    return [
        torch.zeros(*leading, *of.shape, dtype=of.dtype, device=of.device)
        if each is None
        else (each.to_dense() if each.is_sparse else each).detach()
        for each, of in zip(found, parameters, strict=True)
    ]
