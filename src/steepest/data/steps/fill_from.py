"""Fill missing values from other columns of the same row."""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from steepest.data import names
from steepest.data.steps import Context, Learned, LearnedStep, StepReport, require
from steepest.data.steps._values import as_known, convert, known, plain
from steepest.errors import PreparationError

COMPONENTS = {"fill-from": {"object": "FillFrom", "what": "fill missing values from rows with the same key"}}

_CODES = 1 << 32
"""More than there are codes of a column, so that two of them fit in 64 bits."""


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
        rename = {names.plain(old): names.plain(new) for old, new in self.rename.items()}
        require("fill-from", rename, frame.collect_schema())
        return frame.rename(rename)


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
                f"step 'fill-from' creates the column {self.column!r} but has nothing to learn it from",
                hint='name a second table that has it: learn_from = "FILE".',
            )

    def learn(self, train: pl.DataFrame, context: Context) -> Learned:
        return self.learn_all([self], train, context)[0]

    def fill(
        self, frame: pl.DataFrame, learned: Learned, context: Context
    ) -> tuple[pl.DataFrame, StepReport]:
        frame, reports = self.fill_all([self], frame, [learned], context)
        return frame, reports[0]

    @classmethod
    def learn_all(cls, steps: Sequence[Any], train: pl.DataFrame, context: Context) -> list[Learned]:
        """Count the rows once for all steps with the same keys and source."""
        del context
        learned: dict[int, Learned] = {}
        for alike in _alike(steps):
            first, columns = steps[alike[0]], [steps[i].column for i in alike]
            own = {each: train.schema.get(each, pl.Null()) for each in columns}
            rows, large = train.lazy(), False
            if first.learn_from is not None:
                rows, large = first.learn_from.scan(), True
                there = rows.collect_schema()
                require(f"{cls.use} (learn_from = {first.learn_from.table})", [*columns, *first.keys], there)
                unknown = [
                    each for each in columns if each not in train or train[each].null_count() == len(train)
                ]
                own |= {each: there[each] for each in unknown}
            types = {each: plain(dtype) for each, dtype in own.items()}
            found = most_frequent(rows, first.keys, types, engine="streaming" if large else "auto")
            learned |= {i: found[steps[i].column] for i in alike}
        return [learned[i] for i in range(len(steps))]

    @classmethod
    def fill_all(
        cls, steps: Sequence[Any], frame: pl.DataFrame, learned: Sequence[Learned], context: Context
    ) -> tuple[pl.DataFrame, list[StepReport]]:
        """Look each key up once for all steps with the same keys."""
        del context
        filled: list[pl.Series] = []
        reports: dict[int, StepReport] = {}
        for alike in _alike(steps):
            found = fill_values(frame, steps[alike[0]].keys, {steps[i].column: learned[i] for i in alike})
            for i, (values, by_key, missing) in zip(alike, found, strict=True):
                filled.append(values)
                reports[i] = steps[i].told(by_key, missing)
        return frame.with_columns(filled), [reports[i] for i in range(len(steps))]

    def told(self, by_key: Mapping[str, int], missing: int) -> StepReport:
        """Say how many values each key gave."""
        count = sum(by_key.values())
        said = [f"{number:,} from {key}" for key, number in by_key.items() if number]
        if said:
            said[0] = said[0].replace(" from ", " filled from ", 1)
        if missing > count:
            said.append(f"{missing - count:,} left missing")
        text = f"{self.column}: {missing:,} missing" + ("; " + ", ".join(said) if said else "")
        return StepReport(self.use, text, count)


def _alike(steps: Sequence[FillFrom]) -> list[list[int]]:
    """Return the places of the steps that have the same keys and source."""
    places: dict[Any, list[int]] = {}
    for i, step in enumerate(steps):
        source = None if step.learn_from is None else step.learn_from.model_dump_json()
        places.setdefault((tuple(step.keys), source), []).append(i)
    return list(places.values())


