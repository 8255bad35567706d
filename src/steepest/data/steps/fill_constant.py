"""Fill missing values with a given one."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Self

import polars as pl
from pydantic import Field

from steepest.data.steps import Context, Step, StepReport
from steepest.data.steps._values import known
from steepest.errors import PreparationError

COMPONENTS = {"fill-constant": {"object": "FillConstant", "what": "fill missing values with a constant"}}


class FillConstant(Step):
    """Fill the missing values of some columns with one value.

    Args:
        columns: names (``column = "a"`` for one).
        value: text, a number or a truth value, of the column's own kind.

    Raises:
        PreparationError: a column is not there or cannot hold the value.

    Example:
        >>> step = FillConstant(columns=["place"], value="OTHER")
        >>> step.apply(pl.LazyFrame({"place": ["STREET", None]}), Context()).collect()["place"].to_list()
        ['STREET', 'OTHER']
    """

    use = "fill-constant"
    columns: Annotated[list[str], Field(min_length=1)]
    value: bool | int | float | str

    def inputs(self) -> tuple[str, ...]:
        return tuple(self.columns)

    def without(self, columns: Collection[str]) -> Self | None:
        left = [each for each in self.columns if each not in columns]
        return self.model_copy(update={"columns": left}) if left else None

    def check(self, schema: pl.Schema, context: Context) -> None:
        super().check(schema, context)
        for column in self.columns:
            if not self._fits(schema[column]):
                raise PreparationError(
                    f"step 'fill-constant': column {column!r} is of type {schema[column]}"
                    f" and cannot hold {self.value!r}",
                    hint="give a value of the column's type, or cast the column first with a cast step.",
                )

    def _fits(self, dtype: pl.DataType) -> bool:
        if isinstance(dtype, pl.Null):
            return True
        if isinstance(self.value, bool):
            return isinstance(dtype, pl.Boolean)
        if isinstance(self.value, int):
            return dtype.is_float() or (dtype.is_integer() and self._holds(dtype))
        if isinstance(self.value, float):
            return dtype.is_float() or (dtype.is_integer() and self.value.is_integer() and self._holds(dtype))
        if isinstance(dtype, pl.Enum):
            return self.value in dtype.categories
        return isinstance(dtype, pl.String | pl.Categorical)

    def _holds(self, dtype: pl.DataType) -> bool:
        return pl.select(pl.lit(self.value).cast(dtype, strict=False)).item() is not None

    def apply(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        types = frame.collect_schema()
        return frame.with_columns(self._filled(column, types[column]) for column in self.columns)

    def _filled(self, column: str, dtype: pl.DataType) -> pl.Expr:
        value = pl.lit(self.value)
        if not isinstance(dtype, pl.Null):
            value = value.cast(dtype)
        return known(column, dtype).fill_null(value).alias(column)

    def tally(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        types = frame.collect_schema()
        return frame.select(known(each, types[each]).null_count().cast(pl.Int64) for each in self.columns)

    def report(self, tally: pl.DataFrame | None, context: Context) -> StepReport:
        counts = {} if tally is None else tally.row(0, named=True)
        parts = [f"{column}: {count:,} missing" for column, count in counts.items()]
        total = sum(counts.values())
        end = f", filled with {self.value!r}" if total else ""
        return StepReport(self.use, "; ".join(parts) + end, total)
