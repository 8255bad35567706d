"""What a person should know of the split before believing its numbers: time, groups, and few test rows.

A random split puts rows that follow each other in time, or that belong to one person, on both sides. That is right
for a model that fills gaps, and flatters one that will meet later rows or new persons. The rules, for splits at random:

- *Time*: a column of dates (that is not named as of birth) with at least 20 different moments, none of them in more
  than 20 % of the rows, if the rows are in its order (95 % of the neighbours that differ, forward or backward), if at
  least 95 % of its values differ, or if rows that are neighbours in time have much alike targets (a correlation of
  0.3; rows of the same moment are in random order); and numbers named as a time (``day``, ``timestamp``), not as a
  duration (``days_waiting``), in whose order the rows are, unless they start again and again and may be days of a
  month or of a year, weeks of a year or times of a day. Dates come before numbers, then the higher correlation.
- *Groups*: whole numbers or text with the name of an identifier (``userId``, ``patient``, ``customer_no``), at least 5
  different values, each in 1.25 to 1,000 rows on average. Ages, hours and codes of categories have other names.

Either is a warning where targets of neighbours, or of rows of one group, correlate by 0.1 and more than by chance.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from steepest.data import dates
from steepest.data.columns import Column, Columns
from steepest.data.crowding import crowded, middle, typical
from steepest.data.dataset import Note, Task, has_classes
from steepest.data.labels import as_text, distinct_values
from steepest.data.names import names_a_duration, names_a_group, names_a_time, part_of_a_cycle, words
from steepest.data.options import TableOptions
from steepest.data.roles import IDENTIFIER
from steepest.data.sizes import deviation
from steepest.data.split_rule import SplitRule
from steepest.data.suggestions import step_toml
from steepest.rng import stream
from steepest.wording import counted, significant

LEAST_MOMENTS, COMMONEST, ORDERED, DIFFERENT = 20, 0.2, 0.95, 0.95
LEAST_GROUPS, ROWS_A_GROUP = 5, (1.01, 1000.0)
ALIKE, MUCH_ALIKE, BY_CHANCE = 0.1, 0.3, 4.0
"""Correlations of targets, and how many standard errors they must exceed."""
FEW_TEST_ROWS, FEW_VALIDATION_ROWS = 300, 100
MANY_COPIES = 0.01
"""Copies of training rows among the test rows are warned about from such a share of them."""
FAR, LOST = 10.0, 1e-3
"""A curve's numbers are far from 0 if their mean is so many deviations; what 32 bits lose matters from such a share."""
MOST_ROWS = 500_000
"""Larger tables are judged by about so many rows, evenly spaced; groups by the rows of every so-many-th group."""

_BIRTHS = {"birth", "birthdate", "birthday", "born", "dob"}
_Array = NDArray[Any]


def about_split(frame: pl.DataFrame, columns: Columns, options: TableOptions) -> list[Note]:
    """Return what a random split of a table hides, with the option that shows it; nothing for other splits.

    Args:
        frame: the prepared table.
        columns: what its columns are.
        options: with the requested split.

    Example:
        >>> from steepest.data.roles import decide_roles
        >>> person = [i // 4 for i in range(80)]
        >>> rows = pl.DataFrame({"patient": person, "x": [0.5, 0.1] * 40, "y": person})
        >>> options = TableOptions(target="y")
        >>> about_split(rows, decide_roles(rows, "y", options)[0], options)[0].text
        'rows with the same patient have similar y (correlation 1.00, 20 different in 80 rows): ...'
    """
    if options.split_rule.kind in ("group", "time") or (
        isinstance(options.validation, str) and isinstance(options.test, str)
    ):
        return []
    if options.rating is not None:  # users and items always repeat
        groups = " or ".join(shlex.quote(f"group:{each}") for each in (options.user, options.item))
        new = Note("info", f"To test on new users or items: --split {groups}.")
        return [*_about_time(frame, columns), new]
    return [*_about_time(frame, columns), *_about_groups(frame, columns, options.split_rule)]


