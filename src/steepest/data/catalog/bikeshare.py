"""Bikes rented in Washington in every hour of 2011."""

from __future__ import annotations

from types import MappingProxyType

from steepest.data.catalog import DataFile, DatasetSource

COMPONENTS = {
    "bikeshare": {
        "object": "BIKESHARE",
        "what": "8,645 hours of 2011: bikes rented in Washington",
        "groups": ["table"],
    }
}

BIKESHARE = DatasetSource(
    name="bikeshare",
    title="8,645 hours of 2011: how many bikes were rented in Washington, from the hour and the weather",
    files=(
        DataFile(
            name="Bikeshare.csv",
            folder="bikeshare",
            sha256=("ac6950ae6f11efcc69c29d6bb13e8881c001e27d36434660d59444a1414f712c",),
            bytes=567_588,
            urls=("https://raw.githubusercontent.com/intro-stat-learning/ISLP/main/ISLP/data/Bikeshare.csv",),
        ),
    ),
    page="https://archive.ics.uci.edu/dataset/275/bike+sharing+dataset",
    licence="CC BY 4.0",
    citation="H. Fanaee-T & J. Gama (2013). Bike Sharing. UCI Machine Learning Repository; the hourly rows of 2011 "
    "as in the package ISLP of G. James, D. Witten, T. Hastie, R. Tibshirani & J. Taylor.",
    options=MappingProxyType(
        {
            "target": "bikers",
            "drop": ["casual", "registered"],  # they add up to the target
            "categorical": ["season", "hr", "weekday"],
        }
    ),
)
