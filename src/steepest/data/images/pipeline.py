"""From images to what a model is called with, as it was when the model was trained."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl
import torch

from steepest.data.catalog import is_name
from steepest.data.dataset import InputField, Shape, TargetScale, Task, has_classes
from steepest.data.images.given import LABEL, read_source
from steepest.data.images.pixels import (
    parse_size,
    part_of,
    shape_text,
    with_channels,
)
from steepest.data.labels import as_label
from steepest.data.names import plain
from steepest.data.preparation import StepReport
from steepest.data.sources.rows import Encoded, Pipeline
from steepest.data.target import typed_labels
from steepest.data.unforeseen import Unforeseen
from steepest.errors import DataError, OptionError

IMAGE, FILE = "image", "file"
IMAGE_TASKS: tuple[Task, ...] = ("classification", "reconstruction")


@dataclass(frozen=True)
class ImagePipeline(Pipeline):
    """From new images to what a model is called with.

    Attributes:
        classes: the labels in the order of their codes.
        label_type: the type of the labels in the data.
        image: the size of an image, with mean and standard deviation of each channel.
        size: what images are resized to, as ``--size`` says it.
        task: whether they are classified or reconstructed.
    """

    kind: ClassVar = "images"
    keeps: ClassVar = False

    classes: tuple[str, ...]
    label_type: str
    image: InputField
    size: str | None
    task: Task = "classification"

    @property
    def target(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The label, or the image itself."""
        return LABEL if has_classes(self.task) else IMAGE

    @functools.cached_property
    def target_scale(self) -> TargetScale:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Of a reconstruction mean and standard deviation of the pixels of all channels."""
        if has_classes(self.task):
            return TargetScale()
        mean, sd = np.array(self.image.mean), np.array(self.image.sd)
        return TargetScale(float(mean.mean()), math.sqrt(float((sd**2 + mean**2).mean() - mean.mean() ** 2)))

    @property
    def required(self) -> tuple[str, ...]:
        """New rows are images."""
        return (IMAGE,)

    @property
    def labels(self) -> pl.Series:
        """The classes as the values that they are in the data."""
        return typed_labels(self.classes, self.label_type)

    @property
    def shape(self) -> Shape:
        """What a model must know."""
        outputs = len(self.classes) if has_classes(self.task) else math.prod(self.image.size)
        return Shape(self.task, {}, (), outputs, (self.image,))

    def transform_batches(
        self, source: Any, rows: int, *, keep: Sequence[str] = (), sure: bool = True
    ) -> Iterator[Encoded]:
        """Yield new images, see :meth:`Pipeline.transform_batches`; the names of their files are carried along.

        Raises:
            DataError: they cannot be read, or have another size than those of the training.
            OptionError: a column is to be kept that images do not have.
        """
        del sure
        found, name = read_source(source, self.size)
        channels, height, width = self.image.size
        notes = [each.text for each in found.notes]
        if is_name(source) and found.parts is not None and "test" in found.parts:
            found = part_of(found, "test")
            notes.append(f"the {len(found):,} official test images of {name}.")
        if found.pixels.shape[2:] != (height, width):
            first = "" if found.names is None else f", such as {found.names[0]}"
            raise DataError(
                f"the images are {shape_text(found.pixels)}{first}; the model was trained on {width} × {height}",
                hint="resize them, or train with --size, which is then applied to new images too.",
            )
        if found.pixels.shape[1] != channels:
            notes.append(
                f"the images were made {'grey' if channels == 1 else 'of 3 channels'}, as in training."
            )
        named = pl.DataFrame() if found.names is None else found.names.alias(FILE).to_frame()
        for each in keep:
            if plain(each) not in named.columns:
                raise OptionError(
                    f"images have no column {each!r}",
                    hint="leave --keep out; the names of files are kept anyway.",
                )
        known, labels = found.labels, None if found.labels is None else as_label(found.labels)
        if known is not None and not set(known.cast(pl.String)) & set(self.classes):
            known = None  # the folders of new images are no classes
        for start in range(0, len(found), rows):
            block = found.pixels[start : start + rows]
            yield Encoded(
                inputs=(torch.from_numpy(with_channels(block, channels)),),
                kept=pl.int_range(len(block), dtype=pl.UInt32, eager=True),
                rows=len(block),
                unforeseen=Unforeseen(),
                reports=tuple(StepReport("read", each, 0) for each in notes) if start == 0 else (),
                target=None if known is None else known[start : start + rows].alias(self.target),
                carried=named[start : start + rows],
                labels=None if labels is None else labels[start : start + rows],
            )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "source": "images",
            "task": self.task,
            "classes": list(self.classes),
            "label_type": self.label_type,
            "image": list(self.image.size),
            "mean": list(self.image.mean),
            "sd": list(self.image.sd),
            "size": self.size,
        }

    @classmethod
    def of_dict(cls, stored: Mapping[str, Any]) -> ImagePipeline:
        """Return what :meth:`to_dict` gave."""
        size, mean, sd = stored["image"], stored["mean"], stored["sd"]
        if len(size) != 3 or not len(mean) == len(sd) == size[0] or min(map(int, size)) < 1:
            raise ValueError(f"images of the shape {size} with {len(mean)} means")
        image = InputField(
            IMAGE, IMAGE, tuple(map(int, size)), (), tuple(map(float, mean)), tuple(map(float, sd))
        )
        parse_size(stored["size"])
        task: Any = stored.get("task", "classification")
        if task not in IMAGE_TASKS:
            raise ValueError(f"images with the task {task!r}")
        return cls(tuple(map(str, stored["classes"])), str(stored["label_type"]), image, stored["size"], task)
