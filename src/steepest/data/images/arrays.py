"""Images in NumPy's ``.npz`` files."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.lib import format as npy
from numpy.typing import NDArray

from steepest.data.images.pixels import MOST_BYTES, Images, as_labels, as_pixels, joined
from steepest.errors import DataError

_IMAGES = ("images", "image", "x", "data", "pixels", "arr_0")
_LABELS = ("labels", "label", "y", "targets", "target", "classes", "arr_1")
_PARTS = (("train", ("train",)), ("validation", ("validation", "valid", "val")), ("test", ("test",)))
_HINT = "it is damaged, or not written by numpy.savez: write it again with images=… and labels=…."


def read_npz(path: Path) -> Images:
    """Return the images of an ``.npz`` file: ``images`` and ``labels``, or those of parts (``x_train``, ``y_train``).

    Raises:
        DataError: it cannot be read, declares more than is read, has no images, or labels do not match them.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [each.removesuffix(".npy") for each in archive.namelist() if each.endswith(".npy")]
            parts: list[tuple[str | None, Images]] = []
            for part, words in _PARTS:
                images = _named(names, [f(x, w) for x in _IMAGES for w in words for f in _BOTH])
                if images is not None:
                    labels = _named(names, [f(y, w) for y in _LABELS for w in words for f in _BOTH])
                    parts.append((part, _images(archive, images, labels, path.name)))
            if not parts:
                images = _named(names, _IMAGES)
                if images is None:
                    shown = ", ".join(names[:8]) or "none"
                    raise DataError(
                        f"{path.name} has no array of images (its arrays: {shown})",
                        hint="name them images and labels, or x_train, y_train, x_test and y_test; another kind "
                        "of data is named with --source.",
                    )
                return _images(archive, images, _named(names, _LABELS), path.name)
            return joined(parts, path.name)
    except (
        OSError, EOFError, zipfile.BadZipFile, zlib.error, struct.error, ValueError, KeyError, RuntimeError,
        NotImplementedError, SyntaxError, TypeError, MemoryError,
    ) as error:  # fmt: skip
        raise DataError(
            f"cannot read {path.name}: {getattr(error, 'strerror', None) or str(error) or repr(error)}",
            hint=_HINT,
        ) from error


def _before(name: str, part: str) -> str:
    return f"{part}_{name}"


def _after(name: str, part: str) -> str:
    return f"{name}_{part}"


_BOTH = (_after, _before)


def _named(names: Sequence[str], wanted: Sequence[str]) -> str | None:
    """Return the first wanted name that is there, in capitals or not."""
    there = {each.lower(): each for each in reversed(names)}
    return next((there[each] for each in wanted if each in there), None)


def _images(archive: zipfile.ZipFile, images: str, labels: str | None, where: str) -> Images:
    pixels, notes = as_pixels(_array(archive, images, where), f"{images} in {where}")
    known = None
    if labels is not None:
        known = as_labels(_array(archive, labels, where), len(pixels), f"{images} and {labels} in {where}")
    return Images(pixels, known, notes=tuple(notes))


def _array(archive: zipfile.ZipFile, name: str, where: str) -> NDArray[Any]:
    """Return an array, whose declared size is checked before it is read."""
    info = archive.getinfo(f"{name}.npy")
    with archive.open(info) as file:
        version = npy.read_magic(file)
        header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = header(file)
        if dtype.hasobject:
            raise DataError(
                f"{name} in {where} holds Python objects, which are not read",
                hint="save arrays of numbers or text.",
            )
        needed = dtype.itemsize
        for each in shape:
            needed *= int(each)
        there = info.file_size - file.tell()
        if needed > MOST_BYTES:
            raise DataError(
                f"{name} in {where} declares the shape {list(shape)}: {needed / 2**30:,.1f} GiB",
                hint=f"at most {MOST_BYTES >> 30} GiB are read: save uint8, or fewer images.",
            )
        if needed != there:
            raise DataError(
                f"{name} in {where} declares {needed:,} bytes and has {there:,}",
                hint=_HINT,
            )
    with archive.open(info) as file:
        return npy.read_array(file, allow_pickle=False)
