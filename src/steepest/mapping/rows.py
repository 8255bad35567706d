"""Rows as points: activations of a layer for them, or what they are before any network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from steepest.data.dataset import Dataset, Part, Shape, Task
from steepest.data.names import plain
from steepest.data.parts import SPLIT_COLUMN
from steepest.data.sources.contract import Source
from steepest.data.sources.images import LABEL, ImageData
from steepest.data.sources.ratings import Ratings, RatingsPipeline
from steepest.data.sources.rows import Pipeline
from steepest.data.table import Table
from steepest.errors import DataError, OptionError, SteepestError, unknown_name
from steepest.evaluate.outputs import predict
from steepest.mapping.opened import dataset_of
from steepest.mapping.points import Index, Points, chosen, coloured
from steepest.mapping.projection import Vectors
from steepest.prediction.learned import ROW, TITLE, activations_of, layers_of
from steepest.prediction.model import TrainedModel

PARTS = ("test", "validation", "train", "all")
PREDICTED = "predicted"
RECONSTRUCTION: Task = "reconstruction"
"""Its target, and what is predicted, is the image itself."""
PLACE = "place"
"""The column with the place of a row in its part, where its number is not known."""
BATCH_ROWS = 1 << 16
WIDEST = 5000
"""Columns that rows of codes may become."""


@dataclass(frozen=True)
class MappedRows:
    """Rows before some of them are chosen.

    Attributes:
        inputs: what a model is called with.
        about: what is known of each, its number first.
        target: the column with the true target, or of images that are reconstructed their label, where it is known.
        what: the rows in words.
        notes: what is worth knowing.
    """

    inputs: tuple[Tensor, ...]
    about: pl.DataFrame
    target: str | None
    what: str
    notes: tuple[str, ...] = ()

    def take(self, index: Index) -> MappedRows:
        """Return some of the rows."""
        some = torch.from_numpy(index)
        return replace(self, inputs=tuple(each[some] for each in self.inputs), about=self.about[index])


def activations(
    model: TrainedModel, layer: str | None, rows: MappedRows, colour: str | None, most: int, seed: int
) -> Points:
    """Return the activations of a layer for rows as points.

    Args:
        model: a network.
        layer: its layer; None for the last hidden one.
        rows: of which at most ``most`` are taken, at random.
        colour: the column that points are coloured by; None for the true target, else the predicted one. A
            reconstruction is no colour: its points have that of their label, or none.
        most: so many points at most.
        seed: chooses them.

    Raises:
        UnknownNameError: there is no such layer or colour.
        ModelError: the network has no hidden layer.
    """
    found = layers_of(model.plain, model.about.shape).named(layer)
    some, notes = _some(rows, most, seed)
    vectors = activations_of(model.plain, found, some.inputs).astype(np.float64)
    count = len(some.about)
    about, default = some.about, rows.target
    if model.about.shape.task != RECONSTRUCTION:
        predicted = model.table_of(predict(model.net, some.inputs), torch.arange(count), count)
        about, default = about.with_columns(predicted["prediction"].alias(PREDICTED)), default or PREDICTED
    size = f"{vectors.shape[1]:,} number{'s' if vectors.shape[1] != 1 else ''}"
    return _points(
        some, about, vectors, f"the activations of layer {found.name} ({size})", notes,
        colour or default, model.about.shape,
    )  # fmt: skip


def features(rows: MappedRows, shape: Shape, colour: str | None, most: int, seed: int) -> Points:
    """Return rows as what they are before any network: numbers, pixels, and codes as columns of 0 and 1.

    Raises:
        UnknownNameError: there is no such colour.
        OptionError: the codes would be too many columns.
    """
    some, notes = _some(rows, most, seed)
    parts: list[NDArray[Any]] = []
    for field, values in zip(shape.fields, some.inputs, strict=True):
        if field.kind == "codes":
            sizes = list(shape.cardinalities.values())
            if sum(sizes) > WIDEST:
                raise OptionError(
                    f"the categories of {rows.what} would be {sum(sizes):,} columns",
                    hint="train a network and map its layers: steepest compare, then steepest map RUN.",
                )
            parts += [np.eye(size)[values[:, i].numpy()] for i, size in enumerate(sizes)]
        elif field.mean:
            parts.append(values.flatten(1).numpy() / 255.0)
        else:
            parts.append(values.flatten(1).numpy().astype(np.float64))
    vectors = np.concatenate(parts, axis=1)
    kind = "pixels" if any(each.kind == "image" for each in shape.fields) else "features"
    by = f"the {kind} ({vectors.shape[1]:,} numbers)"
    return _points(some, some.about, vectors, by, notes, colour or rows.target, shape)


def _some(rows: MappedRows, most: int, seed: int) -> tuple[MappedRows, tuple[str, ...]]:
    count = len(rows.about)
    index = chosen(count, most, seed)
    if len(index) == count:
        return rows, rows.notes
    return rows.take(index), (
        *rows.notes,
        f"{len(index):,} of {count:,} {rows.what} are mapped, drawn at random with seed {seed}.",
    )


def _points(
    some: MappedRows,
    about: pl.DataFrame,
    vectors: Vectors,
    by: str,
    notes: Sequence[str],
    colour: str | None,
    shape: Shape,
) -> Points:
    pictures = next(
        (
            values.numpy()
            for field, values in zip(shape.fields, some.inputs, strict=True)
            if field.kind == "image" and values.dtype == torch.uint8
        ),
        None,
    )
    points = Points(vectors, about, None, False, some.what, by, tuple(notes), pictures=pictures)
    if colour is None:
        return points
    if colour not in about.columns:
        raise unknown_name("column", colour, about.columns, more=" Name one of them with --colour.")
    made = coloured(points, colour)
    return replace(made, numeric=False) if shape.classes and colour in (some.target, PREDICTED) else made


def rows_of(
    source: Source, dataset: Dataset, part: str | None, colour: str | None, default: str
) -> MappedRows:
    """Return the rows of a part of a dataset.

    Args:
        source: where it is from.
        dataset: the rows as tensors.
        part: ``test``, ``validation``, ``train`` or ``all``; None for ``default``, or validation rows where there are
            several test sets.
        colour: a column of the source's rows to carry along.
        default: the part that is taken where none is named.

    Raises:
        OptionError: there is no such part, or it has no rows.
        UnknownNameError: there is no such column.
    """
    if part is not None and part not in PARTS:
        raise unknown_name("part of the rows", part, PARTS)
    _check_colour(colour, dataset.shape.task, dataset.target)
    notes: tuple[str, ...] = ()
    name = part or default
    if not dataset.held_out and name != "all":
        name = "train"
    elif part is None and name == "test" and not len(dataset.test):
        name = "validation"
        notes = (
            "With several test sets the network is trained on all but the validation rows, which are mapped.",
        )
    parts = PARTS[2::-1] if name == "all" and dataset.held_out else ("train",) if name == "all" else (name,)
    taken: list[Part] = [dataset.true_train if each == "train" else getattr(dataset, each) for each in parts]
    if not sum(map(len, taken)):
        raise OptionError(f"there are no {name} rows", hint=f"name another part: {', '.join(PARTS)}.")
    inputs = tuple(torch.cat(each) for each in zip(*(each.inputs for each in taken), strict=True))
    columns = _columns(source, dataset, parts, sum(map(len, taken)), colour)
    shown = LABEL if LABEL in columns else None
    if dataset.shape.task != RECONSTRUCTION:
        shown = _target_name(dataset.target)
        columns[shown] = _decoded(dataset, torch.cat([each.target for each in taken]))
    title = {"train": "training rows", "all": "rows"}.get(name, f"{name} rows")
    return MappedRows(inputs, pl.DataFrame(columns), shown, f"{title} of {dataset.name}", notes)


def _check_colour(colour: str | None, task: Task, target: str) -> None:
    if task == RECONSTRUCTION and colour in (PREDICTED, target):
        raise OptionError(
            f"--colour {colour} has no effect: an image is reconstructed, which is no colour",
            hint=f"leave it out, or give images labels and name --colour {LABEL}.",
        )


def _target_name(target: str) -> str:
    return f"true {target}" if target in (ROW, PREDICTED) else target


def _decoded(dataset: Dataset, target: Tensor) -> pl.Series:
    if dataset.classes:
        return pl.Series(list(dataset.classes)).gather(target.numpy())
    scale = dataset.target_scale
    digits = 6 - math.ceil(math.log10(scale.sd))  # a float32 score holds no more
    return pl.Series(np.round(target.double().numpy() * scale.sd + scale.mean, digits) + 0.0)


def _columns(
    source: Source, dataset: Dataset, parts: tuple[str, ...], count: int, colour: str | None
) -> dict[str, pl.Series]:
    """Return the number of each row, and what its source says of it."""
    known = (parts == ("test",) or not dataset.held_out) and source.sets == 1
    tested = source.test_rows if known else pl.DataFrame()
    if known and tested.height == count:
        found = {each: tested[each] for each in tested.columns if each not in ("target", "fold")}
    else:
        found = {PLACE: pl.int_range(count, eager=True, dtype=pl.UInt32)}
    made = [] if dataset.shape.task == RECONSTRUCTION else [_target_name(dataset.target), PREDICTED]
    if isinstance(source, ImageData) and not made:
        labels = source.labels_of(parts)
        if labels is not None and len(labels) == count:
            found[LABEL] = labels
        elif labels is not None and colour == LABEL:
            raise _other_rows(LABEL)
    wanted = [colour] if colour and colour not in (*made, *found) else []
    if isinstance(source, Ratings):
        wanted = list(dict.fromkeys([source.user, source.item, *wanted]))
    if not wanted:
        return found
    if not isinstance(source, Table | Ratings):
        raise unknown_name("column", wanted[0], [*found, *made], more=" Name one of them with --colour.")
    frame = source.prepared() if isinstance(source, Table) else source.rows
    mine = pl.concat([frame.filter(pl.col(SPLIT_COLUMN) == each) for each in parts])
    for name in wanted:
        if name not in frame.columns:
            raise unknown_name(
                "column", name, [*(each for each in frame.columns if each != SPLIT_COLUMN), PREDICTED]
            )
        if mine.height != count:
            raise _other_rows(name)
        found[name] = mine[name]
    return found


def _other_rows(name: str) -> OptionError:
    return OptionError(
        f"{name!r} is not known of these rows: the arm was trained on other rows than the data has",
        hint="colour by the target or by predicted, or map test rows.",
    )


def new_rows(pipeline: Pipeline, source: Any, colour: str | None) -> MappedRows:
    """Return rows that are given anew, as a network is called with them.

    Args:
        pipeline: of the network.
        source: as for :meth:`TrainedModel.predict`.
        colour: a column of them to carry along.

    Raises:
        DataError: they cannot be read, or no row is left.
    """
    _check_colour(colour, pipeline.task, pipeline.target)
    target = _target_name(pipeline.target)
    made = (None, pipeline.target, target, PREDICTED, ROW, TITLE)
    carried = [] if colour in made or not pipeline.keeps else [plain(str(colour))]
    ids = [pipeline.user, pipeline.item] if isinstance(pipeline, RatingsPipeline) else []
    keep = list(dict.fromkeys([*ids, *carried]))
    inputs: list[tuple[Tensor, ...]] = []
    about: list[pl.DataFrame] = []
    before, answered = 0, True
    for each in pipeline.transform_batches(source, BATCH_ROWS, keep=keep):
        answered = answered and each.target is not None
        if len(each.kept):
            frame = pl.DataFrame({ROW: each.kept.cast(pl.UInt32) + before})
            if each.carried.width:
                frame = pl.concat([frame, each.carried[each.kept]], how="horizontal")
            if each.target is not None:
                answers = each.target.cast(pl.String) if pipeline.classes else each.target.cast(pl.Float64)
                frame = frame.with_columns(answers.alias(target))
            elif each.labels is not None:
                frame = frame.with_columns(each.labels[each.kept].alias(LABEL))
            inputs.append(each.inputs)
            about.append(frame)
        before += each.rows
    if not inputs:
        raise DataError("no row is left", hint="give rows that the preparation keeps.")
    shown = LABEL if pipeline.task == RECONSTRUCTION else target
    known = all(shown in each.columns for each in about) and (answered or shown != target)
    joined = tuple(torch.cat(each) for each in zip(*inputs, strict=True))
    return MappedRows(joined, pl.concat(about, how="diagonal"), shown if known else None, "new rows")


def of_run(
    model: TrainedModel, source: Source | SteepestError, part: str | None, colour: str | None
) -> MappedRows:
    """Return rows of the data that a network was trained on.

    Raises:
        SteepestError: the data cannot be opened.
    """
    if isinstance(source, SteepestError):
        raise source
    found = rows_of(source, dataset_of(model, source), part, colour, "test")
    pipeline = model.pipeline
    if not isinstance(pipeline, RatingsPipeline) or not pipeline.titles or TITLE in found.about.columns:
        return found
    ids = found.about[pipeline.item].cast(pl.String)
    return replace(
        found, about=found.about.with_columns(pl.Series(TITLE, [pipeline.titles.get(each) for each in ids]))
    )
