"""Hidden layers with shortcuts on vectors of categories and on numbers, in plain PyTorch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from steepest.export.portable.parts import EmbeddedColumns, in_a_row

Layers = Sequence[Sequence[Any]]


class ResidualMLP(nn.Module):
    """Blocks of two layers with a shortcut around them, and a linear layer at the end.

    Args:
        embeddings: number of codes and width of each categorical column.
        blocks: the parts of each block.
        head: the last layer.
    """

    def __init__(
        self, embeddings: Sequence[tuple[int, int]], blocks: Sequence[Mapping[str, Layers]], head: Layers
    ) -> None:
        super().__init__()
        self.columns = EmbeddedColumns(embeddings)
        self.blocks = nn.ModuleList(Block(each) for each in blocks)
        [self.head] = in_a_row(head)

    def forward(self, categorical: Tensor, continuous: Tensor) -> Tensor:
        """Return logits ``[N, K]`` or values ``[N, 1]`` from codes ``[N, C]`` and numbers ``[N, D]``."""
        hidden = self.columns(categorical, continuous)
        for each in self.blocks:
            hidden = each(hidden)
        return self.head(hidden)


class Block(nn.Module):
    """Two layers, and what comes in added to what they give."""

    def __init__(self, parts: Mapping[str, Layers]) -> None:
        super().__init__()
        [self.first], [self.second] = in_a_row(parts["first"]), in_a_row(parts["second"])
        self.inner, self.norm = in_a_row(parts["inner"]), in_a_row(parts["norm"])
        [self.phi] = in_a_row(parts["phi"])
        self.shortcut = next(iter(in_a_row(parts["shortcut"])), None)

    def forward(self, values: Tensor) -> Tensor:
        """Return the block's units ``[N, outputs]``."""
        added = self.norm(self.second(self.inner(self.first(values))))
        return self.phi(added if self.shortcut is None else added + self.shortcut(values))


def network(about: Mapping[str, Any], weights: Mapping[str, Tensor]) -> nn.Module:
    """Return the network with its weights; ``about`` is that part of ``encoders.json``."""
    net = ResidualMLP(**about)
    net.load_state_dict(weights)
    return net
