"""Hidden layers with shortcuts on numbers, in plain PyTorch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn


class ResidualMLP(nn.Module):
    """Blocks of two layers with a shortcut around them, and a linear layer at the end.

    Args:
        inputs: how many numbers there are.
        hidden: the width of each block.
        outputs: number of classes, or 1.
        shortcut: whether there are shortcuts.
    """

    def __init__(self, inputs: int, hidden: Sequence[int], outputs: int, shortcut: bool) -> None:
        super().__init__()
        widths = (inputs, *hidden)
        self.blocks = nn.ModuleList(Block(*each, shortcut) for each in zip(widths, hidden, strict=False))
        self.head = nn.Linear(widths[-1], outputs)

    def forward(self, categorical: Tensor, continuous: Tensor) -> Tensor:
        """Return logits ``[N, K]`` or values ``[N, 1]`` of numbers ``[N, D]``; there are no categories."""
        del categorical
        for each in self.blocks:
            continuous = each(continuous)
        return self.head(continuous)


class Block(nn.Module):
    """Two layers, and what comes in added to what they give."""

    def __init__(self, inputs: int, outputs: int, shortcut: bool) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(inputs, outputs), nn.Linear(outputs, outputs)
        self.shortcut: nn.Module | None = None
        if shortcut:
            self.shortcut = nn.Identity() if inputs == outputs else nn.Linear(inputs, outputs, bias=False)

    def forward(self, values: Tensor) -> Tensor:
        """Return the block's units ``[N, outputs]``."""
        inner = self.second(self.first(values).relu())
        return (inner if self.shortcut is None else inner + self.shortcut(values)).relu()


def network(about: Mapping[str, Any], weights: Mapping[str, Tensor]) -> nn.Module:
    """Return the network with its weights; ``about`` is that part of ``encoders.json``."""
    net = ResidualMLP(**about)
    net.load_state_dict(weights)
    return net
