"""A deep & cross network (Wang et al., 2017 and 2021) in plain PyTorch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from steepest.export.portable.parts import EmbeddedColumns, in_a_row

Layers = Sequence[Sequence[Any]]


class DeepCross(nn.Module):
    """Cross layers and hidden layers.

    Args:
        embeddings: number of codes and width of each categorical column.
        cross: of each cross layer its linear layers, or its width where it has a vector.
        deep: the hidden layers.
        stacked: whether these read the last cross layer.
        head: the last layer.
    """

    def __init__(
        self,
        embeddings: Sequence[tuple[int, int]],
        cross: Sequence[int | Layers],
        deep: Layers,
        stacked: bool,
        head: Layers,
    ) -> None:
        super().__init__()
        self.columns, self.deep, self.stacked = EmbeddedColumns(embeddings), in_a_row(deep), stacked
        self.cross = nn.ModuleList(
            CrossVector(each) if isinstance(each, int) else CrossMatrix(each) for each in cross
        )
        [self.head] = in_a_row(head)

    def forward(self, categorical: Tensor, continuous: Tensor) -> Tensor:
        """Return logits ``[N, K]`` or standard scores ``[N, 1]`` from codes ``[N, C]`` and scores ``[N, D]``."""
        first = self.columns(categorical, continuous)
        crossed = first
        for each in self.cross:
            crossed = each(first, crossed)
        if self.stacked:
            return self.head(self.deep(crossed))
        ends = [*([crossed] if len(self.cross) else []), *([self.deep(first)] if len(self.deep) else [])]
        return self.head(torch.cat(ends, 1))


class CrossVector(nn.Module):
    """A cross layer of the first version."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.zeros(width, 1)), nn.Parameter(torch.zeros(width))

    def forward(self, first: Tensor, values: Tensor) -> Tensor:
        """Return ``[N, D]`` for the inputs of the first layer and of this one."""
        return first * (values @ self.weight) + self.bias + values


class CrossMatrix(nn.Module):
    """A cross layer of the second version."""

    def __init__(self, layers: Layers) -> None:
        super().__init__()
        self.linear = in_a_row(layers)

    def forward(self, first: Tensor, values: Tensor) -> Tensor:
        """Return ``[N, D]`` for the inputs of the first layer and of this one."""
        return first * self.linear(values) + values


def network(about: Mapping[str, Any], weights: Mapping[str, Tensor]) -> nn.Module:
    """Return the network with its weights; ``about`` is that part of ``encoders.json``."""
    net = DeepCross(**about)
    net.load_state_dict(weights)
    return net
