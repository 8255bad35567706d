"""What there is to know of images before training."""

from __future__ import annotations

import polars as pl

from steepest.data.dataset import InWords
from steepest.data.described import DataFact, DataOverview, Listed, span
from steepest.data.images.pixels import GREY, Images, shape_text
from steepest.data.labels import as_label
from steepest.data.parts import PARTS
from steepest.wording import counted


def overview(name: str, kind: str, images: Images) -> DataOverview:
    """Return the counts by class and part, size and values of images.

    Args:
        name, kind: of the data.
        images: as they were read.
    """
    pixels = images.pixels
    _, channels, height, width = pixels.shape
    part = pl.repeat("train", len(images), eager=True).alias("part")
    if images.parts is not None:
        part = images.parts.fill_null("train").alias("part")
    sizes = {each: int((part == each).sum()) for each in PARTS if (part == each).any()}
    given = [each for each in sizes if each != "train"]
    own = " and ".join(f"{counted(sizes[each], f'{each} image')} of its own" for each in given)
    least, most, mean = int(pixels.min()), int(pixels.max()), pixels.mean((0, 2, 3)).tolist()
    shown = ", ".join(f"{each:.1f}" for each in mean)
    facts = (
        DataFact("images", len(images)),
        DataFact("size", [width, height], "size", shape_text(pixels)),
        DataFact("channels", channels),
        DataFact("values", [least, most], "values", f"{span(least, most)}, mean {shown}"),
        DataFact("mean", mean),
        DataFact("parts", sizes, "parts" if given else "", own),
    )
    title = counted(len(images), "image")
    if images.labels is None:
        return DataOverview(name, kind, f"{title} without labels", facts, notes=images.notes)
    counts = (
        pl.DataFrame([as_label(images.labels).alias("class"), part])
        .group_by("class")
        .agg(
            pl.len().cast(pl.Int64).alias("images"),
            *((pl.col("part") == each).sum().cast(pl.Int64).alias(each) for each in sizes if given),
        )
        .sort("images", "class", descending=[True, False])
    )
    classes = Listed("classes", tuple(counts.columns), counts.rows())
    title = f"{title} in {counted(counts.height, 'class', 'classes')}"
    return DataOverview(name, kind, title, facts, (classes,), images.notes)


def in_words(size: tuple[int, ...]) -> InWords:
    """Return what images of a size ``[C, H, W]`` are called where people read about them.

    Example:
        >>> in_words((3, 32, 48)).inputs
        'colour images of 48 × 32 pixels'
    """
    channels, height, width = size
    inputs = f"{'grey' if channels == GREY else 'colour'} images of {width} × {height} pixels"
    return InWords(inputs, "new-images/")
