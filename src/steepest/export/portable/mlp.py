"""Hidden layers on numbers, in plain PyTorch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from torch import Tensor, nn


class MLP(nn.Module):
    """Hidden layers and a linear layer at the end.

    Args:
        widths: of the inputs and of each hidden layer.
        outputs: number of classes, or 1.
        activation: the name of a class of ``torch.nn``.
        dropout: of the hidden units in training.
    """

    def __init__(self, widths: Sequence[int], outputs: int, activation: str, dropout: float = 0.0) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, width in pairwise(widths):
            layers += [nn.Linear(inputs, width), getattr(nn, activation)()]
            layers += [nn.Dropout(dropout)] if dropout else []
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], outputs))

    def forward(self, categorical: Tensor, continuous: Tensor) -> Tensor:
        """Return logits ``[N, K]`` or values ``[N, 1]`` of numbers ``[N, D]``; there are no categories."""
        del categorical
        return self.layers(continuous)


def network(about: Mapping[str, Any], weights: Mapping[str, Tensor]) -> nn.Module:
    """Return the network with its weights; ``about`` is that part of ``encoders.json``."""
    net = MLP(**about)
    net.load_state_dict(weights)
    return net
