"""Adult: does a person of the census of 1994 earn more than 50,000 dollars?"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType

import polars as pl

from steepest.data.catalog import DataFile, DatasetSource

COMPONENTS = {
    "adult": {
        "object": "ADULT",
        "what": "48,842 people of a census: income above 50,000 dollars?",
        "groups": ["table"],
    }
}

COLUMNS = (
    "age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation", "relationship", "race",
    "sex", "capital-gain", "capital-loss", "hours-per-week", "native-country", "income",
)  # fmt: skip
TESTED = 16_281
"""Official test rows; they come first in the file that has all of them."""


def _joined(path: Path) -> list[str]:
    return gzip.decompress(path.read_bytes()).decode().splitlines()[1:]


def _frame(lines: Sequence[str]) -> pl.DataFrame:
    """Return lines of either file as a table: spaces behind commas, and the full stop behind test labels, are gone."""
    cells = [
        [cell.strip() for cell in line.rstrip(". ").split(",")] for line in lines if line.count(",") == 14
    ]
    return pl.DataFrame(cells, schema=dict.fromkeys(COLUMNS, pl.String), orient="row")


def _train(paths: Sequence[Path]) -> pl.DataFrame:
    return _frame(_joined(paths[0])[TESTED:] if len(paths) == 1 else paths[0].read_text().splitlines())


def _test(paths: Sequence[Path]) -> pl.DataFrame:
    return _frame(_joined(paths[0])[:TESTED] if len(paths) == 1 else paths[1].read_text().splitlines())


ADULT = DatasetSource(
    name="adult",
    title="48,842 people of the census of 1994: income above 50,000 dollars? 16,281 official test rows",
    files=(
        DataFile(
            name="adult.data",
            folder="adult",
            sha256=("5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d",),
            bytes=3_974_305,
            urls=("https://archive.ics.uci.edu/ml/machine-learning-databases/adult/adult.data",),
        ),
        DataFile(
            name="adult.test",
            folder="adult",
            sha256=("a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05",),
            bytes=2_003_153,
            urls=("https://archive.ics.uci.edu/ml/machine-learning-databases/adult/adult.test",),
        ),
    ),
    instead=(
        DataFile(
            name="adult.csv.gz",
            folder="adult",
            sha256=("e3e3a68dca548ae34c48fb5003dd1e7fc17667e452352fa095bead577890f9ff",),
            bytes=597_645,
        ),
    ),
    parts=MappingProxyType({"train": _train, "test": _test}),
    page="https://archive.ics.uci.edu/dataset/2/adult",
    licence="CC BY 4.0",
    citation="B. Becker & R. Kohavi (1996). Adult. UCI Machine Learning Repository.",
    options=MappingProxyType(
        {
            "target": "income",
            "drop": ["fnlwgt"],  # how many people a row stands for, not what it is like
        }
    ),
)