def about_curve(
    x: pl.Series, y: pl.Series, options: TableOptions, *, column: Column | None = None, split: bool = True
) -> list[Note]:
    """Return what a person should know of the numbers of a curve: lost digits, a far offset, neighbours on each side.

    Args:
        x, y: the numbers of all rows, by name.
        options: how they are split.
        column: what the numbers of x are in the table, which may be dates.
        split: whether the split is to be judged: it is not where that is done elsewhere, or nothing is held out.

    Example:
        >>> x = pl.Series("t", [1.7e9 + i for i in range(200)])
        >>> y = pl.Series("v", [(i % 50) ** 2 / 100 for i in range(200)])
        >>> [each.text for each in about_curve(x, y, TableOptions())][0]
        'the 200 different values of t become 3 in 32 bits: subtract 1700000100 with the step below, or train with ...'
    """
    before = () if column is None else _as_number(column)
    found = about_offset(x, before), about_offset(y, ())
    notes = [each for each in found if each is not None]
    if not split or options.split_rule.kind in ("group", "time") or isinstance(options.test, str):
        return notes
    some = pl.DataFrame([x.alias("x"), y.alias("y")]).gather_every(_every(len(x)))
    values, answers = some["x"].to_numpy(), some["y"].rank().to_numpy()
    if len(np.unique(values)) < LEAST_MOMENTS:
        return notes
    likeness = _Target(y.name, _standard(answers), False).likeness(_in_order(values))
    if likeness >= ALIKE:
        text = (
            f"neighbours along {x.name} have similar {y.name} (correlation {likeness:.2f}): with a random split, test "
            "rows lie between training rows, which says how gaps are filled and nothing of what comes after; for that, "
            f"--split {shlex.quote(f'time:{x.name}')}."
        )
        notes.append(Note("info", text))
    return notes


def _as_number(column: Column) -> tuple[str, ...]:
    """Return the steps that make numbers of a column's dates, if it holds some."""
    steps: list[str] = []
    if column.kind == "text":
        formats = (
            {} if (column.format or "%Y")[:2] == "%Y" else {"formats": {column.name: column.format or ""}}
        )
        steps.append(step_toml("cast", types={column.name: "date"}, **formats))
    return (
        (*steps, step_toml("cast", types={column.name: "number"})) if steps or column.kind == "date" else ()
    )


def about_offset(values: pl.Series, before: Sequence[str] = ()) -> Note | None:
    """Return a note if numbers are so far from 0 that 32 bits merge them, or that training is slow.

    Args:
        values: the numbers.
        before: the steps that make numbers of what the table holds.
    """
    numbers = values.cast(pl.Float64).to_numpy()
    spread, mean = deviation(numbers), float(numbers.mean())
    if spread == 0.0:
        return None
    crowd = crowded(numbers)
    if not crowd and abs(mean) <= FAR * spread:
        return None
    with np.errstate(over="ignore"):
        short = numbers.astype(np.float32).astype(np.float64)
    lost = np.abs(short - numbers).max() > LOST * spread
    if crowd and not lost:  # a far value moves the mean and the deviation
        mean, spread = middle(numbers), typical(numbers, middle(numbers))
    unit = 10.0 ** math.floor(math.log10(spread))
    offset = f"{round(mean / unit) * unit:.15g}"
    column = values.name.replace('"', '""')
    step = step_toml("derive", columns={values.name: f'"{column}" - {offset}'})
    step, what = "\n\n".join([*before, step]), "step" if not before else "steps"
    cure = f"subtract {offset} with the {what} below"
    different, left = (len(np.unique(each)) for each in (numbers, short))
    if crowd or (left < different and lost):
        text = (
            f"the {different:,} different values of {values.name} become {left:,} in 32 bits: {cure}, or train with "
            "--precision float64."
        )
        return Note("warning", text, step)
    about = f"is around {significant(mean, 6)} and varies by {significant(spread, 3)}"
    text = f"{values.name} {about}, which makes training slow: {cure}."
    return Note("warning", text, step)


