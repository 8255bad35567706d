r"""What a network gets of its columns of numbers: scores, pieces between knots, and waves.

This file needs torch alone; it is copied into exported folders.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

PREFIX = "number_columns"
"""The name of this module within a network."""


class NumberColumns(nn.Module):
    r"""Scores of some columns, logarithms of others, pieces between knots, and quantile scores or waves of them.

    Everything is made of tensors, which are stored with the weights: a module of the same parts can be built from them.

    Args:
        tensors: by name. ``plain``: the columns that stay, int64 ``[P]``. ``logged``: those whose signed logarithm is
            taken, int64 ``[L]``, with ``log``, ``[4, L]``. ``piece_of``: the column of each piece, int64 ``[K]``, with
            where it begins and the inverse of its width, ``pieces``, ``[2, K]``. ``score_of``, ``score_pieces``: the
            same of quantile scores; ``score_heights``, ``[J, Q]``, by how much a piece raises each score, and
            ``score_least``, ``[Q]``. Of waves, which are learned: ``frequency`` ``[Q, F]``, ``weight``
            ``[Q, 2 F, W]`` and ``bias`` ``[Q, W]``.

    Example:
        >>> parts = {"plain": torch.tensor([0]), "piece_of": torch.tensor([0, 0])}
        >>> parts["pieces"] = torch.tensor([[0.0, 2.0], [0.5, 1.0]])
        >>> NumberColumns(parts)(torch.tensor([[1.0], [9.0]])).tolist()
        [[1.0, 0.5, 0.0], [9.0, 1.0, 1.0]]
    """

    frequency: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        for name, each in tensors.items():
            if name in ("frequency", "weight", "bias"):
                self.register_parameter(name, nn.Parameter(each))
            else:
                self.register_buffer(name, each)
        self.parts = frozenset(tensors)

    def forward(self, values: Tensor) -> Tensor:
        """Return the inputs of the network ``[B, …]`` from standard scores ``[B, D]``."""
        found = [values.index_select(1, self.get_buffer("plain"))] if "plain" in self.parts else []
        if "logged" in self.parts:
            centre, unit, mean, sd = self.get_buffer("log").unbind(0)
            away = values.index_select(1, self.get_buffer("logged")) - centre
            found.append((torch.sign(away) * torch.log1p(away.abs() / unit) - mean) / sd)
        if "piece_of" in self.parts:
            found.append(self._pieces(values, "piece_of", "pieces"))
        if "score_of" in self.parts:
            pieces = self._pieces(values, "score_of", "score_pieces")
            scores = pieces @ self.get_buffer("score_heights") + self.get_buffer("score_least")
            found.append(self._waves(scores) if "frequency" in self.parts else scores)
        return torch.cat(found, 1)

    def _pieces(self, values: Tensor, of: str, pieces: str) -> Tensor:
        begin, inverse = self.get_buffer(pieces).unbind(0)
        return ((values.index_select(1, self.get_buffer(of)) - begin) * inverse).clamp(0.0, 1.0)

    def _waves(self, scores: Tensor) -> Tensor:
        angles = 2.0 * math.pi * scores[:, :, None] * self.frequency
        waves = torch.cat([torch.sin(angles), torch.cos(angles)], 2)
        mixed = torch.einsum("bqf,qfw->bqw", waves, self.weight)
        return torch.relu(mixed + self.bias).flatten(1)


def put_before(net: nn.Module, columns: NumberColumns) -> nn.Module:
    """Return a network that is called with standard scores as its last input, and gets what the module makes of them.

    The network stays the module that it is, and keeps the names of its parameters.
    """
    net.add_module(PREFIX, columns)
    net.register_forward_pre_hook(_encode)
    return net


def _encode(net: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    return (*inputs[:-1], net.get_submodule(PREFIX)(inputs[-1]))


def split_off(weights: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], NumberColumns | None]:
    """Return the weights of a network without those of this module, and the module."""
    start = f"{PREFIX}."
    mine = {name.removeprefix(start): each for name, each in weights.items() if name.startswith(start)}
    rest = {name: each for name, each in weights.items() if not name.startswith(start)}
    return rest, NumberColumns(mine) if mine else None
