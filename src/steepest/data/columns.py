"""The columns of a prepared table with their roles, and the features made of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from difflib import get_close_matches
from typing import Any, Literal

import polars as pl

from steepest.components.comma_lists import shell_name
from steepest.data import dates
from steepest.data.labels import as_label, as_text
from steepest.data.mixed import Words
from steepest.data.sizes import beyond_floats
from steepest.data.unforeseen import Unforeseen, added
from steepest.errors import DataError
from steepest.wording import counted

Role = Literal["target", "weight", "categorical", "continuous", "date", "text", "left out"]
"""What a column is for; a text has this role until its step has made numbers of it."""
Kind = Literal["text", "integer", "float", "boolean", "date", "other"]


@dataclass(frozen=True)
class Column:
    """One column of the prepared table.

    Attributes:
        name: its name.
        kind: what its values are.
        role: what it is for.
        reason: why it is left out, else empty.
        parts: for a date, the parts that became features.
        format: for a date written as text, its format.
        zone: for a date written as text with a time zone or an offset, the zone in which it is read.
    """

    name: str
    kind: Kind
    role: Role
    reason: str = ""
    parts: tuple[str, ...] = ()
    format: str | None = None
    zone: str | None = None


@dataclass(frozen=True)
class Columns:
    """The roles of all columns, and the features that follow from them.

    Example:
        >>> from steepest.data.roles import decide_roles
        >>> from steepest.data.options import TableOptions
        >>> frame = pl.DataFrame({"x": [0.5, 1.5, 2.5], "c": ["a", "b", "a"], "y": [0, 1, 0]})
        >>> columns, notes = decide_roles(frame, "y", TableOptions())
        >>> columns.categorical, columns.continuous
        (['c'], ['x'])
    """

    columns: tuple[Column, ...]

    def of(self, role: Role) -> list[str]:
        """Return the names of the columns with this role."""
        return [each.name for each in self.columns if each.role == role]

    def _parts(self, categorical: bool) -> list[tuple[Column, str, str]]:
        return [
            (each, part, f"{each.name} {part}")
            for each in self.columns
            if each.role == "date"
            for part in each.parts
            if (part in dates.CATEGORICAL_PARTS) == categorical
        ]

    @property
    def categorical(self) -> list[str]:
        """Names of the categorical features, date parts last."""
        return self.of("categorical") + [name for _, _, name in self._parts(categorical=True)]

    @property
    def continuous(self) -> list[str]:
        """Names of the continuous features, date parts last."""
        return self.of("continuous") + [name for _, _, name in self._parts(categorical=False)]

    @property
    def sources(self) -> dict[str, str]:
        """The column that each feature is made of, by the feature's name."""
        own = {each.name: each.name for each in self.columns if each.role in ("categorical", "continuous")}
        parts = [*self._parts(categorical=True), *self._parts(categorical=False)]
        return own | {name: each.name for each, _, name in parts}

    @property
    def required(self) -> list[str]:
        """The columns that a table must have to make the features."""
        return [each.name for each in self.columns if each.role in ("categorical", "continuous", "date")]

    def features(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the features: categorical columns as text, continuous ones as float64, in order.

        Raises:
            DataError: a column is not there, or has text where numbers were.
        """
        categorical = set(self.categorical)
        made = {
            name: as_label(values) if name in categorical else values
            for name, values in self.each_feature(frame)
        }
        return pl.DataFrame({name: made[name] for name in self.categorical + self.continuous})

    def check(self, frame: pl.DataFrame) -> None:
        """Raise a ``DataError`` if a table lacks a column that the features need."""
        absent = [each for each in self.required if each not in frame.columns]
        if absent:
            raise lacking_columns(absent, [each for each in frame.columns if each not in self.required])

    def each_feature(self, frame: pl.DataFrame) -> Iterator[tuple[str, pl.Series]]:
        """Yield name and values of one feature at a time, so that no more than one column is copied at once.

        Categories are as they are in the table (``as_label`` makes texts of them), numbers float64, but whole
        numbers that floats do not hold exactly.

        Raises:
            DataError: a column is not there, or has text where numbers were.
        """
        self.check(frame)
        for each in self.columns:
            if each.role == "categorical":
                yield each.name, frame[each.name]
            elif each.role == "continuous":
                values = as_text(frame[each.name])
                yield (
                    each.name,
                    values if beyond_floats(values) else as_number(values, each.format, each.zone),
                )
            elif each.role == "date":
                moments = dates.as_datetime(as_text(frame[each.name]), each.format, each.zone)
                for part in each.parts:
                    values = dates.part(moments, part)
                    whole = part in dates.CATEGORICAL_PARTS
                    yield f"{each.name} {part}", values if whole else as_number(values)

    def by_column(self, found: Unforeseen, frame: pl.DataFrame, features: pl.DataFrame) -> Unforeseen:
        """Return counts in which a date without a value counts once, not once for each part.

        Args:
            found: counts of the features' values, and of what could not be read before.
            frame: the rows.
            features: of these rows.
        """
        missing, unreadable = dict(found.missing), dict(found.unreadable)
        for each in self.columns:
            names = [f"{each.name} {part}" for part in each.parts] or [each.name]
            if each.role == "date" or (each.role == "continuous" and each.format is not None):
                lost = features[names[0]].null_count() - frame[each.name].null_count()
                unreadable[each.name] = unreadable.get(each.name, 0) + lost
                lacking = max(missing.pop(name, 0) for name in names)
                missing[each.name] = max(0, lacking - unreadable[each.name])
        return replace(found, missing=added(missing, {}), unreadable=added(unreadable, {}))

    def to_dict(self) -> list[dict[str, Any]]:
        """Return plain JSON values."""
        return [asdict(each) for each in self.columns]

    @classmethod
    def from_dict(cls, stored: Sequence[Mapping[str, Any]]) -> Columns:
        """Return what ``to_dict`` stored."""
        found = (replace(Column(**dict(each)), parts=tuple(each["parts"])) for each in stored)
        return cls(
            tuple(
                replace(each, zone=each.zone or ("UTC" if dates.has_zone(each.format) else None))
                for each in found
            )
        )


def near_names(absent: Sequence[str], others: Sequence[str]) -> dict[str, str]:
    """Return of columns that a table lacks those that it seems to have under another name, with that name.

    Example:
        >>> near_names(["age", "plan"], ["Agee", "id"])
        {'age': 'Agee'}
    """
    by_lower = {each.lower(): each for each in others}
    return {
        name: by_lower[found[0]]
        for name in absent
        if (found := get_close_matches(name.lower(), [*by_lower], n=1))
    }


def lacking_columns(absent: Sequence[str], others: Sequence[str]) -> DataError:
    """Return the error about columns that a table lacks, with those that may be them under another name.

    Args:
        absent: what is not there.
        others: the table's columns that are not wanted.

    Example:
        >>> error = lacking_columns(["age", "plan"], ["agee", "id"])
        >>> error.fact, error.hint
        ("the table lacks columns 'age', 'plan'", "rename the column 'agee' if it is 'age', and add 'plan'.")
    """
    near = near_names(absent, others)
    renamed = " and ".join(f"{each!r} if it is {name!r}" for name, each in near.items())
    rest = [repr(name) for name in absent if name not in near]
    cures = [
        *([f"rename the column {renamed}"] if renamed else []),
        *([f"add {', '.join(rest)}"] if rest else []),
    ]
    what = "column" if len(absent) == 1 else "columns"
    return DataError(
        f"the table lacks {what} {', '.join(map(repr, absent))}",
        hint=f"{', and '.join(cures)}{'' if renamed else ' as in training'}.",
    )


def as_number(values: pl.Series, form: str | None = None, zone: str | None = None) -> pl.Series:
    """Return float64 values; a date becomes days since 1970, a time of day its share of the day.

    Raises:
        DataError: a text is not a number; the message has it and its row.

    Example:
        >>> as_number(pl.Series("price", ["1.5", "n.a."]))
        Traceback (most recent call last):
        ...
        steepest.errors.DataError: column 'price' is continuous but holds 'n.a.' in row 2 (1 such value)
        Hint: if they mean missing: missing n.a.; if it is a category: categorical price instead of continuous.
    """
    if values.dtype.is_temporal() and values.dtype != pl.Duration:
        return dates.as_datetime(values, None).dt.timestamp("ms").cast(pl.Float64) / 86_400_000
    if values.dtype == pl.Duration:
        return values.dt.total_microseconds().cast(pl.Float64) / 1e6
    if values.dtype == pl.String and form is not None:
        return as_number(dates.as_datetime(values, form, zone))
    numbers = values.cast(pl.Float64, strict=False)
    lost = (numbers.is_null() & values.is_not_null()).arg_true()
    if len(lost):
        raise DataError(
            f"column {values.name!r} is continuous but holds {values[int(lost[0])]!r} in row {int(lost[0]) + 1}"
            f" ({counted(len(lost), 'such value')})",
            hint=f"{words.cure + '; ' if (words := Words.of(values)) else ''}if it is a category: "
            f"--categorical {shell_name(values.name)} instead of --continuous.{words.below if words else ''}",
        )
    return numbers.fill_nan(None)


def check_finite(values: pl.Series, name: str, *, cure: str = "") -> None:
    """Raise a ``DataError`` if a column holds infinities, with their number and the first row."""
    infinite = values.is_infinite().fill_null(False).arg_true()
    if len(infinite):
        first = int(infinite[0])
        raise DataError(
            f"column {name!r} holds {counted(len(infinite), 'infinite value')}, "
            f"the first ({values[first]}) in row {first + 1}",
            hint=f"correct them in the table, or {cure or f'leave the column out: --drop {shell_name(name)}'}.",
        )


def kind_of(values: pl.Series) -> Kind:
    """Return what the values of a column are; floats that are all whole count as integers.

    Example:
        >>> kind_of(pl.Series([1.0, None])), kind_of(pl.Series([1.5])), kind_of(pl.Series(["a"]))
        ('integer', 'float', 'text')
    """
    dtype = values.dtype
    if dtype == pl.Boolean:
        return "boolean"
    if dtype.is_integer():
        return "integer"
    if dtype.is_float():
        known = values.drop_nulls()
        whole = len(known) > 0 and bool(((known == known.floor()) & (known.abs() < 2**53)).all())
        return "integer" if whole else "float"
    if isinstance(dtype, pl.String | pl.Categorical):
        return "text"
    if isinstance(dtype, pl.Date | pl.Datetime | pl.Time):
        return "date"
    return "float" if dtype == pl.Duration or dtype.is_decimal() else "other"
