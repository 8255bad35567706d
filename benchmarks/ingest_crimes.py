"""Claim: preparing and encoding the 7.26 M-row crimes takes 1/20 of the published way, and less than 2.5 GB.

    STEEPEST_DATA=FOLDER python -m benchmarks ingest_crimes [--file CSV] [--repetitions N] [--rows N]

The table is ``make_crimes``'s: 7,260,345 rows, 1.7 GB of CSV; it is made in a temporary folder and deleted
afterwards unless ``--file`` names one. Each side starts from the CSV file and ends with the three parts of a
random split as integer codes of the seven features and the target, in memory; each runs in a process of its
own, the sides in turn; importing libraries is not counted.

- steepest: ``read_table(FILE, prepare="examples/crimes.toml", split="random").dataset()``. What is learned (mode
  of District, fills, vocabularies) is learned on the training rows, and the split, the roles of the columns and
  a fingerprint of the data are part of it.
- published: what a notebook of 2021 describes, written so that it is as fast as row loops can be: pandas
  (``read_csv`` of the eight columns, by its C engine), then for Ward and CommunityArea and each key (Block, Beat,
  District) a ``value_counts`` of each group once, and a loop over the rows with ``iterrows`` that looks the
  missing value up and writes it with ``.at``. The published code runs all three keys, of which the last overwrites
  the others; the loops visit the same rows in either order, and here the finest key that knows wins, so that both
  sides make the same table.
- pandas by whole columns: the same with ``groupby`` and ``map`` instead of loops.

The loops take minutes a turn; ``--peer-rows`` runs them on the first rows only and scales the time by rows (for a
quick look: what a group costs is then counted too often, so the default is all rows). The prepared tables must be
equal, value by value, on a subsample, where all learn from the same training rows.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_machine
from benchmarks.pandas_fill import fill_by_columns

ROWS = 7_260_345
SUBSAMPLE = 200_000
REQUIRED = 20.0
MOST_BYTES = 2.5e9
TOML = Path(__file__).parents[1] / "examples" / "crimes.toml"
KEYS = ["Block", "Beat", "District"]
FILLED = ["Ward", "CommunityArea"]
FEATURES = ["Block", "LocationDescription", "Beat", "District", "Ward", "CommunityArea", "Year"]
SIDES = ("steepest", "pandas by rows", "pandas by columns")
SHARES = (0.1, 0.1)


def ours(path: Path) -> Any:
    """Return the encoded dataset."""
    from steepest.data.table import read_table

    return read_table(path, prepare=TOML, split="random").dataset()


def labels() -> dict[str, str]:
    """Return the published groups, label → group."""
    import tomllib

    steps = tomllib.loads(TOML.read_text(encoding="utf-8"))["step"]
    groups = next(step["groups"] for step in steps if step["use"] == "group")
    return {label: name for name, of in groups.items() for label in of}


def with_pandas(path: Path, rows: int | None, *, loops: bool, train: Any = None) -> Any:
    """Return the prepared table.

    Args:
        path: the CSV file.
        rows: how many of its rows, all if None.
        loops: fill row by row, as published; else by whole columns.
        train: which rows are learned from (bool); all if None, as published.
    """
    import pandas as pd

    frame = pd.read_csv(path, usecols=[*FEATURES, "PrimaryType"], nrows=rows, engine="c")
    frame = frame[frame["Year"] <= 2020].reset_index(drop=True)
    frame["LocationDescription"] = frame["LocationDescription"].fillna("OTHER")
    kinds = frame["PrimaryType"].str.upper()
    frame["PrimaryType"] = kinds.map(labels()).fillna(kinds)
    known = frame if train is None else frame[train]
    frame["District"] = frame["District"].fillna(known["District"].mode()[0])
    for column in FILLED:
        known = frame if train is None else frame[train]
        if loops:
            _fill_by_rows(frame, known, column)
        else:
            fill_by_columns(frame, known, column, KEYS)
    return frame


def _fill_by_rows(frame: Any, known: Any, column: str) -> None:
    missing = frame[frame[column].isna()]
    for key in reversed(KEYS):  # the coarsest first, so that a finer one overwrites it
        most = known.groupby(key)[column].agg(lambda values: values.mode().min()).dropna().to_dict()
        for index, row in missing.iterrows():
            if row[key] in most:
                frame.at[index, column] = most[row[key]]


def encoded(frame: Any) -> dict[str, Any]:
    """Return the three parts as integer codes, as fastai's Categorify and RandomSplitter make them."""
    import numpy as np

    columns = [frame[name].astype("category").cat.codes.to_numpy() + 1 for name in FEATURES]
    codes = np.stack(columns, axis=1).astype(np.int64)
    target = frame["PrimaryType"].astype("category").cat.codes.to_numpy().astype(np.int64)
    order = np.random.default_rng(0).permutation(len(frame))
    n = [round(len(frame) * share) for share in SHARES]
    return {
        name: (codes[rows], target[rows])
        for name, rows in zip(
            ("test", "validation", "train"), np.split(order, [n[1], n[0] + n[1]]), strict=True
        )
    }


def side(name: str, path: Path, rows: int | None) -> dict[str, float]:
    """Run one side in this process; return its seconds, rows and peak memory."""
    if name == SIDES[0]:
        import steepest.data.table  # noqa: F401  (not counted)

        start = time.perf_counter()
        made = ours(path)
        seconds = time.perf_counter() - start
        count = sum(len(part) for part in (made.train, made.validation, made.test))
    else:
        import pandas as pd  # noqa: F401  (not counted)

        start = time.perf_counter()
        parts = encoded(with_pandas(path, rows, loops=name == SIDES[1]))
        seconds = time.perf_counter() - start
        count = sum(len(target) for _, target in parts.values())
    unit = 1 if sys.platform == "darwin" else 1024
    return {
        "seconds": seconds,
        "rows": count,
        "bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit,
    }


