"""Dates in a table: texts that are dates, their time zones, and the parts that a network can learn from.

A date means its wall time, as it is written. Where dates have a time zone or an offset from UTC, that zone is part of
what a column means (``Form``), and the same instants written in another zone are converted to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from steepest.data.labels import as_text
from steepest.errors import DataError

DAY_OF_YEAR = "day of year"
PARTS = ("year", "month", "day", DAY_OF_YEAR, "weekday", "hour", "minute")
CATEGORICAL_PARTS = ("month", "weekday", "hour")
"""Parts with few values that do not simply grow; year, day, day of year and minute are numbers."""

YEAR = timedelta(days=366)
"""Dates that span no more have no day of the year: it would grow from the first to the last one."""

_LONG = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%d-%b-%Y")
_NAMED = (
    "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%B %d %Y", "%A, %d %B %Y", "%A, %B %d, %Y",
    "%a, %d %b %Y",
)  # fmt: skip
_SHORT = ("%m/%d/%y", "%d/%m/%y", "%d.%m.%y", "%d-%b-%y")
_ZONES = ("%#z", " UTC")
"""An offset (Z, +02, +0200, +02:00), or the word."""
TIMES = (
    "",
    " %H:%M:%S%.f",
    " %H:%M",
    "T%H:%M:%S%.f",
    "T%H:%M",
    " %I:%M:%S %p",
    " %I:%M %p",
    *(f"{clock}{zone}" for zone in _ZONES for clock in ("T%H:%M:%S%.f", " %H:%M:%S%.f", "T%H:%M", " %H:%M")),
)
DAYS = {
    r"^\s*(\d{4}[-/.]\d\d?[-/.]\d\d?|\d\d?[-/.]\w{1,3}[-/.]\d{4})(\D|$)": _LONG,
    r"^\s*\d\d?[-/.]\w{1,3}[-/.]\d\d(\D|$)": _SHORT,
    r"^\s*([A-Za-z]{3,9}, )?(\d\d? [A-Za-z]{3,9}|[A-Za-z]{3,9} \d\d?,?) \d{4}(\D|$)": _NAMED,
}
"""What the beginning of a text must look like before a group of day formats is tried on it."""

TIMES_OF_DAY = ("%H:%M:%S%.f", "%H:%M", "%I:%M:%S %p", "%I:%M %p")
_OFFSET = r"([zZ]|UTC|[-+]\d\d(?::?\d\d)?)\s*$"
_DAY_FIRST, _MONTH_FIRST = "%d/%m", "%m/%d"

FIRST = datetime(1000, 1, 1)
"""A year of fewer than four digits has lost its century."""

SAMPLE = 500
"""The first known texts decide which formats are tried at all."""

_SHARE = 0.99


def date_format(values: pl.Series, share: float = _SHARE) -> str | None:
    """Return the format in which at least ``share`` of the known texts are dates, or None.

    The first rows decide which formats are tried at all. Of day/month and month/day the one that fits
    more rows wins, and month/day if both fit.

    Example:
        >>> date_format(pl.Series(["01/31/2018 10:00 PM", "02/01/2018 01:30 AM"]))
        '%m/%d/%Y %I:%M %p'
    """
    sample = as_text(values.drop_nulls().head(SAMPLE))
    days = next((days for beginning, days in DAYS.items() if _begin(sample, beginning, share)), ())
    return _best(values, [day + time for day in days for time in TIMES], share)


def _begin(sample: pl.Series, beginning: str, share: float) -> bool:
    return len(sample) > 0 and int(sample.str.contains(beginning).sum()) >= share * len(sample)


def _best(values: pl.Series, forms: Sequence[str], share: float) -> str | None:
    known = values.drop_nulls()
    sample = as_text(known.head(SAMPLE))
    forms = [each for each in forms if _readable(sample, each) >= share * len(sample)] if len(sample) else []
    if not forms:
        return None
    known = as_text(known)
    best, most = None, share * len(known)
    for each in forms:
        fits = _readable(known, each)
        if fits >= most and (best is None or fits > most):
            best, most = each, fits
    return best


def _readable(values: pl.Series, form: str) -> int:
    return len(values) - parsed(values, form).null_count()


def other_order(values: pl.Series, form: str) -> str | None:
    """Return the format with day and month exchanged, if it reads as many texts; then the order is ambiguous.

    A format that begins with the year is not ambiguous: the month follows it.

    Example:
        >>> other_order(pl.Series(["01/02/2018", "03/04/2018"]), "%m/%d/%Y")
        '%d/%m/%Y'
        >>> other_order(pl.Series(["1970/01/02"]), "%Y/%m/%d")
    """
    if form.startswith("%Y"):
        return None
    if _MONTH_FIRST in form:
        other = form.replace(_MONTH_FIRST, _DAY_FIRST)
    elif _DAY_FIRST in form:
        other = form.replace(_DAY_FIRST, _MONTH_FIRST)
    else:
        return None
    known = values.drop_nulls()
    for some in (known.head(SAMPLE), known):
        if _readable(some, other) < _readable(some, form):
            return None
    return other


def parsed(values: pl.Series, form: str) -> pl.Series:
    """Return date-times; what does not fit the format is null. A format with a zone gives the time in UTC.

    Example:
        >>> parsed(pl.Series(["2018-01-31", "soon"]), "%Y-%m-%d").dt.day().to_list()
        [31, None]
    """
    texts = values.str.strip_chars()
    if form in TIMES_OF_DAY:
        return as_datetime(texts.str.to_time(form, strict=False), None)
    moments = texts.str.to_datetime(form, strict=False, time_unit="us").dt.replace_time_zone(None)
    if "%Y" in form and (moments < FIRST).any():
        return moments.zip_with(moments >= FIRST, moments.clear(len(moments)))
    return moments


def has_zone(form: str | None) -> bool:
    """Whether texts in this format have a time zone or an offset."""
    return form is not None and form.endswith(("z", "Z", " UTC"))


def offsets(values: pl.Series, form: str | None) -> list[str]:
    """Return the different offsets from UTC of texts in a format.

    Example:
        >>> offsets(pl.Series(["2018-01-31 22:05Z", "2018-07-31 22:05+0200"]), "%Y-%m-%d %H:%M%#z")
        ['UTC', '+02:00']
    """
    if form is None or not has_zone(form):
        return []
    found = values.str.extract(_OFFSET).unique().drop_nulls().to_list()
    return [_offset_name(each) for each in sorted({_minutes(each) for each in found})]


def zone_of(values: pl.Series, form: str | None) -> str | None:
    """Return the time zone of a column: that of its type, the offset that all texts have, or UTC if they differ."""
    if isinstance(values.dtype, pl.Datetime):
        return values.dtype.time_zone
    found = offsets(values, form)
    return found[0] if len(found) == 1 else ("UTC" if has_zone(form) else None)


def _minutes(offset: str) -> int:
    digits = offset.replace(":", "")
    if not digits[1:].isdigit():
        return 0  # Z, UTC
    sign = -1 if digits[0] == "-" else 1
    return sign * (60 * int(digits[1:3]) + int(digits[3:] or 0))


def _offset_name(minutes: int) -> str:
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02}:{rest:02}" if minutes else "UTC"


def _in_zone(moments: pl.Series, zone: str | None) -> pl.Series:
    """Return the wall time of a zone from times in UTC."""
    if zone is None or zone == "UTC":
        return moments
    if zone[0] in "+-":
        return moments + timedelta(minutes=_minutes(zone))
    return moments.dt.replace_time_zone("UTC").dt.convert_time_zone(zone).dt.replace_time_zone(None)


def as_datetime(values: pl.Series, form: str | None, zone: str | None = None) -> pl.Series:
    """Return wall-clock date-times from dates, date-times, times of day or texts in the format ``form``.

    Args:
        values: dates of any type.
        form: the format of texts.
        zone: the zone in which texts that have one are read; date-times with a zone are read in their own.
    """
    dtype: Any = values.dtype
    if dtype == pl.String:
        form = form or date_format(values) or "%Y-%m-%d"
        moments = parsed(values, form)
        return _in_zone(moments, zone) if has_zone(form) else moments
    if dtype == pl.Datetime:
        return values.dt.replace_time_zone(None).dt.cast_time_unit("us")
    if dtype == pl.Time:
        return (values.to_physical() // 1000).cast(pl.Datetime("us"))
    return values.cast(pl.Datetime("us"), strict=False)


def part(moments: pl.Series, name: str) -> pl.Series:
    """Return one part of date-times as whole numbers; weekday 1 is Monday, day of year 1 is January 1.

    Example:
        >>> from datetime import datetime
        >>> moments = pl.Series([datetime(2018, 1, 31), datetime(2020, 12, 31)])
        >>> part(moments, "weekday").to_list(), part(moments, "day of year").to_list()
        ([3, 4], [31, 366])
    """
    return getattr(moments.dt, "ordinal_day" if name == DAY_OF_YEAR else name)().cast(pl.Int64)


def parts_of(moments: pl.Series) -> tuple[str, ...]:
    """Return the parts of date-times that a network can learn from: those that vary.

    The day of the year is one of them where the dates span more than a year, so that it comes again.

    Example:
        >>> from datetime import datetime
        >>> parts_of(pl.Series([datetime(2018, 1, 31), datetime(2018, 12, 31)]))
        ('month', 'weekday')
        >>> parts_of(pl.Series([datetime(2018, 1, 31), datetime(2020, 1, 31)]))
        ('year', 'weekday')
        >>> parts_of(pl.Series([datetime(2018, 1, 31), datetime(2020, 12, 31)]))
        ('year', 'month', 'day of year', 'weekday')
    """
    found = tuple(each for each in PARTS if part(moments, each).drop_nulls().n_unique() > 1)
    known = moments.drop_nulls()
    if len(known) and known.max() - known.min() > YEAR:  # pyright: ignore[reportOperatorIssue]
        return found
    return tuple(each for each in found if each != DAY_OF_YEAR)


@dataclass(frozen=True)
class Form:
    """How the dates of a training column are written; new dates are brought into it, so that both mean the same.

    Attributes:
        dtype: text, date, date-time or time of day.
        format: of texts.
        zone: the time zone in which they are read; None where they have none.

    Example:
        >>> form = Form(pl.String(), "%m/%d/%Y %I:%M %p")
        >>> new = pl.Series("when", ["2018-01-31 22:05:00"])
        >>> form.brought(new, form.format_of(new)).to_list()
        ['01/31/2018 10:05 PM']
    """

    dtype: pl.DataType
    format: str | None = None
    zone: str | None = None

    @classmethod
    def of(cls, values: pl.Series) -> Form | None:
        """Return the form of a column, or None if it has no dates."""
        dtype = values.dtype
        if isinstance(dtype, pl.Date | pl.Datetime | pl.Time):
            return cls(dtype, None, zone_of(values, None))
        form = date_format(values) if isinstance(dtype, pl.String | pl.Categorical) else None
        return None if form is None else cls(pl.String(), form, zone_of(as_text(values), form))

    def doubtful(self, values: pl.Series) -> bool:
        """Whether texts in this form cannot be written anew: day and month could be exchanged, or offsets differ."""
        if self.format is None:
            return False
        values = as_text(values)
        return other_order(values, self.format) is not None or len(offsets(values, self.format)) > 1

    def takes(self, dtype: Any) -> bool:
        """Whether dates of this type can be brought into the form."""
        if isinstance(self.dtype, pl.Time):
            return isinstance(dtype, pl.String | pl.Time)
        return isinstance(dtype, pl.String | pl.Date | pl.Datetime)

    def format_of(self, values: pl.Series) -> str | None:
        """Return the format of new texts: that of training, unless it fails where another one fits; None of others.

        Raises:
            DataError: the order of day and month is ambiguous.
        """
        if values.dtype != pl.String:
            return None
        known = values.drop_nulls()
        if len(known) == 0:
            return None
        if isinstance(self.dtype, pl.Time):
            return _best(known, TIMES_OF_DAY, 0.5)
        read = 0 if self.format is None else _readable(known, self.format)
        if self.format is not None and read >= _SHARE * len(known):
            return self.format
        found = date_format(known) or (None if read else date_format(known, 0.5))
        if found is None:
            return self.format
        other = other_order(known, found)
        trained = "" if self.format is None else self.format
        if other is not None and trained[:5] in (found[:5], other[:5]):
            return found if trained[:5] == found[:5] else other
        if other is not None:
            raise DataError(
                f"the dates in column {values.name!r} can be read as month/day or as day/month, such as {known[0]!r}",
                hint=f"write them {self._example()}.",
            )
        return found

    def brought(self, values: pl.Series, form: str | None) -> pl.Series:
        """Return new dates as they would have been written in training.

        A text that is no date stays as it is in a column of texts, and is null in others.

        Args:
            values: dates of a type that the form takes.
            form: as ``format_of`` found it.

        Raises:
            DataError: they have a time zone and those of training had none, or the other way round.
        """
        dtype: Any = self.dtype
        if values.dtype == dtype and form == self.format and set(offsets(values, form)) <= {self.zone}:
            return values
        if values.dtype == pl.String and form is None:  # no text is a date
            return (
                values
                if dtype == pl.String
                else pl.Series(values.name, [None], dtype).new_from_index(0, len(values))
            )
        moments = self._moments(values, form)
        if isinstance(dtype, pl.String):
            return self._texts(_in_zone(moments, self.zone), values)
        if isinstance(dtype, pl.Time):
            return moments.dt.time()
        moments = moments.cast(pl.Datetime(dtype.time_unit) if dtype == pl.Datetime else dtype, strict=False)
        return (
            moments
            if self.zone is None
            else moments.dt.replace_time_zone("UTC").dt.convert_time_zone(self.zone)
        )

    def _moments(self, values: pl.Series, form: str | None) -> pl.Series:
        """Return naive date-times: in UTC if they have a zone."""
        zone = zone_of(values, form)
        if (zone is None) != (self.zone is None):
            raise self._other_zone(values, zone)
        if isinstance(values.dtype, pl.Datetime) and zone is not None:
            values = values.dt.convert_time_zone("UTC")
        return as_datetime(values, form)

    def _texts(self, wall: pl.Series, values: pl.Series) -> pl.Series:
        base, offset = self.format or "", ""
        if has_zone(base):
            base = base.removesuffix(" UTC").rstrip("zZ").rstrip("%#")
            offset = " UTC" if (self.format or "").endswith(" UTC") else _iso_offset(self.zone)
        texts = wall.dt.to_string(base) + offset
        if "%y" in base:  # two digits of the year mean 1969 to 2068
            texts = texts.set(~wall.dt.year().is_between(1969, 2068).fill_null(False), None)
        return texts if values.dtype != pl.String else texts.zip_with(texts.is_not_null(), values)

    def _example(self) -> str:
        return "as 2018-01-31" if self.format is None else f"in the format of training, {self.format}"

    def _other_zone(self, values: pl.Series, zone: str | None) -> DataError:
        name, text = values.name, values.dtype == pl.String
        if self.zone is None:
            hint = (
                "write them without Z or an offset, in the wall time of the training table."
                if text
                else "give the wall time of the training table: .dt.convert_time_zone(ZONE).dt.replace_time_zone(None)"
                " in Polars, .dt.tz_convert(ZONE).dt.tz_localize(None) in pandas."
            )
            return DataError(
                f"the times in column {name!r} have a time zone ({zone}), but had none in training", hint=hint
            )
        hint = (
            f"write them with their offset from UTC, such as 2018-01-31T22:05:00{_iso_offset(self.zone)}."
            if text
            else f"say which zone they are in: .dt.replace_time_zone({_known_zone(self.zone)!r}) in Polars, "
            f".dt.tz_localize({_known_zone(self.zone)!r}) in pandas."
        )
        return DataError(
            f"the times in column {name!r} have no time zone, but had one in training ({self.zone})",
            hint=hint,
        )


def _iso_offset(zone: str | None) -> str:
    return zone if zone is not None and zone[0] in "+-" else "+00:00"


def _known_zone(zone: str) -> str:
    """Return a name that Polars and pandas know for a zone, UTC where an offset has none."""
    if zone[0] not in "+-":
        return zone
    hours, rest = divmod(abs(_minutes(zone)), 60)
    return "UTC" if rest else f"Etc/GMT{'-' if zone[0] == '+' else '+'}{hours}"
