"""Change the type of columns."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Literal, Self

import polars as pl
from pydantic import Field

from steepest.data.steps import Context, Step, StepReport
from steepest.data.steps._values import convert, known

COMPONENTS = {"cast": {"object": "Cast"}}

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

    Args:
        types: column → ``integer``, ``number``, ``text``, ``boolean``, ``date`` or ``datetime``.

    Raises:
        PreparationError: a column is not there.

    Example:
        >>> step = Cast(types={"Year": "integer"})
        >>> frame = pl.LazyFrame({"Year": ["2019", "20x0"]})
        >>> step.apply(frame, Context()).collect()["Year"].to_list()
        [2019, None]
        >>> step.report(step.tally(frame, Context()).collect(), Context()).text
        'Year is now integer; 1 value cannot be read so and is missing now'
    """

    use = "cast"
    types: Annotated[dict[str, Kind], Field(min_length=1)]

    def inputs(self) -> tuple[str, ...]:
        return tuple(self.types)

    def without(self, columns: Collection[str]) -> Self | None:
        left = {column: kind for column, kind in self.types.items() if column not in columns}
        return self.model_copy(update={"types": left}) if left else None

    def _converted(self, schema: pl.Schema) -> dict[str, pl.Expr]:
        return {
            column: convert(known(column, schema[column]), schema[column], _TYPES[kind])
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
            if count == 1:
                text += "; 1 value cannot be read so and is missing now"
            elif count:
                text += f"; {count:,} values cannot be read so and are missing now"
            parts.append(text)
        return StepReport(self.use, ". ".join(parts), sum(lost.values()))
