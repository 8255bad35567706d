"""The page that shows images: a grid with a choice of class, and one of them with its pixel values written in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from steepest.compare.result import Picture
from steepest.data.images.pixels import GREY
from steepest.report import format as show
from steepest.report.html import embedded_json, own, policy, style, template

PAGE = 60
"""Images that are seen at a time."""
MOST_WRITTEN = 64
"""The larger side of an image whose pixel values are written in."""
MASKS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1)}


@dataclass(frozen=True)
class Enlarged:
    """One image with its pixel values.

    Attributes:
        picture: the image.
        channels: the values of each channel by row, with the channel's name where there are several; empty where the
            image is too large to have them written in.
        caption: what its values are.
        white: the value that is shown as white.
        probabilities: of each class, the highest first, where it was predicted.
    """

    picture: Picture
    channels: Sequence[tuple[str, list[list[int]]]]
    caption: str
    white: int = 255
    probabilities: Sequence[tuple[str, float]] = ()


@dataclass(frozen=True)
class Gallery:
    """What the page shows, as texts.

    Attributes:
        title: the data's name.
        sentence: what it is.
        heading, caption: of the grid.
        pictures: in the order of the grid.
        remarks: what else there is to know.
        enlarged: one image with its pixel values.
    """

    title: str
    sentence: str
    heading: str
    caption: str
    pictures: Sequence[Picture]
    remarks: Sequence[str] = ()
    enlarged: Enlarged | None = None

    @property
    def classes(self) -> dict[str, int]:
        """The classes of the pictures and how many there are of each."""
        return dict(sorted(Counter(each.truth for each in self.pictures if each.truth).items(), key=_natural))


def _natural(item: tuple[str, int]) -> tuple[int, int, str]:
    name = item[0]
    whole = name.isascii() and name.isdecimal()
    return (0, int(name), name) if whole else (1, 0, name)


def channels_of(image: NDArray[np.uint8]) -> list[tuple[str, list[list[int]]]]:
    """Return the values of each channel of an image ``[C, H, W]`` by row; none of one that is too large.

    Example:
        >>> channels_of(np.zeros((3, 1, 2), np.uint8))[0], channels_of(np.zeros((1, 1, 65), np.uint8))
        (('red', [[0, 0]]), [])
    """
    if max(image.shape) > MOST_WRITTEN:
        return []
    names = ("",) if len(image) == GREY else MASKS
    return [(name, values) for name, values in zip(names, image.tolist(), strict=True)]


def render(gallery: Gallery) -> str:
    """Return the page, self-contained."""
    scripts = [own("report.js"), own("gallery.js")]
    data: dict[str, Any] = {"figures": {}, "dark": {}}
    return template("gallery.html.j2").render(
        title=gallery.title,
        gallery=gallery,
        places={name: place for place, name in enumerate(gallery.classes)},
        page=PAGE,
        masks=MASKS,
        show=show,
        Markup=Markup,
        style=Markup(style()),
        scripts=[Markup(each) for each in scripts],
        policy=policy(scripts),
        data=Markup(embedded_json(data)),
    )
