"""Handwritten digits of 8 × 8 pixels, as scikit-learn has them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import MappingProxyType

from steepest.data.catalog import DataFile, DatasetSource

COMPONENTS = {
    "digits": {"object": "DIGITS", "what": "1,797 handwritten digits of 8 × 8 pixels", "groups": ["table"]}
}


def _installed() -> Path | None:
    spec = importlib.util.find_spec("sklearn")
    folder = spec.submodule_search_locations if spec else None
    return Path(folder[0]) / "datasets" / "data" / "digits.csv.gz" if folder else None


_PIXELS = tuple(f"pixel_{row}_{column}" for row in range(8) for column in range(8))

DIGITS = DatasetSource(
    name="digits",
    title="1,797 handwritten digits: 8 × 8 pixels with values from 0 to 16, one column each",
    files=(
        DataFile(
            name="digits.csv.gz",
            folder="digits",
            sha256=("09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22",),
            bytes=57_523,
            contents_md5="a0339c30a8a5312a1b6f9e5c719dcce5",
            embedded=_installed(),
        ),
    ),
    page="https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits",
    licence="CC BY 4.0",
    citation="E. Alpaydin & C. Kaynak (1998). Optical Recognition of Handwritten Digits. UCI Machine Learning "
    "Repository; its test set, as it comes with scikit-learn.",
    options=MappingProxyType({"target": "digit", "task": "classification", "continuous": list(_PIXELS)}),
    columns=(*_PIXELS, "digit"),
)
