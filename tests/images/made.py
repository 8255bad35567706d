"""Small images for tests: folders, archives, idx and ``.npz`` files."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def drawn(i: int, size: tuple[int, int] = (8, 8), channels: int = 1) -> np.ndarray[Any, Any]:
    """Return an image that depends on a number: a bright bar on noise, horizontal if the number is even."""
    noise = np.random.default_rng(i).integers(0, 80, (*size, 3), dtype=np.uint8)
    at = i // 2 % (size[0] - 1)
    if i % 2:
        noise[:, at % size[1] : at % size[1] + 2] += 150
    else:
        noise[at : at + 2] += 150
    return noise if channels == 3 else noise[..., 0]


def encoded(pixels: np.ndarray[Any, Any], form: str = "PNG", **options: Any) -> bytes:
    """Return an image as the bytes of a file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form, **options)
    return buffer.getvalue()


def write_tree(where: Path, files: Mapping[str, bytes]) -> Path:
    """Write files below a folder."""
    for name, content in files.items():
        path = where / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return where


def tree(count: int = 12, prefix: str = "", **options: Any) -> dict[str, bytes]:
    """Return images in two folders, ``lying`` and ``upright``."""
    return {
        f"{prefix}{'upright' if i % 2 else 'lying'}/{i:02}.png": encoded(drawn(i, **options))
        for i in range(count)
    }


def zipped(path: Path, files: Mapping[str, bytes]) -> Path:
    """Write files into an archive."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def idx(values: np.ndarray[Any, Any], kind: int = 8) -> bytes:
    """Return an array of bytes as an idx file."""
    head = struct.pack(">BBBB", 0, 0, kind, values.ndim) + struct.pack(f">{values.ndim}I", *values.shape)
    return head + values.astype(np.uint8).tobytes()


def idx_folder(where: Path, train: int = 40, test: int = 20, packed: bool = True) -> Path:
    """Write the four files of a data set like MNIST; labels say which way the bar lies."""
    where.mkdir(parents=True, exist_ok=True)
    for name, first, count in (("train", 0, train), ("t10k", 1000, test)):
        numbers = range(first, first + count)
        for what, values in (
            ("images-idx3", np.stack([drawn(i) for i in numbers])),
            ("labels-idx1", np.array([i % 2 for i in numbers])),
        ):
            content = idx(values)
            path = where / f"{name}-{what}-ubyte{'.gz' if packed else ''}"
            path.write_bytes(gzip.compress(content) if packed else content)
    return where


def png_header(width: int, height: int) -> bytes:
    """Return a PNG file that declares a size and holds no pixel."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    )
