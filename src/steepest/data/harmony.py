"""New rows in the types of the table that was trained on, so that the same value means the same.

The same values come as integers from one file and as floats or texts from another, dates as texts in some format or
as date-times in some zone; steps and categories must not notice. What cannot be converted without a guess is refused.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from steepest.data.dates import Form
from steepest.data.labels import as_label
from steepest.errors import DataError

_TYPES: dict[str, Any] = {
    **{str(each): each() for each in (pl.Boolean, pl.Float64, pl.String, pl.Date, pl.Time)},
    **{str(each): each() for each in (pl.Int8, pl.Int16, pl.Int32, pl.Int64)},
    **{str(each): each() for each in (pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64)},
    **{str(each): each for each in (pl.Duration("ms"), pl.Duration("us"), pl.Duration("ns"))},
}
_DATE_TIME = re.compile(r"Datetime\(time_unit='(ms|us|ns)', time_zone=(?:None|'([^']*)')\)")


def stored_type(name: str) -> Any:
    """Return the type that a stored name means, or None if it is one that new rows are not converted to.

    Example:
        >>> stored_type("Datetime(time_unit='ns', time_zone='Europe/Berlin')")
        Datetime(time_unit='ns', time_zone='Europe/Berlin')
    """
    moment = _DATE_TIME.fullmatch(name)
    if moment is not None:
        return pl.Datetime(moment[1], moment[2])  # pyright: ignore[reportArgumentType]
    return _TYPES.get(name)


@dataclass(frozen=True)
class Raw:
    """What is known of the raw columns that were trained on.

    Attributes:
        types: name → type, as Polars prints it.
        forms: the form of the columns of texts that are dates.
        needed: the columns that features are made of or that steps read; None if all may be.
    """

    types: Mapping[str, str]
    forms: Mapping[str, Form] = field(default_factory=dict[str, Form])
    needed: Collection[str] | None = None

    def needs(self, name: str) -> bool:
        """Whether the values of a column matter."""
        return self.needed is None or name in self.needed

    def form(self, name: str) -> Form | None:
        """Return the form of a column of dates, or None if it is another column."""
        dtype = stored_type(self.types[name])
        if isinstance(dtype, pl.Date | pl.Datetime | pl.Time):
            return Form(dtype, None, dtype.time_zone if isinstance(dtype, pl.Datetime) else None)
        return self.forms.get(name)


@dataclass(frozen=True)
class Harmony:
    """Which columns of new rows get the type and the form that they had in training.

    Attributes:
        columns: name → type, where that loses nothing.
        dates: name → form of training, and the format of the new texts.

    Example:
        >>> raw = Raw({"Ward": "Int64", "Beat": "Int64"})
        >>> Harmony.of(pl.DataFrame({"Ward": [1.0], "Beat": ["x"]}), raw).columns
        {'Ward': Int64}
    """

    columns: Mapping[str, Any]
    dates: Mapping[str, tuple[Form, str | None]] = field(default_factory=dict[str, tuple[Form, str | None]])

    @classmethod
    def of(cls, frame: pl.DataFrame, raw: Raw) -> Harmony:
        """Return what has to be changed.

        Raises:
            DataError: a column that is needed holds dates and did not in training, or the other way round; or its
                dates cannot be read without a guess.
        """
        columns: dict[str, Any] = {}
        moments: dict[str, tuple[Form, str | None]] = {}
        for column in frame.iter_columns():
            name = column.name
            if name not in raw.types:
                continue
            form, wanted = raw.form(name), stored_type(raw.types[name])
            if column.dtype == pl.Null:
                columns[name] = wanted or column.dtype
            elif form is not None and form.takes(column.dtype):
                if raw.needs(name):
                    moments[name] = (form, form.format_of(column))
            elif str(column.dtype) == raw.types[name] or wanted is None:
                continue
            elif form is not None or _holds_times(column.dtype) != _holds_times(wanted):
                if raw.needs(name):
                    raise _other_kind(column, raw.types[name], form)
            else:
                columns[name] = wanted
        return cls(columns, moments).kept_by(frame)

    def kept_by(self, frame: pl.DataFrame) -> Harmony:
        """Return those of the columns that lose nothing in these rows either, and the dates."""
        there = {name: each for name, each in self.columns.items() if name in frame.columns}
        kept = {name: each for name, each in there.items() if _changed(frame[name], each) is not None}
        return Harmony(kept, self.dates)

    def settled(self, frame: pl.DataFrame) -> Harmony:
        """Return the same with the formats of dates in more rows, where those before had none.

        Raises:
            DataError: the dates are written in another format than those before.
        """
        dates = dict(self.dates)
        for name, (form, given) in self.dates.items():
            found = (form if given is None else replace(form, format=given)).format_of(frame[name])
            if None not in (found, given) and found != given:
                raise DataError(
                    f"the dates in column {name!r} change their format from {given} to {found}",
                    hint="write all dates of the table in one format.",
                )
            dates[name] = (form, given or found)
        return Harmony(self.columns, dates)

    def applied(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, int]]:
        """Return the rows with these types, and how many values of a column could not be read as dates.

        Raises:
            DataError: dates have a time zone and had none in training, or the other way round.
        """
        changed = [_changed(frame[name], each) for name, each in self.columns.items()]
        changed = [each for each in changed if each is not None]
        unreadable: dict[str, int] = {}
        for name, (form, given) in self.dates.items():
            new = form.brought(frame[name], given)
            lost = new.null_count() - frame[name].null_count()
            if lost:
                unreadable[name] = lost
            changed.append(new.alias(name))
        return frame.with_columns(changed), unreadable


def harmonised(frame: pl.DataFrame, raw: Raw) -> tuple[pl.DataFrame, dict[str, int]]:
    """Return the frame with the types of the table that was trained on; see ``Harmony``.

    Example:
        >>> harmonised(pl.DataFrame({"Ward": [1.0, None]}), Raw({"Ward": "Int64"}))[0]["Ward"].dtype
        Int64
    """
    return Harmony.of(frame, raw).applied(frame)


def _changed(column: pl.Series, dtype: Any) -> pl.Series | None:
    """Return a column in another type, or None if that loses something."""
    if dtype == pl.Boolean and (column.dtype == pl.String or column.dtype.is_numeric()):
        new = _truth(column)
    else:
        new = column.cast(dtype, strict=False)
        if column.dtype.is_float() and dtype.is_integer() and not (new.cast(pl.Float64) == column).all():
            return None
    return new.alias(column.name) if new.null_count() == column.null_count() else None


def _truth(column: pl.Series) -> pl.Series:
    """Return texts or numbers as true or false; as texts where some are neither, which then are unforeseen alone."""
    text = as_label(column) if column.dtype.is_numeric() else column
    lower = text.str.to_lowercase()
    true, false = lower.is_in(["true", "1"]), lower.is_in(["false", "0"])
    if (true | false).all():
        return true
    labels = pl.when(true).then(pl.lit("true")).when(false).then(pl.lit("false")).otherwise(text)
    return pl.select(labels).to_series()


def _holds_times(dtype: Any) -> str | None:
    """Return what kind of times a type holds, if any."""
    if not dtype.is_temporal():
        return None
    return "date" if isinstance(dtype, pl.Date | pl.Datetime) else str(type(dtype).__name__)


def _other_kind(column: pl.Series, trained: str, form: Form | None) -> DataError:
    was = _kind(trained) if form is None or not isinstance(form.dtype, pl.String) else "dates written as text"
    hint = (
        "give it as in training."
        if form is None
        else "give dates: a number does not say from when it counts."
    )
    return DataError(
        f"column {column.name!r} holds {_kind(str(column.dtype))}, but held {was} in training", hint=hint
    )


def _kind(dtype: str) -> str:
    """Return what a person calls the values of a type."""
    for beginning, name in _KINDS.items():
        if dtype.startswith(beginning):
            return name
    return f"values of type {dtype}"


_KINDS = {
    "Int": "whole numbers", "UInt": "whole numbers", "Float": "numbers", "Decimal": "numbers", "String": "text",
    "Boolean": "true or false", "Datetime": "dates with times", "Date": "dates", "Time": "times of day",
    "Duration": "durations",
}  # fmt: skip
