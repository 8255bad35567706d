"""In a forked process prediction works or says why it cannot; it never waits for threads that are not there."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import steepest as st
from steepest import errors
from steepest.errors import SteepestError
from tests.conftest import churn_table

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")

CODE = """
import multiprocessing, sys
import steepest as st

def predict(rows):
    return st.load(sys.argv[1]).predict(rows).tolist()

def predict_with(rows):
    return model.predict(rows).tolist()

def plan(rows):
    return len(st.read_table(rows, target="churned").dataset().train)

if __name__ == "__main__":
    exec(sys.argv[4])
    with multiprocessing.get_context("fork").Pool(1) as pool:
        try:
            print("found", pool.apply(globals()[sys.argv[3]], (sys.argv[2],)))
        except st.SteepestError as error:
            print(type(error).__name__, error)
"""
PARENTS = {
    "nothing": ("", False),
    "imports": ("import steepest.api, polars, torch", False),
    "torch": ("import torch; torch.set_num_threads(2); (torch.ones(2000, 2000) @ torch.ones(2000, 2000)).exp()", False),
    "polars": ("import polars; polars.DataFrame({'x': [2, 1]}).lazy().sort('x').collect(engine='streaming')", True),
    "loads": ("model = st.load(sys.argv[1])", True),
    "predicts": ("model = st.load(sys.argv[1]); model.predict(sys.argv[2])", True),
}  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A finished comparison, and a file that takes several calls of torch's threads."""
    place = tmp_path_factory.mktemp("forks")
    table = churn_table()
    st.compare(
        table, place / "run", target="churned", optimizers=["sgd(lr=0.1)"], seeds=1, epochs=1, hidden=[64]
    )
    pl.concat([table] * 40).write_csv(place / "new.csv")
    return place / "run", place / "new.csv"


def forked(run: tuple[Path, Path], what: str, parent: str, tmp_path: Path) -> str:
    """Return what a forked process prints; one that hangs is an error."""
    script = tmp_path / "script.py"
    script.write_text(CODE)
    done = subprocess.run(
        [sys.executable, script, *run, what, parent], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("case", PARENTS)
def test_a_forked_process_predicts_or_says_why_not(case: str, run: tuple[Path, Path], tmp_path: Path) -> None:
    parent, refused = PARENTS[case]
    said = forked(run, "predict", parent, tmp_path)
    if refused:
        assert said.startswith("SteepestError this process was forked from one in which Polars was running")
        assert "\nHint: start processes with multiprocessing.get_context('spawn')" in said
    else:
        assert said.startswith("found ['")
        assert said.count("'") == 2 * 24_000


@pytest.mark.parametrize("what", ["predict_with", "plan"])
def test_everything_that_reads_says_so(what: str, run: tuple[Path, Path], tmp_path: Path) -> None:
    said = forked(run, what, PARENTS["loads"][0], tmp_path)
    assert said.startswith("SteepestError this process was forked")


def _predict(folder: Path, rows: Path) -> list[Any]:
    return st.load(folder).predict(rows).tolist()


def test_a_spawned_process_predicts(run: tuple[Path, Path]) -> None:
    here = _predict(*run)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(_predict, run) == here


KINDS = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, SteepestError)]


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_reaches_another_process(kind: type[SteepestError]) -> None:
    """One that cannot be made again there leaves whoever waits for the process waiting for ever."""
    again = pickle.loads(pickle.dumps(kind("a fact", hint="a cure.")))  # noqa: S301
    assert type(again) is kind
    assert (again.fact, again.hint) == ("a fact", "a cure.")
