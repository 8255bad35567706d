"""Images in memory: 8-bit pixels of one size, their labels, names and parts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from steepest.data.answers import as_series, one_each
from steepest.data.dataset import Note
from steepest.errors import DataError, OptionError
from steepest.wording import counted

Pixels = NDArray[np.uint8]
"""Images ``[N, C, H, W]``."""

MOST_BYTES = 1 << 32
"""All pixels of a data set together."""
MOST_PIXELS = 1 << 26
"""Pixels of one image; one with more is refused before it is decoded."""
LARGEST_SIDE = 4096
"""The largest side that images are resized to."""

GREY, COLOUR = 1, 3
_SIZE = re.compile(r"([0-9]+)(?:x([0-9]+))?")


@dataclass(frozen=True)
class Images:
    """Images of one size.

    Attributes:
        pixels: uint8 ``[N, C, H, W]``, of one channel (grey) or three (red, green, blue).
        labels: the class of every image, if there are any.
        parts: the part of every image (``train``, ``validation``, ``test``), null where it is not given.
        names: the file of every image, below the folder; None for arrays.
        notes: what was decided in reading.
    """

    pixels: Pixels
    labels: pl.Series | None = None
    parts: pl.Series | None = None
    names: pl.Series | None = None
    notes: tuple[Note, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.pixels)


def joined(parts: Sequence[tuple[str | None, Images]], where: str) -> Images:
    """Return the images of several parts as one.

    Args:
        parts: the name of each part, or None, and its images.
        where: what they are from, for messages.

    Raises:
        DataError: their sizes or channels differ, or one has labels and another has none.
    """
    (first, one), *others = parts
    for name, each in others:
        if each.pixels.shape[1:] != one.pixels.shape[1:]:
            raise DataError(
                f"{where}: {first} images are {shape_text(one.pixels)}, {name} images {shape_text(each.pixels)}",
                hint="make them of one size and kind, or give --size WIDTHxHEIGHT.",
            )
        if (each.labels is None) != (one.labels is None):
            lacking = first if one.labels is None else name
            raise DataError(
                f"{where}: the {lacking} images have no labels", hint="add them, as the others have."
            )
    labels = [each.labels for _, each in parts if each.labels is not None]
    if len({each.dtype for each in labels}) > 1:
        labels = [each.cast(pl.String) for each in labels]
    named = [each.names for _, each in parts if each.names is not None]
    of_part = [pl.repeat(name, len(each), dtype=pl.String, eager=True) for name, each in parts]
    return Images(
        one.pixels if not others else np.concatenate([each.pixels for _, each in parts]),
        pl.concat(labels) if labels else None,
        pl.concat(of_part),
        pl.concat(named) if len(named) == len(parts) else None,
        tuple(dict.fromkeys(note for _, each in parts for note in each.notes)),
    )


def part_of(found: Images, part: str) -> Images:
    """Return the images of a part."""
    assert found.parts is not None
    mine = found.parts == part
    labels, names = (None if each is None else each.filter(mine) for each in (found.labels, found.names))
    return replace(found, pixels=found.pixels[mine.to_numpy()], labels=labels, names=names, parts=None)


def with_classes(found: Images, classes: Sequence[str] | None) -> Images:
    """Return images whose labels are the names of their classes."""
    if classes is None or found.labels is None:
        return found
    return replace(found, labels=pl.Series("label", list(classes)).gather(found.labels.cast(pl.UInt32)))


def check_classes(found: Images, name: str) -> None:
    """Raise a ``DataError`` if labels are no classes that can be learned."""
    labels, images = found.labels, len(found)
    different = 0 if labels is None else labels.n_unique()
    if labels is not None and different == 1 and images > 1:
        raise DataError(
            f"all {images:,} images of {name} are of one class, {labels[0]!r}",
            hint="put images of another class into a folder of its own beside it, or label them; --model autoencoder "
            "needs no classes.",
        )
    if different > max(2, images // 2):
        raise DataError(
            f"{name} has {different:,} different labels for {images:,} images, too many for classes",
            hint="a label names a class, not an image; --model autoencoder needs none.",
        )


def shape_text(pixels: Pixels) -> str:
    """Return the size and kind of images.

    Example:
        >>> shape_text(np.zeros((9, 3, 32, 48), np.uint8))
        '48 × 32 pixels, colour'
    """
    _, channels, height, width = pixels.shape
    return f"{width} × {height} pixels, {'grey' if channels == GREY else 'colour'}"


def parse_size(text: str | None) -> tuple[int, int] | None:
    """Return height and width of what ``--size`` says.

    Raises:
        OptionError: it is no size.

    Example:
        >>> parse_size("32"), parse_size("48x32"), parse_size(None)
        ((32, 32), (32, 48), None)
    """
    if text is None:
        return None
    found = _SIZE.fullmatch(text.strip().lower().replace("×", "x"))
    hint = f"write the side in pixels, such as 32, or WIDTHxHEIGHT, such as 48x32; at most {LARGEST_SIDE}."
    if found is None:
        raise OptionError(f"--size {text!r} is no size of images", hint=hint)
    width = int(found[1])
    height = int(found[2] or width)
    if not (0 < width <= LARGEST_SIDE and 0 < height <= LARGEST_SIDE):
        raise OptionError(f"--size {text!r} is outside 1 to {LARGEST_SIDE} pixels", hint=hint)
    return height, width


def resized(pixels: Pixels, size: tuple[int, int] | None) -> Pixels:
    """Return images in another size: bilinear, averaged where they become smaller.

    Args:
        pixels: ``[N, C, H, W]``.
        size: height and width; None for as they are.

    Example:
        >>> resized(np.full((1, 1, 4, 4), 7, np.uint8), (2, 2)).tolist()
        [[[[7, 7], [7, 7]]]]
    """
    if size is None or pixels.shape[2:] == size:
        return pixels
    made: Pixels = np.empty((*pixels.shape[:2], *size), dtype=np.uint8)
    step = max(1, (1 << 24) // max(1, pixels[0].size))
    for start in range(0, len(pixels), step):
        block = torch.from_numpy(np.ascontiguousarray(pixels[start : start + step]))
        made[start : start + step] = torch.nn.functional.interpolate(
            block, size=size, mode="bilinear", antialias=True
        ).numpy()
    return made


def with_channels(pixels: Pixels, channels: int) -> Pixels:
    """Return images as grey ones (by luma, ITU-R BT.601) or with three channels.

    Example:
        >>> with_channels(np.array([[[[255]], [[0]], [[0]]]], np.uint8), 1).tolist()
        [[[[76]]]]
    """
    if pixels.shape[1] == channels:
        return pixels
    if channels == COLOUR:
        return np.repeat(pixels, COLOUR, axis=1)
    luma = np.array([0.299, 0.587, 0.114]).reshape(1, COLOUR, 1, 1)
    return np.rint((pixels * luma).sum(1, keepdims=True)).astype(np.uint8)


def check_bytes(shape: Sequence[int], where: str) -> None:
    """Raise a ``DataError`` if images of a shape are more than is read, before they are."""
    needed = 1
    for each in shape:
        needed *= int(each)
    if needed > MOST_BYTES:
        raise DataError(
            f"{where} declares {' × '.join(f'{int(each):,}' for each in shape)} pixels: {needed / 2**30:,.1f} GiB",
            hint=f"at most {MOST_BYTES >> 30} GiB are read: make the images smaller (--size), or take fewer of them.",
        )


def as_pixels(values: NDArray[Any], where: str) -> tuple[Pixels, list[Note]]:
    """Return an array of images as pixels, and what was decided.

    Args:
        values: ``[N, H, W]``, ``[N, H, W, C]`` or ``[N, C, H, W]``: whole numbers up to 255, or numbers from 0 to 1.
        where: what they are from, for messages.

    Raises:
        DataError: it is no such array; the message has its shape or the value.

    Example:
        >>> pixels, notes = as_pixels(np.ones((5, 4, 4, 3)) / 5, "photos.npz")
        >>> pixels.shape, int(pixels.max()), notes[0].text
        ((5, 3, 4, 4), 51, 'photos.npz: numbers from 0 to 1 were multiplied by 255.')
    """
    shape = list(values.shape)
    if values.ndim == 3:
        values = values[:, None]
    elif values.ndim == 4:
        last, second = shape[3] in (GREY, COLOUR), shape[1] in (GREY, COLOUR)
        if last:
            values = values.transpose(0, 3, 1, 2)
        elif not second:
            raise DataError(
                f"the images of {where} have the shape {shape}: neither 1 nor 3 channels",
                hint="give grey images [N, H, W], or colour as [N, H, W, 3] or [N, 3, H, W].",
            )
    else:
        raise DataError(
            f"the images of {where} have the shape {shape}",
            hint="give grey images [N, H, W], or colour as [N, H, W, 3] or [N, 3, H, W].",
        )
    if 0 in values.shape:
        raise DataError(f"{where} holds no image: the shape {shape}", hint="give some images.")
    check_bytes(values.shape, where)
    if values.dtype == np.uint8:
        return np.require(values, requirements=["C", "W"]), []
    if values.dtype == np.bool_:
        return np.ascontiguousarray(values).astype(np.uint8) * 255, []
    if values.dtype.kind not in "iuf":
        raise DataError(
            f"the images of {where} are of type {values.dtype}", hint="give whole numbers from 0 to 255."
        )
    least, most = values.min(), values.max()
    if not (0 <= least <= most <= 255):  # also NaN
        raise DataError(
            f"the pixels of {where} are from {least:g} to {most:g}",
            hint="give whole numbers from 0 to 255, or numbers from 0 to 1, before any normalisation.",
        )
    if values.dtype.kind == "f" and most <= 1:
        note = Note("info", f"{where}: numbers from 0 to 1 were multiplied by 255.")
        return np.rint(values * 255).astype(np.uint8, order="C"), [note]
    whole = values.astype(np.uint8)
    if values.dtype.kind == "f" and not np.array_equal(whole, values):
        odd = values[values != whole][0]
        raise DataError(
            f"the pixels of {where} are from {least:g} to {most:g} and not whole, such as {odd:g}",
            hint="give whole numbers from 0 to 255, or numbers from 0 to 1.",
        )
    return np.ascontiguousarray(whole), []


def as_labels(values: NDArray[Any], images: int, where: str) -> pl.Series:
    """Return an array of labels, one for each image.

    Raises:
        DataError: there are more or fewer than images, or they are no classes; the message has the numbers.

    Example:
        >>> as_labels(np.array([[3], [7]]), 2, "photos.npz").to_list()
        [3, 7]
    """
    values = one_each(values, images, what="label", of="image", where=where)
    if values.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise DataError(
                f"{counted(int((~np.isfinite(values)).sum()), 'label')} of {where} "
                f"{'is' if (~np.isfinite(values)).sum() == 1 else 'are'} {values[~np.isfinite(values)][0]}",
                hint="leave those images out.",
            )
        whole = values.astype(np.int64)
        if not np.array_equal(whole, values):
            raise DataError(
                f"a label of {where} is {values[values != whole][0]:g}",
                hint="labels are whole numbers or names.",
            )
        values = whole
    return as_series("label", values)
