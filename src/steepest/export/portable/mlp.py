"""Hidden layers on vectors of categories and on numbers, in plain PyTorch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from steepest.export.portable.parts import EmbeddedColumns, in_a_row


class MLP(nn.Module):
    """Hidden layers and a linear layer at the end.

    Args:
        embeddings: number of codes and width of each categorical column.
        layers: of each the name of a class of ``torch.nn`` and what that is called with.
    """

    def __init__(self, embeddings: Sequence[tuple[int, int]], layers: Sequence[Sequence[Any]]) -> None:
        super().__init__()
        self.columns = EmbeddedColumns(embeddings)
        self.layers = in_a_row(layers)

    def forward(self, categorical: Tensor, continuous: Tensor) -> Tensor:
        """Return logits ``[N, K]`` or values ``[N, 1]`` from codes ``[N, C]`` and numbers ``[N, D]``."""
        return self.layers(self.columns(categorical, continuous))


def network(about: Mapping[str, Any], weights: Mapping[str, Tensor]) -> nn.Module:
    """Return the network with its weights; ``about`` is that part of ``encoders.json``."""
    net = MLP(**about)
    net.load_state_dict(weights)
    return net
