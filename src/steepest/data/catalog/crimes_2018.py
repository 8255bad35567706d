"""Crimes reported in Chicago, January to June 2018."""

from __future__ import annotations

from types import MappingProxyType

from steepest.data.catalog import DataFile, DatasetSource

COMPONENTS = {
    "crimes-2018": {
        "object": "CRIMES_2018",
        "what": "125,590 crimes in Chicago, January to June 2018",
        "groups": ["table"],
    }
}

CRIMES_2018 = DatasetSource(
    name="crimes-2018",
    title="125,590 crimes reported in Chicago, January to June 2018",
    files=(
        DataFile(
            name="crimes-2018-H1.snappy.parquet",
            folder="chicago-crimes",
            sha256=("401b30280e5b1103329e8be8133a54a86f3920e93005a7626726c747fa855e06",),
            bytes=3_550_082,
        ),
    ),
    page="https://data.cityofchicago.org/d/ijzp-q8t2",
    licence="City of Chicago data disclaimer: public, as is, the source must be named",
    citation="City of Chicago, Chicago Police Department: Crimes, 2001 to Present (ijzp-q8t2), "
    "www.cityofchicago.org; the half year as of July 2018, unchanged.",
    options=MappingProxyType({"target": "PrimaryType", "drop": ["FBICode", "Description"]}),
)
