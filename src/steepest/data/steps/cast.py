"""Change the type of columns."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Annotated, Literal, Self

import polars as pl
from pydantic import Field, model_validator

from steepest.data.steps import Context, Step, StepReport
from steepest.data.steps._values import convert, known
from steepest.wording import counted

COMPONENTS = {"cast": {"object": "Cast", "what": "change the type of columns"}}

Kind = Literal["integer", "number", "text", "boolean", "date", "datetime"]

_TYPES: dict[Kind, pl.DataType] = {
    "integer": pl.Int64(),
    "number": pl.Float64(),
    "text": pl.String(),
    "boolean": pl.Boolean(),
    "date": pl.Date(),
    "datetime": pl.Datetime("us"),
}


class Cast(Step):
    """Change the type of columns; a value that has no counterpart becomes missing and is counted.

    A date is read as its wall time; as a number it is days since 1970.

    Args:
        types: column → ``integer``, ``number``, ``text``, ``boolean``, ``date`` or ``datetime``.
        formats: column → format of its texts that become dates, such as ``%d/%m/%Y``; if not given, the year first
            (``2018-01-31``), dots (``31.1.2018``) or the month's name (``31-Jan-2018``), with or without a time.

    Raises:
        PreparationError: a column is not there.

    Example:
        >>> step = Cast(types={"Year": "integer"})
        >>> frame = pl.LazyFrame({"Year": ["2019", "20x0"]})
        >>> step.apply(frame, Context()).collect()["Year"].to_list()
        [2019, None]
        >>> step.report(step.tally(frame, Context()).collect(), Context()).text
        'Year is now integer; 1 value cannot be converted and is now missing'
    """

    use = "cast"
    types: Annotated[dict[str, Kind], Field(min_length=1)]
    formats: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _of_dates(self) -> Self:
        for column, form in self.formats.items():
            if self.types.get(column) not in ("date", "datetime"):
                raise ValueError(f"the format of {column!r} is given, which becomes no date")
            if not _is_format(form):
                raise ValueError(f"{form!r} is not a date format; an example is %d/%m/%Y %H:%M")
        return self

    def inputs(self) -> tuple[str, ...]:
        return tuple(self.types)

    def without(self, columns: Collection[str]) -> Self | None:
        left = {column: kind for column, kind in self.types.items() if column not in columns}
        formats = {column: form for column, form in self.formats.items() if column in left}
        return self.model_copy(update={"types": left, "formats": formats}) if left else None

    def _converted(self, schema: pl.Schema) -> dict[str, pl.Expr]:
        return {
            column: convert(
                known(column, schema[column]), schema[column], _TYPES[kind], self.formats.get(column)
            )
            for column, kind in self.types.items()
        }

    def apply(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        return frame.with_columns(**self._converted(frame.collect_schema()))

    def tally(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        schema = frame.collect_schema()
        return frame.select(
            (known(column, schema[column]).is_not_null() & value.is_null()).sum().cast(pl.Int64).alias(column)
            for column, value in self._converted(schema).items()
        )

    def report(self, tally: pl.DataFrame | None, context: Context) -> StepReport:
        lost = {} if tally is None else tally.row(0, named=True)
        parts: list[str] = []
        for column, kind in self.types.items():
            text, count = f"{column} is now {kind}", lost.get(column, 0)
            if count:
                many = "values cannot be converted and are now missing"
                text += f"; {counted(count, 'value cannot be converted and is now missing', many)}"
            parts.append(text)
        return StepReport(self.use, ". ".join(parts), sum(lost.values()))


def _is_format(form: str) -> bool:
    """Whether a day that is written in a format can be read again."""
    day = pl.Series([date(2018, 1, 31)]).cast(pl.Datetime("us"))
    try:
        return day.dt.to_string(form).str.to_datetime(form, strict=False).to_list() == day.to_list()
    except pl.exceptions.PolarsError:
        return False
