"""Make columns of other columns."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Self

import polars as pl
from pydantic import Field, field_validator

from steepest.data.steps import Context, Step, StepReport, require
from steepest.data.steps._sql import check_expression, columns_of, expression
from steepest.errors import PreparationError

COMPONENTS = {"derive": {"object": "Derive", "what": "add columns computed by SQL expressions"}}


class Derive(Step):
    """Make columns by SQL expressions of the same row; a name that exists is replaced.

    Args:
        columns: name → expression; every expression sees the columns as they were before this step.

    Raises:
        PreparationError: an expression is not SQL, names an unknown column, looks at more than one row,
            or makes a feature of the target.

    Example:
        >>> step = Derive(columns={"area": "width * height"})
        >>> step.apply(pl.LazyFrame({"width": [2], "height": [3]}), Context()).collect()["area"].to_list()
        [6]
    """

    use = "derive"
    columns: Annotated[dict[str, str], Field(min_length=1)]

    @field_validator("columns")
    @classmethod
    def _readable(cls, columns: dict[str, str]) -> dict[str, str]:
        for sql in columns.values():
            expression(sql)
        return columns

    def inputs(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for sql in self.columns.values() for name in columns_of(sql)))

    def without(self, columns: Collection[str]) -> Self | None:
        left = {name: sql for name, sql in self.columns.items() if not set(columns_of(sql)) & set(columns)}
        return self.model_copy(update={"columns": left}) if left else None

    def sources(self, names: frozenset[str]) -> frozenset[str]:
        used = {name: set(columns_of(sql)) for name, sql in self.columns.items()}
        made = names & used.keys()
        for name in made:
            names = (names - {name}) | used[name]
        return names.difference(*(used[name] for name in used.keys() - made))

    def check(self, schema: pl.Schema, context: Context) -> None:
        for name, sql in self.columns.items():
            used = columns_of(sql)
            require(self.use, used, schema)
            if context.target in used and name != context.target:
                raise PreparationError(
                    f"step 'derive' makes the column {name!r} of the target {context.target!r}",
                    hint="the target is not known at prediction; use other columns.",
                )
            check_expression(self.use, sql, schema)

    def apply(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        return frame.with_columns(**{name: expression(sql) for name, sql in self.columns.items()})

    def report(self, tally: pl.DataFrame | None, context: Context) -> StepReport:
        return StepReport(self.use, ", ".join(f"{name} = {sql}" for name, sql in self.columns.items()))
