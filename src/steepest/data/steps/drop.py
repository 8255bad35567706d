"""Leave columns out."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Self

import polars as pl
from pydantic import Field

from steepest.data.steps import Context, Step, StepReport, require
from steepest.errors import PreparationError

COMPONENTS = {"drop": {"object": "Drop", "what": "drop columns"}}


class Drop(Step):
    """Leave the named columns out; at prediction they need not be there.

    Args:
        columns: names.

    Raises:
        PreparationError: a column is not there, or it is the target.

    Example:
        >>> Drop(columns=["b"]).apply(pl.LazyFrame({"a": [1], "b": [2]}), Context()).collect().columns
        ['a']
    """

    use = "drop"
    forgiving = True
    columns: Annotated[list[str], Field(min_length=1)]

    def inputs(self) -> tuple[str, ...]:
        return tuple(self.columns)

    def without(self, columns: Collection[str]) -> Self | None:
        left = [each for each in self.columns if each not in columns]
        return self.model_copy(update={"columns": left}) if left else None

    def check(self, schema: pl.Schema, context: Context) -> None:
        if context.target in self.columns:
            raise PreparationError(
                f"step 'drop' drops the target {context.target!r}",
                hint="remove it from the step's columns, or name another target.",
            )
        require(self.use, self.columns, schema)

    def apply(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        return frame.drop(self.columns)

    def report(self, tally: pl.DataFrame | None, context: Context) -> StepReport:
        return StepReport(self.use, f"left out: {', '.join(self.columns)}")
