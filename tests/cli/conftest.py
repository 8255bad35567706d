"""One small finished comparison, and points of a curve."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from steepest.cli import main

QUICK = ["--seeds", "2", "--epochs", "1", "--batch-size", "64", "--hidden", "8"]


@pytest.fixture(scope="session")
def finished(churn_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished comparison; copy it before changing it."""
    out = tmp_path_factory.mktemp("runs") / "churn"
    arguments = [
        "compare",
        churn_csv,
        "--target",
        "churned",
        "-o",
        "adam(lr=0.01),sgd(lr=0.1)",
        *QUICK,
        "--out",
        out,
    ]
    assert main([str(each) for each in arguments]) == 0
    return out


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished folder."""
    return Path(shutil.copytree(finished, tmp_path / "copied"))


@pytest.fixture(scope="session")
def points() -> pl.DataFrame:
    """Return 100 points (x, y), made as in the lecture notes, with NumPy's legacy generator."""
    draw = np.random.RandomState(42)
    x = np.sort(2 * draw.rand(100) - 1)
    y = 1 + 3 * x - 4 * x**2 + 0.7 * draw.randn(100)
    x[0], y[0] = -1.5, 10.0
    return pl.DataFrame({"x": x, "y": y})


@pytest.fixture(scope="session")
def curve_csv(points: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("curve") / "curve.csv"
    points.write_csv(path)
    return path
