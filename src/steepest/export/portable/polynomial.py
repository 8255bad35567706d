"""A polynomial of one number, in plain PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


class Polynomial(nn.Module):
    """A polynomial.

    Args:
        degree: of it; there is a coefficient more.
    """

    def __init__(self, degree: int) -> None:
        super().__init__()
        self.degree = degree
        self.coefficients = nn.Parameter(torch.zeros(degree + 1))

    def forward(self, categorical: Tensor, continuous: Tensor) -> Tensor:
        """Return values ``[N, 1]`` at numbers ``[N, 1]``; there are no categories."""
        del categorical
        powers = [torch.ones_like(continuous)]
        for _ in range(self.degree):
            powers.append(powers[-1] * continuous)
        return (torch.cat(powers, 1) @ self.coefficients)[:, None]


def network(about: Mapping[str, Any], weights: Mapping[str, Tensor]) -> nn.Module:
    """Return the network with its weights; ``about`` is that part of ``encoders.json``."""
    net = Polynomial(**about)
    net.load_state_dict(weights)
    return net
