"""A table that can be looked at, and turned into a dataset: the door from a user's file to training."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from steepest.data import dates
from steepest.data import target as targets
from steepest.data.batches import BatchPlan
from steepest.data.columns import as_number, decide
from steepest.data.dataset import Dataset, Note, Part, TargetScale, Task
from steepest.data.describe import Description, ShownRows, describe_columns
from steepest.data.encode import TableEncoder
from steepest.data.giveaway import giveaways
from steepest.data.options import TableOptions, table_options
from steepest.data.pipeline import TablePipeline, harmonised
from steepest.data.preparation import Preparation, StepReport
from steepest.data.read import reading, scan, source_name
from steepest.data.steps import counted
from steepest.data.split import group_split, random_split, stratified_split, time_split
from steepest.errors import DataError, OptionError

PARTS = ("train", "validation", "test")
SPLIT_COLUMN = "split"


def read_table(source: Any = None, *, target: str | None = None, **options: Any) -> Table:
    """Open a table: a path, or a Polars, pandas or Arrow frame.

    Nothing is decided before it is asked for: ``describe`` looks at the columns, ``dataset`` makes tensors.

    Args:
        source: CSV, TSV (also .gz, .zst), Parquet, Feather; or a frame, or a dict of columns.
        target: the column to predict.
        **options: the fields of ``TableOptions``.

    Raises:
        OptionError: an option does not exist or has a value that is not allowed.
        DataError: the source cannot be read as a table.

    Example:
        >>> table = read_table({"x": [1, 2, 3, 4] * 5, "y": ["a", "b"] * 10}, target="y")
        >>> len(table.dataset().train), table.dataset().classes
        (16, ('a', 'b'))
    """
    given = {"target": target, **options}
    if isinstance(source, str | Path):
        given["source"] = str(source)
    preparation = Preparation.load(given.get("prepare"))
    given = {name: value for name, value in given.items() if value is not None}
    merged = {**{k.replace("-", "_"): v for k, v in preparation.table_options.items()}, **given}
    checked = table_options(**merged)
    return Table(checked, checked.source if source is None else source, preparation)


@dataclass(frozen=True)
class _Made:
    dataset: Dataset
    pipeline: TablePipeline
    frame: pl.DataFrame
    reports: tuple[StepReport, ...]


class Table:
    """A source with options; see ``read_table``.

    Attributes:
        options: what was said about the table.
        preparation: the steps.
    """

    def __init__(self, options: TableOptions, source: Any, preparation: Preparation) -> None:
        if source is None:
            raise OptionError("there is no table to read", hint="name a file, or give a frame.")
        self.options = options
        self.preparation = preparation
        self._source = source
        self.name = Path(source).name.split(".")[0] if isinstance(source, str | Path) else "table"
        self._raw = scan(source, options.missing)

    def describe(self) -> Description:
        """Return what is in the columns and what they are for; no target is needed."""
        frame, reports = self._prefixed
        if self.options.target is not None:
            targets.check_there(frame, self.options.target, source_name(self._source))
        columns, notes = decide(frame, self.options.target, self.options)
        steps = tuple(Note("info", each.text) for each in reports)
        return describe_columns(
            frame, columns, (*steps, *notes), name=source_name(self._source), options=self.options
        )

    def show_batch(self, n: int = 5, seed: int = 0) -> ShownRows:
        """Return the first ``n`` rows of the first training batch, decoded from the tensors."""
        data = self.dataset()
        index = BatchPlan(len(data.train), len(data.train), seed).indices(0)[:n]
        part = data.train.take(index)
        frame = self.pipeline.encoder.decode(part.inputs)
        if data.task == "classification":
            answers = pl.Series(data.target, [data.classes[int(each)] for each in part.target])
        else:
            scale = data.target_scale
            answers = pl.Series(data.target, (part.target.double() * scale.sd + scale.mean).tolist())
        return ShownRows(frame.insert_column(0, answers.alias(f"{data.target} (target)")))

    def dataset(self) -> Dataset:
        """Return train, validation and test as tensors; made once and kept."""
        return self._made.dataset

    @property
    def pipeline(self) -> TablePipeline:
        """What was decided and learned, to be replayed on new rows."""
        return self._made.pipeline

    @property
    def reports(self) -> tuple[StepReport, ...]:
        """What the preparation steps did."""
        return self._made.reports

    def prepared(self) -> pl.DataFrame:
        """Return the table after all preparation steps, with a column that says each row's part."""
        return self._made.frame

    def __repr__(self) -> str:
        target = f", target {self.options.target!r}" if self.options.target else ""
        return f"Table({source_name(self._source)!r}{target})"

    @functools.cached_property
    def _prefixed(self) -> tuple[pl.DataFrame, list[StepReport]]:
        return self._prepare(self._raw, source_name(self._source))

    def _prepare(self, raw: pl.LazyFrame, name: str) -> tuple[pl.DataFrame, list[StepReport]]:
        column = self.options.split.partition(":")[2]
        keep = [column] if column and column in raw.collect_schema() else []
        with reading(name):
            frame, reports = self.preparation.collect_prefix(raw, target=self.options.target, keep=keep)
        if frame.height == 0:
            raise DataError(
                f"no row of {name} is left", hint="the table is empty, or a filter step removes every row."
            )
        return frame, reports

    @functools.cached_property
    def _made(self) -> _Made:
        target = self.options.target
        if target is None:
            raise OptionError("no target is named", hint="say what to predict: --target COLUMN.")
        return _make(self, target)

    def _with_files(self, target: str) -> tuple[pl.DataFrame, list[StepReport]]:
        """Return all prepared rows with their part (null where the split decides) and place in the file."""
        first, reports = self._prefixed
        targets.check_there(first, target, source_name(self._source))
        _check_free(first)
        frames = [first.with_columns(pl.lit(None, pl.String).alias(SPLIT_COLUMN))]
        schema = {name: str(dtype) for name, dtype in self._raw.collect_schema().items()}
        text = [name for name, dtype in schema.items() if dtype == "String"]
        for part, given in (("validation", self.options.validation), ("test", self.options.test)):
            if isinstance(given, str):
                raw = scan(given, self.options.missing, text=text)
                raw = harmonised(raw.collect(), schema).lazy()
                rows, _ = self._prepare(raw, source_name(given))
                targets.check_there(rows, target, source_name(given))
                lacking = [each for each in first.columns if each not in rows.columns]
                if lacking:
                    raise DataError(
                        f"{source_name(given)} lacks the column {lacking[0]!r} of {source_name(self._source)}",
                        hint=f"give a --{part} file with the same columns.",
                    )
                frames.append(rows.select(first.columns).with_columns(pl.lit(part).alias(SPLIT_COLUMN)))
        return _stacked(frames, source_name(self._source)), reports


