"""Fill missing values with the most frequent one."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Self

import polars as pl
from pydantic import Field

from steepest.data.steps import Context, Learned, LearnedStep, StepReport
from steepest.data.steps._values import as_known, known, plain
from steepest.errors import PreparationError

COMPONENTS = {"fill-mode": {"object": "FillMode", "what": "fill missing values with the most frequent value"}}


class FillMode(LearnedStep):
    """Fill the missing values of some columns with the most frequent value of the training rows.

    Where two values are equally frequent, the smaller one is taken.

    Args:
        columns: names (``column = "a"`` for one).

    Raises:
        PreparationError: a column is not there or is the target.

    Example:
        >>> step = FillMode(columns=["District"])
        >>> known = step.learn(pl.DataFrame({"District": [3, 3, 1, None]}), Context())
        >>> rows, report = step.fill(pl.DataFrame({"District": [None, 1]}), known, Context())
        >>> rows["District"].to_list(), report.text
        ([3, 1], 'District: 1 missing, filled with 3')
    """

    use = "fill-mode"
    reads_codes = True
    columns: Annotated[list[str], Field(min_length=1)]

    def inputs(self) -> tuple[str, ...]:
        return tuple(self.columns)

    def outputs(self) -> frozenset[str] | None:
        return frozenset(self.columns)

    def without(self, columns: Collection[str]) -> Self | None:
        left = [each for each in self.columns if each not in columns]
        return self.model_copy(update={"columns": left}) if left else None

    def check(self, schema: pl.Schema, context: Context) -> None:
        super().check(schema, context)
        if context.target in self.columns:
            raise PreparationError(
                f"step 'fill-mode' would invent values of the target {context.target!r}",
                hint="fill other columns only; rows without a target are left out and counted.",
            )

    def learn(self, train: pl.DataFrame, context: Context) -> Learned:
        return {column: _mode(train, column) for column in self.columns}

    def fill(
        self, frame: pl.DataFrame, learned: Learned, context: Context
    ) -> tuple[pl.DataFrame, StepReport]:
        total, parts, filled = 0, [], []
        for column in self.columns:
            mode = learned[column]["value"]
            values = as_known(frame[column], mode.dtype)
            missing = values.null_count()
            text = f"{column}: {missing:,} missing"
            if missing and len(mode):
                total += missing
                text += f", filled with {mode[0]!r}"
                values = values.fill_null(pl.select(pl.lit(mode)).to_series()[0])
            elif missing:
                text += ", no value known"
            parts.append(text)
            filled.append(values)
        return frame.with_columns(filled), StepReport(self.use, "; ".join(parts), total)


def _mode(train: pl.DataFrame, column: str) -> pl.DataFrame:
    dtype = train.schema[column]
    return (
        train.lazy()
        .select(value=known(column, dtype))
        .drop_nulls()
        .group_by("value")
        .len()
        .with_columns(pl.col("value").cast(plain(dtype)))
        .sort("len", "value", descending=[True, False])
        .select(pl.col("value").head(1))
        .collect()
    )
