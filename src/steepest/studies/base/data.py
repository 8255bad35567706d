"""The data of studies, in one file in the cache: images, often of three classes hard to tell apart, or a curve.

Tables are in :mod:`steepest.studies.base.tables`.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from steepest.data.catalog import SOURCES, open_catalog, places
from steepest.data.images.given import read_source
from steepest.data.images.pixels import Images
from steepest.files import cache_folder, write_with_folder
from steepest.rng import stream

CLOTHES = ("pullover", "coat", "shirt")
DIGITS = (3, 5, 8)
TEST_SHARE = 0.4
"""Of images that have no test images of their own."""


@dataclass(frozen=True)
class StudyData:
    """The data of a study.

    Attributes:
        path: the file.
        source: the data set of the catalog that they are of.
        digest: of the images, their labels, and which of them are test images; or of the points or rows.
        text: what they are, in a sentence.
        pixels: the numbers of one image, 1 of a curve or table.
        options: how they are opened.
    """

    path: Path
    source: str
    digest: str
    text: str
    pixels: int
    options: dict[str, Any]

    @property
    def are_images(self) -> bool:
        """Whether the file has images; else it is a table."""
        return self.path.suffix == ".npz"

    @property
    def called(self) -> str:
        """How a plan calls the data instead of naming a file in the cache."""
        return "these images" if self.are_images else "these points" if "x" in self.options else "these rows"

    def kept(self) -> dict[str, Any]:
        """Return this for JSON; the file by its name, because caches lie elsewhere on other machines."""
        found = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "path"}
        return {"file": self.path.name, **found}

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> StudyData:
        """Return what :meth:`kept` gave, in this user's cache, where the file may be missing."""
        values = dict(kept)
        return cls(path=place_of(str(values.pop("file"))), **values)


def three_classes(*, bundled: bool) -> StudyData:
    """Return the images of three classes: animal faces where the user has them, else clothes; or bundled digits.

    Args:
        bundled: take handwritten digits, which come with a library that is installed.

    Raises:
        DataError: Fashion-MNIST is not on this machine and cannot be downloaded.

    Example:
        >>> three_classes(bundled=True).text
        'the digits 3, 5 and 8 of scikit-learn (8 × 8 pixels): 323 images to learn from, 216 test images'
    """
    if bundled:
        text = "the digits 3, 5 and 8 of scikit-learn"
        return kept_images("digits-3-5-8", "digits", text, *_digits(), validation=0.2)
    if places(SOURCES.load("afhq-32")):
        text = "afhq-32, faces of cats, dogs and wild animals"
        return kept_images("afhq-32", "afhq-32", text, *_parts(*_images("afhq-32")))
    pixels, labels, test = _images("fashion-mnist")
    mine = np.isin(labels, CLOTHES)
    text = f"the classes {', '.join(CLOTHES[:-1])} and {CLOTHES[-1]} of Fashion-MNIST"
    return kept_images(
        "fashion-mnist-3", "fashion-mnist", text, *_parts(pixels[mine], labels[mine], test[mine])
    )


def all_digits(*, bundled: bool) -> StudyData:
    """Return handwritten digits of all ten classes: those of MNIST, or bundled ones of 8 × 8 pixels.

    Raises:
        DataError: MNIST is not on this machine and cannot be downloaded.

    Example:
        >>> all_digits(bundled=True).text
        'the digits of scikit-learn (8 × 8 pixels): 1,078 images to learn from, 719 test images'
    """
    if not bundled:
        return mnist()
    return kept_images("digits", "digits", "the digits of scikit-learn", *_digits(range(10)), validation=0.2)


def all_clothes() -> StudyData:
    """Return all ten classes of Fashion-MNIST, for what needs more images than three classes have.

    Raises:
        DataError: it is not on this machine and cannot be downloaded.
    """
    text = "all classes of Fashion-MNIST"
    return kept_images("fashion-mnist", "fashion-mnist", text, *_parts(*_images("fashion-mnist")))


def mnist() -> StudyData:
    """Return the handwritten digits of MNIST, of whose 60,000 training images 5,000 are for validation.

    Raises:
        DataError: MNIST is not on this machine and cannot be downloaded.
    """
    text = "the handwritten digits of MNIST"
    return kept_images("mnist", "mnist", text, *_parts(*_images("mnist")), validation=1 / 12)


