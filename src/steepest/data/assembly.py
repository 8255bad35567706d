"""From prepared rows to a dataset: target, split, learned preparation, roles, tensors, in this order."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl
import torch

from steepest.data import target as targets
from steepest.data.caution import about_identical, about_split, about_test_rows, about_validation_rows
from steepest.data.columns import Columns
from steepest.data.dataset import Dataset, Note, Task, has_classes
from steepest.data.dates import Form
from steepest.data.giveaway import giveaways
from steepest.data.given import InheritedData
from steepest.data.labels import as_text
from steepest.data.notation import Notation
from steepest.data.options import TableOptions
from steepest.data.parts import PARTS, SPLIT_COLUMN, split_rows
from steepest.data.pipeline import TablePipeline
from steepest.data.preparation import FittedPreparation, Preparation, StepReport
from steepest.data.roles import decide_roles
from steepest.data.row_weights import counting
from steepest.data.steps import ROW
from steepest.data.tensors import Tensors, rows_of, tensors, weighted
from steepest.data.unforeseen import Unforeseen
from steepest.errors import DataError

NOTE_LETTERS = 240


@dataclass(frozen=True)
class SourceRows:
    """What goes in: rows that have been through the steps before the first learned one.

    Attributes:
        frame: the rows; the column ``split`` says the part of rows from separate files, else null (of
            type ``SPLIT_TYPE``). Texts may be held as codes.
        name: the dataset's name.
        source: the path, or ``"a frame"``.
        raw: names and types of the columns before any step.
        reports: what the steps did so far.
        forms: how the texts that steps read are written, where they are dates.
        notations: how the numbers of raw columns are written, where Python would not read them.
        notes: what was decided in reading.
        numbers: which rows of their files these are, counted from 0.
    """

    frame: pl.DataFrame
    name: str
    source: str
    raw: Mapping[str, str]
    reports: tuple[StepReport, ...] = ()
    forms: Mapping[str, Form] = field(default_factory=dict[str, Form])
    notations: Mapping[str, Notation] = field(default_factory=dict[str, Notation])
    notes: tuple[Note, ...] = ()
    numbers: pl.Series = field(default_factory=lambda: pl.Series(dtype=pl.UInt32))


@dataclass(frozen=True)
class Assembled:
    """What comes out.

    Attributes:
        dataset: the tensors.
        pipeline: what was learned, for new rows.
        frame: the table after every step, with each row's part in the column ``split``; texts may be held as
            codes, ``labels.with_text`` makes texts of them.
        reports: what every step did.
        numbers: of every row of ``frame`` its number in its file, counted from 0.
        leaks: those of the dataset's notes that name what may give test rows or the target away.
    """

    dataset: Dataset
    pipeline: TablePipeline
    frame: pl.DataFrame
    reports: tuple[StepReport, ...]
    numbers: pl.Series
    leaks: tuple[Note, ...] = ()

    @property
    def test(self) -> pl.DataFrame:
        """Of every test row its number in its file, counted from 0, and its target, in the dataset's order.

        Where nothing is held out, of every row.
        """
        mine = self.frame[SPLIT_COLUMN] == ("test" if self.dataset.held_out else "train")
        answers = as_text(self.frame[self.dataset.target].filter(mine))
        return pl.DataFrame({"row": self.numbers.filter(mine), "target": answers})


def assemble(
    rows: SourceRows,
    preparation: Preparation,
    options: TableOptions,
    target: str,
    *,
    test_set: int | None = 0,
    given: InheritedData | None = None,
    declared: Sequence[str] = (),
) -> Assembled:
    """Make tensors: drop rows without target, split, learn from the training rows only, encode.

    Args:
        rows: the prepared rows.
        preparation: the steps, of which the learned ones are still to be fitted.
        options: how the rows are split and encoded.
        target: the column to predict.
        test_set: which of several test sets, from 0; None for no test rows.
        given: for a variant of a dataset, what it has from it: its rows and their parts, and how the target is encoded.
        declared: the classes of the target in the order of their codes, where they are known beforehand, also those
            without a row.

    Raises:
        DataError: the table cannot be learned from; the message says what and where.
        OptionError: an option does not fit the table.
        PreparationError: a step does not fit the table.
    """
    frame, numbers, about_rows = with_target(rows, target)
    if given is None and options.weight is not None:
        frame, numbers, about = counting(frame, numbers, options.weight)
        about_rows += about
    several = options.split_rule.several
    before: list[str] = []
    if given is None:
        task, about_task = targets.decide_task(frame[target], options, declared)
        frame, about_parts = split_rows(frame, target, task, options, test_set)
        before = targets.class_labels(frame[target]) if several and has_classes(task) else []
    else:
        task, about_task, about_parts = given.task, [], []
        frame, numbers = given.restricted(frame, numbers)
    held_out = options.split_rule.held_out
    there = (PARTS if test_set is not None else PARTS[:2]) if held_out else PARTS[:1]
    frame, places, fitted, reports = _learned(frame, preparation, target, there)
    reports = (*rows.reports, *reports)
    numbers = numbers.gather(places).cast(pl.UInt32)
    if given is None and options.weight is not None:  # a learned step may make the weights
        frame, numbers, about = counting(frame, numbers, options.weight)
        about_rows += about
    if given is not None and given.columns is not None:
        columns, about_columns = given.columns, []
    else:
        columns, about_columns = decide_roles(
            frame.drop(SPLIT_COLUMN), target, options,
            made=preparation.roles, before=rows.raw, parts=frame[SPLIT_COLUMN],
        )  # fmt: skip
    if given is not None or declared:
        classes = tuple(declared) if given is None else given.classes
    else:
        classes = tuple(targets.class_labels(frame[target])) if has_classes(task) else ()
    if set(classes) <= set(before):  # a filter step may leave fewer of them in one test set than in another
        classes = tuple(before)
    made = tensors(
        frame, columns, options, target, classes, None if given is None else given.scale, vary=not declared
    )
    encoder, digest = made.encoder, made.digest
    about_weights: list[Note] = []
    if options.weight is not None:
        parts, about = weighted(frame, numbers, made.parts, options, digest)
        made = replace(made, parts=parts)
        about_weights.append(about)
    said = options.said()
    vocabularies = encoder.to_dict()["vocabularies"]
    which = [
        *([test_set] if several else []),
        *(name for name, each in encoder.scales.items() if each.middle),
    ]
    digest.update(json.dumps([said, vocabularies, list(classes), *which], sort_keys=True).encode())
    pipeline = TablePipeline(
        target=target,
        task=task,
        raw={name: dtype for name, dtype in rows.raw.items() if name != target},
        missing=tuple(options.markers),
        preparation=fitted,
        columns=columns,
        encoder=encoder,
        classes=classes,
        target_scale=made.scale,
        forms=_forms(rows, frame, columns),
        notations=rows.notations,
        marks=tuple(options.number_marks),
        encoding=options.encoding,
        target_types=(rows.raw.get(target, ""), str(as_text(frame[target].head(0)).dtype)),
    )
    about_parts = [*about_parts, *_about_split(frame, columns, options)] if given is None else about_parts
    identical = _about_identical(frame, columns, target) if given is None and _drawn(options) else []
    revealing: Sequence[Note] = ()
    about_features: list[Note] = []
    if given is None or given.columns is None:
        categorical, continuous = list(encoder.cardinalities), list(encoder.continuous)
        revealing = giveaways(
            made.parts["train"],
            categorical,
            continuous,
            target,
            classes=len(classes),
            sources=columns.sources,
        )
        about_features = [*_about_min_count(options, categorical), *revealing]
    notes = (
        *rows.notes,
        *map(note_of, reports),
        *about_rows,
        *about_task,
        *about_parts,
        *identical,
        *(_about_sizes(frame, made, options, task) if given is None and held_out else ()),
        *about_columns,
        *(made.about if given is None else ()),
        *about_weights,
        *_about_unforeseen(made.unforeseen),
        *about_features,
    )
    dataset = Dataset(
        name=rows.name,
        target=target,
        train=made.parts["train"],
        validation=made.parts["validation"],
        test=made.parts["test"],
        shape=pipeline.shape,
        classes=classes,
        target_scale=made.scale,
        notes=notes,
        provenance=_provenance(rows, reports, options, columns, made, test_set),
        fingerprint=digest.hexdigest()[:32],
        numbers=encoder.numbers,
        doubles=made.doubles,
        rows={
            name: torch.from_numpy(numbers.to_numpy()[mine].astype(np.int64))
            for name, mine in rows_of(frame, options).items()
        },
        held_out=held_out,
    )
    return Assembled(dataset, pipeline, frame, reports, numbers, (*identical, *revealing))


def _provenance(
    rows: SourceRows,
    reports: Sequence[StepReport],
    options: TableOptions,
    columns: Columns,
    made: Tensors,
    test_set: int | None,
) -> dict[str, Any]:
    """Return where the dataset comes from and what was done to it."""
    rule = options.split_rule
    return {
        "source": rows.source,
        "rows_read": rows.frame.height,
        "rows": {name: len(part) for name, part in made.parts.items() if rule.held_out or name == "train"},
        "categorical": list(made.encoder.cardinalities),
        "continuous": list(made.encoder.continuous),
        "left_out": {each.name: each.reason for each in columns.columns if each.role == "left out"},
        "split": options.split,
        "split_seed": options.split_seed,
        **({"test_set": test_set} if rule.several else {}),
        "preparation": [{"step": each.step, "text": each.text, "rows": each.rows} for each in reports],
    }


def part_of(frame: pl.DataFrame, part: str) -> pl.DataFrame:
    """Return the rows of one part, without the column that says so."""
    return frame.filter(pl.col(SPLIT_COLUMN) == part).drop(SPLIT_COLUMN)


def _learned(
    frame: pl.DataFrame, preparation: Preparation, target: str, parts: tuple[str, ...]
) -> tuple[pl.DataFrame, pl.Series, FittedPreparation, list[StepReport]]:
    """Fit the remaining steps on the training rows and run them on all rows; return also which rows are left."""
    numbered = frame.with_row_index(ROW)
    fitted = preparation.fit(part_of(numbered, "train"), target=target)
    done, reports = fitted.transform(numbered.drop(SPLIT_COLUMN), target=target)
    if SPLIT_COLUMN in done.columns:
        raise _name_taken()
    if done[target].null_count():
        done = done.filter(pl.col(target).is_not_null())
    places = done[ROW]
    done = done.drop(ROW).with_columns(frame[SPLIT_COLUMN].gather(places))
    for each in parts:
        if not (done[SPLIT_COLUMN] == each).any():
            raise DataError(
                f"no {each} row is left after preparation",
                hint="a filter step removes all of them: relax it, or move it before the learned steps.",
            )
    return done, places, fitted, reports


def _forms(rows: SourceRows, frame: pl.DataFrame, columns: Columns) -> dict[str, Form]:
    """Return how the raw texts that are dates are written: those that are features, and those that steps read."""
    forms = dict(rows.forms)
    for each in columns.columns:
        if rows.raw.get(each.name) != "String" or each.name in forms:
            continue
        if each.format is not None:
            forms[each.name] = Form(pl.String(), each.format, each.zone)
        elif each.role == "categorical":
            found = Form.of(frame[each.name])
            if found is not None and not found.doubtful(frame[each.name]):
                forms[each.name] = found
    return forms


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
        f"the table has a column named {SPLIT_COLUMN!r}, which is reserved for the split",
        hint="rename it with a rename step, or remove it with a drop step.",
    )


def with_target(rows: SourceRows, target: str) -> tuple[pl.DataFrame, pl.Series, list[Note]]:
    """Return the rows that have a target, and their numbers."""
    frame, all_of_it = rows.frame, rows.frame.height
    lacking = frame[target].null_count()
    if lacking == all_of_it:
        raise DataError(
            f"the target {target!r} is missing in all {all_of_it:,} rows",
            hint="name another column, or change with --missing which text means a missing value.",
        )
    if not lacking:
        return frame, rows.numbers, []
    verbs = ("has", "is") if lacking == 1 else ("have", "are")
    text = f"{lacking:,} of {all_of_it:,} rows {verbs[0]} no {target} and {verbs[1]} left out."
    there = frame[target].is_not_null()
    return frame.filter(there), rows.numbers.filter(there), [Note("info", text)]


def _drawn(options: TableOptions) -> bool:
    """Whether the one test set is drawn from the rows of a table."""
    rule = options.split_rule
    drawn = rule.kind in ("auto", "random", "stratified") and not rule.several
    return drawn and options.rating is None and isinstance(options.test, float)


def _about_split(frame: pl.DataFrame, columns: Columns, options: TableOptions) -> list[Note]:
    if not options.split_rule.held_out or options.rating is not None:
        return []
    return list(about_split(frame.drop(SPLIT_COLUMN), columns, options))


def _about_sizes(frame: pl.DataFrame, made: Tensors, options: TableOptions, task: Task) -> list[Note]:
    """Return notes of test and validation rows that are few."""
    tested = frame.height if options.split_rule.several else len(made.parts["test"])
    return [
        *about_test_rows(tested, task, options),
        *about_validation_rows(len(made.parts["validation"]), options),
    ]


def _about_identical(frame: pl.DataFrame, columns: Columns, target: str) -> list[Note]:
    used = [each.name for each in columns.columns if each.role not in ("left out", "target", "weight")]
    plain = [name for name in (*used, target) if not frame.schema[name].is_nested()]
    return about_identical(frame.select(plain), frame[SPLIT_COLUMN] == "train", frame[SPLIT_COLUMN] == "test")


def _about_unforeseen(found: dict[str, Unforeseen]) -> list[Note]:
    both = found["validation"] + found["test"]
    notes: list[Note] = []
    for counts, what in (
        (both.unknown, "values of validation and test rows that no training row has"),
        (both.missing, "missing in validation and test rows and in no training row"),
    ):
        if counts:
            most = sorted(counts.items(), key=lambda each: -each[1])
            shown = ", ".join(f"{name} {n:,}" for name, n in most[:6])
            more = f" and {len(most) - 6} more" if len(most) > 6 else ""
            notes.append(Note("info", f"{what}: {shown}{more}."))
    return notes


def _about_min_count(options: TableOptions, categorical: list[str]) -> list[Note]:
    if options.min_count == 1 or categorical:
        return []
    return [Note("warning", "--min-count has no effect: no column holds categories; leave it out.")]


def row_numbers(rows: pl.DataFrame, numbers: pl.Series | None) -> pl.Series:
    """Return the numbers of rows in their file; without any they are all of it."""
    return pl.int_range(rows.height, dtype=pl.UInt32, eager=True) if numbers is None else numbers
