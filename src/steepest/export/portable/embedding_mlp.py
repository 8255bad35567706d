"""The entity-embedding network (Guo & Berkhahn, 2016) in plain PyTorch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn


class EmbeddingMLP(nn.Module):
    """Embeddings of categorical columns beside the continuous ones, then blocks of batch norm, linear layer and ReLU.

    Args:
        embeddings: number of codes and width of each categorical column.
        continuous: number of continuous inputs.
        hidden: widths of the blocks.
        outputs: number of classes, or 1.
        dropout: on the embeddings, in training.
        hidden_dropout: on the blocks' outputs, in training.
    """

    def __init__(
        self,
        embeddings: Sequence[tuple[int, int]],
        continuous: int,
        hidden: Sequence[int],
        outputs: int,
        dropout: float,
        hidden_dropout: float,
    ) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(codes, width) for codes, width in embeddings)
        self.embedding_dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList()
        width = sum(each for _, each in embeddings) + continuous
        for each in hidden:
            layers = [nn.BatchNorm1d(width), nn.Linear(width, each, bias=False), nn.ReLU()]
            self.blocks.append(
                nn.Sequential(*layers, *([nn.Dropout(hidden_dropout)] if hidden_dropout else []))
            )
            width = each
        self.head = nn.Linear(width, outputs)

    def forward(self, categorical: Tensor, continuous: Tensor) -> Tensor:
        """Return logits ``[N, K]`` or standard scores ``[N, 1]`` from codes ``[N, C]`` and scores ``[N, D]``."""
        parts = [each(categorical[:, i]) for i, each in enumerate(self.embeddings)]
        h = torch.cat([self.embedding_dropout(torch.cat(parts, 1)), continuous], 1) if parts else continuous
        for block in self.blocks:
            h = block(h)
        return self.head(h)


def network(about: Mapping[str, Any], weights: Mapping[str, Tensor]) -> nn.Module:
    """Return the network with its weights; ``about`` is that part of ``encoders.json``."""
    net = EmbeddingMLP(**about)
    net.load_state_dict(weights)
    return net
