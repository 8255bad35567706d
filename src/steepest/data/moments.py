"""Numbers that look like times, such as 20180131 or seconds since 1970, with the steps that make dates of them."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from steepest.data.dataset import Note
from steepest.data.names import names_a_time
from steepest.data.suggestions import step_toml

_UNITS = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
_SINCE, _BEFORE = datetime(1990, 1, 1), datetime(2100, 1, 1)
_EPOCH = datetime(1970, 1, 1)
_DAY = 86_400
_SPREADSHEET = 25_569
"""The day 1970-01-01 in spreadsheets."""
_DAYS = 0.99


def about_times(values: pl.Series) -> Note | None:
    """Return a note on a column of numbers that looks like times; they are used as numbers.

    Example:
        >>> about_times(pl.Series("created_at", [1519185396000, 1523066043415])).text[:79]
        'created_at looks like milliseconds since 1970 (2018-02-21 to 2018-04-07) and is'
        >>> about_times(pl.Series("price", [1519185396000, 1523066043415]))
    """
    known = values.drop_nulls()
    least, most = known.min(), known.max()
    if not isinstance(least, int | float) or not isinstance(most, int | float) or least == most:
        return None
    name = values.name
    if least >= 19_000_101 and most <= 21_001_231 and _are_days(known):
        cure = "\n\n".join(
            (
                step_toml("cast", types={name: "text"}),
                step_toml("cast", types={name: "date"}, formats={name: "%Y%m%d"}),
            )
        )
        return _note(values.name, f"days, {least:.0f} to {most:.0f},", cure)
    if not names_a_time(name):
        return None
    for unit, of in _UNITS.items():
        if _seconds(_SINCE) <= least / of and most / of < _seconds(_BEFORE):
            shown = " to ".join(f"{_EPOCH + timedelta(seconds=each / of):%Y-%m-%d}" for each in (least, most))
            return _note(values.name, f"{unit} since 1970 ({shown})", _days(name, f"/ {_DAY * of}.0"))
    if _seconds(_SINCE) <= (least - _SPREADSHEET) * _DAY and (most - _SPREADSHEET) * _DAY < _seconds(_BEFORE):
        shown = " to ".join(f"{_EPOCH + timedelta(each - _SPREADSHEET):%Y-%m-%d}" for each in (least, most))
        return _note(
            values.name, f"days as spreadsheets count them ({shown})", _days(name, f"- {_SPREADSHEET}")
        )
    return None


def _note(name: str, what: str, step: str) -> Note:
    text = f"{name} looks like {what} and is used as a number"
    return Note("info", f"{text}; two steps in a --prepare file give its month, weekday or hour.", step)


def _days(name: str, change: str) -> str:
    of = name.replace('"', '""')
    made = step_toml("derive", columns={name: f'"{of}" {change}'})
    return f"{made}\n\n{step_toml('cast', types={name: 'datetime'})}"


def _seconds(moment: datetime) -> float:
    return (moment - _EPOCH).total_seconds()


def _are_days(known: pl.Series) -> bool:
    """Whether whole numbers are days as in 20180131."""
    found = known.cast(pl.Int64).cast(pl.String).str.to_date("%Y%m%d", strict=False)
    return found.null_count() <= (1 - _DAYS) * len(known) and bool((known == known.floor()).all())
