"""A small comparison with embeddings, two arms and a test file's worth of rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from steepest.cli import main
from tests.images.made import idx_folder


@pytest.fixture(scope="session")
def churned(churn_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished comparison of two networks of customers."""
    out = tmp_path_factory.mktemp("runs") / "churn"
    arguments = [
        "compare",
        churn_csv,
        "--target",
        "churned",
        "-o",
        "sgd(lr=0.1)",
        "--epochs",
        "1",
        "--seeds",
        "1",
    ]
    arguments += ["--model", "embedding-mlp(hidden=[8, 6])", "--model", "linear", "--batch-size", "64"]
    arguments += ["--compile", "off", "--baseline", "none", "--out", out]
    assert main([str(each) for each in arguments]) == 0
    return out


@pytest.fixture(scope="session")
def seen_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished comparison of a network of images."""
    where = tmp_path_factory.mktemp("images")
    idx_folder(where / "bars")
    arguments = [
        "compare",
        where / "bars",
        "--model",
        "mlp(hidden=[6])",
        "-o",
        "sgd(lr=0.1)",
        "--epochs",
        "1",
    ]
    arguments += [
        "--seeds",
        "1",
        "--batch-size",
        "8",
        "--compile",
        "off",
        "--baseline",
        "none",
        "--out",
        where / "run",
    ]
    assert main([str(each) for each in arguments]) == 0
    return where / "run"
