"""Which part each row of a table is in, by the options, and what a person should read about it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from steepest.data import dates
from steepest.data import target as targets
from steepest.data.columns import as_number
from steepest.data.dataset import Note, Task, has_classes
from steepest.data.labels import as_label, as_text
from steepest.data.options import TableOptions
from steepest.data.split import (
    Split,
    group_fold,
    group_folds,
    group_split,
    last_split,
    random_split,
    repeat_seed,
    row_fold,
    row_folds,
    sizes,
    stratified_split,
    time_split,
)
from steepest.data.split_rule import LAST, Kind, SplitRule
from steepest.data.steps import ROW
from steepest.errors import DataError, OptionError
from steepest.wording import counted

PARTS = ("train", "validation", "test")
SPLIT_COLUMN = "split"
SPLIT_TYPE = pl.Enum(PARTS)
"""The part of a row, one byte."""
KNOWN_ROWS = 0.5
"""A part from a file of its own is warned about if so large a share of its rows are training rows."""
UNEVEN = 1.5
"""Folds are warned about if the largest has more than so many times the rows of the smallest."""


def check_other_file(part: str, given: str, others: Mapping[str, Any]) -> None:
    """Raise a ``DataError`` if a part's file is that of the table or of another part.

    Args:
        part: its name.
        given: its file.
        others: the sources by the names of their parts.
    """
    mine = Path(given).expanduser()
    for other, source in others.items():
        its = Path(source).expanduser() if isinstance(source, str | Path) else None
        if other != part and its is not None and its.exists() and mine.exists() and mine.samefile(its):
            raise DataError(
                f"the {part} rows and the {other} rows are one file, {given!r}",
                hint=f"give a --{part}-file with other rows, or a share of the rows: --{part} 0.1.",
            )


def split_rows(
    rows: pl.DataFrame, target: str, task: Task, options: TableOptions, test_set: int | None
) -> tuple[pl.DataFrame, list[Note]]:
    """Return the rows with their parts in the column ``split``, and what is to be said of it.

    Args:
        rows: the rows; the column ``split`` says the part of rows from separate files, else null.
        target: the column to predict.
        task: what is predicted.
        options: how rows are split.
        test_set: which of several test sets, from 0; None for no test rows.

    Raises:
        DataError: the table has too few rows or groups, or no column by which it can be split.
        OptionError: the split does not fit the target.
    """
    if options.split_rule.refits is not None:
        return _refitted(rows, target, task, options, options.split_rule.refits)
    free = rows[SPLIT_COLUMN].is_null().to_numpy()
    n = int(free.sum())
    rule, seed = options.split_rule, options.split_seed
    kind, column = rule.kind, rule.column
    if kind == "auto":
        kind = "stratified" if has_classes(task) else "random"
    chosen = (rows if free.all() else rows.filter(pl.Series(free))).drop(SPLIT_COLUMN)
    if kind == "stratified" and not has_classes(task):
        raise OptionError(
            f"split: stratified needs classes, but {target} is a number",
            hint=f"use --split {str(rule).replace('stratified', 'random')}.",
        )
    validation = options.validation if isinstance(options.validation, float) else 0.0
    test = options.test if isinstance(options.test, float) else 0.0
    if not rule.held_out:
        validation = test = 0.0
    files = validation + test == 0.0
    notes: list[Note] = []
    if files:
        split = Split(np.zeros(n, dtype=np.uint8))
    else:
        keys = _keys(chosen, kind, column, target)
        if kind == "last":
            split = _last(chosen, options, validation, test)
        elif test_set is None:
            split = _once(kind, keys, validation, 0.0, seed)
        elif rule.several == "folds":
            split, about = _fold(kind, keys, rule, validation, seed, test_set)
            notes += about
        else:
            split = _once(kind, keys, validation, test, repeat_seed(seed, test_set))
    codes = rows[SPLIT_COLUMN].to_physical().fill_null(len(PARTS)).to_numpy(writable=True)
    codes[free] = split.part
    rows = rows.with_columns(pl.Series(SPLIT_COLUMN, PARTS, dtype=SPLIT_TYPE).gather(codes))
    counts = {part: int((codes == code).sum()) for code, part in enumerate(PARTS)}
    about_cuts = (
        _about_cuts(split, validation, test if test_set is not None else 0.0)
        if kind == "time" and not files
        else ""
    )
    how = {
        "group": f"no {column} in two parts, split seed {seed}",
        "time": f"by {column}, with the latest rows for the test{about_cuts}",
        "last": f"by {options.time} within each {options.user}, with the latest rows for the test",
    }.get(kind, f"{kind}, split seed {seed}")
    if not rule.held_out:
        why = "nothing is held out, so results are on the training rows and claim nothing about new ones"
        return rows, [Note("info", f"{n:,} training rows; {why}.")]
    if test_set is None:
        text = (
            f"{counts['train']:,} training and {counts['validation']:,} validation rows, for the saved model"
        )
    elif rule.several:
        text = about_test_sets(n, options, counts)
    else:
        text = f"{counts['train']:,} training, {counts['validation']:,} validation and {counts['test']:,} test rows"
    notes.insert(0, Note("info", f"{text} ({'separate files' if files else how})."))
    lacking = chosen[column].null_count() if kind == "group" else 0
    if lacking:
        text = f"rows without {column} ({lacking:,}) count as one group, which is in one part only."
        notes.append(Note("info", text))
    if has_classes(task):
        notes += _about_classes(rows, target, PARTS if test_set is not None else PARTS[:2])
    if n < rows.height:
        notes += _about_known_rows(rows)
    return rows, notes


def _about_cuts(split: Split, validation: float, test: float) -> str:
    """Return that parts of a split by time are not of the sizes given, as rows of one moment stay together."""
    wanted = sizes(len(split.part), validation, test)
    return (
        "" if wanted == (len(split.validation), len(split.test)) else "; rows of one moment are in one part"
    )


def _refitted(
    rows: pl.DataFrame, target: str, task: Task, options: TableOptions, rule: SplitRule
) -> tuple[pl.DataFrame, list[Note]]:
    """Return the rows with those that a rule trains and chooses on as training rows, and the others as test rows."""
    inner = options.model_copy(update={"split": str(rule)})
    rows, _ = split_rows(rows, target, task, inner, None if rule.several else 0)
    parts = rows[SPLIT_COLUMN]
    counts = {part: int((parts == part).sum()) for part in PARTS}
    tested_too = options.split_rule.tested_too
    more = ("validation", "test") if tested_too else ("validation",)
    rows = rows.with_columns(
        parts.replace_strict(dict.fromkeys(more, "train"), default=parts, return_dtype=SPLIT_TYPE)
    )
    added = " and ".join(f"{counts[part]:,} {part}" for part in more if counts[part])
    text = (
        f"trained on {counts['train']:,} training and {added} rows"
        if added
        else f"{counts['train']:,} training rows"
    )
    if counts["test"] and not tested_too:
        text += f"; the {counts['test']:,} test rows are left out"
    return rows, [Note("info", f"{text}. Nothing is held out, so there is no result on new rows.")]


def about_test_sets(rows: int, options: TableOptions, counts: Mapping[str, int] | None = None) -> str:
    """Return how many test sets there are and how many rows they have.

    Args:
        rows: all rows with a target.
        options: a split with several test sets.
        counts: rows of each part for one of them, if it is split already.

    Example:
        >>> about_test_sets(5811, TableOptions(split="folds:5"))
        '5 folds; each row is tested once; 4,067 or 4,068 training, 581 validation and 1,162 or 1,163 test rows each'
        >>> about_test_sets(500, TableOptions(split="folds:5,group:shop"))
        '5 folds; each row is tested once'
    """
    rule = options.split_rule
    folds = rule.several == "folds"
    what = f"{rule.sets} folds; each row is tested once" if folds else f"{rule.sets} repeated splits"
    if rule.kind == "group":  # which groups there are says how even the parts can be
        if counts is None:
            return what
        return (
            f"{what}; {counts['train']:,} training, {counts['validation']:,} validation and {counts['test']:,} test "
            "rows in this one"
        )
    validation, test = (
        max(1, round(rows * each)) if isinstance(each, float) else 0
        for each in (options.validation, options.test)
    )
    least, more = divmod(rows, rule.sets)
    tests = [least, least + 1][: 1 + (more > 0)] if folds else [test]
    trains = " or ".join(f"{rows - validation - each:,}" for each in reversed(tests))
    tested = " or ".join(f"{each:,}" for each in tests)
    return f"{what}; {trains} training, {validation:,} validation and {tested} test rows each"


def _keys(rows: pl.DataFrame, kind: Kind, column: str, target: str) -> np.ndarray[Any, Any]:
    """Return what rows are split by: codes of classes or groups, moments, or nothing (all 0)."""
    if kind == "stratified":
        return targets.class_codes(rows[target], targets.class_labels(rows[target])).to_numpy()
    if kind == "group":
        targets.check_there(rows, column, "the prepared table, which --split names")
        groups = as_label(rows[column]).rank("dense").fill_null(0).cast(pl.Int64)
        return (groups - groups.min()).to_numpy()
    if kind == "time":
        return _moments(rows, column)
    return np.zeros(rows.height, dtype=np.uint8)


def _last(rows: pl.DataFrame, options: TableOptions, validation: float, test: float) -> Split:
    """Return the split that holds out the latest rows of each user."""
    if options.user is None or options.time is None:
        raise OptionError(
            f"--split {LAST} needs to know whose the rows are, and when they were made",
            hint="name both columns of ratings: --user COLUMN --time COLUMN.",
        )
    users = _keys(rows, "group", options.user, "")
    if np.bincount(users).max() == 1:
        raise DataError(
            f"no {options.user} has more than one of {rows.height:,} rows, so --split {LAST} would test "
            "on new ones only",
            hint=f"use --split random, or give the ratings of a {options.user} one id.",
        )
    return last_split(users, _moments(rows, options.time), validation, test)


def _once(kind: Kind, keys: np.ndarray[Any, Any], validation: float, test: float, seed: int) -> Split:
    if kind == "stratified":
        return stratified_split(keys, validation, test, seed)
    if kind == "group":
        return group_split(keys, validation, test, seed)
    if kind == "time":
        return time_split(keys, validation, test)
    return random_split(len(keys), validation, test, seed)


def _fold(
    kind: Kind, keys: np.ndarray[Any, Any], rule: SplitRule, validation: float, seed: int, fold: int
) -> tuple[Split, list[Note]]:
    if kind != "group":
        return row_fold(keys, row_folds(keys, rule.sets, seed), fold, validation, seed), []
    folds = group_folds(keys, rule.sets, seed)
    sizes = np.bincount(folds)
    notes: list[Note] = []
    if sizes.max() > UNEVEN * sizes.min():
        text = (
            f"the folds are uneven, with {sizes.min():,} to {sizes.max():,} test rows: the largest {rule.column} has "
            f"{np.bincount(keys).max():,} rows."
        )
        notes.append(Note("warning", text))
    return group_fold(keys, folds, fold, validation, seed), notes


def _moments(rows: pl.DataFrame, column: str) -> np.ndarray[Any, Any]:
    """Return the times of all rows, of which the latest are held out."""
    found = moments(rows, column)
    if len(found) and (found == found[0]).all():
        raise DataError(
            f"column {column!r} is {rows[column][0]} in all rows, so none is the latest",
            hint="use --split random, or name another column of times.",
        )
    return found


def moments(rows: pl.DataFrame, column: str) -> np.ndarray[Any, Any]:
    """Return the times of rows as numbers.

    Raises:
        DataError: the column is not there, holds no times, or has none in a row.
    """
    targets.check_there(rows, column, "the prepared table, which --split names")
    values = as_text(rows[column])
    if values.dtype == pl.String:
        form = dates.date_format(values, share=0.5)  # texts that are none are named
        read = values.cast(pl.Float64, strict=False) if form is None else dates.parsed(values, form)
        odd = values.filter(values.is_not_null() & read.is_null())
        if odd.len():
            raise DataError(
                f"column {column!r} has {odd[0]!r}, which is no time, in {counted(odd.len(), 'row')}",
                hint="name a column of dates or numbers, or leave such rows out with a filter step.",
            )
        values = read
    if values.null_count():
        raise DataError(
            f"column {column!r} has no time in {counted(values.null_count(), 'row')}",
            hint=f"remove them with a filter step: where = '\"{column}\" IS NOT NULL'.",
        )
    return (values.to_physical() if values.dtype.is_temporal() else as_number(values)).to_numpy()


def _about_known_rows(rows: pl.DataFrame) -> list[Note]:
    """Return a warning for each part of which many rows are training rows too, where parts have their own files."""
    plain = [name for name, dtype in rows.schema.items() if not dtype.is_nested() and name != SPLIT_COLUMN]
    found = rows.select(SPLIT_COLUMN, hash=rows.select(plain).hash_rows())
    trained = found.filter(pl.col(SPLIT_COLUMN) == "train")["hash"].unique()
    notes: list[Note] = []
    for part in ("validation", "test"):
        share = found.filter(pl.col(SPLIT_COLUMN) == part)["hash"].is_in(trained.implode()).mean()
        if isinstance(share, float) and share >= KNOWN_ROWS:
            text = f"{share:.0%} of the {part} rows are identical to training rows, so they say little about new ones."
            notes.append(Note("warning", text))
    return notes


def _about_classes(rows: pl.DataFrame, target: str, parts: tuple[str, ...]) -> list[Note]:
    found = rows.group_by(target).agg(pl.len().alias(ROW), pl.col(SPLIT_COLUMN).unique())
    some = found.filter(pl.col(SPLIT_COLUMN).list.len() < len(parts)).sort(ROW, target)
    if not some.height:
        return []
    shown = [
        f"{label!s} ({n:,}, none to {' or '.join(_verb(each) for each in parts if each not in there)})"
        for label, n, there in some.head(5).iter_rows()
    ]
    more = f" and {some.height - 5} more" if some.height > 5 else ""
    how_many = counted(some.height, "class is", "classes are")
    text = f"{how_many} not in every part: {', '.join(shown)}{more}."
    return [Note("warning", text)]


def _verb(part: str) -> str:
    return {"train": "train", "validation": "choose", "test": "test"}[part]
