"""One small finished comparison."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from steepest.cli import main

QUICK = ["--epochs", "1", "--batch-size", "64", "--hidden", "8"]


def compare(table: Path, out: Path, *options: str) -> Path:
    """Make a comparison of two optimizers with given rates."""
    arguments = ["compare", table, "--target", "churned", *QUICK, *options, "--out", out]
    assert main([str(each) for each in arguments]) == 0
    return out


@pytest.fixture(scope="session")
def finished(churn_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished comparison; copy it before changing it."""
    out = tmp_path_factory.mktemp("export") / "churn"
    return compare(churn_csv, out, "--seeds", "3", "-o", "adam(lr=0.01),sgd(lr=0.1)")


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished folder."""
    return Path(shutil.copytree(finished, tmp_path / "copied"))
