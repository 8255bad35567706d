"""A crimes table of the published size, resampled from the real rows of 2018 and 2022.

    STEEPEST_DATA=FOLDER python -m benchmarks.make_crimes OUT [--rows 7260345] [--seed 0]

The city's full file cannot be had here, so this is its likeness: all 22 columns of the city's table, named
without spaces; 7,260,345 rows, 1.7 GB of CSV; 61,000 blocks; 20 years; Ward missing in 8.47 % of the rows and
CommunityArea in 8.45 %, both in the first two years as in the city's file, LocationDescription in 0.109 %,
District in 0.00065 %. A row is a real one: block, kind of crime, description, place, arrest, district and so
on belong together. What differs from the real file: the years, the identifiers, the state plane coordinates
and the IUCR code are made up; the rows of 2022, which have no Beat, District, Ward, FBICode and position, get
those of 2018's rows of the same block (else community area, or description), and the few places that are
missing in both (0.26 %) are filled alike before others are left out; and since the two files have
29,548 blocks, every block gets one or two new neighbours (``019XX W CORTLAND ST`` → ``020XX W CORTLAND ST``) with
which it shares its rows in turn.

The rows are written pass by pass: each pass is all real rows in an order of its own, so that at no time more
than one pass is in memory. The same seed gives the same bytes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from steepest.data.catalog import open_catalog
from steepest.data.preparation import Preparation
from steepest.rng import stream

ROWS = 7_260_345
BLOCKS = 61_000
FIRST_YEAR, LAST_YEAR = 2001, 2020
MISSING = {"Ward": 0.0847, "CommunityArea": 0.0845, "LocationDescription": 0.00109, "District": 0.0000065}
NAMES = {
    "Primary Type": "PrimaryType",
    "Location Description": "LocationDescription",
    "Community Area": "CommunityArea",
}
COLUMNS = [
    "ID", "CaseNumber", "Date", "Block", "IUCR", "PrimaryType", "Description", "LocationDescription", "Arrest",
    "Domestic", "Beat", "District", "Ward", "CommunityArea", "FBICode", "XCoordinate", "YCoordinate", "Year",
    "UpdatedOn", "Latitude", "Longitude", "Location",
]  # fmt: skip
WHOLE = ("Beat", "District", "Ward", "CommunityArea")


def real_rows() -> pl.DataFrame:
    """Return the real rows of both files, with what the later one lacks learned from the earlier one."""
    first = (
        open_catalog("crimes-2018").scan().with_columns(pl.col("Latitude", "Longitude").round(9)).collect()
    )
    second = open_catalog("crimes-2022").scan().rename(NAMES).collect()
    keys = {
        **{key: ["Block", "CommunityArea"] for key in ("Beat", "District", "Ward", "Latitude", "Longitude")},
        "FBICode": ["Description", "PrimaryType"],
        "LocationDescription": ["Description", "PrimaryType"],
    }
    steps = [{"use": "fill-from", "column": column, "keys": of} for column, of in keys.items()]
    moment = pl.col("Date").str.to_datetime("%Y-%m-%d %H:%M:%S")
    second = second.with_columns(moment)
    both = pl.concat([first, second], how="diagonal_relaxed")
    filled, _ = Preparation.load(steps).fit(first, target=None).transform(both, target=None)
    code = pl.col("PrimaryType", "Description")
    return filled.with_columns(
        pl.col(WHOLE).cast(pl.Int64), IUCR=pl.struct(code).rank("dense").cast(pl.String).str.zfill(4)
    )


def neighbours(blocks: list[str], wanted: int) -> dict[str, list[str]]:
    """Return, for each block, its names: its own and those of its new neighbours, ``wanted`` in all.

    Example:
        >>> neighbours(["019XX W CORTLAND ST", "020XX W CORTLAND ST"], 3)["019XX W CORTLAND ST"]
        ['019XX W CORTLAND ST', '021XX W CORTLAND ST']
    """
    names = {each: [each] for each in blocks}
    taken = set(blocks)
    while len(taken) < wanted:
        for block in blocks[: wanted - len(taken)]:
            number, _, street = block.partition(" ")
            near = (f"{(int(number[:3]) + step) % 1000:03d}{number[3:]} {street}" for step in count(1))
            new = next(each for each in near if each not in taken)
            names[block].append(new)
            taken.add(new)
    return names


def passes(real: pl.DataFrame, rows: int, blocks: int, seed: int) -> Iterator[pl.DataFrame]:
    """Yield ``rows`` rows of the made table, at most as many at a time as there are real ones."""
    names = neighbours(sorted(real["Block"].unique().to_list()), blocks)
    where = pl.DataFrame(
        {"Block": list(names), "names": list(names.values())},
        schema_overrides={"names": pl.List(pl.String)},
    )
    real = real.join(where, on="Block", how="left", maintain_order="left")
    turn = pl.int_range(pl.len()).over("Block")
    real = real.with_columns(turn=turn)
    for number, start in enumerate(range(0, rows, real.height)):
        draw = stream(seed, "data", number)
        chosen = draw.permutation(real.height)[: rows - start]
        yield _made(real[chosen], number, start, draw)


def _made(rows: pl.DataFrame, number: int, start: int, draw: np.random.Generator) -> pl.DataFrame:
    n = rows.height
    years = np.arange(FIRST_YEAR, LAST_YEAR + 1)
    weights = np.linspace(485.0, 241.0, len(years))  # fewer crimes from year to year
    weights /= weights.sum()
    # spread evenly, so that the shares are exact; the first years are the lowest places
    place = (draw.permutation(n) + draw.random()) / n
    year = years[np.searchsorted(np.cumsum(weights)[:-1], place, side="right")]
    columns: dict[str, Any] = {"Year": year, "ID": start + np.arange(n) + 1_000_000}
    columns["updated"] = draw.integers(0, 1 << 27, n)
    for column, share in MISSING.items():
        # wards and areas were not entered in the first years
        chance = place if column in ("Ward", "CommunityArea") else draw.random(n)
        columns[f"no {column}"] = chance < share
    made = rows.drop("Year").with_columns(**{name: pl.Series(values) for name, values in columns.items()})
    gone = [pl.when(pl.col(f"no {column}").not_()).then(pl.col(column)).alias(column) for column in MISSING]
    near = pl.col("names").list
    time = pl.col("Date").dt
    moment = pl.datetime("Year", time.month(), time.day(), time.hour(), time.minute(), time.second())
    form = "%m/%d/%Y %I:%M:%S %p"
    latitude, longitude = pl.col("Latitude"), pl.col("Longitude")
    return made.with_columns(
        *gone,
        near.get((pl.col("turn") + number) % near.len()).alias("Block"),
        CaseNumber=pl.format("H{}", pl.col("ID").cast(pl.String).str.zfill(8)),
        Date=moment.dt.strftime(form),
        XCoordinate=(1_176_000 + (longitude + 87.62) * 275_000).round().cast(pl.Int64),
        YCoordinate=(1_900_000 + (latitude - 41.88) * 364_000).round().cast(pl.Int64),
        UpdatedOn=(moment + pl.duration(seconds="updated")).dt.strftime(form),
        Location=pl.when(latitude.is_not_null()).then(pl.format("({}, {})", latitude, longitude)),
    ).select(
        pl.col(each).cast(pl.String).str.zfill(4 if each == "Beat" else 3)
        if each in ("Beat", "District")
        else each
        for each in COLUMNS
    )


def make(out: Path, *, rows: int = ROWS, blocks: int = BLOCKS, seed: int = 0) -> Path:
    """Write the table to ``out``, under a temporary name until it is whole.

    Args:
        out: the CSV file; its folder is made.
        rows: how many rows.
        blocks: how many different blocks, at least as many as the real rows have.
        seed: of everything that is drawn.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.tmp")
    try:
        with part.open("wb") as file:
            for number, frame in enumerate(passes(real_rows(), rows, blocks, seed)):
                frame.write_csv(file, include_header=number == 0)
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    return out


def main(arguments: list[str]) -> int:
    """Make the table and say what it is."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.make_crimes", description=__doc__)
    parser.add_argument("out", type=Path, help="the CSV file to write")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    path = make(options.out, rows=options.rows, seed=options.seed)
    print(f"{options.rows:,} rows, {path.stat().st_size / 1e9:.2f} GB in {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
