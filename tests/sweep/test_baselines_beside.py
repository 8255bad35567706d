"""Baselines that worker processes fit: those fitted here, kept as soon as they are there, and never missing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import steepest as st
from steepest.errors import SteepestError
from steepest.record.store import Folder
from steepest.sweep.baselines import FitJob, Fitting
from steepest.sweep.crew import Crew
from steepest.sweep.observer import Observer
from tests.sweep.test_workers import Watching, table

SMALL = {"optimizers": ["sgd"], "seeds": 2, "epochs": 1, "compile": "off", "hidden": (4,), "batch_size": 32}
CLOCKS = {"seconds", "cpu_seconds", "peak_memory"}


def compare(out: Path, observer: Observer | None = None, **options: object) -> list[dict[str, object]]:
    """Return the baselines of a comparison without clocks, as they are in its folder."""
    st.plan(table(), target="y", **{**SMALL, **options}).run(out, observer=observer or Observer())
    found = [each["record"] for each in Folder(out).journal.read() if each.get("event") == "baseline"]
    assert all(each["seconds"] > 0 for each in found)
    return sorted(({name: each[name] for name in each if name not in CLOCKS} for each in found), key=str)


@pytest.mark.parametrize("split", ["random", pytest.param("folds:3", marks=pytest.mark.slow)])
def test_they_are_those_fitted_here(tmp_path, monkeypatch, split):
    here = compare(tmp_path / "here", workers=1, split=split)
    with monkeypatch.context() as patch:
        patch.setattr(Fitting, "fit", lambda *_: pytest.fail("fitted in this process"))
        if split == "random":
            assert compare(tmp_path / "there", workers=2, split=split) == here
            return
    assert compare(tmp_path / "there", workers=2, split=split) == here  # the saved ones are fitted here


def test_one_whose_process_is_killed_is_fitted_here(tmp_path, monkeypatch):
    here = compare(tmp_path / "here", workers=1)
    began, watching = Crew.begin, Watching()
    killed: list[str] = []

    def begin(self: Crew, job: object, *what: object) -> object:
        member = began(self, job, *what)
        if isinstance(job, FitJob) and not killed:
            killed.append(job.name)
            os.kill(member.link.process.pid, signal.SIGKILL)
        return member

    monkeypatch.setattr(Crew, "begin", begin)
    assert compare(tmp_path / "killed", watching, workers=2) == here
    assert killed == ["majority"]
    warning = "warning: a worker process ended with status -9; majority class is fitted in this process"
    assert [each for each in watching.said if "ended" in each] == [warning]


def test_one_that_fails_there_fails_here_where_it_can_be_seen(tmp_path):
    wrong = {"baseline": ("sklearn:LogisticRegression(C=-1)",)}
    with pytest.raises(SteepestError) as here:
        compare(tmp_path / "here", workers=1, **wrong)
    with pytest.raises(SteepestError) as there:
        compare(tmp_path / "there", workers=2, **wrong)
    assert str(there.value) == str(here.value)


def test_those_that_a_folder_has_are_not_fitted_again(tmp_path, monkeypatch):
    compare(tmp_path / "out", workers=2)
    monkeypatch.setattr(Fitting, "fit", lambda *_: pytest.fail("fitted again"))
    monkeypatch.setattr(Crew, "put", lambda *_: pytest.fail("fitted again"))
    compare(tmp_path / "out", workers=2, seeds=3)


def test_libraries_that_are_loaded_late_have_no_more_threads_than_they_may():
    code = """
from steepest.threads import library_threads
with library_threads(1):
    import scipy.optimize, sklearn.ensemble
    from threadpoolctl import threadpool_info
    print({each["num_threads"] for each in threadpool_info()})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "{1}\n"
