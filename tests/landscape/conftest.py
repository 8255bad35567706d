"""Small finished comparisons: two arms with batch norm and watched training rows, and a line through a curve."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from steepest.cli import main


@pytest.fixture(scope="session")
def churned(churn_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of two arms with embeddings and batch norm; metrics on the training rows were watched."""
    out = tmp_path_factory.mktemp("runs") / "churn"
    text = "--target churned -o sgd(lr=0.1),adam(lr=0.01) --epochs 1 --seeds 2 --watch gap --batch-size 64"
    text += " --model embedding-mlp(hidden=[8,6]) --compile off --baseline none --keep-path 6"
    assert main(["compare", str(churn_csv), *text.split(), "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="session")
def curve(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published curve with its outlier."""
    path = tmp_path_factory.mktemp("curve") / "curve.csv"
    draw = np.random.RandomState(42)
    x = np.sort(2 * draw.rand(100) - 1)
    y = 1 + 3 * x - 4 * x**2 + 0.7 * draw.randn(100)
    x[0], y[0] = -1.5, 10.0
    pl.DataFrame({"x": x, "y": y}).write_csv(path)
    return path


def fitted(curve: Path, out: Path, *options: str, model: str = "polynomial(1)") -> Path:
    """Fit a line, or another model, to the curve by full-batch descent."""
    text = "--x x --y y --split none --batch-size all --precision float64 --seeds 1"
    text += " --schedule inverse-time(period=1) --epochs 50 --compile off --baseline none"
    assert main(["compare", str(curve), *text.split(), "--model", model, *options, "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="session")
def line(curve: Path) -> Path:
    """The folder of a line that was fitted by the absolute error."""
    return fitted(curve, curve.parent / "line", "--loss", "absolute", "-o", "sgd(lr=6)")


@pytest.fixture(scope="session")
def squared_line(curve: Path) -> Path:
    """The folder of a line that was fitted by the squared error."""
    return fitted(curve, curve.parent / "squared", "-o", "sgd(lr=0.5)")
