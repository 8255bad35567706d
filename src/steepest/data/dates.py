"""Dates in a table: texts that are dates, and the parts that a network can learn from."""

from __future__ import annotations

from typing import Any

import polars as pl

PARTS = ("year", "month", "day", "weekday", "hour", "minute")
CATEGORICAL_PARTS = ("month", "weekday", "hour")
"""Parts with few values that do not simply grow; year, day and minute are numbers."""

_LONG = ("%Y-%m-%d", "%Y/%m/%d", "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%d-%b-%Y")
_SHORT = ("%m/%d/%y", "%d/%m/%y", "%d.%m.%y", "%d-%b-%y")
_TIMES = (
    "",
    " %H:%M:%S%.f",
    " %H:%M",
    "T%H:%M:%S%.f",
    "T%H:%M",
    " %I:%M:%S %p",
    " %I:%M %p",
    "T%H:%M:%S%.fZ",
    "T%H:%M:%S%.f%z",
    " %H:%M:%S%.f%z",
)
_FORMATS = {
    r"^\s*(\d{4}[-/.]\d\d?[-/.]\d\d?|\d\d?[-/.]\w{1,3}[-/.]\d{4})(\D|$)": _LONG,
    r"^\s*\d\d?[-/.]\w{1,3}[-/.]\d\d(\D|$)": _SHORT,
}
"""What the beginning of a text must look like before a group of day formats is tried on it."""

SAMPLE = 500
"""The first known texts decide which formats are tried at all."""

_SHARE = 0.99


def date_format(values: pl.Series) -> str | None:
    """Return the format in which at least 99 % of the known texts are dates, or None.

    The first rows decide which formats are tried at all. Of day/month and month/day the one that fits
    more rows wins, and month/day if both fit.

    Example:
        >>> date_format(pl.Series(["01/31/2018 10:00 PM", "02/01/2018 01:30 AM"]))
        '%m/%d/%Y %I:%M %p'
    """
    known = values.drop_nulls()
    sample = known.head(SAMPLE)
    known_days = [
        days
        for beginning, days in _FORMATS.items()
        if len(sample) and sample.str.contains(beginning).sum() >= _SHARE * len(sample)
    ]
    if not known_days:
        return None
    best, most = None, _SHARE * len(known)
    for each in (day + time for day in known_days[0] for time in _TIMES):
        if parsed(sample, each).null_count() <= (1 - _SHARE) * len(sample):
            fits = len(known) - parsed(known, each).null_count()
            if fits >= most and (best is None or fits > most):
                best, most = each, fits
    return best


def parsed(values: pl.Series, form: str) -> pl.Series:
    """Return date-times; what does not fit the format is null.

    Example:
        >>> parsed(pl.Series(["2018-01-31", "soon"]), "%Y-%m-%d").dt.day().to_list()
        [31, None]
    """
    moments = values.str.strip_chars().str.to_datetime(form, strict=False, time_unit="us")
    return moments.dt.replace_time_zone(None)


def as_datetime(values: pl.Series, form: str | None) -> pl.Series:
    """Return wall-clock date-times from dates, date-times or texts in the format ``form``."""
    dtype: Any = values.dtype
    if dtype == pl.String:
        return parsed(values, form or date_format(values) or "%Y-%m-%d")
    if dtype == pl.Datetime:
        return values.dt.replace_time_zone(None).dt.cast_time_unit("us")
    return values.cast(pl.Datetime("us"), strict=False)


def part(moments: pl.Series, name: str) -> pl.Series:
    """Return one part of date-times as whole numbers; weekday 1 is Monday.

    Example:
        >>> from datetime import datetime
        >>> part(pl.Series([datetime(2018, 1, 31)]), "weekday").to_list()
        [3]
    """
    return getattr(moments.dt, name)().cast(pl.Int64)
