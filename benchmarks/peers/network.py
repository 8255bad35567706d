"""The task's network as an ordinary torch module, for the peers that leave the module to the user."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from benchmarks.peers.task import Array, Network, Phase, Task


class GivenDropout(nn.Module):
    """Dropout by masks that are given, one for each call."""

    def __init__(self, masks: Array) -> None:
        super().__init__()
        self.masks = [torch.from_numpy(mask) for mask in masks]
        self.calls = 0

    def forward(self, values: Tensor) -> Tensor:
        """Return masked values."""
        if not self.training:
            return values
        self.calls += 1
        return values * self.masks[self.calls - 1]


class TableNetwork(nn.Module):
    """Embeddings, dropout on them, hidden layers and a head.

    Args:
        network: its sizes.
        sparse: the gradient of the first table is sparse.
    """

    def __init__(self, network: Network, sparse: bool = False) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList(
            nn.Embedding(codes, width, sparse=sparse and i == 0)
            for i, (codes, width) in enumerate(zip(network.cardinalities, network.widths, strict=True))
        )
        self.dropout: nn.Module = nn.Dropout(network.dropout)
        layers: list[nn.Module] = []
        *inner, last = zip(network.sizes[:-1], network.sizes[1:], strict=True)
        for inputs, outputs in inner:
            if network.batch_norm:
                layers.append(nn.BatchNorm1d(inputs))
            layers += [nn.Linear(inputs, outputs, bias=not network.batch_norm), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(*last))

    def forward(self, codes: Tensor, continuous: Tensor) -> Tensor:
        """Return logits ``[B, classes]``."""
        if not self.embeddings:
            return self.layers(continuous)
        found = [each(codes[:, i]) for i, each in enumerate(self.embeddings)]
        h = self.dropout(torch.cat(found, 1))
        return self.layers(torch.cat([h, continuous], 1) if continuous.shape[1] else h)


def put_weights(module: nn.Module, weights: Sequence[Array]) -> None:
    """Copy start values into a module's parameters, in their order.

    A table with one row more than its values (a framework's row for unknown codes) gets them behind that row.
    """
    parameters = list(module.parameters())
    with torch.no_grad():
        for parameter, value in zip(parameters, weights, strict=True):
            parameter[len(parameter) - len(value) :].copy_(torch.from_numpy(value))


def built(task: Task, phase: Phase, sparse: bool = False) -> TableNetwork:
    """Return the network with the task's start weights, and in the check with its masks."""
    module = TableNetwork(task.network, sparse)
    put_weights(module, task.weights)
    if phase == "check" and task.network.dropout:
        module.dropout = GivenDropout(task.check_masks)
    return module


def optimizer(network: Network, **options: Any) -> tuple[Any, dict[str, Any]]:
    """Return torch's class of the network's optimizer and its options."""
    if network.optimizer == "adam":
        return torch.optim.Adam, {"lr": network.lr, **options}
    return torch.optim.SGD, {"lr": network.lr, "momentum": 0.9, **options}


def tensors(task: Task, phase: Phase) -> tuple[Tensor, Tensor, Tensor]:
    """Return the rows of a phase as tensors."""
    return cast("tuple[Tensor, Tensor, Tensor]", tuple(torch.from_numpy(each) for each in task.rows(phase)))
