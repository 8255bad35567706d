"""From a table in memory (a frame, a mapping of columns, rows) to a Polars ``LazyFrame``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, cast

import polars as pl

from steepest.data.layout import check_names
from steepest.data.names import called
from steepest.errors import DataError


def frame_of(source: Any) -> pl.LazyFrame:
    """Return a table in memory as a ``LazyFrame``.

    Args:
        source: a Polars, pandas or Arrow frame, any object with ``__arrow_c_stream__``, a mapping of columns, a row
            (a mapping of values, or a pandas ``Series``), or a list of rows.

    Raises:
        DataError: it is none of these, a column mixes types, or a name is there twice.

    Example:
        >>> frame_of({"x": 1.5, "kind": "a"}).collect().rows(), frame_of([{"x": 1}, {"x": 2}]).collect().rows()
        ([(1.5, 'a')], [(1,), (2,)])
    """
    if isinstance(source, pl.LazyFrame):
        return source
    if isinstance(source, pl.DataFrame):
        return source.lazy()
    source = _columns(source)
    try:
        if _kind(source) == "pandas.DataFrame":
            names = called(str(each) for each in source.columns)
            check_names(names, "the table")
            frame: Any = _from_pandas(source.set_axis(names, axis=1))
        elif isinstance(source, Mapping):
            frame = pl.DataFrame({str(name): _one_type(values) for name, values in source.items()})
        elif hasattr(source, "__arrow_c_stream__"):
            frame = pl.DataFrame(source)
        else:
            raise DataError(
                f"cannot read a table from {type(source).__name__!r}",
                hint="give a path, a Polars or pandas DataFrame, an Arrow table or a dict of columns.",
            )
    except DataError:
        raise
    except Exception as error:
        column, types, odd = _mixed(source)
        if column is not None:
            text = f"frame[{column!r}].astype(str)"
            raise DataError(
                f"column {column!r} mixes types: {types}",
                hint=f"make it one type, for example {text}."
                if odd is None
                else f"correct what is no number, such as {odd!r}, or put None there, which means a missing value; if "
                f"it is a category, make all of it text: {text}.",
            ) from error
        raise DataError(
            f"cannot read the table: {str(error).splitlines()[0]}",
            hint="all columns need one type and the same length.",
        ) from error
    return frame.lazy()


def _kind(source: Any) -> str:
    return f"{type(source).__module__.split('.')[0]}.{type(source).__name__}"


def _columns(source: Any) -> Any:
    """Return one row, or a list of rows, as a mapping of columns; and anything else as it is."""
    if _kind(source) == "pandas.Series":
        source = dict(source)
    if isinstance(source, Mapping):
        row = cast("Mapping[Any, Any]", source)
        alone = [not hasattr(each, "__len__") or isinstance(each, str | bytes) for each in row.values()]
        return {name: [_plain(value)] for name, value in row.items()} if alone and all(alone) else row
    if isinstance(source, Sequence) and source and all(isinstance(each, Mapping) for each in source):
        rows = cast("Sequence[Mapping[Any, Any]]", source)
        names = dict.fromkeys(name for row in rows for name in row)
        return {name: [_plain(row.get(name)) for row in rows] for name in names}
    return source


def _plain(value: Any) -> Any:
    """Return a value of NumPy as Python's, and pandas' marks of a missing value as None."""
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    return value.item() if _kind(value).startswith("numpy.") else value


def _from_pandas(source: Any) -> pl.DataFrame:
    """Return a pandas frame; whole numbers that no column of numbers can hold become text."""
    source = source.assign(
        **{name: made for name in source.columns if (made := _simpler(source[name])) is not None}
    )
    try:
        return pl.from_pandas(source)
    except OverflowError:
        beyond = [each for each in source.columns if any(map(_beyond_64_bits, source[each]))]
        texts = {
            each: source[each].map(lambda one: str(one) if isinstance(one, int) else one) for each in beyond
        }
        return pl.from_pandas(source.assign(**texts))


def _beyond_64_bits(value: Any) -> bool:
    return type(value) is int and not -(1 << 63) <= value < 1 << 63


def _simpler(column: Any) -> Any:
    """Return a column of one of pandas' own types as what Polars has: intervals as text, periods by their start."""
    kind = type(column.dtype).__name__
    if kind == "SparseDtype":
        return column.sparse.to_dense()
    if kind == "PeriodDtype":
        return column.dt.to_timestamp()
    categories = column.dtype.categories.dtype if kind == "CategoricalDtype" else column.dtype
    if type(categories).__name__ == "IntervalDtype":
        return column.astype("object").map(str, na_action="ignore")
    if getattr(column.dtype, "kind", "") == "c":
        raise DataError(
            f"column {column.name!r} holds complex numbers",
            hint="give their real and imaginary parts as columns of their own.",
        )
    return None


def _one_type(values: Any) -> Any:
    """Return a list with numbers of several types as floats, whole numbers beyond 64 bits as text, others unchanged."""
    if not isinstance(values, list | tuple):
        return values
    listed = cast("Sequence[Any]", values)
    types = {type(each) for each in listed} - {type(None)}
    if types == {int} and any(map(_beyond_64_bits, listed)):
        return [None if each is None else str(each) for each in listed]
    if len(types) < 2 or bool in types or not all(issubclass(each, Real) for each in types):
        return listed
    return [None if each is None else float(each) for each in listed]


def _mixed(source: Any) -> tuple[str | None, str, str | None]:
    """Return the first column with values of several types, what they are, and a text among numbers.

    It is None unless at least half of the values are numbers.
    """
    columns = dict(source) if isinstance(source, Mapping) else {each: source[each] for each in source.columns}
    for name, values in columns.items():
        listed = [*_one_type(values)] if hasattr(values, "__iter__") else [values]
        known = [each for each in listed if each is not None and each == each]
        types = {type(each).__name__: each for each in reversed(known)}
        if len(types) > 1:
            told = ", ".join(f"{kind} such as {value!r}" for kind, value in sorted(types.items()))
            numbers = sum(isinstance(each, Real) and type(each).__name__ != "bool" for each in known)
            odd = next((each for each in known if isinstance(each, str)), None)
            return str(name), told, odd if 2 * numbers >= len(known) else None
    return None, "", None
