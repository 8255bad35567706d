"""Killed at any moment, inside any write, or on a full disk: resumed, it ends as if nothing had happened."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from steepest import rng
from steepest.record.store import Folder
from steepest.report.text import COSTS, PACE
from tests.robust.conftest import Nursery, Whole

KILLED = -9


def go_on(nursery: Nursery, out: Path, **how: Any) -> dict[str, Any]:
    """Run the command that a person would: ``resume`` once the experiment is written down, else the same again."""
    if (out / "experiment.toml").exists():
        return nursery.run("resume", out.name, **how)
    return nursery.run("compare", "small.toml", "--out", out.name, **how)


MEASURED = {"seconds", "clocks", *COSTS}


def results(out: Path) -> list[dict[str, str]]:
    with (out / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    return [{name: value for name, value in row.items() if name not in (PACE, *COSTS)} for row in rows]


def without_seconds(value: Any) -> Any:
    """Return nested plain values without what was measured."""
    if isinstance(value, dict):
        return {key: without_seconds(each) for key, each in value.items() if key not in MEASURED}
    return [without_seconds(each) for each in value] if isinstance(value, list) else value


def events(out: Path) -> list[str]:
    """Return the journal's events, those of the same kind in one order whatever order they came in."""
    return sorted(json.dumps(without_seconds(each), sort_keys=True) for each in Folder(out).journal.read())


def files(out: Path) -> dict[str, bytes]:
    """Return every file that holds no seconds, by its name in the folder; of the others the name alone."""
    own = [each for each in out.rglob("*") if each.is_file()]
    kept = (".safetensors", "pipeline.json")
    return {str(e.relative_to(out)): e.read_bytes() if e.name.endswith(kept) else b"" for e in own}


def check_same(out: Path, whole: Path) -> None:
    """Nothing is lost, nothing is there twice, nothing is left over, and every bit is the same."""
    assert results(out) == results(whole)
    found = events(out)
    assert found == events(whole)
    assert len(found) == len(set(found))
    records = [(each.key.recipe, each.key.seed) for each in Folder(out).records()]
    assert len(records) == len(set(records))
    assert files(out) == files(whole)


MOMENTS = [float(each) for each in rng.stream(3, "data").random(20)]
FEW = MOMENTS[3::4]


@pytest.mark.parametrize(
    "moment",
    [pytest.param(each, marks=() if each in FEW else pytest.mark.slow) for each in MOMENTS],
    ids=lambda moment: f"{moment:.2f}",
)
def test_killed_at_a_moment(nursery: Nursery, whole: Whole, moment: float) -> None:
    """Twenty moments, uniform over the time that the uninterrupted comparison took; five in every test run."""
    out = nursery.where / f"killed-{moment:.3f}"
    found = go_on(nursery, out, after=moment * whole.seconds)
    assert found["status"] in (KILLED, 0), found["said"]
    before = events(out) if (out / "journal.jsonl").exists() else []
    assert go_on(nursery, out)["status"] == 0
    assert set(before) <= set(events(out))
    check_same(out, whole.path)
    shutil.rmtree(out)


WRITES = [
    ("experiment.toml", 1),
    ("journal.jsonl", 1),  # which data it is
    ("rows", 2),  # a baseline's losses by row
    ("journal.jsonl", 1),  # the baselines
    ("journal.jsonl", 1),  # the first run
    ("journal.jsonl", 3),
    ("checkpoints", 1),
    ("journal.jsonl", 1),
    ("rows", 1),
    ("checkpoints", 2),
    ("pipeline.json", 1),
    ("model.json", 1),
    ("model.safetensors", 1),
    ("curves.arrow", 1),
    ("results.csv", 1),
    ("results.json", 1),
    ("report.html", 1),
]


def test_killed_inside_writes(nursery: Nursery, whole: Whole) -> None:
    """One comparison, killed inside one write after another: half of the bytes are written, then SIGKILL."""
    out = nursery.where / "torn"
    for name, nth in WRITES:
        kept = events(out) if (out / "journal.jsonl").exists() else []
        found = go_on(nursery, out, name=name, nth=nth)
        assert found["status"] == KILLED, (name, nth, found["said"])
        torn = list(out.rglob("*.tmp")) or not (out / "journal.jsonl").read_bytes().endswith(b"\n")
        assert torn, (name, nth)
        if (out / "journal.jsonl").exists():
            assert set(kept) <= set(events(out))
    assert go_on(nursery, out)["status"] == 0
    check_same(out, whole.path)


FULL = [("journal.jsonl", 5), ("results.csv", 1)]


@pytest.mark.parametrize(("name", "nth"), FULL, ids=[f"{name}-{nth}" for name, nth in FULL])
def test_a_write_that_fails(nursery: Nursery, whole: Whole, name: str, nth: int) -> None:
    """Every write from one on fails after half of its bytes, as on a full disk."""
    out = nursery.where / f"full-{name}-{nth}"
    check_full(go_on(nursery, out, name=name, nth=nth, full=True), out)
    assert go_on(nursery, out)["status"] == 0
    check_same(out, whole.path)
    shutil.rmtree(out)


def check_full(found: dict[str, Any], out: Path) -> None:
    """Exit status 2, the reason, a cure, and no file but whole ones."""
    assert found["status"] == 2, found["said"]
    assert "no space left on device" in found["said"]
    assert "\nHint: " in found["said"]
    assert "Traceback" not in found["said"]
    assert not list(out.rglob("*.tmp"))
    assert not (out / ".lock").exists()
    journal = out / "journal.jsonl"
    assert not journal.exists() or journal.read_bytes().endswith(b"\n") or not journal.read_bytes()


ARMS = {
    "folds and batch sizes": ["-o", "sgd", "--split", "folds:3", "--batch-size", "32", "--batch-size", "64"],
    "rows and models": ["-o", "adam(lr=0.01)", "--train-rows", "0.5", "--train-rows", "all", "--model", "linear",
                        "--model", "embedding-mlp"],
}  # fmt: skip
PLAIN = [
    "churn.csv",
    "--target",
    "churned",
    "--seeds",
    "2",
    "--epochs",
    "1",
    "--threads",
    "1",
    "--compile",
    "off",
]


@pytest.mark.parametrize(
    "arms", ["rows and models", pytest.param("folds and batch sizes", marks=pytest.mark.slow)]
)
def test_a_comparison_of_arms_goes_on(nursery: Nursery, arms: str) -> None:
    """Killed inside one write after another: journal, checkpoints, rows, the saved networks, the results."""
    given = ["compare", *PLAIN, *ARMS[arms]]
    whole, out = (nursery.where / f"{arms.replace(' ', '-')}-{name}" for name in ("whole", "torn"))
    assert nursery.run(*given, "--out", whole.name)["status"] == 0
    writes = [("journal.jsonl", 6), ("checkpoints", 1), ("journal.jsonl", 3), ("rows", 2), ("model.safetensors", 1),
              ("results.json", 1)]  # fmt: skip
    for name, nth in writes:
        found = nursery.run(
            *(["resume", out.name] if out.exists() else [*given, "--out", out.name]), name=name, nth=nth
        )
        assert found["status"] == KILLED, (name, nth, found["said"])
    assert nursery.run("resume", out.name)["status"] == 0
    check_same(out, whole)
