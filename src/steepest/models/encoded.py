"""A network of a table whose columns of numbers are encoded: the module that does it, from what was learned."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from steepest.data.numbers import ColumnEncoding, NumberEncoding
from steepest.models.number_columns import NumberColumns, put_before


def with_numbers(net: nn.Module, encoding: NumberEncoding, columns: int) -> nn.Module:
    """Return a network that was built for the encoded columns, behind what encodes them.

    Args:
        net: the network.
        encoding: what becomes of the columns of numbers.
        columns: how many there are, missing indicators included.

    Example:
        >>> found = NumberEncoding((ColumnEncoding(knots=(0.0, 2.0)), ColumnEncoding()))
        >>> class Net(nn.Module):
        ...     def forward(self, codes, values):
        ...         return values
        >>> with_numbers(Net(), found, 2)(torch.zeros(1, 0), torch.tensor([[1.0, 7.0]])).tolist()
        [[1.0, 7.0, 0.5]]
    """
    return put_before(net, NumberColumns(_tensors(encoding, columns)))


def _tensors(encoding: NumberEncoding, columns: int) -> dict[str, Tensor]:
    numbered = list(enumerate(encoding.columns))
    logged = [i for i, each in numbered if each.log]
    plain = [i for i in range(columns) if i not in logged]
    found: dict[str, Tensor] = {}
    if plain:
        found["plain"] = torch.tensor(plain)
    if logged:
        found["logged"] = torch.tensor(logged)
        found["log"] = torch.tensor([encoding.columns[i].log for i in logged]).T.contiguous()
    if any(each.knots for _, each in numbered):
        found["piece_of"], found["pieces"] = _pieces([(i, each.knots) for i, each in numbered if each.knots])
    scored = [(i, each) for i, each in numbered if each.quantiles]
    if scored:
        found["score_of"], found["score_pieces"] = _pieces([(i, each.quantiles) for i, each in scored])
        found["score_heights"] = _heights([each for _, each in scored])
        found["score_least"] = torch.tensor([each.scores[0] for _, each in scored])
        found |= _waves(encoding, len(scored))
    return found


def _pieces(columns: list[tuple[int, tuple[float, ...]]]) -> tuple[Tensor, Tensor]:
    """Return the column of each piece between knots, and where the piece begins with the inverse of its width."""
    of = [i for i, knots in columns for _ in knots[1:]]
    begin = np.concatenate([knots[:-1] for _, knots in columns])
    inverse = np.concatenate([1.0 / np.diff(knots) for _, knots in columns])
    return torch.tensor(of), torch.tensor(np.stack([begin, inverse]), dtype=torch.float32)


def _heights(columns: list[ColumnEncoding]) -> Tensor:
    """Return by how much each piece raises each score, ``[J, Q]``."""
    rises = [np.diff(each.scores) for each in columns]
    found = torch.zeros(sum(map(len, rises)), len(rises))
    at = 0
    for place, each in enumerate(rises):
        found[at : at + len(each), place] = torch.tensor(each, dtype=torch.float32)
        at += len(each)
    return found


def _waves(encoding: NumberEncoding, scores: int) -> dict[str, Tensor]:
    """Return what waves begin with; frequencies from a normal distribution, the layer as torch's linear layers."""
    if not encoding.width:
        return {}
    inputs = 2 * encoding.frequencies
    bound = 1.0 / math.sqrt(inputs)
    return {
        "frequency": encoding.sigma * torch.randn(scores, encoding.frequencies),
        "weight": torch.empty(scores, inputs, encoding.width).uniform_(-bound, bound),
        "bias": torch.empty(scores, encoding.width).uniform_(-bound, bound),
    }
