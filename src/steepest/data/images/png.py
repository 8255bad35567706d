"""Images as PNG files, for pages that show them."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray


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


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
