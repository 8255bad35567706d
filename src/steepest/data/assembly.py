"""From prepared rows to a dataset: target, split, learned preparation, roles, tensors, in this order."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import torch

from steepest.data import dates
from steepest.data import target as targets
from steepest.data.columns import Columns, as_label, as_number, decide
from steepest.data.dataset import Dataset, Note, Part, TargetScale, Task
from steepest.data.encode import TableEncoder
from steepest.data.giveaway import giveaways
from steepest.data.options import TableOptions
from steepest.data.pipeline import TablePipeline
from steepest.data.preparation import FittedPreparation, Preparation, StepReport
from steepest.data.split import Split, group_split, random_split, stratified_split, time_split
from steepest.data.steps import ROW, counted
from steepest.errors import DataError, OptionError

PARTS = ("train", "validation", "test")
SPLIT_COLUMN = "split"
NOTE_LETTERS = 240


@dataclass(frozen=True)
class Rows:
    """What goes in: rows that have been through the steps before the first learned one.

    Attributes:
        frame: the rows; the column ``split`` says the part of rows from files of their own, else null.
        name: the dataset's name.
        source: the path, or ``"a frame"``.
        raw: names and types of the columns before any step.
        reports: what the steps did so far.
    """

    frame: pl.DataFrame
    name: str
    source: str
    raw: Mapping[str, str]
    reports: tuple[StepReport, ...] = ()


@dataclass(frozen=True)
class Assembled:
    """What comes out.

    Attributes:
        dataset: the tensors.
        pipeline: what was learned, for new rows.
        frame: the table after every step, with each row's part in the column ``split``.
        reports: what every step did.
    """

    dataset: Dataset
    pipeline: TablePipeline
    frame: pl.DataFrame
    reports: tuple[StepReport, ...]


def assemble(rows: Rows, preparation: Preparation, options: TableOptions, target: str) -> Assembled:
    """Make tensors: drop rows without target, split, learn from the training rows only, encode.

    Raises:
        DataError: the table cannot be learned from; the message says what and where.
        OptionError: an option does not fit the table.
        PreparationError: a step does not fit the table.
    """
    frame, about_rows = _with_target(rows.frame, target)
    task, about_task = targets.decide_task(frame[target], options)
    frame, about_split = _split(frame, target, task, options)
    frame, fitted, reports = _learned(frame, preparation, target)
    reports = (*rows.reports, *reports)
    columns, about_columns = decide(frame.drop(SPLIT_COLUMN), target, options)
    classes = tuple(targets.class_labels(frame[target])) if task == "classification" else ()
    encoder, scale, parts, unseen, digest = _encoded(frame, columns, options, target, classes)
    said = options.model_dump(mode="json", exclude={"source", "validation", "test", "prepare"})
    vocabularies = encoder.to_dict()["vocabularies"]
    digest.update(json.dumps([said, vocabularies, list(classes)], sort_keys=True).encode())
    pipeline = TablePipeline(
        target=target,
        task=task,
        raw={name: dtype for name, dtype in rows.raw.items() if name != target},
        missing=tuple(options.markers),
        preparation=fitted,
        columns=columns,
        encoder=encoder,
        classes=classes,
        target_scale=scale,
    )
    categorical, continuous = list(encoder.cardinalities), list(encoder.continuous)
    notes = (
        *map(note_of, reports),
        *about_rows,
        *about_task,
        *about_split,
        *about_columns,
        *_about_unseen(unseen),
        *giveaways(parts["train"], categorical, continuous, target, classes=len(classes)),
    )
    provenance = {
        "source": rows.source,
        "rows_read": rows.frame.height,
        "rows": {name: len(part) for name, part in parts.items()},
        "categorical": categorical,
        "continuous": continuous,
        "left_out": {each.name: each.reason for each in columns.columns if each.role == "left out"},
        "split": options.split,
        "split_seed": options.split_seed,
        "preparation": [{"step": each.step, "text": each.text, "rows": each.rows} for each in reports],
    }
    dataset = Dataset(
        name=rows.name,
        target=target,
        **parts,
        shape=pipeline.shape,
        classes=classes,
        target_scale=scale,
        notes=notes,
        provenance=provenance,
        fingerprint=digest.hexdigest()[:32],
    )
    return Assembled(dataset, pipeline, frame, reports)


def part_of(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """Return the rows of one part, without the column that says so."""
    return frame.filter(pl.col(SPLIT_COLUMN) == part).drop(SPLIT_COLUMN)


def _learned(
    frame: pl.DataFrame, preparation: Preparation, target: str
) -> tuple[pl.DataFrame, FittedPreparation, list[StepReport]]:
    """Fit the remaining steps on the training rows and run them on all rows."""
    numbered = frame.with_row_index(ROW)
    fitted = preparation.fit(part_of(numbered, "train"), target=target)
    done, reports = fitted.transform(numbered.drop(SPLIT_COLUMN), target=target)
    if SPLIT_COLUMN in done.columns:
        raise _name_taken()
    part = frame[SPLIT_COLUMN].gather(done[ROW])
    done = done.drop(ROW).with_columns(part).filter(pl.col(target).is_not_null())
    for each in PARTS:
        if not (done[SPLIT_COLUMN] == each).any():
            raise DataError(
                f"no {each} row is left after preparation",
                hint="a filter step leaves them all out: loosen it, or move it before the learned steps.",
            )
    return done, fitted, reports


def _encoded(
    frame: pl.DataFrame, columns: Columns, options: TableOptions, target: str, classes: tuple[str, ...]
) -> tuple[TableEncoder, TargetScale, dict[str, Part], dict[str, dict[str, int]], Any]:
    features = columns.features(frame)
    part = frame[SPLIT_COLUMN]
    encoder = TableEncoder.fit(
        features.filter(part == "train"),
        categorical=columns.categorical,
        continuous=columns.continuous,
        min_count=options.min_count,
    )
    scale, encode_target = _target_encoder(frame[target].filter(part == "train"), classes)
    digest = hashlib.sha256()
    parts: dict[str, Part] = {}
    unseen: dict[str, dict[str, int]] = {}
    for name in PARTS:
        rows = features.filter(part == name)
        answers = frame[target].filter(part == name)
        inputs, unseen[name] = encoder.encode(rows)
        parts[name] = Part(inputs, encode_target(answers))
        digest.update(inputs[0].numpy().astype("<i4").tobytes())
        for column in columns.continuous:
            digest.update((rows[column].fill_null(float("nan")).to_numpy() + 0.0).astype("<f8").tobytes())
        raw = parts[name].target.numpy() if classes else as_number(answers).to_numpy()
        digest.update(raw.astype("<f8").tobytes())
    return encoder, scale, parts, unseen, digest


def note_of(report: StepReport) -> Note:
    """Return a step's report as a note, cut where it is very long."""
    text = report.text if len(report.text) <= NOTE_LETTERS else f"{report.text[:NOTE_LETTERS]} …"
    return Note("info", f"{text}.")


