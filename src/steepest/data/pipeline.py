"""Everything that was decided and learned about a table, replayed identically on new rows."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
from torch import Tensor

from steepest.data import dates
from steepest.data.columns import Columns
from steepest.data.dataset import Shape, TargetScale, Task
from steepest.data.encode import TableEncoder
from steepest.data.preparation import FittedPreparation, StepReport
from steepest.data.read import batches, scan, source_name
from steepest.errors import DataError, FolderError, PreparationError
from steepest.files import write_atomically

VERSION = 1

DAMAGE = (
    ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError,
    pl.exceptions.PolarsError, pl.exceptions.PanicException,
)  # fmt: skip
"""What broken values in a stored file make Python and Polars raise."""


@dataclass(frozen=True)
class Encoded:
    """New rows, ready for the model.

    Attributes:
        inputs: what the model is called with.
        kept: numbers (from 0) of the raw rows that these are; a filter step may leave rows out.
        rows: number of raw rows.
        unknown: for each column that has any, how many values no training row had.
        reports: what the preparation steps did.
    """

    inputs: tuple[Tensor, ...]
    kept: pl.Series
    rows: int
    unknown: Mapping[str, int]
    reports: tuple[StepReport, ...] = ()


@dataclass(frozen=True)
class TablePipeline:
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

    @property
    def shape(self) -> Shape:
        """What a model must know."""
        outputs = len(self.classes) if self.task == "classification" else 1
        return Shape(self.task, self.encoder.cardinalities, self.encoder.continuous, outputs)

    def transform(self, source: Any) -> Encoded:
        """Read, prepare and encode new rows; columns that are not needed are ignored.

        Raises:
            DataError: the source cannot be read, or lacks a column that is needed; the message names it.
            PreparationError: a step does not fit the new rows.
        """
        frame = harmonised(self._scan(source).collect(engine="streaming"), self.raw)
        if frame.height == 0:
            raise _no_rows(source)
        return self._encoded(frame)

    def transform_batches(self, source: Any, rows: int, *, sure: bool = True) -> Iterator[Encoded]:
        """Yield what ``transform`` returns for ``rows`` rows at a time, so that a file may be larger than memory.

        The row numbers in ``kept`` are counted from the batch's first row.

        Args:
            source: a path or a frame.
            rows: rows of the source in each batch.
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
        frame = self._scan(source, sure=sure)
        frame = frame.select(
            [name for name in frame.collect_schema() if name in self.raw or name == self.target]
        )
        found = batches(frame, rows)
        first = next(found, None)
        if first is None:
            raise _no_rows(source)
        harmony = Harmony.of(first, self.raw)
        if first.height == rows and harmony.columns:  # a batch further down may lose something by it
            for each in batches(frame.select(list(harmony.columns)), rows):
                harmony = harmony.kept_by(each)
        at = 0
        for each in itertools.chain([first], found):
            try:
                yield self._encoded(harmony.applied(each))
            except DataError as error:
                where = f" (of the rows from row {at + 1:,} on)" if at else ""
                raise DataError(f"{error.fact}{where}", hint=error.hint) from None
            at += each.height

    def _scan(self, source: Any, *, sure: bool = True) -> pl.LazyFrame:
        text = [name for name, dtype in self.raw.items() if dtype == "String"]
        return scan(source, self.missing, text=text, sure=sure)

    def _encoded(self, frame: pl.DataFrame) -> Encoded:
        try:
            prepared, kept, reports = self.preparation.replay(frame, target=self.target)
        except pl.exceptions.PolarsError as error:
            raise self._other_types(frame, error) from error
        self.columns.check(prepared)
        try:
            inputs, unknown = self.encoder.encode(self.columns.features(prepared))
        except DataError as error:  # its hint may name options for reading a table anew
            raise DataError(
                error.fact,
                hint="mend the value in the table, or leave the field empty: that counts as missing.",
            ) from None
        return Encoded(inputs, kept, frame.height, unknown, tuple(reports))

    def _other_types(self, frame: pl.DataFrame, error: Exception) -> DataError:
        other = [
            f"{name} is {frame.schema[name]} and was {dtype}"
            for name, dtype in self.raw.items()
            if name in frame.columns and str(frame.schema[name]) != dtype
        ]
        return DataError(
            f"the preparation cannot be run on the new rows: {str(error).splitlines()[0]}",
            hint=f"give columns of the types trained on{': ' if other else ''}{', '.join(other[:5])}.",
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
            "target_scale": {"mean": self.target_scale.mean, "sd": self.target_scale.sd},
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> TablePipeline:
        """Return what ``to_dict`` stored."""
        return cls(
            target=stored["target"],
            task=stored["task"],
            raw=dict(stored["raw"]),
            missing=tuple(stored["missing"]),
            preparation=FittedPreparation.from_dict(stored["preparation"]),
            columns=Columns.from_dict(stored["columns"]),
            encoder=TableEncoder.from_dict(stored["encoder"]),
            classes=tuple(stored["classes"]),
            target_scale=TargetScale(**stored["target_scale"]),
        )

    def save(self, path: str | Path) -> None:
        """Write one JSON file: under a temporary name, flushed to the disk, then renamed.

        Raises:
            FolderError: the folder is missing, full or not writable; an older file stays as it was.
        """
        write_atomically(path, json.dumps(self.to_dict(), ensure_ascii=False))

    @classmethod
    def load(cls, path: str | Path) -> TablePipeline:
        """Read what ``save`` wrote.

        Raises:
            FolderError: there is no such file, or it is not a pipeline of this version.
        """
        path = Path(path)
        hint = "name the folder of a finished experiment, or train again."
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(stored, dict) or stored.get("steepest_pipeline") != VERSION:
                raise FolderError(f"{str(path)!r} is not a pipeline of version {VERSION}", hint=hint)
            found = cls.from_dict(stored)
            found._try_out()
            return found
        except OSError as error:
            raise FolderError(
                f"cannot read {str(path)!r}: {(error.strerror or str(error)).lower()}", hint=hint
            ) from error
        except DAMAGE as error:
            raise FolderError(f"{str(path)!r} is damaged: {str(error) or repr(error)}", hint=hint) from error

    def _try_out(self) -> None:
        """Compare the parts and send a row without any value through, which fails if they do not hang together."""
        made = {*self.columns.categorical, *self.columns.continuous}
        lacking = sorted({*self.encoder.vocabularies, *self.encoder.scales} - made)
        if lacking:
            raise ValueError(f"no column makes the feature {lacking[0]!r}")
        row = {
            name: pl.Series([None], dtype=_TYPES.get(dtype, pl.String)) for name, dtype in self.raw.items()
        }
        with contextlib.suppress(DataError, PreparationError):  # a step may refuse such a row
            self.transform(pl.DataFrame(row))


def _no_rows(source: Any) -> DataError:
    return DataError(f"{source_name(source)} has no rows", hint="give a table with rows to predict.")


def harmonised(frame: pl.DataFrame, raw: Mapping[str, str]) -> pl.DataFrame:
    """Return the frame with the types of the table that was trained on, where that loses nothing.

    The same values come as integers from one file and as floats or texts from another; steps and
    categories must not notice.

    Example:
        >>> harmonised(pl.DataFrame({"Ward": [1.0, None]}), {"Ward": "Int64"})["Ward"].dtype
        Int64
    """
    return Harmony.of(frame, raw).applied(frame)


@dataclass(frozen=True)
class Harmony:
    """Which columns of new rows get the type that they had in training.

    Attributes:
        columns: name → type, and for texts that are dates their format.

    Example:
        >>> Harmony.of(pl.DataFrame({"Ward": [1.0], "Beat": ["x"]}), {"Ward": "Int64", "Beat": "Int64"}).columns
        {'Ward': (Int64, None)}
    """

    columns: Mapping[str, tuple[Any, str | None]]

    @classmethod
    def of(cls, frame: pl.DataFrame, raw: Mapping[str, str]) -> Harmony:
        """Return the columns whose type can be changed without loss."""
        found: dict[str, tuple[Any, str | None]] = {}
        for column in frame.iter_columns():
            wanted = raw.get(column.name)
            dtype: Any = _TYPES.get(wanted or "")
            if wanted is None or str(column.dtype) == wanted or dtype is None:
                continue
            text = column.dtype == pl.String and dtype in (pl.Date, pl.Datetime("us"))
            found[column.name] = (dtype, dates.date_format(column) if text else None)
        return cls(found).kept_by(frame)

    def kept_by(self, frame: pl.DataFrame) -> Harmony:
        """Return those of the columns that lose nothing in these rows either."""
        there = {name: each for name, each in self.columns.items() if name in frame.columns}
        return Harmony(
            {name: each for name, each in there.items() if _changed(frame[name], *each) is not None}
        )

    def applied(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the rows with these types."""
        changed = [_changed(frame[name], *each) for name, each in self.columns.items()]
        return frame.with_columns([each for each in changed if each is not None])


def _changed(column: pl.Series, dtype: Any, form: str | None) -> pl.Series | None:
    """Return a column in another type, or None if that loses something."""
    if dtype in (pl.Date, pl.Datetime("us")) and column.dtype == pl.String:
        new = dates.as_datetime(column, form).cast(dtype)
    elif dtype == pl.Boolean and column.dtype == pl.String:
        lower = column.str.to_lowercase()
        new = pl.select(
            pl.when(lower.is_in(["true", "1"])).then(True).when(lower.is_in(["false", "0"])).then(False)
        ).to_series()
    else:
        new = column.cast(dtype, strict=False)
        if column.dtype.is_float() and dtype.is_integer() and not (new.cast(pl.Float64) == column).all():
            return None
    return new.alias(column.name) if new.null_count() == column.null_count() else None


_TYPES: dict[str, Any] = {
    "Boolean": pl.Boolean,
    "Date": pl.Date,
    "Datetime(time_unit='us', time_zone=None)": pl.Datetime("us"),
    "Float64": pl.Float64,
    "String": pl.String,
    **{str(each): each for each in (pl.Int8, pl.Int16, pl.Int32, pl.Int64)},
    **{str(each): each for each in (pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64)},
}