def most_frequent(
    frame: pl.LazyFrame,
    keys: Sequence[str],
    columns: Mapping[str, pl.DataType],
    *,
    engine: Literal["auto", "streaming"] = "auto",
) -> dict[str, dict[str, pl.DataFrame]]:
    """Return, for each of ``columns`` and each of ``keys``, the most frequent value (the smallest of equals) by key.

    The rows are counted once, by all keys and columns together; every other count is a sum of those.

    Args:
        frame: the rows.
        keys: the columns to look up by.
        columns: the columns to learn, and the type of what is learned of each.
        engine: Polars' engine for the rows.

    Returns:
        Frames with the columns ``key`` (sorted) and ``value`` (null where that key never has one).

    Example:
        >>> frame = pl.LazyFrame({"k": ["a", "a", "b", None], "v": [2, 1, 3, 9]})
        >>> most_frequent(frame, ["k"], {"v": pl.Int64()})["v"]["k"].rows()
        [('a', 1), ('b', 3)]
    """
    types = frame.collect_schema()
    names = {key: f"key {i}" for i, key in enumerate(keys)}
    values = {column: f"value {i}" for i, column in enumerate(columns)}
    counts = (
        frame.select(**{name: known(each, types[each]) for each, name in (*names.items(), *values.items())})
        .filter(pl.any_horizontal(pl.col(each).is_not_null() for each in values.values()))
        .group_by(*names.values(), *values.values())
        .len()
        .with_columns(
            **{name: convert(pl.col(name), types[each], columns[each]) for each, name in values.items()},
            **{name: pl.col(name).cast(plain(types[key])) for key, name in names.items()},
        )
        .collect(engine=engine)
    )
    there = {each: counts[each].drop_nulls().unique().sort() for each in (*names.values(), *values.values())}
    codes = counts.select("len", *(_codes(counts[name], known) for name, known in there.items()))
    found: dict[str, dict[str, pl.DataFrame]] = {column: {} for column in columns}
    asked = list(itertools.product(columns, keys))
    each_best = pl.collect_all(
        _most_frequent(codes.lazy(), names[key], values[column]) for column, key in asked
    )
    for (column, key), best in zip(asked, each_best, strict=True):
        all_keys = there[names[key]].alias("key")
        nothing = pl.Series("value", [None], dtype=columns[column]).new_from_index(0, len(all_keys))
        value = nothing.scatter(best["key"], there[values[column]].gather(best["value"]))
        found[column][key] = pl.DataFrame({"key": all_keys, "value": value})
    return found


def _codes(values: pl.Series, ordered: pl.Series) -> pl.Series:
    """Return where in ``ordered``, which holds each of them once, the values stand."""
    if values.dtype == pl.String:
        return values.cast(pl.Enum(ordered)).to_physical().cast(pl.UInt64)
    if values.dtype.is_numeric():
        return ordered.search_sorted(values).cast(pl.UInt64).set(values.is_null(), None)
    return values.rank("dense").cast(pl.UInt64) - 1


def _most_frequent(codes: pl.LazyFrame, key: str, value: str) -> pl.LazyFrame:
    """Return the most frequent ``value`` of each ``key``, all as codes: the one with the highest count, then first."""
    both, rank = pl.col("both"), pl.col("rank")
    return (
        codes.select((pl.col(key) * _CODES + pl.col(value)).alias("both"), "len")
        .filter(both.is_not_null())
        .group_by("both")
        .agg(pl.col("len").sum().cast(pl.UInt64))
        .select(key=both // _CODES, rank=pl.col("len") * _CODES + (_CODES - 1 - both % _CODES))
        .group_by("key")
        .agg(rank.max())
        .select("key", value=_CODES - 1 - rank % _CODES)
    )


def fill_values(
    frame: pl.DataFrame, keys: Sequence[str], maps: Mapping[str, Mapping[str, pl.DataFrame]]
) -> list[tuple[pl.Series, dict[str, int], int]]:
    """Fill columns; for each, a frame with ``key`` and ``value`` for each key, and the first key that knows wins.

    Returns:
        For each column its values, how many each key gave, and how many had been missing.
    """
    values = {column: _column(frame, column, table[keys[0]]["value"].dtype) for column, table in maps.items()}
    missing = {column: each.null_count() for column, each in values.items()}
    given: dict[str, dict[str, int]] = {column: dict.fromkeys(keys, 0) for column in maps}
    for key in keys:
        gaps = {column: each.is_null() for column, each in values.items() if each.null_count()}
        if not gaps:
            break
        wanted = functools.reduce(operator.or_, gaps.values())
        asked = frame[key].filter(wanted)
        there, places = None, asked
        for column, gap in gaps.items():
            table = maps[column][key]
            if there is None or not there.equals(table["key"]):
                there = table["key"]
                places = _places(asked, there)
            answer = table["value"].gather(places.filter(gap.filter(wanted)))
            values[column] = values[column].scatter(gap.arg_true(), answer)
            given[column][key] = len(answer) - answer.null_count()
    return [(values[column], given[column], missing[column]) for column in maps]


def _column(frame: pl.DataFrame, name: str, dtype: pl.DataType) -> pl.Series:
    if name in frame.schema:
        return as_known(frame[name], dtype)
    return pl.Series(name, [None], dtype=dtype).new_from_index(0, len(frame))


def _places(asked: pl.Series, there: pl.Series) -> pl.Series:
    """Return where in ``there`` each value stands, null where it does not."""
    wanted = as_known(asked, there.dtype).alias("key").to_frame()
    table = there.alias("key").to_frame().with_row_index("place")
    return wanted.join(table, on="key", how="left", maintain_order="left")["place"]
