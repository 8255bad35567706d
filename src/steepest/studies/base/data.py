"""The images of studies: three classes that are hard to tell apart, in one file in the user's cache."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from steepest.data.catalog import SOURCES, cache_folder, open_catalog, places
from steepest.data.images.given import read_source
from steepest.data.images.pixels import Images
from steepest.files import cannot_write, write_atomically
from steepest.rng import stream

CLOTHES = ("pullover", "coat", "shirt")
DIGITS = (3, 5, 8)
TEST_SHARE = 0.4
"""Of images that have no test images of their own."""


@dataclass(frozen=True)
class StudyData:
    """The images of a study.

    Attributes:
        path: the file.
        source: the data set of the catalog that they are of.
        digest: of the images, their labels, and which of them are test images.
        text: what they are, in a sentence.
        pixels: the numbers of one image.
        options: how they are opened.
    """

    path: Path
    source: str
    digest: str
    text: str
    pixels: int
    options: dict[str, float]

    def kept(self) -> dict[str, Any]:
        """Return this for JSON; the file by its name, because caches lie elsewhere on other machines."""
        found = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "path"}
        return {"file": self.path.name, **found}

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> StudyData:
        """Return what :meth:`kept` gave, in this user's cache, where the file may be missing."""
        values = dict(kept)
        return cls(path=_where(str(values.pop("file"))), **values)


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


Arrays = tuple[NDArray[np.uint8], NDArray[np.str_], NDArray[np.bool_]]


def _where(name: str) -> Path:
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
    path = _where(f"{name}-{digest}.npz")
    if not path.is_file():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(path.parent, error) from error
        buffer = io.BytesIO()
        np.savez(
            buffer, x_train=pixels[~test], y_train=labels[~test], x_test=pixels[test], y_test=labels[test]
        )
        write_atomically(path, buffer.getvalue())
    height, width = pixels.shape[-2:]
    counts = f"{int((~test).sum()):,} images to learn from, {int(test.sum()):,} test images"
    size = f"{width} × {height} pixels"
    return StudyData(
        path=path,
        source=source,
        digest=digest,
        text=f"{text} ({size}): {counts}",
        pixels=int(np.prod(pixels.shape[1:])),
        options={"validation": validation},
    )


def _digits() -> Arrays:
    """Return the bundled digits; of each image it is drawn once and for all whether it is a test image."""
    opened = open_catalog("digits")
    frame = opened.scan().collect()
    target = str(opened.options["target"])
    frame = frame.filter(pl.col(target).cast(pl.Int64).is_in(DIGITS))
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
