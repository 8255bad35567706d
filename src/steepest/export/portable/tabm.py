"""TabM (Gorishniy, Kotelnikov & Babenko, 2025): many cheap networks in one, in plain PyTorch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from steepest.export.portable.parts import EmbeddedColumns, in_a_row


class TabM(nn.Module):
    """Members around the matrices of one network.

    Args:
        embeddings: number of codes and width of each categorical column.
        layers: of each the name of a class of ``torch.nn`` and what that is called with; members share them.
        members: how many there are.
        classes: whether the outputs are logits of classes, whose probabilities are averaged.
    """

    def __init__(
        self,
        embeddings: Sequence[tuple[int, int]],
        layers: Sequence[Sequence[Any]],
        members: int,
        classes: bool,
    ) -> None:
        super().__init__()
        self.columns, self.members, self.classes = EmbeddedColumns(embeddings), members, classes
        *hidden, last = layers
        made = [
            Adapted(each[1], each[2], members) if each[0] == "Linear" else in_a_row([each])[0]
            for each in hidden
        ]
        self.layers = nn.Sequential(*made, Apart(last[1], last[2], members))

    def forward(self, categorical: Tensor, continuous: Tensor) -> Tensor:
        """Return log-probabilities ``[N, K]`` or standard scores ``[N, 1]``; in training ``[N, members, …]``."""
        outputs = self.layers(self.columns(categorical, continuous)[:, None])
        if self.training:
            return outputs
        if not self.classes:
            return outputs.mean(1)
        return functional.log_softmax(outputs, 2).logsumexp(1) - math.log(self.members)


class Adapted(nn.Module):
    """A linear layer of all members, with vectors and a bias for each."""

    def __init__(self, inputs: int, outputs: int, members: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(outputs, inputs))
        self.r, self.s = (nn.Parameter(torch.ones(members, width)) for width in (inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(members, outputs))

    def forward(self, rows: Tensor) -> Tensor:
        """Return ``[N, members, outputs]``."""
        return functional.linear(rows * self.r, self.weight) * self.s + self.bias


class Apart(nn.Module):
    """A linear layer for each member."""

    def __init__(self, inputs: int, outputs: int, members: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(members, inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(members, outputs))

    def forward(self, rows: Tensor) -> Tensor:
        """Return ``[N, members, outputs]``."""
        by_member = rows.expand(-1, len(self.weight), -1).transpose(0, 1)
        return (by_member @ self.weight).transpose(0, 1) + self.bias


def network(about: Mapping[str, Any], weights: Mapping[str, Tensor]) -> nn.Module:
    """Return the network with its weights; ``about`` is that part of ``encoders.json``."""
    net = TabM(**about)
    net.load_state_dict(weights)
    return net
