"""Missing values, conversions that lose nothing silently, and small frames as plain JSON."""

from __future__ import annotations

from typing import Any, Literal, cast

import polars as pl

from steepest.data.dates import FIRST
from steepest.errors import PreparationError

_SIMPLE: dict[str, pl.DataType] = {
    str(each()): each()
    for each in (
        pl.Int8,
        pl.Int16,
        pl.Int32,
        pl.Int64,
        pl.UInt8,
        pl.UInt16,
        pl.UInt32,
        pl.UInt64,
        pl.Float32,
        pl.Float64,
        pl.Boolean,
        pl.String,
        pl.Date,
        pl.Time,
        pl.Null,
    )
}
_DAY = 86_400_000_000
"""Microseconds."""
_DAYS = ("%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%d-%b-%Y")
_CLOCKS = (" %H:%M:%S%.f", "T%H:%M:%S%.f", " %H:%M", "T%H:%M", "")
DATES = [*(day + clock for day in _DAYS for clock in _CLOCKS), "%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %I:%M %p"]
"""What ``%d/%m/%Y`` and ``%m/%d/%Y`` mean has to be said; only clocks with AM and PM are American."""
_OFFSET = r"(?<clock>:\d\d(?:\.\d+)?)\s*(?:[zZ]|UTC|[-+]\d\d(?::?\d\d)?)$"
_TRUE, _FALSE = ["true", "yes", "1", "t", "y"], ["false", "no", "0", "f", "n"]


def known(column: str, dtype: pl.DataType) -> pl.Expr:
    """Return the column with not-a-number turned into missing.

    Example:
        >>> frame = pl.DataFrame({"a": [1.0, float("nan"), None]})
        >>> frame.select(known("a", frame.schema["a"])).to_series().to_list()
        [1.0, None, None]
    """
    return pl.col(column).fill_nan(None) if dtype.is_float() else pl.col(column)


def plain(dtype: pl.DataType) -> pl.DataType:
    """Return the type in which values of ``dtype`` are learned and stored."""
    if isinstance(dtype, pl.Categorical | pl.Enum):
        return pl.String()
    return pl.Float64() if isinstance(dtype, pl.Decimal) else dtype


def convert(value: pl.Expr, source: pl.DataType, to: pl.DataType, form: str | None = None) -> pl.Expr:
    """Return ``value`` in another type; what has no exact counterpart becomes missing.

    A number read as text and the same number read as an integer or a float are the same value: a whole
    float becomes ``"25"``, never ``"25.0"``; 25.5 is no integer. Dates are wall times, as they are written; as numbers
    they are days since 1970.

    Args:
        value: what is converted.
        source, to: the types.
        form: the format of texts that become dates.

    Example:
        >>> pl.select(convert(pl.lit(25.0), pl.Float64(), pl.String())).item()
        '25'
        >>> pl.select(convert(pl.lit("25.5"), pl.String(), pl.Int64())).item() is None
        True
    """
    if source == to or isinstance(source, pl.Null):
        return value.cast(to)
    if isinstance(source, pl.Categorical | pl.Enum):
        return convert(value.cast(pl.String), pl.String(), to)
    if isinstance(to, pl.String):
        if source.is_float() or source.is_decimal():
            whole = (value == value.floor()) & (value.abs() < 2**63)
            return (
                pl.when(whole)
                .then(value.cast(pl.Int64, strict=False).cast(pl.String))
                .otherwise(value.cast(pl.String))
            )
        return value.cast(pl.String, strict=False)
    if isinstance(source, pl.String):
        return _from_text(value, to, form)
    if isinstance(source, pl.Datetime) and source.time_zone is not None:
        wall = value.dt.replace_time_zone(None)
        return (
            convert(wall, pl.Datetime(source.time_unit), to)
            if not isinstance(to, pl.String)
            else wall.cast(to)
        )
    if isinstance(source, pl.Date | pl.Datetime) and to.is_numeric():
        days = value.cast(pl.Datetime("us")).dt.timestamp("us") / _DAY
        return days.floor().cast(to) if to.is_integer() else days.cast(to)
    if isinstance(to, pl.Datetime) and source.is_numeric():
        return (value * _DAY).cast(pl.Int64, strict=False).cast(pl.Datetime("us")).cast(to, strict=False)
    if to.is_integer() and (source.is_float() or source.is_decimal()):
        return pl.when(value == value.floor()).then(value).cast(to, strict=False)
    return value.cast(to, strict=False)


