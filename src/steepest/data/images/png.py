"""Images as PNG files, for pages that show them."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steepest.data.images.pixels import resized

LARGEST = 96
"""The larger side of an image that is shown; larger ones are made smaller."""


def png(image: NDArray[Any]) -> bytes:
    """Return an image as a PNG file.

    Args:
        image: uint8 ``[1, H, W]``, grey, or ``[3, H, W]``, red, green and blue.

    Example:
        >>> png(np.zeros((1, 2, 2), np.uint8))[:4]
        b'\\x89PNG'
    """
    channels, height, width = image.shape
    lines = np.ascontiguousarray(image.transpose(1, 2, 0)).reshape(height, width * channels)
    filtered = np.concatenate([np.zeros((height, 1), np.uint8), lines], axis=1)
    head = struct.pack(">IIBBBBB", width, height, 8, 0 if channels == 1 else 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(filtered.tobytes(), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, content) for name, content in chunks)


def brightest(images: NDArray[Any]) -> int:
    """Return the value that is shown as white: 255, or the largest where none is above half of it.

    Example:
        >>> brightest(np.array([0, 200], np.uint8)), brightest(np.array([0, 16], np.uint8))
        (255, 16)
    """
    most = int(images.max(initial=0))
    return most if 0 < most < 128 else 255


def shown(image: NDArray[Any], white: int = 255) -> str:
    """Return an image as a small PNG file in base64.

    Args:
        image: as for :func:`png`.
        white: the value that is shown as white.

    Example:
        >>> shown(np.zeros((1, 2, 2), np.uint8))[:6]
        'iVBORw'
    """
    _, height, width = image.shape
    if white < 255:
        image = np.rint(image * (255 / white)).clip(0, 255).astype(np.uint8)
    if max(height, width) > LARGEST:
        share = LARGEST / max(height, width)
        image = resized(image[None], (max(1, round(height * share)), max(1, round(width * share))))[0]
    return base64.b64encode(png(image)).decode()


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
