"""Breast cancer of Wisconsin: is a tumour malignant? As scikit-learn has it."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType

import polars as pl

from steepest.data.catalog import DataFile, DatasetSource

COMPONENTS = {
    "breast-cancer": {
        "object": "BREAST_CANCER",
        "what": "569 tumours: malignant or benign?",
        "groups": ["table"],
    }
}

MEASURED = (
    "radius", "texture", "perimeter", "area", "smoothness", "compactness", "concavity", "concave_points", "symmetry",
    "fractal_dimension",
)  # fmt: skip
COLUMNS = tuple(f"{of}_{name}" for of in ("mean", "error", "worst") for name in MEASURED)
KINDS = ("malignant", "benign")


def _installed() -> Path | None:
    spec = importlib.util.find_spec("sklearn")
    folder = spec.submodule_search_locations if spec else None
    return Path(folder[0]) / "datasets" / "data" / "breast_cancer.csv" if folder else None


def _rows(paths: Sequence[Path]) -> pl.DataFrame:
    """Return the rows with names for the classes: the first line has counts."""
    frame = pl.read_csv(paths[0], has_header=False, skip_rows=1, new_columns=[*COLUMNS, "diagnosis"])
    return frame.with_columns(pl.col("diagnosis").replace_strict(dict(enumerate(KINDS))))


BREAST_CANCER = DatasetSource(
    name="breast-cancer",
    title="569 tumours, malignant or benign: 30 measurements of the nuclei of their cells",
    files=(
        DataFile(
            name="breast_cancer.csv",
            folder="breast-cancer",
            sha256=("fed3eb72d0575ef6192293f5093c6e801b1476b577d0386bf4455504522172ed",),
            bytes=119_913,
            embedded=_installed(),
        ),
    ),
    parts=MappingProxyType({"train": _rows}),
    page="https://archive.ics.uci.edu/dataset/17/breast+cancer+wisconsin+diagnostic",
    licence="CC BY 4.0",
    citation="W. Wolberg, O. Mangasarian, N. Street & W. Street (1993). Breast Cancer Wisconsin (Diagnostic). UCI "
    "Machine Learning Repository; as it comes with scikit-learn.",
    options=MappingProxyType({"target": "diagnosis", "task": "classification"}),
)
