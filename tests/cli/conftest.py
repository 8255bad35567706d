"""The command line in this process, and one small finished comparison."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from steepest.cli import main


@dataclass
class Said:
    """What a command did: exit status, standard output, standard error."""

    status: int
    out: str
    err: str


@pytest.fixture
def steepest(capsys, monkeypatch):
    """Run a command and return what it said, on a terminal of 300 columns."""
    monkeypatch.setenv("COLUMNS", "300")

    def run(*arguments: object) -> Said:
        capsys.readouterr()
        status = main([str(each) for each in arguments])
        found = capsys.readouterr()
        return Said(status, found.out, found.err)

    return run


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
