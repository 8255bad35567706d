"""A linear model on one-hot codes and continuous columns, in plain PyTorch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn


class Linear(nn.Module):
    """A linear model; the weights of a one-hot column are an embedding as wide as the output.

    Args:
        codes: number of codes of each categorical column.
        continuous: number of continuous inputs.
        outputs: number of classes, or 1.
    """

    def __init__(self, codes: Sequence[int], continuous: int, outputs: int) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(each, outputs) for each in codes)
        self.head = nn.Linear(continuous, outputs) if continuous else None
        self.bias = None if continuous else nn.Parameter(torch.zeros(outputs))

    def forward(self, categorical: Tensor, continuous: Tensor) -> Tensor:
        """Return logits ``[N, K]`` or standard scores ``[N, 1]`` from codes ``[N, C]`` and scores ``[N, D]``."""
        total: Any = self.bias if self.head is None else self.head(continuous)
        for i, each in enumerate(self.embeddings):
            total = total + each(categorical[:, i])
        return total


def network(about: Mapping[str, Any], weights: Mapping[str, Tensor]) -> nn.Module:
    """Return the network with its weights; ``about`` is that part of ``encoders.json``."""
    net = Linear(**about)
    net.load_state_dict(weights)
    return net