def about_validation_rows(rows: int, options: TableOptions) -> list[Note]:
    """Return a warning if fewer than 100 rows choose rates, weights and the winner, and what helps.

    Args:
        rows: validation rows of a test set; 0 where nothing is chosen on rows.
        options: how the rows are split.

    Example:
        >>> about_validation_rows(60, TableOptions())[0].text
        'only 60 validation rows choose rates, weights and the winner, partly by chance: give more (--validation 0.2).'
    """
    if not 0 < rows < FEW_VALIDATION_ROWS:
        return []
    share = options.validation
    chosen = (
        f"{counted(rows, 'validation row chooses', 'validation rows choose')} rates, weights and the winner"
    )
    text = f"only {chosen}, partly by chance"
    if isinstance(share, str):
        return [Note("warning", f"{text}: give a --validation file with more rows.")]
    return [Note("warning", f"{text}{': give more (--validation 0.2)' if share < 0.2 else ''}.")]


def about_test_rows(rows: int, task: Task, options: TableOptions) -> list[Note]:
    """Return a warning if a test has fewer than 300 rows: how little one split can show, and what helps.

    Args:
        rows: rows that are tested, in all test sets together; 0 where nothing is tested.
        task: what is predicted.
        options: how the rows are split.

    Example:
        >>> about_test_rows(34, "classification", TableOptions())[0].text
        'only 34 test rows, each worth 2.9 points of accuracy: another split can give quite different results. ...'
    """
    if not 0 < rows < FEW_TEST_ROWS:
        return []
    worth = f", each worth {100 / rows:.1f} points of accuracy" if has_classes(task) else ""
    if options.split_rule.several:
        text = f"only {counted(rows, 'row')} to test on{worth}: other rows can give quite different results."
        return [Note("warning", text)]
    text = f"only {counted(rows, 'test row')}{worth}: another split can give quite different results."
    cures: list[str] = []
    if isinstance(options.test, str):
        cures.append("give a --test file with more rows")
    elif options.test < 0.3:
        cures.append("test on more rows (--test 0.3)")
    if (
        options.split_rule.kind != "time"
        and isinstance(options.test, float)
        and isinstance(options.validation, float)
    ):
        several = SplitRule(options.split_rule.kind, options.split_rule.column, "folds", 5)
        cures.append(f"test every row once (--split {shlex.quote(str(several))})")
    hint = " or ".join(cures)
    return [Note("warning", f"{text} {hint[:1].upper()}{hint[1:]}." if hint else text)]


def about_copies(found: int, rows: int, what: str) -> list[Note]:
    """Return a note of the test rows that are identical to training rows; a warning if they are one in a hundred.

    Example:
        >>> about_copies(3, 30, "image")[0].text
        '3 of 30 test images are identical to training images, which flatters a model that remembers; ...'
        >>> about_copies(0, 30, "image")
        []
    """
    if not found:
        return []
    alike = f"is identical to a training {what}" if found == 1 else f"are identical to training {what}s"
    share = f"{found:,} of {rows:,} test {what}s"
    text = f"{share} {alike}, which flatters a model that remembers; keep copies in one part."
    return [Note("warning" if found >= MANY_COPIES * rows else "info", text)]


