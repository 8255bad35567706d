"""An execution plan is obeyed for what it was measured for, and for nothing else."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tomli_w
from torch import nn

from steepest.cli import main
from steepest.data.dataset import Shape
from steepest.experiment.budget import follows_from
from steepest.experiment.cells import cell_of, measured_for
from steepest.recipe import Execution, Protocol, stable_hash
from steepest.record.store import Folder
from tests.conftest import SHORT, churn_table
from tests.sweep.arms import arms_of

SAME = ["--hidden", "4", "--batch-size", "32"]


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished comparison, whose plan then says what nobody has measured."""
    where = tmp_path_factory.mktemp("plan")
    churn_table(120).write_csv(where / "churn.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(where)
        assert main([*SHORT, *SAME, "--out", "out"]) == 0
    edit(where / "out", threads=2, timings={"seconds_a_step": {"sgd(lr=0.1)": 123.0}})
    return where


def edit(folder: Path, **changes: Any) -> None:
    path = folder / "experiment.toml"
    tree = tomllib.loads(path.read_text())
    [cell] = tree["plan"]["cells"].values()
    cell |= {**changes, "timings": {**cell["timings"], **changes.get("timings", {})}}
    path.write_text(tomli_w.dumps(tree))


def plan(folder: Path) -> dict:
    """Return the execution plan that was measured last."""
    return list(tomllib.loads((folder / "experiment.toml").read_text())["plan"]["cells"].values())[-1]


@pytest.fixture
def place(begun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    where = shutil.copytree(begun, tmp_path / "place")
    monkeypatch.chdir(where)
    return Path(where)


@pytest.mark.parametrize("command", [[*SHORT, *SAME, "--seeds", "2", "--out", "out"], ["resume", "out"]])
def test_the_same_goes_on_under_the_stored_plan(place: Path, command: list[str]) -> None:
    before = plan(place / "out")
    journal = place / "out" / "journal.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(line for line in lines if '"phase":"final"' not in line))
    assert main(command) == 0
    assert plan(place / "out") == before


@pytest.mark.parametrize(
    "changed",
    [
        ["--hidden", "4", "--batch-size", "8"],
        ["--hidden", "5", "--batch-size", "32"],
        ["--model", "linear", "--batch-size", "32"],
        [*SAME, "--precision", "bf16"],
    ],
)
def test_another_model_batch_size_or_precision_is_measured_for_itself(
    place: Path, changed: list[str]
) -> None:
    before = plan(place / "out")
    assert main([*SHORT, *changed, "--threads", "1", "--out", "out"]) == 0
    found = plan(place / "out")
    assert found["timings"]["seconds_a_step"]["sgd(lr=0.1)"] < 100
    assert found["threads"] == 1
    assert found["of"] != before["of"]
    assert before in tomllib.loads((place / "out/experiment.toml").read_text())["plan"]["cells"].values()


def test_on_another_machine_it_is_measured_anew(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here = plan(place / "out")["of"]
    edit(place / "out", of={**here, "machine": "an abacus with 10 cores"})
    before = Folder(place / "out").records()
    assert main(["resume", "out"]) == 0
    assert plan(place / "out")["timings"]["seconds_a_step"]["sgd(lr=0.1)"] < 100
    assert plan(place / "out")["of"] == here
    assert Folder(place / "out").records() == before
    assert "the machine was an abacus with 10 cores" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("changed", [[], ["--batch-size", "8"]], ids=["the same", "another batch size"])
def test_a_new_folder_takes_no_plan_from_the_experiment_that_it_is_made_of(
    place: Path, changed: list[str]
) -> None:
    assert main(["compare", "out/experiment.toml", *changed, "--threads", "1", "--out", "other"]) == 0
    found = plan(place / "other")
    assert found["timings"]["seconds_a_step"]["sgd(lr=0.1)"] < 100
    assert found["threads"] == 1


def test_asked_decided_and_measured_are_three_records(place: Path) -> None:
    tree = tomllib.loads((place / "out" / "experiment.toml").read_text())
    assert set(tree["execution"]) <= {"device", "threads", "workers", "rows", "compile", "track"}
    assert tree["plan"]["length"]["epochs"] == 1
    [cell] = tree["plan"]["cells"].values()
    assert set(cell) == {
        "device",
        "threads",
        "workers",
        "rows",
        "compile",
        "executor",
        "tables",
        "compiled",
        "of",
        "timings",
    }
    assert set(cell["timings"]) == {
        "seconds_a_step",
        "seconds_an_evaluation",
        "seconds_a_run",
        "gradients_a_product",
        "gradients_a_forward",
    }


def test_a_length_belongs_to_its_pilot() -> None:
    def asked(epochs: float | None, **recipe: object) -> dict[str, str]:
        experiment = SimpleNamespace(protocol=Protocol(epochs=epochs))
        return follows_from(SimpleNamespace(experiment=experiment, arms=arms_of(["adam"], **recipe)))

    assert asked(None) == asked(None)
    assert asked(None) != asked(None, class_weights=(1.0, 2.0))
    assert asked(3) == asked(3, class_weights=(1.0, 2.0))


APART: list[dict[str, object]] = [
    {"loss": "absolute"},
    {"regularizer": "l2(0.0001)"},
    {"rates": "head=2.0"},
    {"freeze": "head"},
    {"accumulate": 2},
    {"clip": 1.0},
    {"batch_size": 9},
    {"precision": "float64"},
    {"model": "mlp"},
]


def test_the_time_of_a_step_is_measured_for_everything_that_it_depends_on() -> None:
    shape, [arm] = Shape("regression", {}, ("a",), 1), arms_of(["adam"])
    recipes = [arm.recipe, *(arm.recipe.model_copy(update=each) for each in APART)]
    assert len({cell_of(each, shape) for each in recipes}) == len(recipes)
    for name in ("schedule", "max_seconds", "start", "data"):
        assert cell_of(arm.recipe.model_copy(update={name: "other"}), shape) == cell_of(arm.recipe, shape)
    known = stable_hash(["linear", repr(shape), 8, "float32"])[:12]
    assert cell_of(arm.recipe, shape) == known  # that of folders which were begun before there were others


def test_a_loss_is_measured_again_where_its_code_has_changed() -> None:
    [arm] = arms_of(["adam"], loss="mine.py:Mine", code={"loss": "a", "regularizer": "b"})
    before = Execution(of=measured_for(nn.Linear(1, 1), arm.recipe))
    assert before.changed(before.of) == ""
    for kind in ("loss", "regularizer"):
        edited = arm.recipe.model_copy(update={"code": {**arm.recipe.code, kind: "c"}})
        assert before.changed(measured_for(nn.Linear(1, 1), edited)) == f"the code of the {kind} has changed"
