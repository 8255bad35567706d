"""Claim: reading and preparing the crimes of 2018 and 2022 takes at most 1/2.5 of vectorised pandas' time.

    STEEPEST_DATA=FOLDER python -m benchmarks prepare_crimes [--repetitions N]

Both sides read the same two files (Parquet, and CSV packed with gzip), stack them, fill LocationDescription
with OTHER, group the labels of the target as ``examples/crimes.toml`` does, learn the most frequent Beat,
District and Ward of each Block and of each CommunityArea (ties go to the smallest value), and fill the rows
of 2022, which have none. Both take turns in one process, after a warm-up; the ratio is taken within each
turn. The run fails if the two tables differ in a single value.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pandas as pd
import polars as pl

from benchmarks.machine import describe_machine
from benchmarks.pandas_fill import fill_by_columns
from steepest.data.catalog import locate
from steepest.data.preparation import Preparation
from steepest.data.read import scan
from steepest.data.steps.group import Group

Engine = Literal["c", "pyarrow"]
ENGINES: tuple[Engine, ...] = ("c", "pyarrow")
REQUIRED = 2.5
COLUMNS = ["Block", "PrimaryType", "LocationDescription", "CommunityArea", "Beat", "District", "Ward"]
FILLED = ["Beat", "District", "Ward"]
KEYS = ["Block", "CommunityArea"]
NAMES = {
    "Primary Type": "PrimaryType",
    "Location Description": "LocationDescription",
    "Community Area": "CommunityArea",
}
PUBLISHED = Preparation.load(Path(__file__).parents[1] / "examples" / "crimes.toml")
GROUP = next(step for step in PUBLISHED.steps if isinstance(step, Group))
LABELS = {label: name for name, labels in GROUP.groups.items() for label in labels}
PREPARATION = Preparation.load(
    [
        {"use": "select", "columns": COLUMNS},
        {"use": "fill-constant", "column": "LocationDescription", "value": "OTHER"},
        {"use": "group", **GROUP.model_dump()},
        *({"use": "fill-from", "column": column, "keys": KEYS} for column in FILLED),
    ]
)


def ours(first: Path, second: Path) -> pl.DataFrame:
    """Read and prepare both files with steepest."""
    both = pl.concat([scan(first), scan(second).rename(NAMES)], how="diagonal_relaxed")
    rows, _ = PREPARATION.collect_prefix(both, target="PrimaryType")
    return PREPARATION.fit(rows, target="PrimaryType").transform(rows, target="PrimaryType")[0]


def with_pandas(first: Path, second: Path, engine: Engine = "c") -> pd.DataFrame:
    """Read and prepare both files with pandas, by whole columns; only wanted columns are read."""
    old = pd.read_parquet(first, columns=COLUMNS).reset_index(drop=True)
    new = pd.read_csv(second, usecols=["Block", *NAMES], engine=engine).rename(columns=NAMES)
    frame = pd.concat([old, new], ignore_index=True)[COLUMNS]
    frame["LocationDescription"] = frame["LocationDescription"].fillna("OTHER")
    kinds = frame["PrimaryType"].str.upper()
    frame["PrimaryType"] = kinds.map(LABELS).fillna(kinds)
    for column in FILLED:
        fill_by_columns(frame, frame, column, KEYS)
    return frame


def same(left: pl.DataFrame, right: pd.DataFrame) -> bool:
    """Return whether both tables hold the same values in the same order."""
    other = pl.from_pandas(right).select(left.columns).fill_nan(None)
    numbers = [name for name in left.columns if name not in ("Block", "PrimaryType", "LocationDescription")]
    return left.with_columns(pl.col(numbers).cast(pl.Float64)).equals(
        other.with_columns(pl.col(numbers).cast(pl.Float64))
    )


def seconds(run: Callable[[], object]) -> float:
    """Return how long one call took."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main(arguments: list[str]) -> int:
    """Measure, print the table, and return 1 if the tables differ or the claim does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks prepare_crimes", description=__doc__)
    parser.add_argument("--repetitions", type=int, default=7)
    repetitions = max(5, parser.parse_args(arguments).repetitions)
    files = (locate("crimes-2018")[0], locate("crimes-2022")[0])
    mine, theirs = ours(*files), with_pandas(*files)
    if not same(mine, theirs):
        print("prepare_crimes: the two prepared tables differ", file=sys.stderr)
        return 1
    warm = {each: seconds(lambda each=each: with_pandas(*files, each)) for each in ENGINES}
    engine = min(ENGINES, key=lambda each: warm[each])
    times = [
        (seconds(lambda: ours(*files)), seconds(lambda: with_pandas(*files, engine)))
        for _ in range(repetitions)
    ]
    ratios = sorted(pandas / own for own, pandas in times)
    middle = statistics.median(ratios)
    print(f"rows {len(mine):,}, both tables equal; {describe_machine('polars', 'pandas', 'pyarrow')}")
    columns = (
        ("steepest", [own for own, _ in times]),
        (f"pandas (CSV by its faster engine, {engine})", [other for _, other in times]),
    )
    print("| | median seconds | lowest | highest | n |\n| --- | --- | --- | --- | --- |")
    for name, column in columns:
        shown = (statistics.median(column), min(column), max(column))
        print(f"| {name} | {' | '.join(f'{each:.3f}' for each in shown)} | {repetitions} |")
    verdict = "holds" if middle >= REQUIRED else "DOES NOT HOLD"
    print(f"pandas / steepest: median {middle:.2f} ({ratios[0]:.2f} … {ratios[-1]:.2f}), n = {repetitions};")
    print(f"required {REQUIRED}: {verdict}")
    return 0 if middle >= REQUIRED else 1
