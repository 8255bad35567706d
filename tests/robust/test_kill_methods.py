"""Methods of several evaluations a step: killed at any moment they resume to the same bits, and so do workers."""

from __future__ import annotations

import shutil

import numpy as np
import polars as pl
import pytest

from steepest import rng
from tests.robust.conftest import Nursery
from tests.robust.test_kill import KILLED, check_same, results

METHODS = {
    "hessian-free": ["churn.csv", "--target", "churned", "-o", "hessian-free(lr=1, cg_iterations=3)",
                     "--dropout", "0.1"],
    "newton": ["churn.csv", "--target", "churned", "--model", "linear", "-o", "newton"],
    "levenberg-marquardt": ["wave.csv", "--target", "y", "--model", "mlp(hidden=(4,), activation=tanh)",
                            "-o", "levenberg-marquardt"],
    "sam": ["churn.csv", "--target", "churned", "-o", "sam(adam(lr=0.01))", "-o", "asam(lr=0.1)"],
    "l-bfgs": ["churn.csv", "--target", "churned", "-o", "l-bfgs(lr=1, max_iter=4)", "--batch-size", "all"],
}  # fmt: skip
"""The options of a comparison of each of them, beside those in ``PLAIN``."""
PLAIN = ["--seeds", "2", "--epochs", "2", "--schedule", "constant", "--baseline", "none", "--threads", "1"]
WRITES = [("journal.jsonl", 2), ("checkpoints", 1), ("model.safetensors", 1)]
MOMENTS = [float(each) for each in rng.stream(5, "data").random(8)]
SLOW = pytest.mark.slow


def command(nursery: Nursery, name: str) -> list[str]:
    """Return the comparison of a method, and make its table."""
    path = nursery.where / "wave.csv"
    if not path.exists():
        x = np.linspace(-1, 1, 300)
        pl.DataFrame({"x": x, "y": np.sin(5 * x)}).write_csv(path)
    size = [] if "--batch-size" in METHODS[name] else ["--batch-size", "64"]
    return ["compare", *METHODS[name], *PLAIN, *size]


def uninterrupted(nursery: Nursery, name: str) -> tuple[list[str], float]:
    """Return the command and the seconds that it takes; what it leaves is in the folder ``NAME-whole``."""
    given = command(nursery, name)
    found = nursery.run(*given, "--out", f"{name}-whole")
    assert found["status"] == 0, found["said"]
    assert "diverged" not in found["said"]
    return given, found["seconds"]


@pytest.mark.parametrize(
    "name", [name if name == "hessian-free" else pytest.param(name, marks=SLOW) for name in METHODS]
)
def test_it_is_killed_inside_writes(nursery: Nursery, name: str) -> None:
    """Killed inside one write after another; resumed in between, it ends with the same bits."""
    given, _ = uninterrupted(nursery, name)
    out, whole = (nursery.where / f"{name}-{each}" for each in ("torn", "whole"))
    for file, nth in WRITES:
        how = ["resume", out.name] if out.exists() else [*given, "--out", out.name]
        found = nursery.run(*how, name=file, nth=nth)
        assert found["status"] == KILLED, (file, nth, found["said"])
    found = nursery.run("resume", out.name)
    assert found["status"] == 0, found["said"]
    check_same(out, whole)


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_it_is_killed_at_moments(nursery: Nursery, name: str) -> None:
    """Eight moments, uniform over the time that the uninterrupted comparison took."""
    given, seconds = uninterrupted(nursery, name)
    for moment in MOMENTS:
        out = nursery.where / f"{name}-killed-{moment:.3f}"
        found = nursery.run(*given, "--out", out.name, after=moment * seconds)
        assert found["status"] in (KILLED, 0), found["said"]
        how = ["resume", out.name] if (out / "experiment.toml").exists() else [*given, "--out", out.name]
        found = nursery.run(*how)
        assert found["status"] == 0, (moment, found["said"])
        check_same(out, nursery.where / f"{name}-whole")
        shutil.rmtree(out)


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_workers_reach_the_same_numbers(nursery: Nursery, name: str) -> None:
    """Two processes make the runs; nothing that they report depends on it, a kill included."""
    given, seconds = uninterrupted(nursery, name)
    out = nursery.where / f"{name}-workers"
    found = nursery.run(*given, "--workers", "2", "--out", out.name, after=0.7 * seconds)
    assert found["status"] in (KILLED, 0), found["said"]
    found = nursery.run(*given, "--workers", "2", "--out", out.name)
    assert found["status"] == 0, found["said"]
    assert results(out) == results(nursery.where / f"{name}-whole")