def about_identical(frame: pl.DataFrame, train: pl.Series, test: pl.Series) -> list[Note]:
    """Return a note if more test rows are identical to training rows than chance would make.

    Columns of few values make equal rows that are no copies, so the same is counted with every column shuffled apart.

    Args:
        frame: what the model gets and its target.
        train, test: which rows are training and test rows.

    Example:
        >>> x = [i / 7 for i in range(50)]
        >>> rows = pl.DataFrame({"x": x + x, "y": x + x})
        >>> first = pl.Series([i < 50 for i in range(100)])
        >>> about_identical(rows, first, ~first)[0].text
        '50 of 50 test rows are identical to training rows, ...'
        >>> about_identical(rows.select(pl.col("x") > 3), first, ~first)
        []
    """

    def copies(table: pl.DataFrame) -> int:
        hashes = table.hash_rows(0)
        return int(hashes.filter(test).is_in(hashes.filter(train).implode()).sum())

    rows = int(test.sum())
    found = copies(frame)
    if found < 2 or found < MANY_COPIES * rows:
        return []
    draw = stream(0, "data")
    shuffled = frame.select(each.gather(draw.permutation(frame.height)) for each in frame.iter_columns())
    by_chance = copies(shuffled)
    return (
        about_copies(found, rows, "row") if found > 2 * by_chance + BY_CHANCE * math.sqrt(by_chance) else []
    )


@dataclass(frozen=True)
class _Target:
    """The target's values: standardised ranks of numbers, or codes of classes."""

    name: str
    values: _Array
    classes: bool

    @classmethod
    def of(cls, frame: pl.DataFrame, columns: Columns) -> _Target | None:
        name = next((each.name for each in columns.columns if each.role == "target"), None)
        if name is None:
            return None
        values = frame[name]
        known = values.drop_nulls()
        if len(known) < len(values) or known.n_unique() < 2 or values.dtype.is_nested():
            return None
        classes = not values.dtype.is_numeric()
        ranks = as_text(values).rank("dense" if classes else "average").to_numpy()
        return cls(values.name, ranks.astype(np.int64) if classes else _standard(ranks), classes)

    def likeness(self, order: _Array, same: _Array | None = None) -> float:
        """Return the correlation of the targets of neighbours, and 0 where it may be by chance.

        Args:
            order: row numbers.
            same: which neighbours count.
        """
        first, second = self.values[order[:-1]], self.values[order[1:]]
        if same is not None:
            first, second = first[same], second[same]
        if len(first) == 0:
            return 0.0
        found, error = float((first * second).mean()), 1.0
        if self.classes:
            by_chance = float(np.square(np.bincount(self.values) / len(self.values)).sum())
            found = (float((first == second).mean()) - by_chance) / (1.0 - by_chance)
            error = np.sqrt(by_chance / (1.0 - by_chance))
        return found if found > BY_CHANCE * error / np.sqrt(len(first)) else 0.0


def _standard(ranks: _Array) -> _Array:
    return (ranks - ranks.mean()) / max(float(ranks.std()), 1e-12)


