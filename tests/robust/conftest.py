"""A process that runs commands which can be killed, and what an uninterrupted comparison leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import churn_table

NURSERY = Path(__file__).with_name("nursery.py")

EXPERIMENT = """
name = "small"
optimizers = ["adam(lr=0.01)", "sgd"]

[data]
source = "churn.csv"
target = "churned"

[model]
hidden = [8]

[protocol]
seeds = 2
epochs = 4
batch_size = 64
learning_rates = [0.03, 0.3]
baseline = ["majority", "logistic-regression"]

[execution]
threads = 1
"""


@dataclass
class Nursery:
    """Runs commands in forked children; see ``nursery.py``."""

    process: subprocess.Popen[str]
    where: Path

    def run(self, *arguments: object, **how: Any) -> dict[str, Any]:
        """Run a command and return how it ended: status (negative: the signal), seconds, and what it said."""
        log = self.where / "said.txt"
        job = {"cwd": str(self.where), "arguments": [str(each) for each in arguments], "log": str(log), **how}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        return {**json.loads(self.process.stdout.readline()), "said": log.read_text()}


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Generator[Nursery]:
    """The running nursery, in a folder with a small table and an experiment's file."""
    if sys.platform != "linux":
        pytest.skip("children are forked and their open files are read from /proc: Linux only")
    where = tmp_path_factory.mktemp("nursery")
    churn_table(300).write_csv(where / "churn.csv")
    (where / "small.toml").write_text(EXPERIMENT)
    one = {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1", "COLUMNS": "300"}
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore::DeprecationWarning", NURSERY],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **one},
    )  # fmt: skip
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["ready"]
    yield Nursery(process, where)
    assert process.stdin is not None
    process.stdin.close()
    process.wait()
    process.stdout.close()


@dataclass(frozen=True)
class Whole:
    """What an uninterrupted comparison left, and how long it took."""

    path: Path
    seconds: float


@pytest.fixture(scope="session")
def whole(nursery: Nursery) -> Whole:
    """The comparison that was never disturbed."""
    found = nursery.run("compare", "small.toml", "--out", "whole")
    assert found["status"] == 0, found["said"]
    return Whole(nursery.where / "whole", found["seconds"])
