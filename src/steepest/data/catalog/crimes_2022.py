"""Crimes reported in Chicago, January to November 2022, without Beat, District and Ward."""

from __future__ import annotations

from types import MappingProxyType

from steepest.data.catalog import DataFile, DatasetSource

COMPONENTS = {
    "crimes-2022": {
        "object": "CRIMES_2022",
        "what": "215,551 crimes in Chicago, January to November 2022",
        "groups": ["table"],
    }
}

CRIMES_2022 = DatasetSource(
    name="crimes-2022",
    title="215,551 crimes reported in Chicago, January to November 2022, without Beat, District and Ward",
    files=(
        DataFile(
            name="crimes-2022-slim.csv.gz",
            folder="chicago-crimes",
            sha256=("26d663d91bd47e6e0c48eadb39e1038c6a26edc69542ee7005f1976dd2c97b60",),
            bytes=3_414_734,
            urls=(
                "https://raw.githubusercontent.com/RandomFractals/chicago-crimes/"
                "13f9dfaa93fe52f66f9e0d6c23b779a2b701a1fa/data/crimes-2022-slim.csv.gz",
            ),
        ),
    ),
    page="https://data.cityofchicago.org/d/ijzp-q8t2",
    licence="City of Chicago data disclaimer: public, as is, the source must be named",
    citation="City of Chicago, Chicago Police Department: Crimes, 2001 to Present (ijzp-q8t2), "
    "www.cityofchicago.org; a selection of columns by RandomFractals/chicago-crimes.",
    options=MappingProxyType({"target": "Primary Type", "drop": ["Description"]}),
)