def same(path: Path, rows: int) -> bool:
    """Whether steepest and both ways of pandas make the same table of the first rows, learned from the same part."""
    import polars as pl

    from steepest.data.table import read_table

    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder, "part.csv")
        pl.scan_csv(path, infer_schema=False).head(rows).sink_csv(part)
        mine = read_table(part, prepare=TOML, split="random").prepared()
        train = (mine["split"] == "train").to_numpy()
        mine = mine.select(*FEATURES, "PrimaryType")
        numbers = [name for name, dtype in mine.schema.items() if dtype.is_numeric()]
        mine = mine.with_columns(pl.col(numbers).cast(pl.Float64))
        for loops in (True, False):
            theirs = pl.from_pandas(with_pandas(part, None, loops=loops, train=train)).select(mine.columns)
            theirs = theirs.fill_nan(None).with_columns(pl.col(numbers).cast(pl.Float64))
            if not mine.equals(theirs):
                return False
    return True


def _process(name: str, path: Path, rows: int | None) -> dict[str, float]:
    arguments = ["--side", name, "--file", str(path), *([] if rows is None else ["--rows", str(rows)])]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.ingest_crimes", *arguments],
        check=True, capture_output=True, text=True, cwd=Path(__file__).parents[1],
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def measure(path: Path, peer_rows: int, repetitions: int) -> int:
    """Run the sides in turn, print the tables, and return 1 if a claim does not hold."""
    if not same(path, SUBSAMPLE):
        print("ingest_crimes: the prepared tables differ", file=sys.stderr)
        return 1
    # the file is in the system's cache from now on, for all sides
    total = int(_process(SIDES[0], path, None)["rows"])
    subsample = min(SUBSAMPLE, total)
    of_side = {
        SIDES[0]: None,
        SIDES[1]: None if not peer_rows or peer_rows >= total else peer_rows,
        SIDES[2]: None,
    }
    found: dict[str, list[dict[str, float]]] = {name: [] for name in SIDES}
    for _ in range(repetitions):
        for name in SIDES:
            found[name].append(_process(name, path, of_side[name]))
    seconds = {
        name: [each["seconds"] * total / each["rows"] for each in runs] for name, runs in found.items()
    }
    size = path.stat().st_size / 1e9
    print(f"{total:,} rows, {size:.2f} GB of CSV; prepared tables of {subsample:,} rows equal; "
          f"{describe_machine('polars', 'pandas', 'torch')}\n")  # fmt: skip
    print("| | median seconds | lowest | highest | rows run | peak memory, GB | n |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name in SIDES:
        runs, each = found[name], seconds[name]
        peak = max(run["bytes"] for run in runs) / 1e9
        shown = " | ".join(f"{value:.1f}" for value in (statistics.median(each), min(each), max(each)))
        print(f"| {name} | {shown} | {runs[0]['rows']:,.0f} | {peak:.2f} | {repetitions} |")
    holds = True
    print()
    for name, required in ((SIDES[1], REQUIRED), (SIDES[2], None)):
        ratios = sorted(theirs / own for own, theirs in zip(seconds[SIDES[0]], seconds[name], strict=True))
        middle = statistics.median(ratios)
        text = (
            f"{name} / steepest: median {middle:.1f} ({ratios[0]:.1f} … {ratios[-1]:.1f}), n = {repetitions}"
        )
        if required is not None:
            holds &= middle >= required
            text += f"; required {required:g}: {'holds' if middle >= required else 'DOES NOT HOLD'}"
        print(text)
    peak = max(run["bytes"] for run in found[SIDES[0]])
    holds &= peak < MOST_BYTES
    print(f"peak memory of steepest's process: {peak / 1e9:.2f} GB; required below {MOST_BYTES / 1e9:g}: "
          f"{'holds' if peak < MOST_BYTES else 'DOES NOT HOLD'}")  # fmt: skip
    return 0 if holds else 1


def main(arguments: list[str]) -> int:
    """Make the table if none is named, measure, and return 1 if the tables differ or a claim does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks ingest_crimes", description=__doc__)
    parser.add_argument("--file", type=Path, help="a table made by benchmarks.make_crimes")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument(
        "--rows", type=int, default=None, help="rows of the table to make (default 7,260,345)"
    )
    parser.add_argument("--peer-rows", type=int, default=0, help="rows of the row loops (default: all)")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.side:
        print(json.dumps(side(options.side, options.file, options.rows)))
        return 0
    total = options.rows or ROWS
    if options.file:
        return measure(options.file, options.peer_rows, options.repetitions)
    from benchmarks.make_crimes import make

    folder = Path(tempfile.mkdtemp(prefix="crimes-"))
    try:
        free, needed = shutil.disk_usage(folder).free, total * 260
        if free < 1.5 * needed:
            print(f"ingest_crimes: {folder} has {free / 1e9:.1f} GB free, {1.5 * needed / 1e9:.1f} are needed: "
                  "set TMPDIR to a larger folder", file=sys.stderr)  # fmt: skip
            return 1
        return measure(make(folder / "crimes.csv", rows=total), options.peer_rows, options.repetitions)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