def check_free(frame: pl.DataFrame) -> None:
    """Raise a ``DataError`` if the table has a column with the name of the rows' part."""
    if SPLIT_COLUMN in frame.columns:
        raise _name_taken()


def _name_taken() -> DataError:
    return DataError(
        f"the table has a column named {SPLIT_COLUMN!r}, which is the name of the rows' part",
        hint="rename it with a rename step, or leave it out with a drop step.",
    )


def _with_target(rows: pl.DataFrame, target: str) -> tuple[pl.DataFrame, list[Note]]:
    lacking = rows[target].null_count()
    if lacking == rows.height:
        raise DataError(
            f"the target {target!r} is missing in all {rows.height:,} rows",
            hint="choose another target, or say which texts mean missing with --missing.",
        )
    if not lacking:
        return rows, []
    text = f"{lacking:,} of {rows.height:,} rows have no {target} and are left out."
    return rows.filter(pl.col(target).is_not_null()), [Note("info", text)]


def _split(
    rows: pl.DataFrame, target: str, task: Task, options: TableOptions
) -> tuple[pl.DataFrame, list[Note]]:
    free = rows[SPLIT_COLUMN].is_null().to_numpy()
    here = np.flatnonzero(free)
    validation = options.validation if isinstance(options.validation, float) else 0.0
    test = options.test if isinstance(options.test, float) else 0.0
    kind, _, column = options.split.partition(":")
    if kind == "auto":
        kind = "stratified" if task == "classification" else "random"
    chosen = rows.filter(pl.Series(free)).drop(SPLIT_COLUMN)
    if kind == "stratified" and task == "regression":
        raise OptionError(
            f"split: stratified needs classes, but {target} is a number", hint="use --split random."
        )
    seed = options.split_seed
    if validation + test == 0.0:
        kind, split = "files", Split(np.arange(len(here)), np.arange(0), np.arange(0))
    elif kind == "random":
        split = random_split(len(here), validation, test, seed)
    elif kind == "stratified":
        labels = targets.class_labels(chosen[target])
        codes = targets.class_codes(chosen[target], labels).to_numpy()
        split = stratified_split(codes, validation, test, seed)
    elif kind == "group":
        targets.check_there(chosen, column, "the prepared table, which --split names")
        groups = as_label(chosen[column]).rank("dense").fill_null(0).cast(pl.Int64)
        split = group_split((groups - groups.min()).to_numpy(), validation, test, seed)
    else:
        split = time_split(_moments(chosen, column), validation, test)
    names = rows[SPLIT_COLUMN].to_numpy().astype(object)
    for part in PARTS:
        names[here[getattr(split, part)]] = part
    rows = rows.with_columns(pl.Series(SPLIT_COLUMN, names.tolist(), dtype=pl.String))
    counts = {part: int((names == part).sum()) for part in PARTS}
    how = {
        "group": f"no {column} is in two of them, split seed {seed}",
        "time": f"by {column}, the latest are for the test",
        "files": "files of their own",
    }.get(kind, f"{kind}, split seed {seed}")
    text = (
        f"{counts['train']:,} rows to train, {counts['validation']:,} to choose, {counts['test']:,} to test"
    )
    notes = [Note("info", f"{text} ({how}).")]
    if task == "classification":
        notes += _about_classes(rows, target)
    return rows, notes


