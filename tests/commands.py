"""The command line in this process."""

from __future__ import annotations

from dataclasses import dataclass

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