def _every(rows: int) -> int:
    return max(1, rows // MOST_ROWS)


def _about_time(frame: pl.DataFrame, columns: Columns) -> Iterator[Note]:
    some = frame.gather_every(_every(len(frame)))
    target = _Target.of(some, columns)
    found: list[tuple[bool, float, str]] = []
    for each in columns.columns:
        moments = _moments(some[each.name], each)
        if moments is None:
            continue
        known = ~np.isnan(moments)
        values = moments[known]
        distinct, counts = np.unique(values, return_counts=True)
        if len(distinct) < LEAST_MOMENTS or len(values) < DIFFERENT * len(moments):
            continue
        if counts.max() > COMMONEST * len(values):
            continue
        forward = np.diff(values)[np.diff(values) != 0] > 0
        ordered = max(forward.mean(), 1 - forward.mean()) >= ORDERED
        likeness = target.likeness(_in_order(moments)) if target is not None else 0.0
        is_date = each.kind == "date" or each.role == "date" or some[each.name].dtype == pl.String
        if (
            not is_date
            and not (forward.all() or (~forward).all())
            and values.max() <= part_of_a_cycle(each.name)
        ):
            continue
        different = len(distinct) >= DIFFERENT * len(values) and _nearly_all_differ(frame[each.name])
        if ordered or (is_date and (likeness >= MUCH_ALIKE or different)):
            found.append((is_date, likeness, each.name))
    if found:
        _, likeness, name = max(found, key=lambda each: each[:2])
        yield _time_note(name, target, likeness)


def _nearly_all_differ(values: pl.Series) -> bool:
    known = values.drop_nulls()
    return known.n_unique() >= DIFFERENT * len(known)


def _in_order(values: _Array) -> _Array:
    """Return the rows whose value is known by value, and at random where it is the same."""
    rows = stream(0, "data").permutation(np.flatnonzero(~np.isnan(values)))
    return rows[np.argsort(values[rows], kind="stable")]


def _time_note(name: str, target: _Target | None, likeness: float) -> Note:
    cure = f"test on the latest rows: --split {shlex.quote(f'time:{name}')}."
    if target is None or likeness < ALIKE:
        return Note(
            "info",
            f"{name} orders the rows in time, but the split is random. For a model of later rows, {cure}",
        )
    text = (
        f"rows that follow each other in {name} have similar {target.name} (correlation {likeness:.2f}): with a random "
        f"split, test rows lie between training rows, which flatters a model that will be used on later rows; {cure}"
    )
    return Note("warning", text)


def _moments(values: pl.Series, column: Column) -> _Array | None:
    """Return a column of times as numbers, NaN where there is none; None for any other column."""
    if column.role == "target" or _BIRTHS.intersection(words(column.name)):
        return None
    if column.kind in ("integer", "float") and values.dtype.is_numeric():
        is_time = names_a_time(column.name) and not names_a_duration(column.name)
        return values.cast(pl.Float64).to_numpy() if is_time else None
    form = column.format
    if column.kind == "text" and form is None:  # a column that is left out as asked was not looked at
        form = dates.date_format(values) if column.role == "left out" else None
        if form is None:
            return None
    elif column.kind not in ("date", "text"):
        return None
    moments = dates.as_datetime(as_text(values), form)
    if moments.dt.date().n_unique() < 3:  # times of a day
        return None
    return moments.dt.timestamp("ms").cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _about_groups(frame: pl.DataFrame, columns: Columns, rule: SplitRule) -> Iterator[Note]:
    for each in columns.columns:
        if each.role in ("target", "date") or each.kind not in ("integer", "text"):
            continue
        if not names_a_group(each.name) and each.reason != IDENTIFIER:
            continue
        values = frame[each.name]
        distinct, rows = distinct_values(values), len(values) - values.null_count()
        low, high = ROWS_A_GROUP
        if distinct < LEAST_GROUPS or rows - distinct < LEAST_GROUPS or not low <= rows / distinct <= high:
            continue
        codes = as_text(values).rank("dense")
        some = (codes % _every(len(values))) == 0
        target = _Target.of(frame.filter(some), columns)
        likeness = 0.0 if target is None else target.likeness(*_within(codes.filter(some)))
        size = f"{distinct:,} different in {rows:,} rows"
        yield _group_note(replace(rule, kind="group", column=each.name), size, target, likeness)


def _within(codes: pl.Series) -> tuple[_Array, _Array]:
    """Return the rows by group, at random in each, and which neighbours are of the same."""
    groups = codes.cast(pl.Float64).to_numpy()
    order = _in_order(groups)
    return order, groups[order[:-1]] == groups[order[1:]]


def _group_note(rule: SplitRule, size: str, target: _Target | None, likeness: float) -> Note:
    name, cure = rule.column, f"test on new ones: --split {shlex.quote(str(rule))}."
    if target is None or likeness < ALIKE:
        text = (
            f"{name} repeats ({size}), but the split is random. For a model that will meet new ones, {cure}"
        )
        return Note("info", text)
    text = (
        f"rows with the same {name} have similar {target.name} (correlation {likeness:.2f}, {size}): a random split "
        f"puts some of them on each side, which flatters a model that will meet new ones; {cure}"
    )
    return Note("warning", text)