def _moments(rows: pl.DataFrame, column: str) -> np.ndarray[Any, Any]:
    targets.check_there(rows, column, "the prepared table, which --split names")
    values = rows[column]
    if values.dtype == pl.String:
        form = dates.date_format(values)
        if form is None:
            raise DataError(
                f"column {column!r} is not a date or a number: {values.drop_nulls().head(1).to_list()}",
                hint="name a column of dates or numbers for --split time:COLUMN.",
            )
        values = dates.parsed(values, form)
    if values.null_count():
        raise DataError(
            f"column {column!r} has no time in {counted(values.null_count(), 'row')}",
            hint=f'leave them out with a filter step: where = "{column} IS NOT NULL".',
        )
    return (values.to_physical() if values.dtype.is_temporal() else as_number(values)).to_numpy()


def _about_classes(rows: pl.DataFrame, target: str) -> list[Note]:
    found = rows.group_by(target).agg(pl.len().alias(ROW), pl.col(SPLIT_COLUMN).unique())
    some = found.filter(pl.col(SPLIT_COLUMN).list.len() < len(PARTS)).sort(ROW, target)
    if not some.height:
        return []
    shown = [
        f"{label!s} ({n:,}, none to {' or '.join(_verb(each) for each in PARTS if each not in parts)})"
        for label, n, parts in some.head(5).iter_rows()
    ]
    more = f" and {some.height - 5} more" if some.height > 5 else ""
    how_many = counted(some.height, "class has", "classes have")
    text = f"{how_many} too few rows to be in every part: {', '.join(shown)}{more}."
    return [Note("warning", text)]


def _verb(part: str) -> str:
    return {"train": "train", "validation": "choose", "test": "test"}[part]


def _target_encoder(
    train: pl.Series, classes: tuple[str, ...]
) -> tuple[TargetScale, Callable[[pl.Series], torch.Tensor]]:
    if classes:
        known = list(classes)
        return TargetScale(), lambda values: torch.from_numpy(
            targets.class_codes(values, known).to_numpy(writable=True)
        )
    values = as_number(train).rechunk().to_numpy()
    mean, sd = float(values.mean()), float(values.std())
    if sd == 0:
        raise DataError(
            f"the target {train.name!r} has one value only, {mean:g}, in the training rows",
            hint="choose another split, or another target.",
        )
    return TargetScale(mean, sd), lambda values: torch.from_numpy(
        ((as_number(values).to_numpy() - mean) / sd).astype(np.float32)
    )


def _about_unseen(unseen: dict[str, dict[str, int]]) -> list[Note]:
    found = {name: n for name, n in unseen["validation"].items() if n}
    for name, n in unseen["test"].items():
        found[name] = found.get(name, 0) + n
    if not found:
        return []
    shown = ", ".join(f"{name} {n:,}" for name, n in sorted(found.items(), key=lambda each: -each[1])[:6])
    return [Note("info", f"values of validation and test rows that no training row has: {shown}.")]
