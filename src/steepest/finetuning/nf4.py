r"""NormalFloat4: weights in 4 bits each, with a scale for each block of 64, itself in 8 bits on request.

A block of weights :math:`w` has the scale :math:`s = \max_i |w_i|`, and each weight the code of the nearest of 16
values :math:`q_k` that are quantiles of a normal distribution, scaled to :math:`[-1, 1]`:

.. math:: c_i = \arg\min_k |w_i / s - q_k|, \qquad \hat w_i = s\, q_{c_i}

Double quantisation stores the scales as codes of an 8-bit number with a dynamic exponent, by blocks of 256 scales of
which the mean of all has been taken, so that :math:`\hat s = \bar s + S\, d_j` with one 32-bit :math:`S` a block.

This is the reference that tells what the layers of bitsandbytes compute; it is written to be read and has no kernel.

Source: Dettmers, Pagnoni, Holtzman & Zettlemoyer, *QLoRA: Efficient Finetuning of Quantized LLMs*, NeurIPS 2023,
section 3 and appendix E; the 8-bit number is that of Dettmers, *8-Bit Approximations for Parallelism in Deep
Learning*, ICLR 2016.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from steepest.errors import ModelError

BLOCK = 64
"""Weights that share a scale."""
SCALE_BLOCK = 256
"""Scales that share a scale of their own, in double quantisation."""
VALUES = (
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
    -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
    0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
)  # fmt: skip
"""The 16 values as they were published, in float32; :func:`quantile_values` has where they come from."""
_LEAST = 1e-38
"""What a scale of zero is divided by instead, so that a block of zeros has the code of zero."""


@dataclass(frozen=True)
class DoubledScales:
    """Scales in 8 bits.

    Attributes:
        codes: uint8 ``[B]``, places in :func:`dynamic_values`.
        scales: float32 ``[⌈B / 256⌉]``.
        mean: of all scales, float32.
    """

    codes: Tensor
    scales: Tensor
    mean: Tensor

    def wide(self) -> Tensor:
        """Return the scales as they are used, float32 ``[B]``."""
        spread = self.scales.repeat_interleave(SCALE_BLOCK)[: len(self.codes)]
        return dynamic_values().to(self.codes.device)[self.codes.int()] * spread + self.mean

    @property
    def nbytes(self) -> int:
        """Bytes of codes, scales and mean."""
        return self.codes.nbytes + self.scales.nbytes + self.mean.nbytes


@dataclass(frozen=True)
class Quantised:
    """A tensor in NormalFloat4.

    Attributes:
        codes: uint8 ``[⌈n / 2⌉]`` of n weights; the first of two is in the upper four bits.
        scales: of the blocks, float32 ``[⌈n / 64⌉]``, or in 8 bits each.
        shape: of the tensor.
    """

    codes: Tensor
    scales: Tensor | DoubledScales
    shape: torch.Size

    @property
    def nbytes(self) -> int:
        """Bytes of codes and scales."""
        return self.codes.nbytes + self.scales.nbytes


def quantise(weights: Tensor, *, double: bool = True) -> Quantised:
    """Return a tensor in NormalFloat4.

    Args:
        weights: of any shape, 16 or 32 bits each.
        double: whether the scales are put into 8 bits, too.

    Raises:
        ModelError: there are no weights, or some are not finite.

    Example:
        >>> found = quantise(torch.linspace(-1, 1, 128), double=False)
        >>> found.codes.shape, found.scales.tolist(), found.nbytes
        (torch.Size([64]), [1.0, 1.0], 72)
        >>> dequantise(found)[[0, 127]].tolist()
        [-1.0, 1.0]
    """
    flat = weights.detach().reshape(-1).float()
    if not flat.numel():
        raise ModelError("there are no weights to quantise", hint="give a tensor with at least one.")
    if wrong := int((~flat.isfinite()).sum()):
        raise ModelError(
            f"{wrong:,} of {flat.numel():,} weights are not finite",
            hint="quantise a model whose training did not diverge.",
        )
    blocks = _in_blocks(flat, BLOCK)
    scales = blocks.abs().amax(1)
    parts = (blocks * (1.0 / scales.clamp(min=_LEAST))[:, None]).clamp(-1, 1).reshape(-1)
    even = flat.numel() + flat.numel() % 2
    codes = _nearest(torch.nn.functional.pad(parts[: flat.numel()], (0, even - flat.numel())), values())
    packed = (codes[::2] << 4) | codes[1::2]
    return Quantised(packed, _doubled(scales) if double else scales, weights.shape)


def dequantise(found: Quantised, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return the weights that a quantised tensor stands for, in its shape."""
    scales = found.scales.wide() if isinstance(found.scales, DoubledScales) else found.scales
    codes = torch.stack([found.codes >> 4, found.codes & 15], dim=1).reshape(-1)
    count = math.prod(found.shape)
    spread = scales.repeat_interleave(BLOCK)[:count]
    return (values().to(codes.device)[codes[:count].int()] * spread).reshape(found.shape).to(dtype)


