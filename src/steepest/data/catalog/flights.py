"""Flights that left New York in 2013, a sample that comes with the package."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

from steepest.data.catalog import DataFile, DatasetSource

COMPONENTS = {
    "flights": {
        "object": "FLIGHTS",
        "what": "40,000 flights from New York in 2013, 5 kinds of delay",
        "groups": ["table"],
    }
}

FLIGHTS = DatasetSource(
    name="flights",
    title="40,000 flights that left New York in 2013: early, on time, late, very late or cancelled?",
    files=(
        DataFile(
            name="flights.parquet",
            sha256=("63d72f2d28b26ef4956dbe18f24eedc63570589e80e118ef089c510c579f9dae",),
            bytes=479_902,
            embedded=Path(__file__).parents[1] / "demo" / "flights.parquet",
        ),
    ),
    page="https://github.com/tidyverse/nycflights13",
    licence="CC0-1.0",
    citation="H. Wickham: nycflights13, all flights that departed New York in 2013 "
    "(US Bureau of Transportation Statistics, weather of Iowa State University's ASOS network).",
    options=MappingProxyType(
        {
            "target": "status",
            "categorical": ["month", "departure_hour"],
            "drop": ["flight"],  # 3,800 flight numbers: too many to learn from 40,000 rows
        }
    ),
)
