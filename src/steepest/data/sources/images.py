"""The source of images: 8-bit pixels in memory, split by their labels, and normalised on the way to the model.

Labels, parts, test sets and variants are those of a table with one row for each image; its one feature is the place of
the image, so that what holds for rows of tables holds for images too. Reconstructing images needs no labels.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import polars as pl
import torch

from steepest.data.assembly import Assembled, SourceRows, assemble
from steepest.data.caution import about_copies
from steepest.data.dataset import Dataset, InputField, Note, Part, Task, has_classes
from steepest.data.described import DataOverview
from steepest.data.images.described import in_words, overview
from steepest.data.images.given import LABEL, read_source
from steepest.data.images.measured import also_among, channel_statistics
from steepest.data.images.pipeline import FILE, IMAGE, IMAGE_TASKS, ImagePipeline
from steepest.data.images.pixels import (
    Images,
    check_classes,
    shape_text,
)
from steepest.data.labels import as_label
from steepest.data.options import TableOptions
from steepest.data.parts import SPLIT_COLUMN, SPLIT_TYPE
from steepest.data.preparation import Preparation
from steepest.data.reprepared import Prepared
from steepest.data.sources.contract import Source
from steepest.data.split_rule import NOTHING
from steepest.data.variants import Variant, varied
from steepest.errors import DataError, OptionError
from steepest.rng import stream
from steepest.wording import counted

COMPONENTS = {
    "images": {
        "object": "ImageData",
        "what": "images: folders by class, a zip of them, idx files, .npz",
        "options": ["size"],
        "suffixes": [".npz", ".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"],
        "names": [r".*(images|labels)[-_.]idx[1-4][-_.]ubyte(\.gz)?"],
        "folders": True,
        "packed": [".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"],
    }
}

OFFICIAL = "given with the images"
"""Stands for the file of a part, where images come in parts."""
LEAST_IMAGES = 10


class ImageData(Source):
    """Images with labels.

    Args:
        source: as for :func:`steepest.data.images.read_images`, or the name of a data set of the catalog.
        options: how they are split, and their ``size``.

    Raises:
        DataError: they cannot be read, or are too few.
        OptionError: an option has no effect on them.

    Example:
        >>> from steepest.data.sources.opening import open_source
        >>> images = np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8)
        >>> data, _ = open_source((images, ["cat", "dog"] * 20), reader="images").make(0)
        >>> data.classes, len(data.train), data.train.inputs[0].dtype, data.shape.call
        (('cat', 'dog'), 32, torch.uint8, 'model(image)')
    """

    uses: ClassVar = frozenset({"split", "split_seed", "validation", "test", "task"})
    tasks: ClassVar[tuple[Task, ...]] = IMAGE_TASKS

    def __init__(self, source: Any, options: TableOptions) -> None:
        self._source, self.options = source, options
        self.task: Task = self.tasks[0] if options.task == "auto" else options.task
        if self.task not in self.tasks:
            raise OptionError(
                f"--task {self.task} has no effect on images", hint=f"choose {' or '.join(self.tasks)}."
            )
        self._images, self.name = read_source(source, options.size)
        self._given = () if self._images.parts is None else tuple(self._images.parts.unique())
        _ = self._own  # it is checked

    def with_validation(self, share: float) -> Self:
        """Return the same data with another share for validation, see :meth:`Source.with_validation`."""
        return self._split_anew(share, keep=("_rows", "_numbers", "_digest"))

    def _check(self) -> None:
        """Raise a ``DataError`` where nothing can be learned from the images; they can be described all the same."""
        if has_classes(self.task) and self._images.labels is not None:
            check_classes(self._images, self.name)
        if len(self._images) < LEAST_IMAGES:
            raise DataError(
                f"{self.name} has {counted(len(self._images), 'image')}, too few to split",
                hint=f"at least {LEAST_IMAGES} are needed, a few hundred to learn anything.",
            )

    @functools.cached_property
    def _own(self) -> TableOptions:
        """Return the options of the table of places and labels."""
        options, rule = self.options, self.options.split_rule
        if rule.column:
            raise OptionError(
                f"--split {options.split} names a column, and images have none",
                hint="choose random, stratified, folds:NUMBER or repeats:NUMBER.",
            )
        changes: dict[str, Any] = {}
        for part in ("validation", "test"):
            share = getattr(options, part)
            if isinstance(share, str):
                raise OptionError(
                    f"--{part} {share} has no effect on images",
                    hint=f"put the {part} images into a folder {part} beside the folder train.",
                )
            if part in self._given:
                if rule.several or (rule.kind == NOTHING and rule.refits is None):
                    raise OptionError(
                        f"--split {options.split} has no effect: {self.name} has {part} images of its own",
                        hint="leave it out.",
                    )
                if share != TableOptions.model_fields[part].default:
                    raise OptionError(
                        f"--{part} {share:g} has no effect: {self.name} has {part} images of its own",
                        hint="leave it out.",
                    )
                changes[part] = OFFICIAL
        if not has_classes(self.task) and rule.kind == "stratified":
            raise OptionError(
                "--split stratified has no effect on images that are reconstructed, not classified",
                hint=f"use --split {options.split.replace('stratified', 'random')}.",
            )
        task = self.task if has_classes(self.task) else "regression"  # of numbers that stand for the images
        return options.model_copy(
            update={**changes, "target": LABEL, "x": IMAGE, "continuous": [IMAGE], "task": task}
        )

    @property
    def target(self) -> str:
        """The label, or the image itself.

        Raises:
            DataError: the images are to be classified and have no labels.
        """
        if has_classes(self.task) and self._images.labels is None:
            raise DataError(
                f"the images of {self.name} have no labels",
                hint="put those of each class into a folder of its own, or add a file or an array of labels; "
                "--model autoencoder needs none.",
            )
        return LABEL if has_classes(self.task) else IMAGE

    def without_target(self) -> ImageData:
        """Return the images as they are looked at: those without labels as images of which nothing is asked."""
        if self._images.labels is not None:
            return self
        found = copy.copy(self)
        found.task = "reconstruction"
        del vars(found)["_own"]  # it goes by the task
        return found

    @property
    def default_model(self) -> str:
        """The model that is trained where none is named: a cheap one for classes, or the one without labels."""
        return "mlp" if has_classes(self.task) else "autoencoder"

    @property
    def images(self) -> Images:
        """The images, as they were read."""
        return self._images

    def describe(self) -> DataOverview:
        """Return the counts by class and part, size and values of the images, see :meth:`Source.describe`."""
        return overview(self.name, self.kind, self._images)

    @functools.cached_property
    def _rows(self) -> SourceRows:
        """The places of images, shuffled so that they tell nothing, and their labels."""
        self._check()
        found = self._images
        numbers = self._numbers.astype(np.int64)
        labels = found.labels if self.target == LABEL else pl.Series(numbers.astype(np.float64))
        assert labels is not None
        parts = (
            pl.repeat(None, len(found), dtype=pl.String, eager=True) if found.parts is None else found.parts
        )
        parts = parts.replace("train", None).cast(SPLIT_TYPE)
        frame = pl.DataFrame({IMAGE: numbers, LABEL: labels.alias(LABEL), SPLIT_COLUMN: parts})
        place = pl.int_range(len(found), dtype=pl.UInt32, eager=True)
        rows = pl.DataFrame({"place": place, "part": parts}).select(
            pl.col("place") - pl.col("place").min().over("part")
        )
        raw = {IMAGE: "Int64", LABEL: str(labels.dtype)}
        source = str(self._source) if isinstance(self._source, str | Path) else "arrays"
        return SourceRows(
            frame, self.name, source, raw, notes=found.notes, numbers=rows.to_series().cast(pl.UInt32)
        )

    @functools.cached_property
    def _numbers(self) -> np.ndarray[Any, Any]:
        """A number for each image, in random order."""
        return stream(0, "data").permutation(len(self._images))

    @functools.cached_property
    def _digest(self) -> str:
        return hashlib.sha256(np.ascontiguousarray(self._images.pixels).data).hexdigest()

    @functools.cached_property
    def _kept(self) -> dict[int | None, Assembled]:
        return {}

    def _assembled(self, test_set: int | None) -> Assembled:
        if test_set not in self._kept:
            made = assemble(self._rows, Preparation(()), self._own, LABEL, test_set=test_set)
            self._kept[test_set] = made
        return self._kept[test_set]

    def make(self, test_set: int | None) -> tuple[Dataset, ImagePipeline]:
        """Return a dataset and its pipeline, see :meth:`Source.make`."""
        dataset, pipeline = self._with_images(self._assembled(0 if self.sets == 1 else test_set).dataset)
        if not dataset.held_out or self.sets > 1:
            return dataset, pipeline
        return replace(dataset, notes=(*dataset.notes, *self._about_copies)), pipeline

    def vary(self, variant: Variant, test_set: int | None = None) -> tuple[Dataset, ImagePipeline]:
        """Return a variant of a dataset and its pipeline, see :meth:`Source.vary`.

        Raises:
            OptionError: the variant is of the preparation, or too few images would be left.
        """
        if variant.prepare is not None:
            raise OptionError(
                "--prepare has no effect on images",
                hint="leave it out: it is for tables.",
            )
        if variant.labels and not has_classes(self.task):
            raise OptionError(
                f"--labels {variant.labels} has no effect on images that are reconstructed, not classified",
                hint="leave it out.",
            )
        base = self._assembled(0 if self.sets == 1 else test_set)
        prepared = Prepared(Preparation(()), self._own, lambda _: self._rows, "the images")
        dataset, _ = varied(base, variant, self._own, lambda: self._rows, prepared, same=True)
        return self._with_images(dataset)

    def _with_images(self, dataset: Dataset) -> tuple[Dataset, ImagePipeline]:
        """Return a dataset of places as one of images."""
        at = np.argsort(self._numbers)

        def places_of(part: Part) -> np.ndarray[Any, Any]:
            return at[part.inputs[1][:, 0].numpy().astype(np.int64)]

        places = {name: places_of(part) for name, part in dataset.doubles.items()}
        pixels, draw = self._images.pixels, dataset.draw
        pool = None if draw is None or draw.doubles is None else places_of(draw.doubles)
        mean, sd = channel_statistics(pixels, places["train"] if pool is None else pool)
        size = tuple(map(int, pixels.shape[1:]))
        labels = self._images.labels
        pipeline = ImagePipeline(
            dataset.classes,
            "String" if labels is None else str(labels.dtype),
            InputField(IMAGE, IMAGE, size, (), mean, sd),
            self.options.size,
            self.task,
        )

        def of(part: Part, at: np.ndarray[Any, Any]) -> Part:
            images = torch.from_numpy(pixels[at])
            return replace(part, inputs=(images,), target=part.target if dataset.classes else images)

        told = json.dumps([dataset.fingerprint, self._digest, list(size)])
        scale = ", ".join(f"{m:.1f} ± {s:.1f}" for m, s in zip(mean, sd, strict=True))
        notes = (
            Note("info", f"images of {shape_text(pixels)}, normalised by the training pixels ({scale})."),
            *(each for each in dataset.notes if each in self._images.notes or not self._of_numbers(each)),
        )
        return replace(
            dataset,
            train=of(dataset.train, places["train"]),
            validation=of(dataset.validation, places["validation"]),
            test=of(dataset.test, places["test"]),
            draw=None
            if draw is None or pool is None
            else replace(draw, pool=of(draw.pool, pool), doubles=None),
            shape=pipeline.shape,
            target=pipeline.target,
            target_scale=pipeline.target_scale,
            notes=notes,
            provenance={**dataset.provenance, "continuous": [], "image": list(size)},
            words=in_words(size),
            fingerprint=hashlib.sha256(told.encode()).hexdigest()[:32],
            numbers={},
            doubles={},
        ), pipeline

    def labels_of(self, parts: Sequence[str]) -> pl.Series | None:
        """Return the labels of the images of some parts, as they follow in the dataset; None without labels."""
        if self._images.labels is None:
            return None
        frame = self._assembled(0 if self.sets == 1 else None).frame
        numbers = pl.concat([frame.filter(pl.col(SPLIT_COLUMN) == each)[IMAGE] for each in parts])
        return as_label(self._images.labels).gather(np.argsort(self._numbers)[numbers.to_numpy()])

    @functools.cached_property
    def _about_copies(self) -> list[Note]:
        """A note of the test images that are training images too, if there are any."""
        frame = self._assembled(0).frame
        at = np.argsort(self._numbers)
        train, test = (
            at[frame.filter(**{SPLIT_COLUMN: part})[IMAGE].to_numpy()] for part in ("train", "test")
        )
        return about_copies(also_among(self._images.pixels, test, train), len(test), "image")

    def _of_numbers(self, note: Note) -> bool:
        """Whether a note is of the numbers that stand for images."""
        return IMAGE in note.text or (LABEL in note.text and not has_classes(self.task))

    @property
    def test_rows(self) -> pl.DataFrame:
        """The test images, see :attr:`Source.test_rows`; with the names of their files, where they have names."""
        if self.sets == 1:
            return self._tested(0)
        each = (self._tested(i).with_columns(pl.lit(i, pl.UInt32).alias("fold")) for i in range(self.sets))
        return pl.concat(each)

    def _tested(self, test_set: int) -> pl.DataFrame:
        made = self._assembled(test_set)
        names, labels = self._images.names, self._images.labels
        held = "test" if self.options.split_rule.held_out else "train"
        mine = np.argsort(self._numbers)[made.frame.filter(pl.col(SPLIT_COLUMN) == held)[IMAGE].to_numpy()]
        found = made.test
        if not has_classes(self.task):
            found = found.drop("target")
            found = found if labels is None else found.with_columns(labels.gather(mine).alias(LABEL))
        return found if names is None else found.with_columns(names.gather(mine).alias(FILE))

    @property
    def sources(self) -> list[Any]:
        """Where the images are from."""
        return [self._source]

    def check_lasting(self) -> None:
        """Images are read once and not from pipes."""

    @classmethod
    def stored_pipeline(cls, stored: Mapping[str, Any]) -> ImagePipeline:
        """Return a stored pipeline."""
        return ImagePipeline.of_dict(stored)

    def __repr__(self) -> str:
        return f"ImageData({self.name!r}, {counted(len(self._images), 'image')} of {shape_text(self._images.pixels)})"
