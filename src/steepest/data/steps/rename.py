"""Give columns other names."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Self

import polars as pl
from pydantic import Field, field_validator

from steepest.data.names import plain
from steepest.data.steps import Context, Step, StepReport
from steepest.errors import PreparationError

COMPONENTS = {"rename": {"object": "Rename", "what": "rename columns"}}


class Rename(Step):
    """Give columns other names.

    Args:
        columns: old name → new name.

    Raises:
        PreparationError: an old name is not there, or two columns would have the same name.

    Example:
        >>> step = Rename(columns={"Primary Type": "PrimaryType"})
        >>> step.apply(pl.LazyFrame({"Primary Type": ["THEFT"]}), Context()).collect().columns
        ['PrimaryType']
    """

    use = "rename"
    columns: Annotated[dict[str, str], Field(min_length=1)]

    @field_validator("columns")
    @classmethod
    def _plain_new_names(cls, columns: dict[str, str]) -> dict[str, str]:
        return {old: plain(new) for old, new in columns.items()}

    def inputs(self) -> tuple[str, ...]:
        return tuple(self.columns)

    def without(self, columns: Collection[str]) -> Self | None:
        left = {old: new for old, new in self.columns.items() if old not in columns}
        return self.model_copy(update={"columns": left}) if left else None

    def sources(self, names: frozenset[str]) -> frozenset[str]:
        back = {new: old for old, new in self.columns.items()}
        return frozenset(back.get(each, each) for each in names)

    def check(self, schema: pl.Schema, context: Context) -> None:
        super().check(schema, context)
        after = [self.columns.get(each, each) for each in schema]
        for name in after:
            if after.count(name) > 1:
                raise PreparationError(
                    f"step 'rename' would create two columns {name!r}",
                    hint="choose another name, or leave one of the two out with a drop step before.",
                )

    def apply(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        return frame.rename(self.columns)

    def report(self, tally: pl.DataFrame | None, context: Context) -> StepReport:
        return StepReport(self.use, ", ".join(f"{old} is now {new}" for old, new in self.columns.items()))