def bits_a_weight(*, double: bool = True) -> float:
    """Return the bits that a weight takes, of a tensor of whole blocks.

    Four of the code, and a share of the block's scale: :math:`32/64`, with double quantisation
    :math:`8/64 + 32/(64 \\cdot 256)`.

    Example:
        >>> bits_a_weight(double=False), round(bits_a_weight(), 3)
        (4.5, 4.127)
    """
    return 4 + (8 / BLOCK + 32 / (BLOCK * SCALE_BLOCK) if double else 32 / BLOCK)


@functools.cache
def values() -> Tensor:
    """Return the 16 values in float32."""
    return torch.tensor(VALUES, dtype=torch.float32)


def quantile_values() -> Tensor:
    """Return the 16 values from the quantiles of a normal distribution, float64.

    Both ends leave out the same probability, the mean of 1/32 and 1/30; between there are 7 equal steps to the median
    on the negative side and 8 on the positive one, so that zero is a value, and all is divided by the greatest. The
    published values were computed of probabilities in float32, and differ by less than 3e-7.

    Example:
        >>> quantile_values()[[0, 1, 7, 15]].tolist()
        [-1.0, -0.6961928..., 0.0, 1.0]
    """
    from scipy.special import ndtri  # slow to import, and only this needs it

    left_out = (1 / 32 + 1 / 30) / 2
    below, above = (ndtri(np.linspace(1 - left_out, 0.5, steps + 1)[:-1]) for steps in (7, 8))
    found = np.sort(np.concatenate([-below, [0.0], above]))
    return torch.from_numpy(found / found.max())


@functools.cache
def dynamic_values() -> Tensor:
    """Return the 256 values of the 8-bit number with a dynamic exponent, float32, in order.

    Of the seven bits beside the sign, the zeros before the first one count the exponent, a power of ten, and what is
    left is a linear fraction: :math:`\\pm 10^{e} f` with :math:`e = -6 … 0` and :math:`2^{6 + e}` fractions :math:`f`
    that are the middles of equal parts of [0.1, 1]; zero and one are added.

    Example:
        >>> dynamic_values()[[0, 127, 255]].tolist()
        [-0.99296..., 0.0, 1.0]
    """
    found = [0.0, 1.0]
    for exponent in range(7):
        edges = torch.linspace(0.1, 1, 2**exponent + 1, dtype=torch.float32)
        middles = (10.0 ** (exponent - 6) * ((edges[:-1] + edges[1:]) / 2)).tolist()
        found += middles + [-each for each in middles]
    return torch.tensor(sorted(found), dtype=torch.float32)


def _doubled(scales: Tensor) -> DoubledScales:
    """Return scales in 8 bits."""
    mean = scales.mean()
    blocks = _in_blocks(scales - mean, SCALE_BLOCK)
    largest = blocks.abs().amax(1)
    parts = (blocks * (1.0 / largest.clamp(min=_LEAST))[:, None]).clamp(-1, 1).reshape(-1)
    return DoubledScales(_nearest(parts[: len(scales)], dynamic_values()), largest, mean)


def _in_blocks(flat: Tensor, size: int) -> Tensor:
    """Return numbers ``[n]`` in rows of a size, the last one filled with zeros."""
    return torch.nn.functional.pad(flat, (0, -len(flat) % size)).reshape(-1, size)


def _nearest(parts: Tensor, table: Tensor) -> Tensor:
    """Return the places, uint8, of the nearest values of an ordered table; the lower one of two as near."""
    table = table.to(parts.device)
    return torch.bucketize(parts, (table[:-1] + table[1:]) / 2).to(torch.uint8)