def drawn_images(name: str, rows: NDArray[np.int64], text: str) -> StudyData:
    """Return training images of a data set, by their places, which may come twice; there are no test images.

    Args:
        name: of the data set in the catalog.
        rows: the places, ``[N]``.
        text: what they are.

    Raises:
        DataError: it is not on this machine and cannot be downloaded.
    """
    pixels, labels, test = _images(name)
    chosen = np.flatnonzero(~test)[rows]
    none = np.zeros(len(chosen), dtype=np.bool_)
    return kept_images(f"{name}-{len(chosen)}", name, text, pixels[chosen], labels[chosen], none)


Doubles = NDArray[np.float64]
Arrays = tuple[NDArray[np.uint8], NDArray[np.str_], NDArray[np.bool_]]


def place_of(name: str) -> Path:
    """Return where a file of that name is in this user's cache."""
    return cache_folder() / "studies" / name


def kept_images(
    name: str,
    source: str,
    text: str,
    pixels: NDArray[np.uint8],
    labels: NDArray[np.str_],
    test: NDArray[np.bool_],
    *,
    validation: float = 0.1,
) -> StudyData:
    """Write images to the cache, unless they are there, and return them as those of a study.

    Args:
        name: of the file, to which their digest is added.
        source: the data set of the catalog that they are of.
        text: what they are.
        pixels: ``[N, C, H, W]``.
        labels: ``[N]``.
        test: which of them are test images, ``[N]``.
        validation: the share of the others that weights are chosen on.
    """
    digest = hashlib.sha256(pixels.tobytes() + labels.tobytes() + test.tobytes()).hexdigest()[:12]
    path = place_of(f"{name}-{digest}.npz")
    if not path.is_file():
        buffer = io.BytesIO()
        np.savez(
            buffer, x_train=pixels[~test], y_train=labels[~test], x_test=pixels[test], y_test=labels[test]
        )
        write_with_folder(path, buffer.getvalue())
    height, width = pixels.shape[-2:]
    counts = f"{int((~test).sum()):,} images to learn from"
    counts += f", {int(test.sum()):,} test images" if test.any() else ""
    size = f"{width} × {height} pixels"
    return StudyData(
        path=path,
        source=source,
        digest=digest,
        text=f"{text} ({size}): {counts}",
        pixels=int(np.prod(pixels.shape[1:])),
        options={"validation": validation},
    )


def kept_curve(name: str, source: str, text: str, x: Doubles, y: Doubles) -> StudyData:
    """Write a curve to the cache, unless it is there, and return it as the data of a study; nothing is held out.

    Args:
        name: of the file, to which the digest of the points is added.
        source: who drew them.
        text: what they are.
        x, y: the points, ``[N]`` each.
    """
    digest = hashlib.sha256(x.tobytes() + y.tobytes()).hexdigest()[:12]
    path = place_of(f"{name}-{digest}.csv")
    if not path.is_file():
        write_with_folder(path, pl.DataFrame({"x": x, "y": y}).write_csv().encode())
    return StudyData(path, source, digest, text, 1, {"x": "x", "y": "y", "split": "none"})


def _digits(kinds: Sequence[int] = DIGITS) -> Arrays:
    """Return the bundled digits; of each image it is drawn once and for all whether it is a test image."""
    opened = open_catalog("digits")
    frame = opened.scan().collect()
    target = str(opened.options["target"])
    frame = frame.filter(pl.col(target).cast(pl.Int64).is_in(kinds))
    values = frame.drop(target).to_numpy().reshape(-1, 1, 8, 8)
    pixels = np.rint(np.asarray(values, dtype=np.float64) * (255 / 16)).astype(np.uint8)
    labels = frame[target].cast(pl.Int64).cast(pl.String).to_numpy().astype(np.str_)
    return pixels, labels, _drawn_test(len(labels))


def _images(name: str) -> Arrays:
    """Return the images of a data set of the catalog, and which of them are its test images."""
    found: Images = read_source(name, None)[0]
    assert found.labels is not None
    labels = found.labels.cast(pl.String).to_numpy().astype(np.str_)
    if found.parts is None:
        return found.pixels, labels, np.zeros(len(labels), dtype=np.bool_)
    return found.pixels, labels, (found.parts == "test").fill_null(value=False).to_numpy()


def _parts(pixels: NDArray[np.uint8], labels: NDArray[np.str_], test: NDArray[np.bool_]) -> Arrays:
    return pixels, labels, test if test.any() else _drawn_test(len(labels))


def _drawn_test(rows: int) -> NDArray[np.bool_]:
    order = stream(0, "data").permutation(rows)
    return order < round(TEST_SHARE * rows)
