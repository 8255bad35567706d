"""SQL expressions that look at one row at a time."""

from __future__ import annotations

import contextlib
import re

import polars as pl

from steepest.data.names import plain_sql
from steepest.errors import PreparationError

_HINT = (
    'write an SQL expression of columns, such as Year <= 2020 or "Primary Type" IS NOT NULL; '
    "names with spaces go in double quotes, text in single quotes"
)

_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_MANY_ROWS = re.compile(
    r"(?i)\b(?:select|over|(?:array_agg|avg|corr|count|covar\w*|cume_dist|dense_rank|first\w*|lag|last\w*|lead"
    r"|max|median|min|ntile|percent_rank|quantile\w*|rank|row_number|std\w*|string_agg|sum|unnest|var\w*)\s*\()"
)


def expression(sql: str) -> pl.Expr:
    """Return the expression that ``sql`` means.

    Raises:
        ValueError: it cannot be read; pydantic turns it into the step's error.

    Example:
        >>> pl.DataFrame({"a": [1, 2]}).select(b=expression("a * 2"))["b"].to_list()
        [2, 4]
    """
    try:
        return pl.sql_expr(plain_sql(sql))
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"this cannot be read ({reason}); {_HINT}") from None


def columns_of(sql: str) -> tuple[str, ...]:
    """Return the columns that ``sql`` names.

    Example:
        >>> columns_of("upper(a) = 'X' OR b > a")
        ('a', 'b')
    """
    return tuple(dict.fromkeys(expression(sql).meta.root_names()))


def _row_wise(sql: str, meaning: pl.Expr) -> bool:
    if _MANY_ROWS.search(_QUOTED.sub("''", sql)):
        return False
    # polars can judge by itself, but not every expression (one with IN makes it raise) nor in every version
    with contextlib.suppress(AttributeError, pl.exceptions.PolarsError):
        return meaning.meta.is_row_separable()
    return True


def check_expression(step: str, sql: str, schema: pl.Schema, *, truth: bool = False) -> None:
    """Raise a PreparationError unless ``sql`` gives one value a row (true or false if ``truth``)."""
    meaning = expression(sql)
    if not _row_wise(sql, meaning):
        raise PreparationError(
            f"step {step!r}: {sql!r} uses more than one row",
            hint="use values of the same row only; a sum, a mean or a window would leak between the splits.",
        )
    try:
        dtype = pl.DataFrame(schema=schema).select(value=meaning).schema["value"]
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise PreparationError(
            f"step {step!r}: {sql!r} does not fit the table: {reason}",
            hint="compare numbers with numbers and text with text (in single quotes), or use a cast step.",
        ) from None
    if truth and not isinstance(dtype, pl.Boolean):
        raise PreparationError(
            f"step {step!r}: {sql!r} gives {dtype}, not true or false",
            hint="compare it with something, such as Year <= 2020.",
        )
