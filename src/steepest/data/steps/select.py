"""Keep some columns."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Self

import polars as pl
from pydantic import Field

from steepest.data.steps import ROW, Context, Step, StepReport
from steepest.wording import counted

COMPONENTS = {"select": {"object": "Select", "what": "keep only these columns, in this order"}}


class Select(Step):
    """Keep the named columns, in this order, and leave the others out.

    The target, and the column of a grouped or timed split, are kept even if they are not named.

    Args:
        columns: names.

    Raises:
        PreparationError: a column is not there.

    Example:
        >>> frame = pl.LazyFrame({"a": [1], "b": [2], "c": [3]})
        >>> Select(columns=["b", "a"]).apply(frame, Context(target="c")).collect().columns
        ['b', 'a', 'c']
    """

    use = "select"
    columns: Annotated[list[str], Field(min_length=1)]

    def inputs(self) -> tuple[str, ...]:
        return tuple(self.columns)

    def without(self, columns: Collection[str]) -> Self | None:
        left = [each for each in self.columns if each not in columns]
        return self.model_copy(update={"columns": left})

    def apply(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        wanted = dict.fromkeys([*self.columns, *context.keep, context.target, ROW])
        there = frame.collect_schema()
        return frame.select([each for each in wanted if each in there])

    def tally(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        there = [each for each in frame.collect_schema() if each != ROW]
        wanted = {*self.columns, *context.keep, context.target}
        return pl.LazyFrame(
            {"out": [each for each in there if each not in wanted]}, schema={"out": pl.String}
        )

    def report(self, tally: pl.DataFrame | None, context: Context) -> StepReport:
        out = [] if tally is None else tally["out"].to_list()
        text = f"{counted(len(self.columns), 'column')} kept"
        if out:
            text += f", {len(out):,} left out: {', '.join(out)}"
        return StepReport(self.use, text)