def _make(table: Table, target: str) -> _Made:
    options, preparation = table.options, table.preparation
    rows, reports = table._with_files(target)  # pyright: ignore[reportPrivateUsage]
    read = rows.height
    rows, notes = _with_target(rows, target, source_name(table._source))  # pyright: ignore[reportPrivateUsage]
    task, about_task = targets.decide_task(rows[target], options)
    rows, about_split = _split(rows, target, task, options)
    train = _of(rows, "train")
    fitted = preparation.fit(train, target=target)
    parts: list[pl.DataFrame] = []
    for part in PARTS:
        done, part_reports = fitted.transform(_of(rows, part), target=target)
        if part == "train":
            reports = [*reports, *part_reports]
        parts.append(done.with_columns(pl.lit(part).alias(SPLIT_COLUMN)))
        if done.height == 0:
            raise DataError(
                f"no {part} row is left", hint="a filter step removes them all, or the share is too small."
            )
    frame = _stacked(parts, table.name)
    columns, about_columns = decide(frame.drop(SPLIT_COLUMN), target, options)
    of_part = [columns.features(_of(frame, part)) for part in PARTS]
    encoder = TableEncoder.fit(
        of_part[0],
        categorical=columns.categorical,
        continuous=columns.continuous,
        min_count=options.min_count,
    )
    classes = tuple(targets.class_labels(frame[target])) if task == "classification" else ()
    scale, encode_target = _target_encoder(_of(frame, "train")[target], classes)
    tensors: list[Part] = []
    digest = hashlib.sha256()
    unseen: dict[str, dict[str, int]] = {}
    for part, features in zip(PARTS, of_part, strict=True):
        answers = _of(frame, part)[target]
        inputs, unseen[part] = encoder.encode(features)
        tensors.append(Part(inputs, encode_target(answers)))
        _digest(digest, inputs[0], features.select(columns.continuous), tensors[-1], answers, task)
    raw_schema = table._raw.collect_schema()  # pyright: ignore[reportPrivateUsage]
    pipeline = TablePipeline(
        target=target,
        task=task,
        raw={name: str(dtype) for name, dtype in raw_schema.items() if name != target},
        missing=tuple(options.missing),
        preparation=fitted,
        columns=columns,
        encoder=encoder,
        classes=classes,
        target_scale=scale,
    )
    said = options.model_dump(mode="json", exclude={"source", "validation", "test", "prepare"})
    digest.update(
        json.dumps([said, encoder.to_dict()["vocabularies"], list(classes)], sort_keys=True).encode()
    )
    notes = [
        *(Note("info", each.text) for each in reports),
        *notes,
        *about_task,
        *about_split,
        *about_columns,
        *_about_unseen(unseen),
        *giveaways(
            tensors[0], list(encoder.cardinalities), list(encoder.continuous), target, classes=len(classes)
        ),
    ]
    dataset = Dataset(
        name=table.name,
        target=target,
        train=tensors[0],
        validation=tensors[1],
        test=tensors[2],
        shape=pipeline.shape,
        classes=classes,
        target_scale=scale,
        notes=tuple(notes),
        provenance={
            "source": str(table._source) if isinstance(table._source, str | Path) else "a frame",  # pyright: ignore[reportPrivateUsage]
            "rows_read": read,
            "rows": {part: len(each) for part, each in zip(PARTS, tensors, strict=True)},
            "categorical": list(encoder.cardinalities),
            "continuous": list(encoder.continuous),
            "left_out": {each.name: each.reason for each in columns.columns if each.role == "left out"},
            "split": options.split,
            "split_seed": options.split_seed,
            "preparation": [{"step": each.step, "text": each.text, "rows": each.rows} for each in reports],
        },
        fingerprint=digest.hexdigest()[:32],
    )
    return _Made(dataset, pipeline, frame, tuple(reports))


