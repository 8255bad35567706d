"""Leave rows out."""

from __future__ import annotations

import polars as pl
from pydantic import field_validator

from steepest.data.steps import Context, Step, StepReport
from steepest.data.steps._sql import check_expression, columns_of, expression
from steepest.wording import counted

COMPONENTS = {"filter": {"object": "Filter", "what": "keep the rows for which an SQL expression is true"}}


class Filter(Step):
    """Keep the rows for which an SQL expression is true.

    A row for which it is neither true nor false, because a value is missing, is left out and counted.

    Args:
        where: the expression, such as ``Year <= 2020`` or ``"Primary Type" IS NOT NULL``.

    Raises:
        PreparationError: it is not SQL, names an unknown column, looks at more than one row, or is not
            true or false.

    Example:
        >>> Filter(where="a > 1").apply(pl.LazyFrame({"a": [1, 2, None]}), Context()).collect()["a"].to_list()
        [2]
    """

    use = "filter"
    numbers_rows = True
    where: str

    @field_validator("where")
    @classmethod
    def _readable(cls, where: str) -> str:
        expression(where)
        return where

    def inputs(self) -> tuple[str, ...]:
        return columns_of(self.where)

    def check(self, schema: pl.Schema, context: Context) -> None:
        super().check(schema, context)
        check_expression(self.use, self.where, schema, truth=True)

    def apply(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        return frame.filter(expression(self.where))

    def tally(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        condition = expression(self.where)
        return frame.select(
            rows=pl.len(), kept=condition.sum().cast(pl.Int64), unclear=condition.null_count().cast(pl.Int64)
        )

    def report(self, tally: pl.DataFrame | None, context: Context) -> StepReport:
        rows, kept, unclear = (0, 0, 0) if tally is None else tally.row(0)
        lost = rows - kept
        text = f"{self.where}: {lost:,} of {counted(rows, 'row')} left out"
        if unclear:
            text += f", {unclear:,} of them because a value is missing"
        return StepReport(self.use, text, lost)