def _from_text(value: pl.Expr, to: pl.DataType, form: str | None) -> pl.Expr:
    text = value.str.strip_chars()
    if isinstance(to, pl.Date | pl.Datetime):
        return _moment(text, form).cast(to)
    if isinstance(to, pl.Boolean):
        lower = text.str.to_lowercase()
        return pl.when(lower.is_in(_TRUE)).then(True).when(lower.is_in(_FALSE)).then(False)  # pyright: ignore[reportReturnType]
    if to.is_integer():
        exact = text.cast(to, strict=False)
        number = text.cast(pl.Float64, strict=False)
        return pl.coalesce(exact, convert(number, pl.Float64(), to))
    return text.cast(to, strict=False)


def _moment(text: pl.Expr, form: str | None) -> pl.Expr:
    """Return the wall times that texts mean, in one format or in those that mean the same everywhere."""
    wall = text.str.replace(_OFFSET, "$clock")
    read = [
        (each, wall.str.to_datetime(each, time_unit="us", strict=False))
        for each in ([form] if form else DATES)
    ]
    return pl.coalesce(
        pl.when(moment >= FIRST).then(moment) if "%Y" in each else moment for each, moment in read
    )


def as_known(column: pl.Series, to: pl.DataType) -> pl.Series:
    """Return a column in another type, not-a-number and what has no counterpart as missing.

    To the type of a column in which nothing is known (``Null``) nothing is converted.

    Example:
        >>> as_known(pl.Series("a", [1.0, float("nan"), 2.5]), pl.Int64()).to_list()
        [1, None, None]
    """
    dtype = column.dtype
    if isinstance(to, pl.Null):
        to = dtype
    if dtype == to and not (dtype.is_float() and column.is_nan().any()):
        return column
    return column.to_frame().select(convert(known(column.name, dtype), dtype, to)).to_series()


def pack(frame: pl.DataFrame) -> dict[str, Any]:
    """Return a small frame as plain JSON: for each column its type and one list of values.

    Example:
        >>> pack(pl.DataFrame({"key": ["a", "b"]}))
        {'key': {'type': 'String', 'values': ['a', 'b']}}
    """
    return {name: _pack(frame[name]) for name in frame.columns}


def _pack(column: pl.Series) -> dict[str, Any]:
    dtype = column.dtype
    if isinstance(dtype, pl.Datetime | pl.Duration):
        about: dict[str, Any] = {"type": type(dtype).__name__, "unit": dtype.time_unit}
        if isinstance(dtype, pl.Datetime):
            about["zone"] = dtype.time_zone
        return {**about, "values": column.to_physical().to_list()}
    if str(dtype) not in _SIMPLE:
        raise PreparationError(
            f"column {column.name!r} is of type {dtype}, which a step cannot learn from",
            hint="cast it to text or a number first, with a cast step.",
        )
    temporal = dtype.is_temporal()
    return {"type": str(dtype), "values": (column.to_physical() if temporal else column).to_list()}


def unpack(stored: dict[str, Any]) -> pl.DataFrame:
    """Return the frame that ``pack`` stored."""
    return pl.DataFrame([_unpack(name, about) for name, about in stored.items()])


def _unpack(name: str, about: dict[str, Any]) -> pl.Series:
    kind, values = about["type"], about["values"]
    if kind in ("Datetime", "Duration"):
        unit = cast(Literal["ns", "us", "ms"], about["unit"])
        dtype = pl.Datetime(unit, about.get("zone")) if kind == "Datetime" else pl.Duration(unit)
        return pl.Series(name, values, pl.Int64).cast(dtype)
    dtype = _SIMPLE[kind]
    if isinstance(dtype, pl.Date):
        return pl.Series(name, values, pl.Int32).cast(dtype)
    if isinstance(dtype, pl.Time):
        return pl.Series(name, values, pl.Int64).cast(dtype)
    return pl.Series(name, values, dtype)
