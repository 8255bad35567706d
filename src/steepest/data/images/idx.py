"""Files in the idx format of MNIST: a header with the sizes, then the values."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from steepest.data.images.pixels import MOST_BYTES, Images, as_labels, as_pixels, joined
from steepest.errors import DataError

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_NAME = re.compile(
    r"(?P<set>.*?)(?P<part>train|t10k|test|validation|valid|val)[-_.]?(?P<what>images|labels)"
    r"([-_.]idx[1-4])?([-_.]ubyte)?(\.gz)?",
    re.IGNORECASE,
)
_PARTS = {"t10k": "test", "valid": "validation", "val": "validation"}
_HINT = "it is damaged, cut off or no idx file: get it again."


def is_idx(name: str) -> bool:
    """Return whether a file is one of MNIST's kind by its name.

    Example:
        >>> is_idx("train-images-idx3-ubyte.gz"), is_idx("t10k-labels.idx1-ubyte"), is_idx("train.csv")
        (True, True, False)
    """
    return _NAME.fullmatch(name) is not None and "idx" in name.lower()


def read_idx(path: Path) -> NDArray[Any]:
    """Return the array of an idx file, which may be gzipped.

    Raises:
        DataError: it cannot be read, is damaged, or declares more than is read.
    """
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            if packed:
                with gzip.open(raw) as file:
                    return _array(file, path.name)
            return _array(raw, path.name)
    except (OSError, EOFError, zlib.error, MemoryError) as error:
        raise DataError(
            f"cannot read {path.name}: {getattr(error, 'strerror', None) or str(error) or 'it ends too early'}",
            hint=_HINT,
        ) from error


def _array(file: IO[bytes] | gzip.GzipFile, name: str) -> NDArray[Any]:
    head = file.read(4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _TYPES or not 1 <= head[3] <= 4:
        raise DataError(f"{name} begins with {head!r}, which is no idx header", hint=_HINT)
    dtype = np.dtype(_TYPES[head[2]])
    sizes = np.frombuffer(_exactly(file, 4 * head[3], name), ">u4").astype(object)
    needed = int(np.prod(sizes)) * dtype.itemsize
    declared = " × ".join(f"{each:,}" for each in sizes)
    if needed > MOST_BYTES:
        raise DataError(
            f"{name} declares {declared} values: {needed / 2**30:,.1f} GiB",
            hint=f"at most {MOST_BYTES >> 30} GiB are read; {_HINT}",
        )
    content = np.empty(needed, np.uint8)
    there = _filled(file, content)
    if there < needed or file.read(1):
        more = f"{there:,} of" if there < needed else "more than"
        raise DataError(f"{name} declares {declared} values and has {more} {needed:,} bytes", hint=_HINT)
    return content.view(dtype).reshape([int(each) for each in sizes])


def _filled(file: IO[bytes] | gzip.GzipFile, content: NDArray[np.uint8]) -> int:
    """Read so many bytes into an array, and return how many there were."""
    there, view = 0, memoryview(content.data)
    while there < len(view) and (found := file.readinto(view[there:])):  # pyright: ignore[reportAttributeAccessIssue]
        there += found
    return there


def _exactly(file: IO[bytes] | gzip.GzipFile, count: int, name: str) -> bytes:
    found = file.read(count)
    if len(found) < count:
        raise DataError(f"{name} ends in its header", hint=_HINT)
    return found


def read_idx_files(paths: Sequence[Path], where: str) -> Images:
    """Return the images of files of images and of labels, named as those of MNIST are.

    Args:
        paths: the files; those of labels may be absent.
        where: the folder's name, for messages.

    Raises:
        DataError: labels do not match images, or there are several data sets.
    """
    found: dict[tuple[str, str], Path] = {}
    sets: set[str] = set()
    for path in sorted(paths, key=lambda each: (each.name.endswith(".gz"), each.name)):  # unpacked first
        match = _NAME.fullmatch(path.name)
        if match is None:
            continue
        part = match["part"].lower()
        sets.add(match["set"])
        found.setdefault((_PARTS.get(part, part), match["what"].lower()), path)
    if len(sets) > 1:
        names = ", ".join(repr(each) for each in sorted(sets))
        raise DataError(
            f"{where} holds the files of {len(sets)} data sets: {names}",
            hint="give a folder with one of them.",
        )
    parts: list[tuple[str | None, Images]] = []
    for part in ("train", "validation", "test"):
        images = found.get((part, "images"))
        labels = found.get((part, "labels"))
        if images is None:
            if labels is not None:
                raise DataError(
                    f"{where} has {labels.name} without its images", hint="add the file of images."
                )
            continue
        pixels, notes = as_pixels(read_idx(images), images.name)
        known = None
        if labels is not None:
            known = as_labels(read_idx(labels), len(pixels), f"{images.name} with {labels.name}")
        parts.append((part, Images(pixels, known, notes=tuple(notes))))
    if not parts:
        raise DataError(
            f"{where} has no file of images", hint="idx files are named as train-images-idx3-ubyte."
        )
    made = joined(parts, where)
    if len(parts) == 1:  # one file is all there is
        return Images(made.pixels, made.labels, notes=made.notes)
    return made
