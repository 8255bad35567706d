"""Images: from idx files, folders, zip archives and ``.npz`` files to 8-bit pixels in memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from steepest.data.images.arrays import read_npz
from steepest.data.images.decode import SUFFIXES
from steepest.data.images.folders import ImageFile, archive_members, folder_members, read_members
from steepest.data.images.idx import is_idx, read_idx_files
from steepest.data.images.pixels import Images, as_pixels, resized
from steepest.data.read import check_no_results
from steepest.errors import DataError
from steepest.files import local

__all__ = ["Images", "is_images", "read_images"]


def is_images(source: Any) -> bool:
    """Return whether a path is one of images by its name, or a folder.

    Example:
        >>> is_images("photos.npz"), is_images("train-images-idx3-ubyte.gz"), is_images("churn.csv")
        (True, True, False)
    """
    if not isinstance(source, str | Path):
        return False
    path = Path(source).expanduser()
    return path.suffix.lower() in (".npz", *SUFFIXES) or is_idx(path.name) or path.is_dir()


def read_images(source: Any, size: tuple[int, int] | None = None) -> Images:
    """Read images.

    Args:
        source: a folder with a folder for each class (perhaps below ``train``, ``validation`` and ``test``), a zip of
            one, a folder of idx files or one of them, an ``.npz`` file, one image, a list of paths, or an array.
        size: height and width that they are resized to; None for as they are.

    Raises:
        DataError: they cannot be read; the message names the file.
        OptionError: image files are read and Pillow is not installed.

    Example:
        >>> read_images(np.zeros((5, 8, 8), np.uint8)).pixels.shape
        (5, 1, 8, 8)
    """
    if isinstance(source, np.ndarray):
        pixels, notes = as_pixels(source, "the array")
        return Images(resized(pixels, size), notes=tuple(notes))
    if isinstance(source, list | tuple):
        if not source:
            raise DataError("no image is given", hint="give at least one path.")
        return read_members([_member(Path(each).expanduser()) for each in source], "the list", size)
    if not isinstance(source, str | Path):
        raise DataError(
            f"images cannot be read from a {type(source).__name__}",
            hint="give a path, a list of paths or an array.",
        )
    path = local(source).expanduser()
    if not path.exists():
        raise DataError(
            f"there is no file or folder {str(source)!r}",
            hint="check the path; names of data sets: steepest list datasets.",
        )
    made = _read(path, size)
    return replace(made, pixels=resized(made.pixels, size))


def _read(path: Path, size: tuple[int, int] | None) -> Images:
    if path.is_dir():
        check_no_results(path)
        idx = [each for each in path.iterdir() if is_idx(each.name)]
        if idx:
            return read_idx_files(idx, path.name)
        return read_members(folder_members(path), str(path), size)
    if is_idx(path.name):
        beside = [each for each in path.parent.iterdir() if is_idx(each.name)]
        mine = path.name.lower().replace("images", "labels").replace("idx3", "idx1").removesuffix(".gz")
        return read_idx_files(
            [path, *(each for each in beside if each.name.lower().removesuffix(".gz") == mine)],
            path.parent.name,
        )
    if path.suffix.lower() == ".npz":
        return read_npz(path)
    if path.suffix.lower() == ".zip":
        with archive_members(path) as members:
            return read_members(members, path.name, size)
    return read_members([_member(path)], path.name, size)


def _member(path: Path) -> ImageFile:
    if not path.is_file():
        raise DataError(f"there is no file {str(path)!r}", hint="check the path.")
    return ImageFile(path.name, path.stat().st_size, path.read_bytes)
