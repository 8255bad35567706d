"""What networks are put together from, in plain PyTorch: vectors of categories, and layers in a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


class EmbeddedColumns(nn.Module):
    """The vectors of a row's categories beside its numbers.

    Args:
        embeddings: number of codes and width of each categorical column.
        dropout: on the vectors, in training.
    """

    def __init__(self, embeddings: Sequence[tuple[int, int]], dropout: float = 0.0) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(codes, width) for codes, width in embeddings)
        self.dropout = nn.Dropout(dropout)

    def forward(self, categorical: Tensor, continuous: Tensor) -> Tensor:
        """Return ``[N, width]`` from codes ``[N, C]`` and numbers ``[N, D]``."""
        if not len(self.embeddings):
            return continuous
        parts = [each(categorical[:, i]) for i, each in enumerate(self.embeddings)]
        return torch.cat([self.dropout(torch.cat(parts, 1)), continuous], 1)


def in_a_row(layers: Sequence[Sequence[Any]]) -> nn.Sequential:
    """Return layers in a row.

    Args:
        layers: of each the name of a class of ``torch.nn`` and what that is called with.
    """
    return nn.Sequential(*(getattr(nn, name)(*arguments) for name, *arguments in layers))
