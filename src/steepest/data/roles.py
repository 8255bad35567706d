"""The role of every column of a table, decided from all its rows.

The rules, first match wins; ``--categorical``, ``--continuous``, ``--drop`` and ``--features`` go before them:

1. all missing, or one value and nothing missing, or what ``--split group:`` keeps apart: left out.
   What ``--split time:`` goes by: left out as far as all test values lie beyond those of training, see ``later``.
2. dates, and texts of which 99 % are dates in one format: parts (month, day of year, weekday, hour, …) that vary.
3. true/false: categorical.
4. whole numbers (also when stored as floats, as pandas does where values are missing): categorical if there are up to
   24 different ones, three quarters of which are seen ten times or more, and the name is not that of a duration
   (``Years``): a quantity has rare values at its ends. Else an identifier, a code or a number, see ``identifiers``.
5. other numbers: continuous.
6. text: free text or an identifier, see ``identifiers``; else categorical.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import cast

import polars as pl

from steepest.components.comma_lists import shell_name
from steepest.data import dates
from steepest.data.columns import Column, Columns, Role, as_number, check_finite, kind_of
from steepest.data.dataset import Note
from steepest.data.identifiers import use_of_texts, use_of_whole_numbers
from steepest.data.labels import as_text, distinct_values
from steepest.data.later import SPLIT_TIME, Later
from steepest.data.mixed import Words, about_units
from steepest.data.moments import about_times
from steepest.data.names import names_a_code, names_a_duration
from steepest.data.options import TableOptions
from steepest.data.row_weights import about_unnamed_weights
from steepest.data.sentinels import about_sentinels
from steepest.data.suggestions import step_toml
from steepest.errors import DataError, unknown_name

FEW_INTEGERS, OFTEN, MOSTLY_OFTEN = 24, 10, 0.75
"""Up to so many different whole numbers are categories if so large a share of them are seen so often."""
MAYBE_CODES = 300
IDENTIFIER = "an identifier, whose values hardly repeat"
SPLIT_GROUPS = "the groups that the split keeps apart"
TEXT = "text, not used"
MOSTLY_NUMBERS, MANY_NUMBERS = 0.5, 10
NUMBERS_IN_TEXT = 0.9
"""A column of texts is warned about if so large a share of them are numbers, or most are and there are many."""
_WHOLE = r"^-?[1-9][0-9]*$|^0$"
SOME_DATES = 0.5
"""A column of texts is warned about if so large a share of them are dates, and not enough to read them so."""


def decide_roles(
    frame: pl.DataFrame,
    target: str | None,
    options: TableOptions,
    *,
    made: Mapping[str, str] | None = None,
    before: Collection[str] = (),
    parts: pl.Series | None = None,
) -> tuple[Columns, list[Note]]:
    """Decide the role of every column from all rows of the prepared table.

    Args:
        frame: the rows.
        target: the column to predict.
        options: what was said about columns.
        made: the roles of columns that a preparation step has made, and so knows.
        before: the columns before the preparation; one of them that it took away may be dropped once more.
        parts: of each row its part, if rows are split already.

    Raises:
        UnknownNameError: an option names a column that is not there.
        DataError: no column is left to learn from, or a continuous one holds infinities.
    """
    dropped = [name for name in options.drop if name in frame.columns or name not in before]
    named = [*(options.features or []), *options.categorical, *options.continuous, *dropped]
    named += [options.weight] if options.weight is not None else []
    for name in named:
        if name not in frame.columns:
            raise unknown_name("column", name, frame.columns)
    if target is not None and target in options.drop:
        raise DataError(f"the target {target!r} is also dropped", hint="take it out of --drop.")

    known = {name: role for name, role in (made or {}).items() if name not in {*named, target}}

    later = Later.of(frame, options, parts)

    def judged(name: str) -> tuple[Column, list[Note]]:
        notes: list[Note] = []
        if name in known:
            return _made(frame[name], known[name]), notes
        return _column(frame[name], name == target, options, later, notes), notes

    with ThreadPoolExecutor(pl.thread_pool_size()) as pool:
        found = list(pool.map(judged, frame.columns))
    columns = Columns(tuple(_without_taken(column, frame.columns) for column, _ in found))
    notes = (
        _left_out(columns, frame)
        + [note for _, those in found for note in those]
        + _whole_numbers(frame, columns, options)
        + about_sentinels(
            frame[each.name]
            for each in columns.columns
            if each.role in ("continuous", "target")
            and each.name not in known
            and frame[each.name].dtype.is_numeric()
        )
        + about_unnamed_weights(
            (frame[each.name] for each in columns.columns if each.role in ("continuous", "categorical")),
            options.weight,
        )
        + ([] if later is None else later.about_others(frame, columns.columns, named))
    )
    for each in columns.columns:
        if each.role == "continuous":
            if each.name not in {*options.continuous, *known} and frame[each.name].dtype.is_numeric():
                notes += filter(None, [about_times(frame[each.name])])
            check_finite(as_number(as_text(frame[each.name]), each.format, each.zone), each.name)
    if target is not None and not columns.required:
        raise DataError(
            "no column is left to learn from",
            hint=(
                "; ".join(note.text for note in notes)[:400]
                or "give a table with more columns than the target."
            )
            + next((f"\n{note.step}" for note in notes if note.step), ""),
        )
    return columns, notes


def few_integers(known: pl.Series, distinct: int) -> bool:
    """Whether a column of whole numbers holds categories, since it has few values that are seen often.

    Args:
        known: its values, none missing.
        distinct: how many of them differ.

    Example:
        >>> months = pl.Series("month", list(range(12)) * 20)
        >>> few_integers(months, 12), few_integers(months[:60], 12), few_integers(months.alias("Months"), 12)
        (True, False, False)
    """
    if distinct <= 2:
        return True
    if distinct > FEW_INTEGERS or names_a_duration(known.name):
        return False
    counts = known.value_counts()["count"]
    return int((counts >= OFTEN).sum()) >= MOSTLY_OFTEN * distinct


def _made(values: pl.Series, role: str) -> Column:
    """Return a column that a preparation step has made; one that does not vary is left out without a word."""
    kind = "float" if role == "continuous" else kind_of(values)
    if role != "text" and distinct_values(values) <= 1 and not values.null_count():
        return Column(values.name, kind, "left out", "as asked")
    return Column(values.name, kind, cast("Role", role))


def _column(
    values: pl.Series, is_target: bool, options: TableOptions, later: Later | None, notes: list[Note]
) -> Column:
    name, kind = values.name, kind_of(values)
    if is_target or name == options.weight:
        return Column(name, kind, "target" if is_target else "weight")
    if name in options.drop or (
        options.features is not None
        and name not in [*options.features, *options.categorical, *options.continuous]
    ):
        return Column(name, kind, "left out", "as asked")
    named = [*(options.features or []), *options.categorical, *options.continuous]
    if options.split_rule.groups == name and name not in named:
        return Column(name, kind, "left out", SPLIT_GROUPS)
    splits = later if later is not None and later.column == name and name not in named else None
    known = values.drop_nulls()
    if len(known) == 0:
        return Column(name, kind, "left out", "all values are missing")
    if kind == "other":
        return Column(name, kind, "left out", f"values of type {values.dtype} cannot be used")
    distinct = distinct_values(values)
    if distinct == 1 and len(known) == len(values):
        return Column(name, kind, "left out", "one value only")
    if name in options.categorical:
        return Column(name, kind, "categorical")
    form = dates.date_format(values) if kind == "text" else None
    if name in options.continuous:
        return _date_as_number(Column(name, kind, "continuous"), values, form, notes)
    if kind == "date" or form is not None:
        return _date(as_text(values), form, splits, notes)
    if splits is not None and kind in ("integer", "float") and splits.beyond(values):
        return Column(name, kind, "left out", SPLIT_TIME)
    if distinct == 1 or kind == "boolean":
        return Column(name, kind, "categorical")
    if kind == "integer" and few_integers(known, distinct):
        return Column(name, kind, "categorical")
    if kind == "integer":
        use = use_of_whole_numbers(known, distinct)
        if use == "identifier":
            return Column(name, kind, "left out", IDENTIFIER)
        return Column(name, kind, "categorical" if use == "category" else "continuous")
    if kind == "float":
        return Column(name, kind, "continuous")
    _warn_of_words(known, notes)
    _warn_of_dates(known, notes)
    unit = about_units(known) if distinct > FEW_INTEGERS and not names_a_code(name) else None
    notes += [unit] if unit else []
    use = use_of_texts(known, distinct)
    if use == "category":
        return Column(name, kind, "categorical")
    return Column(name, kind, "left out", TEXT if use == "text" else IDENTIFIER)


def _date(values: pl.Series, form: str | None, later: Later | None, notes: list[Note]) -> Column:
    zone = _zone(values, form, notes)
    moments = dates.as_datetime(values, form, zone)
    _about_dates(values, moments, form, notes)
    parts = dates.parts_of(moments)
    if not parts:
        return Column(values.name, "date", "left out", "one value only", format=form, zone=zone)
    found = Column(values.name, "date", "date", parts=parts, format=form, zone=zone)
    beyond = [] if later is None else later.parts_beyond(values, found)
    used = tuple(each for each in parts if each not in beyond)
    if not used:
        return replace(found, role="left out", reason=SPLIT_TIME, parts=())
    what = "a time of day" if values.dtype == pl.Time else "a date"
    text = f"{values.name} is {what}: its {', '.join(used)} are used"
    if beyond:
        text += (
            f", its {', '.join(beyond)} left out, as rows are split by it and all test values lie beyond those of "
            f"training (--continuous {shell_name(values.name)} uses the date as a number)"
        )
    notes.append(Note("info", f"{text}."))
    return replace(found, parts=used)


def _date_as_number(column: Column, values: pl.Series, form: str | None, notes: list[Note]) -> Column:
    if form is None:
        return column
    values = as_text(values)
    zone = _zone(values, form, notes)
    _about_dates(values, dates.as_datetime(values, form, zone), form, notes)
    return replace(column, format=form, zone=zone)


def _zone(values: pl.Series, form: str | None, notes: list[Note]) -> str | None:
    found = dates.offsets(values, form)
    if len(found) > 1:
        shown = ", ".join(found[:4]) + (" and more" if len(found) > 4 else "")
        text = f"{values.name}: its times have different offsets from UTC ({shown}) and are read in UTC."
        notes.append(Note("info", text))
    return dates.zone_of(values, form) if form is not None else None


def _about_dates(values: pl.Series, moments: pl.Series, form: str | None, notes: list[Note]) -> None:
    """Note what cannot be read, and dates whose order of day and month is unclear."""
    lost = int(moments.null_count() - values.null_count())
    if lost:
        odd = values.filter(moments.is_null() & values.is_not_null())[0]
        verbs = ("value is no date", "values are no dates"), ("counts", "count")
        many = lost > 1
        text = f"{values.name}: {lost:,} {verbs[0][many]}, such as {odd!r}, and {verbs[1][many]} as missing."
        notes.append(Note("warning", text))
    other = None if form is None else dates.other_order(values, form)
    if other is not None:
        text = (
            f"{values.name}: nothing tells day and month apart; its dates are read as month/day ({form}). If that "
            "is wrong, write them as 2018-01-31, or give a cast step in a --prepare file their format."
        )
        step = step_toml("cast", types={values.name: "date"}, formats={values.name: other})
        notes.append(Note("warning", text, step))


def _without_taken(column: Column, names: Sequence[str]) -> Column:
    """Leave out parts of a date whose name another column has already."""
    return replace(column, parts=tuple(each for each in column.parts if f"{column.name} {each}" not in names))


def _warn_of_words(known: pl.Series, notes: list[Note]) -> None:
    found = Words.of(known) if kind_of(known) == "text" and not names_a_code(known.name) else None
    if found is None or found.share < MOSTLY_NUMBERS:
        return
    if found.numbers > max(MANY_NUMBERS, len(found.words)) or found.share >= NUMBERS_IN_TEXT:
        text = f"{known.name} is text although {found.share:.1%} of its values are numbers"
        notes.append(Note("warning", f"{text}; the others are {found.shown}: {found.cure}.", found.step))


def _warn_of_dates(known: pl.Series, notes: list[Note]) -> None:
    form = dates.date_format(known, SOME_DATES) if kind_of(known) == "text" else None
    if form is None:
        return
    known = as_text(known)
    odd = known.filter(dates.parsed(known, form).is_null())
    shown = ", ".join(repr(each) for each in odd.unique(maintain_order=True).head(3).to_list())
    text = (
        f"{known.name} is text although {1 - len(odd) / len(known):.1%} of its values are dates ({form}); the others "
        f"are {shown}: write all dates in one format; if they mean missing: --missing '{odd[0]}'."
    )
    notes.append(Note("warning", text))


def _whole_numbers(frame: pl.DataFrame, columns: Columns, options: TableOptions) -> list[Note]:
    """Name the whole numbers that are used as categories, and as quantities although they may be codes."""
    codes: list[tuple[str, int]] = []
    few: list[tuple[str, int]] = []
    quantities: list[tuple[str, int]] = []
    for each in columns.columns:
        if each.kind != "integer" or each.name in {*options.categorical, *options.continuous}:
            continue
        distinct = distinct_values(frame[each.name])
        if each.role == "continuous" and distinct <= min(MAYBE_CODES, frame.height // 10):
            quantities.append((each.name, distinct))
        elif each.role == "categorical" and distinct > FEW_INTEGERS:
            codes.append((each.name, distinct))
        elif each.role == "categorical" and distinct > 2:
            few.append((each.name, distinct))
    notes: list[Note] = []
    for found, why in ((codes, "by their names"), (few, "having few values")):
        if found:
            text = f"whole numbers used as categories, {why}: {_counted_values(found)}"
            name = shell_name(found[0][0])
            notes.append(Note("info", f"{text}; --continuous {name} uses them as numbers."))
    if quantities:
        text = f"whole numbers used as quantities: {_counted_values(quantities)}"
        name = shell_name(quantities[0][0])
        notes.append(Note("info", f"{text}; if one is a code: --categorical {name} makes categories of it."))
    return notes


def _counted_values(named: Sequence[tuple[str, int]]) -> str:
    shown = ", ".join(f"{name} ({n:,} values)" for name, n in named[:8])
    return shown + (f" and {len(named) - 8} more" if len(named) > 8 else "")


def _left_out(columns: Columns, frame: pl.DataFrame) -> list[Note]:
    reasons: dict[tuple[str, str], list[Column]] = {}
    for each in columns.columns:
        if each.role == "left out" and each.reason != "as asked":
            option = _kept_by(frame[each.name], each) if each.reason in (IDENTIFIER, SPLIT_GROUPS) else ""
            reasons.setdefault((each.reason, option), []).append(each)
    notes: list[Note] = []
    for (reason, option), found in reasons.items():
        names = [each.name for each in found]
        shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
        step = _length(found[0].name) if reason == TEXT else ""
        notes.append(Note("info", f"left out: {shown}: {reason}{_cure(reason, found[0], option)}.", step))
    return notes


def _kept_by(values: pl.Series, column: Column) -> str:
    """Return the option that keeps an identifier; amounts beyond 64 bits, which are text, are numbers."""
    amounts = column.kind == "text" and not names_a_code(column.name)
    whole = column.kind == "integer" or (amounts and as_text(values.drop_nulls()).str.contains(_WHOLE).all())
    return "continuous" if whole else "categorical"


def _cure(reason: str, column: Column, option: str) -> str:
    """Return what to do if a column is to be used nevertheless."""
    name = shell_name(column.name)
    if reason in (IDENTIFIER, SPLIT_GROUPS, SPLIT_TIME):
        return f" (--{'continuous' if reason == SPLIT_TIME else option} {name} keeps it)"
    if reason != TEXT:
        return ""
    return f": --text {name} uses its words, --categorical {name} makes a category of each text, this step a number"


def _length(name: str) -> str:
    of = name.replace('"', '""')
    return step_toml("derive", columns={f"length of {name}": f'char_length("{of}")'})
