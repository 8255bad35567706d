"""Fill missing values from other columns of the same row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from steepest.data.steps import Context, Learned, LearnedStep, StepReport, require
from steepest.data.steps._values import as_known, convert, known, plain
from steepest.errors import PreparationError

COMPONENTS = {"fill-from": {"object": "FillFrom"}}


class LearnFrom(BaseModel):
    """A second table to learn from.

    Args:
        table: its file (relative to the preparation's own file) or its name in the catalog.
        rename: its columns' names → ours, where they differ.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    table: str
    rename: dict[str, str] = Field(default_factory=dict)

    def scan(self) -> pl.LazyFrame:
        """Return its rows, lazily, under our names."""
        from steepest.data.catalog import SOURCES, open_catalog
        from steepest.data.read import scan

        path = Path(self.table)
        if self.table in SOURCES.names() and not path.exists():
            path = open_catalog(self.table).path
        frame = scan(path)
        require("fill-from", self.rename, frame.collect_schema())
        return frame.rename(self.rename)


class FillFrom(LearnedStep):
    """Fill a missing value with the most frequent value seen with the same key.

    The keys are tried from the finest to the coarsest, and the finest that knows wins: a missing Ward is
    taken from the Block, else from the Beat, else from the District. For a key with value k the fill is
    ``argmax_v #{training rows: key = k, column = v}``, the smallest v where counts are equal. What no key
    knows stays missing and is reported.

    Args:
        column: the column to fill.
        keys: other columns, from the finest to the coarsest.
        learn_from: a second table to learn from instead of the training rows; a file, a name in the
            catalog, or a table with ``table`` and ``rename``.
        create: make the column if the table has none (only with ``learn_from``).

    Raises:
        PreparationError: a column is not there, the column or a key is the target, or a key is the column.

    Example:
        >>> step = FillFrom(column="Ward", keys=["Block", "District"])
        >>> train = pl.DataFrame({"Block": ["a", "a", "b"], "District": [1, 1, 1], "Ward": [7, 7, 8]})
        >>> new = pl.DataFrame({"Block": ["b", "x"], "District": [1, 1], "Ward": [None, None]})
        >>> rows, report = step.fill(new, step.learn(train, Context()), Context())
        >>> rows["Ward"].to_list(), report.text
        ([8, 7], 'Ward: 2 missing; 1 filled from Block, 1 from District')
    """

    use = "fill-from"
    reads_codes = True
    column: str
    keys: Annotated[list[str], Field(min_length=1)]
    learn_from: LearnFrom | None = None
    create: bool = False

    @field_validator("learn_from", mode="before")
    @classmethod
    def _named(cls, value: Any, info: ValidationInfo) -> Any:
        about = {"table": value} if isinstance(value, str) else value
        folder = (info.context or {}).get("folder")
        if folder is not None and isinstance(about, dict):
            table = cast("dict[str, Any]", about).get("table")
            if isinstance(table, str) and (Path(folder) / table).exists():
                return {**about, "table": str(Path(folder) / table)}
        return about

    def inputs(self) -> tuple[str, ...]:
        return tuple(self.keys) if self.create else (self.column, *self.keys)

    def outputs(self) -> frozenset[str] | None:
        return frozenset({self.column})

    def check(self, schema: pl.Schema, context: Context) -> None:
        super().check(schema, context)
        if self.column in self.keys:
            raise PreparationError(
                f"step 'fill-from': {self.column!r} cannot be its own key",
                hint="name other columns as keys, from the finest to the coarsest.",
            )
        if context.target in (self.column, *self.keys):
            raise PreparationError(
                f"step 'fill-from' uses the target {context.target!r}, which is not known at prediction",
                hint="fill other columns only; rows without a target are left out and counted.",
            )
        if self.create and self.learn_from is None and self.column not in schema:
            raise PreparationError(
                f"step 'fill-from' makes the column {self.column!r} but has nothing to learn it from",
                hint='name a second table that has it: learn_from = "FILE".',
            )

    def learn(self, train: pl.DataFrame, context: Context) -> Learned:
        own = train.schema.get(self.column, pl.Null())
        if self.learn_from is None:
            return most_frequent(train.lazy(), self.keys, self.column, plain(own))
        rows = self.learn_from.scan()
        schema = rows.collect_schema()
        require(f"{self.use} (learn_from = {self.learn_from.table})", [self.column, *self.keys], schema)
        if self.column not in train or train[self.column].null_count() == len(train):
            own = schema[self.column]
        return most_frequent(rows, self.keys, self.column, plain(own), engine="streaming")

    def fill(
        self, frame: pl.DataFrame, learned: Learned, context: Context
    ) -> tuple[pl.DataFrame, StepReport]:
        values, by_key, missing = fill_values(frame, self.column, [(key, learned[key]) for key in self.keys])
        filled = sum(by_key.values())
        said = [f"{count:,} from {key}" for key, count in by_key.items() if count]
        if said:
            said[0] = said[0].replace(" from ", " filled from ", 1)
        if missing > filled:
            said.append(f"{missing - filled:,} left missing")
        text = f"{self.column}: {missing:,} missing" + ("; " + ", ".join(said) if said else "")
        return frame.with_columns(values), StepReport(self.use, text, filled)


def most_frequent(
    frame: pl.LazyFrame,
    keys: Sequence[str],
    column: str,
    dtype: pl.DataType,
    *,
    engine: Literal["auto", "streaming"] = "auto",
) -> dict[str, pl.DataFrame]:
    """Return, for each of ``keys``, the most frequent value of ``column`` (the smallest of equals) by key.

    The rows are counted once, by all keys together; each key's counts are sums of those.

    Example:
        >>> frame = pl.LazyFrame({"k": ["a", "a", "b", None], "v": [2, 1, 3, 9]})
        >>> most_frequent(frame, ["k"], "v", pl.Int64())["k"].rows()
        [('a', 1), ('b', 3)]
    """
    types = frame.collect_schema()
    names = {key: f"key {i}" for i, key in enumerate(keys)}
    counts = (
        frame.select(
            value=known(column, types[column]),
            **{name: known(key, types[key]) for key, name in names.items()},
        )
        .filter(pl.col("value").is_not_null())
        .group_by("value", *names.values())
        .len()
        .with_columns(
            value=convert(pl.col("value"), types[column], dtype),
            **{name: pl.col(name).cast(plain(types[key])) for key, name in names.items()},
        )
        .filter(pl.col("value").is_not_null())
        .collect(engine=engine)
    )
    return {key: _most_frequent(counts, name) for key, name in names.items()}


def _most_frequent(counts: pl.DataFrame, key: str) -> pl.DataFrame:
    return (
        counts.lazy()
        .filter(pl.col(key).is_not_null())
        .group_by(pl.col(key).alias("key"), "value")
        .agg(pl.col("len").sum())
        .sort("key", "len", "value", descending=[False, True, False])
        .unique("key", keep="first", maintain_order=True)
        .select("key", "value")
        .collect()
    )


def fill_values(
    frame: pl.DataFrame, column: str, maps: Sequence[tuple[str, pl.DataFrame]]
) -> tuple[pl.Series, dict[str, int], int]:
    """Fill one column; each map has the columns ``key`` and ``value``, and the first that knows wins.

    Returns:
        The column, how many values each key gave, and how many had been missing.
    """
    dtype = maps[0][1].schema["value"]
    if column in frame.schema:
        values = as_known(frame[column], dtype)
    else:
        values = pl.Series(column, [None], dtype=dtype).new_from_index(0, len(frame))
    gaps = values.is_null()
    rows = gaps.arg_true()
    missing, by_key = len(rows), dict.fromkeys((key for key, _ in maps), 0)
    for key, table in maps:
        if not len(rows):
            break
        wanted = frame[key].filter(gaps) if len(rows) == missing else frame[key].gather(rows)
        asked = as_known(wanted, table.schema["key"]).alias("key").to_frame()
        answer = asked.join(table, on="key", how="left", maintain_order="left")["value"]
        knows = answer.is_not_null()
        values = values.scatter(rows.filter(knows), answer.filter(knows))
        by_key[key] = int(knows.sum())
        rows = rows.filter(~knows)
    return values, by_key, missing
