r"""Dropout masks from one stream for each step, the same for an eager and for a compiled step.

A value is kept if 16 random bits are at least :math:`\mathrm{round}(65536\,p)`, and then divided by the share that
is kept. NumPy gives the bits in about a quarter of the time of torch's own generator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from steepest.replacing import Replacing
from steepest.rng import seed_for

LEVELS = 65_536
"""Values of 16 bits."""


def random_bits(source: np.random.BitGenerator, count: int) -> Tensor:
    """Return the next ``count`` random 16-bit numbers of a generator, int16 [count]; it gives them by fours."""
    words: Any = source.random_raw(-(-count // 4))
    return torch.from_numpy(words.astype("<u8", copy=False).view(np.int16)[:count])


def source(seed: int, step: int) -> np.random.BitGenerator:
    """Return the generator of a step's masks."""
    return np.random.PCG64(seed_for(seed, "dropout", step))


def masked(value: Tensor, bits: Tensor, p: float | Tensor) -> Tensor:
    """Return ``value`` with dropout by ``bits`` (int16, as many); a share may be a scalar tensor.

    Example:
        >>> masked(torch.ones(4), torch.tensor([-32768, -1, 0, 32767], dtype=torch.int16), 0.5).tolist()
        [0.0, 0.0, 2.0, 2.0]
    """
    if isinstance(p, Tensor):
        out = (p * LEVELS).round()
        left = bits.reshape(value.shape) >= out - LEVELS // 2
        return value * (left.to(value.dtype) * (LEVELS / (LEVELS - out)).to(value.dtype))
    dropped = round(p * LEVELS)
    if dropped >= LEVELS:
        return value * 0.0
    kept = (bits.reshape(value.shape) >= dropped - LEVELS // 2).to(value.dtype)
    return value * (kept * (LEVELS / (LEVELS - dropped)))


def taken(bits: Tensor) -> Callable[[int], Tensor]:
    """Return what gives the numbers of a step one after the other, by fours, as its stream does.

    Example:
        >>> draw = taken(torch.arange(12))
        >>> draw(5).tolist(), draw(2).tolist()
        ([0, 1, 2, 3, 4], [8, 9])
    """
    place = 0

    def draw(count: int) -> Tensor:
        nonlocal place
        start, place = place, place + -(-count // 4) * 4
        return bits[start : start + count]

    return draw


class SeededDropout(Replacing):
    """Inside the block, ``nn.SeededDropout`` and ``F.dropout`` take their masks from ``draw(count)``.

    Args:
        draw: returns so many random 16-bit numbers, each once.

    Attributes:
        counts: how many numbers each call of dropout took.
    """

    def __init__(self, draw: Callable[[int], Tensor]) -> None:
        super().__init__()
        self.draw = draw
        self.counts: list[int] = []

    function = staticmethod(nn.functional.dropout)
    defaults = MappingProxyType({"input": None, "p": 0.5, "training": True, "inplace": False})

    def instead(self, call: Mapping[str, Any]) -> Tensor:
        """Return the value with what the mask leaves of it."""
        value: Tensor = call["input"]
        if not call["training"] or (not isinstance(call["p"], Tensor) and not call["p"]):
            return value
        self.counts.append(value.numel())
        return masked(value, self.draw(value.numel()).to(value.device), call["p"])


class StepDropout(SeededDropout):
    """The masks of one step of a run.

    Example:
        >>> with StepDropout(0, 7):
        ...     a = torch.nn.functional.dropout(torch.ones(6), 0.5)
        >>> with StepDropout(0, 7):
        ...     b = torch.nn.functional.dropout(torch.ones(6), 0.5)
        >>> torch.equal(a, b)
        True
    """

    def __init__(self, seed: int, step: int) -> None:
        self._source: np.random.BitGenerator | None = None

        def draw(count: int) -> Tensor:
            self._source = self._source or source(seed, step)
            return random_bits(self._source, count)

        super().__init__(draw)
