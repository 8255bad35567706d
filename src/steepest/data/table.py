"""A table that can be looked at, and turned into a dataset: the door from a user's file to training."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import polars as pl

from steepest import forks
from steepest.data import target as targets
from steepest.data.added import NOTHING_ADDED, with_added
from steepest.data.assembly import Assembled, SourceRows, assemble, check_free, note_of, row_numbers
from steepest.data.batches import BatchPlan
from steepest.data.catalog import is_name, open_catalog
from steepest.data.caution import about_split
from steepest.data.cells import Cells
from steepest.data.dataset import Dataset, Note, has_classes
from steepest.data.dates import SAMPLE, Form
from steepest.data.describe import Description, ShownRows, about_crowds, describe_columns
from steepest.data.doubts import check_doubts
from steepest.data.folds import Folds
from steepest.data.harmony import Raw, harmonised
from steepest.data.labels import with_text
from steepest.data.numbers import STANDARD
from steepest.data.options import (
    TableOptions,
    check_used,
    suggested_beside,
    table_options,
)
from steepest.data.parts import SPLIT_COLUMN, SPLIT_TYPE, about_test_sets, check_other_file
from steepest.data.pipeline import TablePipeline
from steepest.data.preparation import Preparation, StepReport
from steepest.data.read import check_lasting, is_streamed, is_text_file, read, reading, source_name
from steepest.data.reading import Reading, as_in_training
from steepest.data.reprepared import Prepared, other_options
from steepest.data.roles import decide_roles
from steepest.data.sources.contract import Source
from steepest.data.steps import ROW
from steepest.data.unforeseen import Unforeseen
from steepest.data.variants import Variant, check_varies, varied
from steepest.errors import DataError, OptionError, SteepestError


def read_table(source: Any = None, *, target: str | None = None, **options: Any) -> Table:
    """Open a table: a path, or a Polars, pandas or Arrow frame.

    The table is read when needed: ``describe`` inspects the columns, ``dataset`` makes tensors.

    Args:
        source: CSV, TSV (also packed), Parquet, Feather; or a frame, or a dict of columns; or the name of a data
            set in the catalog (``steepest list datasets``), with its target and preparation by default.
        target: the column to predict.
        **options: the fields of ``TableOptions``. They override the ``[table]`` of a preparation file, even if they
            equal the default; None means that the option is not given.

    Raises:
        OptionError: an option does not exist or has a value that is not allowed.
        DataError: the source cannot be read as a table.

    Example:
        >>> table = read_table({"x": [1, 2, 3, 4] * 5, "y": ["a", "b"] * 10}, target="y")
        >>> len(table.dataset().train), table.dataset().classes
        (16, ('a', 'b'))
        >>> read_table("flights").target
        'status'
    """
    given = {"target": target, **options}
    if isinstance(source, str | Path):
        given["source"] = str(source)
    known: Mapping[str, Any] = {}
    if is_name(source):
        opened = open_catalog(str(source))
        source, known, given = opened.table, opened.options, opened.here(given)
    preparation = Preparation.load(given.get("prepare") or known.get("prepare"))
    given = {name: value for name, value in given.items() if value is not None}

    def options_for(preparation: Preparation) -> TableOptions:
        suggested = {**known, **{k.replace("-", "_"): v for k, v in preparation.table_options.items()}}
        return table_options(**suggested_beside(suggested, table_options(**given)), **given)

    checked = options_for(preparation)
    files = (source, checked.validation, checked.test)
    check_used(checked, text="encoding" not in given or any(is_text_file(each) for each in files))
    return Table(checked, checked.source if source is None else source, preparation, options_for)


class Table(Source):
    """A source with options; see ``read_table``.

    Attributes:
        options: the options of the table.
        preparation: the preparation steps.
    """

    encodes_numbers = True

    def __init__(
        self,
        options: TableOptions,
        source: Any,
        preparation: Preparation,
        options_for: Callable[[Preparation], TableOptions],
        cells: Cells | None = None,
    ) -> None:
        if source is None:
            raise OptionError("there is no table to read", hint="name a file, or give a frame.")
        self.options = options
        self.preparation = preparation
        self._source = source
        named = source if isinstance(source, str | Path) else options.source or "table"
        self.name = Path(named).name.split(".")[0]
        self._cells = cells or read(source, self._reading, sure=False)
        self._options_for = options_for
        self._variants: dict[Variant, tuple[Dataset, TablePipeline]] = {}

    def with_validation(self, share: float) -> Self:
        """Return the same rows with another share for validation, see :meth:`Source.with_validation`."""
        made = self._split_anew(share, keep=("_prefixed", "_steps"))
        made._variants = {}
        made._options_for = lambda preparation: self._options_for(preparation).model_copy(
            update={"validation": share}
        )
        return made

    @property
    def _read_notes(self) -> tuple[Note, ...]:
        """What was decided in reading."""
        cells = self._cells
        return (*cells.strays, *cells.notes, *cells.padded(self._prefixed[0].columns), *self._steps[1])

    @property
    def _raw(self) -> pl.LazyFrame:
        return self._cells.frame

    @property
    def _reading(self) -> Reading:
        """How the texts of the table are read."""
        options = self.options
        known = options.task != "auto" and has_classes(options.task)
        classes = {options.target} if options.target and known else set[str]()
        fixed = options.task != "auto" and not classes
        return Reading(
            missing=options.markers,
            marks=options.number_marks,
            decimal=options.decimal,
            kept={*options.categorical, *classes},
            numbers={*options.continuous, options.weight or "", (options.target if fixed else None) or ""},
            target=options.target if options.task == "auto" else None,
            encoding=options.encoding,
        )

    def describe(self) -> Description:
        """Return a description of the columns and their roles; no target is needed."""
        frame, reports, _ = self._prefixed
        if self.options.target is not None:
            targets.check_there(frame, self.options.target, source_name(self._source))
        made = self._steps[0].roles_before
        before = self._raw.collect_schema().names()
        columns, notes = decide_roles(frame, self.options.target, self.options, made=made, before=before)
        if self.options.split_rule.several:
            known = frame.height - (frame[self.options.target].null_count() if self.options.target else 0)
            notes.append(Note("info", f"{about_test_sets(known, self.options)}."))
        notes += [*about_split(frame, columns, self.options), *about_crowds(frame, columns, self.options)]
        if self.options.target is not None:
            with contextlib.suppress(SteepestError):  # what cannot be learned from is described all the same
                notes += self._made.leaks
        told = (*self._read_notes, *map(note_of, reports), *notes)
        name = source_name(self._source)
        return describe_columns(frame, columns, told, name=name, options=self.options)

    def show_batch(self, n: int = 5, seed: int = 0) -> ShownRows:
        """Return the first ``n`` rows of the first training batch, decoded from the tensors."""
        data = self.final()
        index = BatchPlan(len(data.train), len(data.train), seed).indices(0)[:n]
        part = data.train.take(index)
        frame = self.pipeline.encoder.decode(part.inputs)
        if data.shape.classes:
            answers = pl.Series(data.target, [data.classes[int(each)] for each in part.target])
        else:
            scale = data.target_scale
            answers = pl.Series(data.target, (part.target.double() * scale.sd + scale.mean).tolist())
        return ShownRows(frame.insert_column(0, answers.alias(f"{data.target} (target)")))

    def dataset(self) -> Dataset:
        """Return the training, validation and test rows as tensors, which are cached.

        Raises:
            OptionError: the split has several test sets, and so several datasets; see ``folds``.
        """
        rule = self.options.split_rule
        if rule.several:
            raise OptionError(
                f"--split {rule} makes {rule.sets} datasets, but one is wanted here",
                hint="leave out --split; from Python, Table.folds() returns all of them.",
            )
        return self._made.dataset

    def folds(self) -> Folds:
        """Return the dataset of each test set, in order; one only for an ordinary split, ``dataset()``.

        Everything that is learned (steps, vocabularies, the target's scale) is learned from the training rows of each
        fold; classes have the same codes in all. A dataset of several is made when it is asked for, and not kept.

        Example:
            >>> table = read_table({"x": [1, 2, 3, 4] * 25, "y": ["a", "b"] * 50}, target="y", split="folds:5")
            >>> [(len(each.train), len(each.validation), len(each.test)) for each in table.folds()][:2]
            [(70, 10, 20), (70, 10, 20)]
        """
        return self._folds

    def final(self) -> Dataset:
        """Return the dataset for the saved model, which is cached: ``dataset()``, for an ordinary split.

        For several test sets it has no test rows: all rows but those for validation are training rows. The validation
        rows, which choose the best step, are the ordinary split's with the same kind, share and seed and without a test
        part: stratified, or of other groups than the training rows, just as in each fold.
        """
        return self._made.dataset

    def variant(
        self,
        train_rows: str | int | float = "all",
        labels: str = "",
        prepare: str | Path | Sequence[Mapping[str, Any]] | None = None,
        numbers: str = STANDARD,
    ) -> Dataset:
        """Return the dataset with other training rows, training labels or features, and the same test.

        Validation and test rows, the target's unit and the classes are those of ``dataset()``; everything that is
        learned from training rows is learned anew from those of the variant.

        Args:
            train_rows: ``all``, a share of the training rows such as 0.1, or a number of them such as 250.
            labels: a corruption of the training labels: ``noise(0.15)``, or ``shuffle``.
            prepare: another preparation: a TOML file, a list of steps, or ``none`` for no step at all.
            numbers: what a network makes of numbers, such as ``piecewise``.

        Raises:
            OptionError: there are not so many training rows, or too few would be left; a corruption does not exist; the
                split has several test sets.
            PreparationError: a step of ``prepare`` would change validation or test rows; the message names it.

        Example:
            >>> table = read_table({"x": [i / 7 for i in range(200)], "y": ["a", "b"] * 100}, target="y")
            >>> few = table.variant(train_rows=0.25, labels="noise(0.15)")
            >>> len(few.train), int((few.train.target != few.true_target).sum()), len(few.test)
            (40, 6, 20)
        """
        self.dataset()
        return self.vary(Variant.of(train_rows, labels, prepare, numbers))[0]

    def vary(self, variant: Variant, test_set: int | None = None) -> tuple[Dataset, TablePipeline]:
        """Return a variant of a dataset and its own fitted preparation.

        Args:
            variant: what is other.
            test_set: of which of several test sets, from 0; else the variant is that of ``final()``.
        """
        check_varies(variant, self.options)
        if test_set is not None and self.sets > 1:
            return self._varied(variant, self._assembled(test_set))
        if variant not in self._variants:
            self._variants[variant] = self._varied(variant, self._made)
        return self._variants[variant]

    def _varied(self, variant: Variant, base: Assembled) -> tuple[Dataset, TablePipeline]:
        other = self._prepared_by(variant)
        prepared = Prepared(other._steps[0], other.options, other._rows_after, variant.prepared_by)
        rows = functools.partial(self._rows, self.target)
        return varied(base, variant, self.options, rows, prepared, same=other is self)

    def _prepared_by(self, variant: Variant) -> Table:
        """Return the table with a variant's preparation: this one if that is the same."""
        steps = variant.steps
        if steps is None:
            return self
        preparation = Preparation.load(steps)
        options = other_options(
            self.options, self._options_for(preparation), preparation, variant.prepared_by
        )
        if preparation.to_list() == self.preparation.to_list() and options == self.options:
            return self
        other = Table(options, self._source, preparation, self._options_for, self._cells)
        return other if other._reading == self._reading else other._read_anew()

    def _read_anew(self) -> Table:
        return Table(self.options, self._source, self.preparation, self._options_for)

    def _rows_after(self, count: int) -> SourceRows:
        """Return the rows after the first steps, those from a learned one on not counted."""
        steps = self._steps[0].steps
        if count == len(steps):
            return self._rows(self.target)
        options = self.options.model_copy(update=NOTHING_ADDED)
        few = Table(options, self._source, Preparation(steps[:count]), self._options_for, self._cells)
        return few._rows(self.target)

    @property
    def pipeline(self) -> TablePipeline:
        """The fitted preparation, which is applied to new rows; of ``final()``."""
        return self._made.pipeline

    @property
    def reports(self) -> tuple[StepReport, ...]:
        """What the preparation steps did; for ``final()``."""
        return self._made.reports

    @property
    def target(self) -> str:
        """The column to predict.

        Raises:
            OptionError: no target is given.
        """
        if self.options.target is None:
            names = self._raw.collect_schema().names()
            shown = ", ".join(names[:40]) + (", …" if len(names) > 40 else "")
            raise OptionError(
                "no target is given", hint=f"name the column to predict: --target COLUMN. Columns: {shown}."
            )
        return self.options.target

    def prepared(self) -> pl.DataFrame:
        """Return the table after all preparation steps, with a column for the part of every row in ``final()``."""
        return with_text(self._made.frame).with_columns(pl.col(SPLIT_COLUMN).cast(pl.String))

    @property
    def sources(self) -> list[Any]:
        """Where its rows are from: the table, and files of their own for validation and test."""
        more = (self.options.validation, self.options.test)
        return [self._source, *(each for each in more if isinstance(each, str))]

    def check_lasting(self) -> None:
        """Raise a ``DataError`` if the table, or another file of its options, is a pipe: it could not be read again."""
        super().check_lasting()
        check_lasting(self.options.prepare)

    def make(self, test_set: int | None) -> tuple[Dataset, TablePipeline]:
        """Return a dataset and its pipeline, see :meth:`Source.make`."""
        if test_set is None or self.sets == 1:
            return self.final(), self.pipeline
        folds = self.folds()
        return folds[test_set], folds.pipeline(test_set)

    @classmethod
    def stored_pipeline(cls, stored: Mapping[str, Any]) -> TablePipeline:
        """Return a stored pipeline."""
        return TablePipeline.checked(stored)

    def __repr__(self) -> str:
        target = f", target {self.options.target!r}" if self.options.target else ""
        return f"Table({source_name(self._source)!r}{target})"

    @property
    def test_rows(self) -> pl.DataFrame:
        """The test rows in the dataset's order: ``row``, the number in their file, from 0; and their ``target``.

        Of several test sets those of all, one after the other, with the number of the ``fold``, from 0.
        """
        if not self.options.split_rule.several:
            return self._made.test
        folds = self.folds()
        each = (
            folds.test_rows(i).with_columns(pl.lit(i, pl.UInt32).alias("fold")) for i in range(len(folds))
        )
        return pl.concat(each)

    @functools.cached_property
    def _prefixed(self) -> tuple[pl.DataFrame, list[StepReport], pl.Series | None]:
        """The rows before the first learned step, what was done to them, and their numbers if some are left out."""
        forks.check()
        try:
            return self._prepare(self._raw, source_name(self._source))
        except pl.exceptions.PolarsError:
            if not is_streamed(self._source):
                raise
        # a row far down is of another type than the first ones: go through the whole file for the types
        with reading(source_name(self._source)):
            self._cells = read(self._source, self._reading)
            return self._prepare(self._raw, source_name(self._source))

    def _prepare(
        self, raw: pl.LazyFrame, name: str
    ) -> tuple[pl.DataFrame, list[StepReport], pl.Series | None]:
        wanted = {self.options.split_rule.column, self.options.weight, self.options.time}
        keep = [name for name in raw.collect_schema() if name in wanted]
        preparation, _ = self._steps
        numbered = any(step.numbers_rows for step in preparation.prefix)
        frame, reports = preparation.collect_prefix(
            raw.with_row_index(ROW) if numbered else raw, target=self.options.target, keep=keep, compact=True
        )
        if frame.height == 0:
            raise DataError(
                f"no row of {name} is left", hint="the table is empty, or a filter step removes every row."
            )
        numbers = frame.drop_in_place(ROW) if numbered else None
        return frame, reports, numbers

    @functools.cached_property
    def _steps(self) -> tuple[Preparation, tuple[Note, ...]]:
        """The preparation with the steps that options add or that are found, and what to say of them."""
        return with_added(self.preparation, self._raw, self.options)

    @functools.cached_property
    def _made(self) -> Assembled:
        """What there is one of: the dataset of an ordinary split, or else the one for the saved model."""
        return self._assembled(None if self.options.split_rule.several else 0)

    @functools.cached_property
    def _folds(self) -> Folds:
        rule = self.options.split_rule
        return Folds(self._assembled if rule.several else lambda _: self._made, rule.sets)

    def _assembled(self, test_set: int | None) -> Assembled:
        return assemble(self._rows(self.target), self._steps[0], self.options, self.target, test_set=test_set)

    def _rows(self, target: str) -> SourceRows:
        """Return all prepared rows, those of files of their own included."""
        where = source_name(self._source)
        first, reports, numbers = self._prefixed
        reports = [*reports]
        counted = [row_numbers(first, numbers)]
        targets.check_there(first, target, where)
        check_doubts(self._cells.doubts, self.options, first[target])
        check_free(first)
        raw = {name: str(dtype) for name, dtype in self._raw.collect_schema().items()}
        forms = self._forms_read(raw)
        frames = [first.with_columns(pl.lit(None, SPLIT_TYPE).alias(SPLIT_COLUMN))]
        for part, given in (("validation", self.options.validation), ("test", self.options.test)):
            if isinstance(given, str):
                check_other_file(
                    part, given, {"training": self._source, "validation": self.options.validation}
                )
                rows, unreadable, numbers = self._more_rows(given, self._known(raw, forms))
                reports += unreadable
                counted.append(row_numbers(rows, numbers))
                targets.check_there(rows, target, source_name(given))
                lacking = [each for each in first.columns if each not in rows.columns]
                if lacking:
                    raise DataError(
                        f"{source_name(given)} lacks the column {lacking[0]!r} of {where}",
                        hint=f"give a --{part} file with the same columns.",
                    )
                own = pl.lit(part, SPLIT_TYPE).alias(SPLIT_COLUMN)
                frames.append(rows.select(first.columns).with_columns(own))
        if len(frames) > 1:
            frames = [with_text(each) for each in frames]
        with reading(where):
            frame = pl.concat(frames, how="vertical_relaxed").rechunk()
        source = str(self._source) if isinstance(self._source, str | Path) else "a frame"
        notations, notes = self._cells.notations, self._read_notes
        return SourceRows(
            frame, self.name, source, raw, tuple(reports), forms, notations, notes, pl.concat(counted)
        )

    def _forms_read(self, raw: Mapping[str, str]) -> dict[str, Form]:
        """Return how texts that steps read are written, where their first rows are dates beyond doubt."""
        read = dict.fromkeys(
            name for step in self._steps[0].steps if not step.forgiving for name in step.inputs()
        )
        texts = [name for name in read if raw.get(name) == "String"]
        first = self._raw.select(texts).head(SAMPLE).collect() if texts else pl.DataFrame()
        return {
            each.name: form
            for each in first.iter_columns()
            if (form := Form.of(each)) and not form.doubtful(each)
        }

    def _known(self, raw: Mapping[str, str], forms: Mapping[str, Form]) -> Raw:
        """Return what rows of files of their own are held against."""
        first, *_ = self._prefixed
        texts = [
            each for each in first.iter_columns() if raw.get(each.name) == "String" and each.name not in forms
        ]
        found = {each.name: form for each in texts if (form := Form.of(each))}
        return Raw(raw, {**found, **forms}, raw.keys() - set(self.options.drop))

    def _more_rows(self, given: str, known: Raw) -> tuple[pl.DataFrame, list[StepReport], pl.Series | None]:
        """Return the prepared rows of a file of its own, what of it could not be read, and the rows' numbers."""
        name = source_name(given)
        trained = as_in_training(known.types, self._cells.notations)
        cells = read(given, replace(self._reading, text=trained.text, trained=trained.trained))
        for each, doubt in cells.doubts.items():
            if known.needs(each):
                raise DataError(f"column {each!r} of {name} {doubt.why}", hint=f"{doubt.cure}.")
        more, unreadable = harmonised(cells.frame.collect(), known)
        rows, _, numbers = self._prepare(more.lazy(), name)
        lines = Unforeseen(unreadable=unreadable).lines
        reports = [
            StepReport("read", f"{name}: {line}", n)
            for line, n in zip(lines, unreadable.values(), strict=True)
        ]
        reports += [StepReport("read", each.text, 1) for each in cells.strays]
        return rows, reports, numbers
