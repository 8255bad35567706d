"""What the pixels of many images say together: mean and deviation of channels, and which images are the same."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steepest.data.images.pixels import Pixels

_BLOCK_BYTES = 1 << 22


def channel_statistics(
    pixels: Pixels, places: np.ndarray[Any, Any]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of each channel over some images; 1 for a channel that does not vary.

    Example:
        >>> pixels = np.array([[[[0, 4]]], [[[100, 100]]]], np.uint8)
        >>> channel_statistics(pixels, np.array([0]))
        ((2.0,), (2.0,))
    """
    count, sums, squares = 0, *np.zeros((2, pixels.shape[1]), dtype=np.int64)
    step = max(1, _BLOCK_BYTES // pixels[0].size)
    for start in range(0, len(places), step):
        block = pixels[places[start : start + step]].astype(np.uint16)
        count += block[:, 0].size
        sums += block.sum((0, 2, 3), dtype=np.int64)
        squares += np.square(block).sum((0, 2, 3), dtype=np.int64)  # at most 255², which fits
    mean = sums / count
    variance = squares / count - mean**2
    sd = np.sqrt(np.where(variance > 1e-9, variance, 1.0))
    return tuple(mean.tolist()), tuple(sd.tolist())


def also_among(pixels: Pixels, some: NDArray[np.int64], others: NDArray[np.int64]) -> int:
    """Return how many of some images are among others, pixel by pixel.

    Args:
        pixels: all images.
        some, others: their places.

    Example:
        >>> pixels = np.array([[[[0, 4]]], [[[7, 7]]], [[[0, 4]]]], np.uint8)
        >>> also_among(pixels, np.array([0, 1]), np.array([2]))
        1
    """
    # most images differ in some of their pixels already, so few are hashed
    sample = pixels.reshape(len(pixels), -1)[:, :: max(1, pixels[0].size // 64)].astype(np.uint64)
    quick = (sample * np.arange(1, sample.shape[1] + 1, dtype=np.uint64) ** np.uint64(9)).sum(1)
    few = some[np.isin(quick[some], quick[others])]
    many = others[np.isin(quick[others], quick[few])]
    known = {_digest(pixels, each) for each in many}
    return sum(_digest(pixels, each) in known for each in few)


def _digest(pixels: Pixels, place: Any) -> bytes:
    return hashlib.blake2b(pixels[place].tobytes(), digest_size=16).digest()