def _of(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    return frame.filter(pl.col(SPLIT_COLUMN) == part).drop(SPLIT_COLUMN)


def _check_free(frame: pl.DataFrame) -> None:
    if SPLIT_COLUMN in frame.columns:
        raise DataError(
            f"the table has a column named {SPLIT_COLUMN!r}, which is the name of the rows' part",
            hint="rename it with a rename step, or drop it with a drop step.",
        )


def _stacked(frames: list[pl.DataFrame], name: str) -> pl.DataFrame:
    with reading(name):
        return pl.concat(frames, how="vertical_relaxed").rechunk()


def _with_target(rows: pl.DataFrame, target: str, name: str) -> tuple[pl.DataFrame, list[Note]]:
    lacking = rows[target].null_count()
    if lacking == rows.height:
        raise DataError(
            f"the target {target!r} is missing in all {rows.height:,} rows of {name}",
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
    chosen = rows.filter(pl.Series(free))
    if kind == "stratified" and task == "regression":
        raise OptionError(
            f"split: stratified needs classes, but {target} is a number", hint="use --split random."
        )
    seed = options.split_seed
    if kind == "random":
        split = random_split(len(here), validation, test, seed)
    elif kind == "stratified":
        labels = targets.class_labels(chosen[target])
        codes = targets.class_codes(chosen[target], labels).to_numpy()
        split = stratified_split(codes, validation, test, seed)
    elif kind == "group":
        targets.check_there(chosen, column, "the prepared table, which --split names")
        groups = chosen[column].rank("dense").fill_null(0).cast(pl.Int64)
        split = group_split((groups - groups.min()).to_numpy(), validation, test, seed)
    else:
        split = time_split(_moments(chosen, column), validation, test)
    names = rows[SPLIT_COLUMN].to_numpy().astype(object)
    for part in PARTS:
        names[here[getattr(split, part)]] = part
    rows = rows.with_columns(pl.Series(SPLIT_COLUMN, names.tolist(), dtype=pl.String))
    counts = {part: int((names == part).sum()) for part in PARTS}
    how = {"group": f"no {column} is in two of them", "time": f"by {column}, the latest are for the test"}
    seeded = "" if kind == "time" else f", split seed {seed}"
    text = (
        f"{counts['train']:,} rows to train, {counts['validation']:,} to choose, {counts['test']:,} to test"
    )
    notes = [Note("info", f"{text} ({how.get(kind, kind)}{seeded}).")]
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
            f"column {column!r} has no time in {values.null_count():,} rows",
            hint=f'leave them out with a filter step: where = "{column} IS NOT NULL".',
        )
    return (values.to_physical() if values.dtype.is_temporal() else as_number(values)).to_numpy()


def _about_classes(rows: pl.DataFrame, target: str) -> list[Note]:
    found = rows.group_by(target).agg(pl.len(), pl.col(SPLIT_COLUMN).unique())
    some = found.filter(pl.col(SPLIT_COLUMN).list.len() < len(PARTS)).sort("len", target)
    if not some.height:
        return []
    shown = [
        f"{label!s} ({n:,}, none to {' or '.join(_verb(each) for each in PARTS if each not in parts)})"
        for label, n, parts in some.head(5).iter_rows()
    ]
    more = f" and {some.height - 5} more" if some.height > 5 else ""
    return [
        Note(
            "warning",
            f"{counted(some.height, 'class has', 'classes have')} too few rows to be in every part: {', '.join(shown)}{more}.",
        )
    ]


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


def _digest(
    digest: Any, codes: torch.Tensor, numbers: pl.DataFrame, part: Part, answers: pl.Series, task: Task
) -> None:
    digest.update(codes.numpy().astype("<i4").tobytes())
    for column in numbers.iter_columns():
        digest.update((column.fill_null(float("nan")).to_numpy() + 0.0).astype("<f8").tobytes())
    raw = part.target.numpy() if task == "classification" else as_number(answers).to_numpy()
    digest.update(raw.astype("<f8").tobytes())


def _about_unseen(unseen: dict[str, dict[str, int]]) -> list[Note]:
    found = {name: n for name, n in unseen["validation"].items() if n}
    for name, n in unseen["test"].items():
        found[name] = found.get(name, 0) + n
    if not found:
        return []
    shown = ", ".join(f"{name} {n:,}" for name, n in sorted(found.items(), key=lambda each: -each[1])[:6])
    return [Note("info", f"values of validation and test rows that no training row has: {shown}.")]
