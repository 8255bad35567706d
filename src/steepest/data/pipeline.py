"""Everything that was decided and learned about a table, replayed identically on new rows."""

from __future__ import annotations

import contextlib
import itertools
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from steepest.data.cells import Cells
from steepest.data.columns import Columns, lacking_columns, near_names
from steepest.data.dataset import Note, Shape, TargetScale, Task, has_classes
from steepest.data.dates import Form
from steepest.data.encode import TableEncoder
from steepest.data.harmony import Harmony, Raw, harmonised, stored_type
from steepest.data.notation import Notation
from steepest.data.options import NUMBER_MARKS
from steepest.data.preparation import FittedPreparation, StepReport
from steepest.data.read import batches, read, source_name
from steepest.data.reading import as_in_training
from steepest.data.sources.rows import HINT, Encoded, Pipeline, read_stored
from steepest.data.target import typed_labels
from steepest.data.unforeseen import Unforeseen
from steepest.errors import DataError, FolderError, PreparationError, unknown_name
from steepest.wording import first_few

VERSION = 2
READABLE = (1, 2)
"""Before 2, texts with an offset were read in UTC, and nothing was kept of how dates and numbers are written."""


@dataclass(frozen=True)
class TablePipeline(Pipeline):
    """From raw rows to tensors, as learned on the training rows; plain values, stored as one JSON file.

    Attributes:
        target: the target column; it may be absent from new rows.
        task: what is predicted.
        raw: the raw columns and their types, by which new rows are read.
        missing: texts that mean a missing value.
        preparation: the fitted steps.
        columns: roles and features.
        encoder: vocabularies and scales.
        classes: class labels in the order of their codes; empty for regression.
        target_scale: how a regression target was standardised.
        forms: how the raw texts that are dates are written.
        notations: how the raw texts that are numbers are written, where Python would not read them.
        marks: texts that mean a missing value among numbers.
        encoding: the encoding of text files that are not UTF-8, or ``auto``.
        target_types: of the target, its raw type (empty if steps make it) and its prepared one.
    """

    target: str
    task: Task
    raw: Mapping[str, str]
    missing: tuple[str, ...]
    preparation: FittedPreparation
    columns: Columns
    encoder: TableEncoder
    classes: tuple[str, ...] = ()
    target_scale: TargetScale = field(default_factory=TargetScale)
    forms: Mapping[str, Form] = field(default_factory=dict[str, Form])
    notations: Mapping[str, Notation] = field(default_factory=dict[str, Notation])
    marks: tuple[str, ...] = NUMBER_MARKS
    encoding: str = "auto"
    target_types: tuple[str, str] = ("", "")

    @property
    def made_numbers(self) -> frozenset[str]:
        """The columns of numbers that steps have made of texts."""
        roles = self.preparation.preparation.roles
        return frozenset(name for name, role in roles.items() if role == "continuous")

    @property
    def required(self) -> tuple[str, ...]:
        """The columns that features are made of: those of new rows, as far as steps make one column of one."""
        made_of = self._made_of(frozenset(self.columns.required))
        return (*(name for name in self.raw if name in made_of), *sorted(made_of - self.raw.keys()))

    @property
    def weight(self) -> str | None:
        """The column of weights of rows in training; None if there was none."""
        return next(iter(self.columns.of("weight")), None)

    @property
    def labels(self) -> pl.Series:
        """The classes in the order of their codes, as the values that they are in the table; empty for regression."""
        return typed_labels(self.classes, self.target_types[1])

    @property
    def shape(self) -> Shape:
        """What a model must know."""
        outputs = len(self.classes) if has_classes(self.task) else 1
        encoder = self.encoder
        return Shape(self.task, encoder.cardinalities, encoder.continuous, outputs, numbers=encoder.encoding)

    def transform(self, source: Any) -> Encoded:
        """Read, prepare and encode new rows; columns that are not needed are ignored.

        Raises:
            DataError: the source cannot be read, or lacks a column that is needed; the message names it.
            PreparationError: a step does not fit the new rows.
        """
        cells, absent = self._read(source)
        frame = cells.frame.with_columns(self._gaps(absent)).collect(engine="streaming")
        if frame.height == 0:
            raise _no_rows(source)
        return self._encoded(*harmonised(frame, self._known), cells.notes, absent)

    def transform_batches(
        self, source: Any, rows: int, *, keep: Sequence[str] = (), sure: bool = True
    ) -> Iterator[Encoded]:
        """Yield what ``transform`` returns for ``rows`` rows at a time, so that a file may be larger than memory.

        The row numbers in ``kept`` are counted from the batch's first row.

        Args:
            source: a path or a frame.
            rows: rows of the source in each batch.
            keep: columns of the source to carry along.
            sure: see ``read.scan``.

        Raises:
            DataError: the source cannot be read, or lacks a column that is needed; the message names it.
            PreparationError: a step does not fit the new rows.

        Example:
            >>> from steepest.data.table import read_table
            >>> rows = {"x": [1.5, 2.5, 3.5, 4.5] * 5, "y": ["a", "b"] * 10}
            >>> pipeline = read_table(rows, target="y").pipeline
            >>> [each.rows for each in pipeline.transform_batches(rows, 8)]
            [8, 8, 4]
        """
        cells, absent = self._read(source, sure=sure)
        there = cells.frame.collect_schema().names()
        for name in keep:
            if name not in there:
                error = unknown_name("column", name, there)
                raise DataError(f"there is no column {name!r} in {source_name(source)}", hint=error.hint)
        wanted = {*self.raw, self.target, *keep}
        frame = cells.frame.select([name for name in there if name in wanted])
        frame = frame.with_columns(self._gaps([name for name in absent if name not in keep]))
        found = batches(frame, rows)
        first = next(found, None)
        if first is None:
            raise _no_rows(source)
        harmony = Harmony.of(first, self._known)
        if first.height == rows and harmony.columns:  # a batch further down may lose something by it
            for each in batches(frame.select(list(harmony.columns)), rows):
                harmony = harmony.kept_by(each)
        at = 0
        for each in itertools.chain([first], found):
            try:
                harmony = harmony.settled(each) if at else harmony
                found = self._encoded(*harmony.applied(each), cells.notes, absent)
                yield replace(found, carried=each.select(keep))
            except DataError as error:
                where = f" (of the rows from row {at + 1:,} on)" if at else ""
                raise DataError(f"{error.fact}{where}", hint=error.hint) from None
            at += each.height

    @property
    def optional(self) -> frozenset[str]:
        """The raw columns that new rows may lack, because some of their values were missing in training.

        Each makes one feature alone, whose missing values training knew; a column that a step reads for more is not
        among them.
        """
        encoder = self.encoder
        known = {
            name for name, each in (*encoder.vocabularies.items(), *encoder.scales.items()) if each.missing
        }
        found = frozenset[str]()
        for each in self.columns.columns:
            if {f"{each.name} {part}" for part in each.parts} <= known if each.parts else each.name in known:
                before = self._made_of(frozenset({each.name}))
                found |= before if len(before) == 1 else frozenset()
        return found & self.raw.keys()

    def _made_of(self, names: frozenset[str]) -> frozenset[str]:
        """Return the columns before all steps that serve only to make the columns ``names``."""
        for step in reversed(self.preparation.preparation.steps):
            names = step.sources(names)
        return names

    def _gaps(self, absent: Sequence[str]) -> list[pl.Expr]:
        """Return columns without values for those that new rows lack, of the types in training."""
        return [pl.lit(None, dtype=stored_type(self.raw[name]) or pl.String()).alias(name) for name in absent]

    def _read(self, source: Any, *, sure: bool = True) -> tuple[Cells, list[str]]:
        """Return new rows, and the columns that they lack and that count as missing.

        Raises:
            DataError: the source cannot be read, or lacks a column that had all its values in training, or seems to
                have one under another name.
        """
        known = self._known
        reading = as_in_training(known.types, self.notations)
        reading = replace(reading, missing=self.missing, marks=self.marks, encoding=self.encoding)
        cells = read(source, reading, sure=sure)
        there = cells.frame.collect_schema().names()
        if there and not {*self.raw, self.target} & set(there):
            raise DataError(
                f"{source_name(source)} has none of the columns {first_few(self.required)}; it has {first_few(there)}",
                hint="give the columns that were there in training; they are found by their names.",
            )
        for name, doubt in cells.doubts.items():
            if known.needs(name):
                raise DataError(f"column {name!r} {doubt.why}", hint=f"{doubt.cure}.")
        needed = self._made_of(frozenset(self.required))
        absent = [name for name in self.raw if name in needed and name != self.target and name not in there]
        others = [name for name in there if name not in {*self.raw, self.target}]
        misspelt = near_names(absent, others)
        lacking = [name for name in absent if name not in self.optional or name in misspelt]
        if lacking:
            raise lacking_columns(lacking, others)
        return cells, absent

    @property
    def _known(self) -> Raw:
        """What new rows are held against."""
        read = {
            name
            for step in self.preparation.preparation.steps
            if not step.forgiving
            for name in step.inputs()
        }
        types = {**self.raw, self.target: self.target_types[0]} if self.target_types[0] else self.raw
        return Raw(types, self.forms, (read | set(self.columns.required)) - {self.target})

    def _encoded(
        self,
        frame: pl.DataFrame,
        unreadable: Mapping[str, int],
        notes: Sequence[Note],
        absent: Sequence[str] = (),
    ) -> Encoded:
        try:
            prepared, kept, reports = self.preparation.replay(frame, target=self.target)
        except pl.exceptions.PolarsError as error:
            raise self._other_types(frame, error) from error
        self.columns.check(prepared)
        try:
            features = self.columns.features(prepared)
            inputs, unforeseen = self.encoder.encode(features)
        except DataError as error:  # its hint may name options for reading a table anew
            raise DataError(
                error.fact,
                hint="correct the value in the table, or leave the field empty, which means a missing value"
                f"{self._as_category(prepared)}.",
            ) from None
        unforeseen += Unforeseen(unreadable=unreadable, absent=dict.fromkeys(absent, frame.height))
        unforeseen = self.columns.by_column(unforeseen, prepared, features)
        about = [StepReport("read", note.text) for note in notes]
        answers = prepared[self.target] if self.target in prepared.columns else None
        doubles = self.encoder.doubles(features, inputs)
        weights = prepared[self.weight] if self.weight in prepared.columns else None
        return Encoded(
            inputs,
            kept,
            frame.height,
            unforeseen,
            (*about, *reports),
            answers,
            doubles=doubles,
            weights=weights,
            blank=self._blank(frame, unforeseen),
        )

    def _blank(self, frame: pl.DataFrame, found: Unforeseen) -> dict[str, bool]:
        """Return the columns without a value that features are made of, and of each whether new rows lack it."""
        needed = self._made_of(frozenset(self.required))
        return {
            name: name in found.absent
            for name in self.raw
            if name in needed
            and name != self.target
            and frame[name].null_count() + found.unreadable.get(name, 0) == frame.height
        }

    def _as_category(self, prepared: pl.DataFrame) -> str:
        """Return what to do if numbers of training, where new rows have texts, were codes of categories."""
        texts = [
            each.name
            for each in self.columns.columns
            if each.role == "continuous" and each.format is None and prepared.schema[each.name] == pl.String
        ]
        name = shlex.quote(texts[0]) if texts else ""
        return f"; if {name} is a category, train again with --categorical {name}" if texts else ""

    def _other_types(self, frame: pl.DataFrame, error: Exception) -> DataError:
        other = [
            f"{name} is {frame.schema[name]} and was {dtype}"
            for name, dtype in self.raw.items()
            if name in frame.columns and str(frame.schema[name]) != dtype
        ]
        return DataError(
            f"the preparation cannot be run on the new rows: {str(error).splitlines()[0]}",
            hint=f"give columns with the types used in training{': ' if other else ''}{', '.join(other[:5])}.",
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "steepest_pipeline": VERSION,
            "target": self.target,
            "task": self.task,
            "raw": dict(self.raw),
            "missing": list(self.missing),
            "preparation": self.preparation.to_dict(),
            "columns": self.columns.to_dict(),
            "encoder": self.encoder.to_dict(),
            "classes": list(self.classes),
            "target_types": list(self.target_types),
            "target_scale": {"mean": self.target_scale.mean, "sd": self.target_scale.sd},
            "numbers": {name: each.to_dict() for name, each in self.notations.items()},
            "marks": list(self.marks),
            "encoding": self.encoding,
            "dates": {name: {"format": each.format, "zone": each.zone} for name, each in self.forms.items()},
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> TablePipeline:
        """Return what ``to_dict`` stored."""
        columns = Columns.from_dict(stored["columns"])
        written = {each.name: each for each in columns.columns if each.format is not None}
        forms = stored.get("dates")
        if forms is None:
            forms = {
                name: {"format": written[name].format, "zone": written[name].zone}
                for name, dtype in stored["raw"].items()
                if name in written and dtype == "String"
            }
        return cls(
            target=stored["target"],
            task=stored["task"],
            raw=dict(stored["raw"]),
            missing=tuple(stored["missing"]),
            preparation=FittedPreparation.from_dict(stored["preparation"]),
            columns=columns,
            encoder=TableEncoder.from_dict(stored["encoder"]),
            classes=tuple(stored["classes"]),
            target_scale=TargetScale(**stored["target_scale"]),
            forms={name: Form(pl.String(), each["format"], each["zone"]) for name, each in forms.items()},
            notations={name: Notation.from_dict(each) for name, each in stored.get("numbers", {}).items()},
            marks=tuple(stored.get("marks", NUMBER_MARKS)),
            encoding=str(stored.get("encoding", "auto")),
            target_types=_pair(stored.get("target_types", ["", ""])),
        )

    @classmethod
    def checked(cls, stored: Mapping[str, Any]) -> TablePipeline:
        """Return what ``to_dict`` stored, after sending a row through it.

        Raises:
            FolderError: it is not a pipeline of this version.
        """
        if stored.get("steepest_pipeline") not in READABLE:
            raise FolderError(f"this is not a pipeline of version {VERSION} or before", hint=HINT)
        found = cls.from_dict(stored)
        found._try_out()
        return found

    @classmethod
    def load(cls, path: str | Path) -> TablePipeline:
        """Read what ``save`` wrote.

        Raises:
            FolderError: there is no such file, or it is not a pipeline of this version.
        """
        return read_stored(path, cls.checked)

    def _try_out(self) -> None:
        """Compare the parts and send a row without any value through, which fails if they do not hang together."""
        made = {*self.columns.categorical, *self.columns.continuous}
        lacking = sorted({*self.encoder.vocabularies, *self.encoder.scales} - made)
        if lacking:
            raise ValueError(f"no column makes the feature {lacking[0]!r}")
        row = {
            name: pl.Series([None], dtype=stored_type(dtype) or pl.String())
            for name, dtype in self.raw.items()
        }
        with contextlib.suppress(DataError, PreparationError):  # a step may refuse such a row
            self.transform(pl.DataFrame(row))


def _pair(stored: Sequence[Any]) -> tuple[str, str]:
    raw, prepared = stored
    return str(raw), str(prepared)


def _no_rows(source: Any) -> DataError:
    return DataError(f"{source_name(source)} has no rows", hint="give a table with rows to predict.")
