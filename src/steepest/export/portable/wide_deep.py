"""A linear model on categories and crosses of them beside the entity-embedding network, in plain PyTorch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from steepest.export.portable.embedding_mlp import EmbeddingMLP

PRIME = 2**31 - 1


class WideDeep(nn.Module):
    """Wide & deep (Cheng et al., 2016).

    Args:
        crosses: the places of the columns of each cross.
        buckets: the most codes of a cross; more combinations are hashed.
        codes: number of codes of each column.
        wide: number of codes and width of each table of the wide part.
        mapped: whether a matrix maps the wide part's vectors to the outputs.
        deep: what the deep part is built from.
    """

    def __init__(
        self,
        crosses: Sequence[Sequence[int]],
        buckets: int,
        codes: Sequence[int],
        wide: Sequence[tuple[int, int]],
        mapped: bool,
        deep: Mapping[str, Any],
    ) -> None:
        super().__init__()
        self.crosses, self.buckets, self.codes = crosses, buckets, codes
        self.deep = EmbeddingMLP(**deep)
        head = nn.Linear(wide[0][1], deep["outputs"], bias=False) if mapped else nn.Identity()
        tables = nn.ModuleList(nn.Embedding(*each) for each in wide)
        self.wide = nn.ModuleDict({"embeddings": tables, "head": head})

    def forward(self, categorical: Tensor, continuous: Tensor) -> Tensor:
        """Return logits ``[N, K]`` or standard scores ``[N, 1]`` from codes ``[N, C]`` and scores ``[N, D]``."""
        known = [categorical[:, i] for i in range(len(self.codes))]
        known += [self._crossed(categorical, places) for places in self.crosses]
        total = torch.zeros((), dtype=continuous.dtype)
        for codes, table in zip(known, self.wide["embeddings"], strict=True):  # pyright: ignore[reportArgumentType]
            total = total + table(codes)
        return self.wide["head"](total) + self.deep(categorical, continuous)

    def _crossed(self, codes: Tensor, places: Sequence[int]) -> Tensor:
        exact = math.prod(self.codes[place] for place in places) <= self.buckets
        total = torch.zeros_like(codes[:, 0])
        for place in places:
            if exact:
                total = total * self.codes[place] + codes[:, place]
            else:
                total = (total + codes[:, place] + 1) * 739_982_445 % PRIME
                total = torch.bitwise_xor(total, torch.bitwise_right_shift(total, 16))
        return total if exact else total % self.buckets


def network(about: Mapping[str, Any], weights: Mapping[str, Tensor]) -> nn.Module:
    """Return the network with its weights; ``about`` is that part of ``encoders.json``."""
    net = WideDeep(**about)
    net.load_state_dict(weights)
    return net
