"""Small networks with everything that a curvature product can get wrong, in float64."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from steepest.rng import torch_stream


class Tabular(nn.Module):
    """Look-ups with padding and repeated codes, dropout, batch norm, and a connection around a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.codes = nn.Embedding(6, 3, padding_idx=0)
        self.others = nn.Embedding(4, 2)
        self.dropout = nn.Dropout(0.3)
        self.norm = nn.BatchNorm1d(5)
        self.first = nn.Linear(5, 5)
        self.head = nn.Linear(5, 3)

    def forward(self, codes: Tensor) -> Tensor:
        found = torch.cat([self.codes(codes[:, 0]), self.others(codes[:, 1])], 1)
        found = self.norm(self.dropout(found))
        return self.head(found + torch.tanh(self.first(found)))


class Convolutional(nn.Module):
    """Convolutions with batch norm, pooling and dropout of channels."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv2d(1, 2, 3, padding=1)
        self.norm = nn.BatchNorm2d(2)
        self.two = nn.Conv2d(2, 2, 3, padding=1, bias=False)
        self.dropout = nn.Dropout2d(0.3)
        self.head = nn.Linear(8, 3)

    def forward(self, images: Tensor) -> Tensor:
        found = nn.functional.silu(self.norm(self.one(images)))
        found = nn.functional.max_pool2d(found + self.dropout(self.two(found)), 2)
        return self.head(found.flatten(1))


class Attending(nn.Module):
    """Attention by torch's function and by torch's layer, on four tokens of three numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 12)
        self.layer = nn.TransformerEncoderLayer(4, 2, 6, dropout=0.0, activation="gelu", batch_first=True)
        self.head = nn.Linear(4, 3)

    def forward(self, tokens: Tensor) -> Tensor:
        split = self.first(tokens).unflatten(-1, (3, 2, 2)).permute(2, 0, 3, 1, 4)
        found = nn.functional.scaled_dot_product_attention(*split, is_causal=True)
        return self.head(self.layer(found.transpose(1, 2).flatten(2)).mean(1))


def plain(*, norm: bool = False) -> nn.Module:
    more = [nn.BatchNorm1d(4)] if norm else []
    return nn.Sequential(nn.Linear(3, 4), *more, nn.Tanh(), nn.Linear(4, 3))


def nets() -> dict[str, tuple[nn.Module, Tensor]]:
    """Return networks of three outputs, each with the inputs of seven rows."""
    with torch_stream(3, "data"):
        codes = torch.tensor([[0, 1], [2, 3], [2, 1], [5, 0], [0, 0], [1, 3], [4, 2]])
        made: dict[str, tuple[Any, Tensor]] = {
            "tabular": (Tabular(), codes),
            "convolutional": (Convolutional(), torch.randn(7, 1, 4, 4, dtype=torch.float64)),
            "plain": (plain(), torch.randn(7, 3, dtype=torch.float64)),
            "norm": (plain(norm=True), torch.randn(7, 3, dtype=torch.float64)),
            "attention": (Attending(), torch.randn(7, 4, 3, dtype=torch.float64)),
            "attention, evaluated": (Attending().eval(), torch.randn(7, 4, 3, dtype=torch.float64)),
        }
        for net, _ in made.values():
            net.double()
            for name, each in net.named_parameters():
                if "norm" in name:  # not the 1 and 0 of a new network
                    nn.init.normal_(each)
    return made


def vectors(size: int, count: int) -> list[Tensor]:
    with torch_stream(4, "data"):
        return list(torch.randn(count, size, dtype=torch.float64))
