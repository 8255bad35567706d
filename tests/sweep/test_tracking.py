"""Trackers are told of every run that ends, in any process, and a failing one does not end a comparison."""

from __future__ import annotations

import importlib.util
import math
import sys
from types import SimpleNamespace
from typing import Any

import pytest

import steepest as st
from steepest.errors import MissingExtraError, OptionError, UnknownNameError
from steepest.record.schema import CurvePoint, Record, RunKey
from steepest.record.store import Folder
from steepest.sweep.observer import Observer
from steepest.sweep.tracking import Tracked, Tracker, make_tracker, registry, run_name, tracked


def has(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def record(seed: int = 0, outcome: Any = "finished") -> Record:
    curve = [
        CurvePoint(
            step=10 * i, epoch=i, seconds=i, gradients=10 * i, train_loss=math.nan if i == 0 else 1 / i,
            validation={"rmse": 2.0 - i / 4},
        )
        for i in range(4)
    ]  # fmt: skip
    key = RunKey(name="adam <b>", recipe="0f31aa90bc42", seed=seed, phase="final")
    return Record(
        key=key,
        lr=0.001,
        steps=30,
        outcome=outcome,
        curve=curve,
        best_step=30,
        test={"rmse": 1.5, "r2": math.nan},
    )


class Kept(Tracker):
    """Keeps what it is told; fails at some runs."""

    def __init__(self, fails: int = 99) -> None:
        super().__init__("here")
        self.told: list[tuple[str, Record]] = []
        self.fails = fails

    def run(self, experiment: str, record: Record) -> None:
        if len(self.told) == self.fails:
            raise ConnectionError("no server")
        self.told.append((experiment, record))


class Heard(Observer):
    """Keeps lines and runs."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.runs: list[Record] = []

    def say(self, text: str) -> None:
        self.lines.append(text)

    def run(self, record: Record) -> None:
        self.runs.append(record)


def test_a_tracker_that_fails_is_left_out_and_the_others_go_on() -> None:
    heard, good, bad = Heard(), Kept(), Kept(fails=1)
    both = Tracked(heard, {"good:a": good, "bad:b": bad}, "churn")
    for seed in range(3):
        both.run(record(seed))
    assert len(heard.runs) == len(good.told) == 3
    assert len(bad.told) == 1
    assert heard.lines == ["warning: --track bad:b is left out from now on: ConnectionError: no server"]


def test_an_observer_without_trackers_is_the_same(tmp_path) -> None:
    heard = Heard()
    assert tracked(heard, (), tmp_path) is heard


@pytest.mark.parametrize("workers", [1, 2])
def test_every_run_of_a_comparison_is_told(churn, tmp_path, monkeypatch, workers) -> None:
    kept = Kept()
    for module in ("steepest.sweep.tracking", "steepest.experiment.settings"):
        monkeypatch.setattr(f"{module}.make_tracker", lambda text: kept)
    made = st.plan(
        churn, target="churned", optimizers=["sgd(lr=0.1)", "adam(lr=0.01)"], seeds=2, epochs=1, hidden=(4,),
        device="cpu", compile="off", baseline="none", workers=workers, track=["kept:here"],
    )  # fmt: skip
    made.run(tmp_path / "run", observer=Observer())
    records = Folder(tmp_path / "run").records()
    assert {name for name, _ in kept.told} == {"run"}
    assert [each.key for _, each in kept.told] == [each.key for each in records]


@pytest.mark.parametrize("name", registry.names())
def test_it_is_said_where_to_and_what_is_lacking(name, monkeypatch) -> None:
    with pytest.raises(OptionError, match="does not say where to"):
        make_tracker(name)
    for module in ("tensorboard", "mlflow", "mlflow.tracking", "mlflow.entities"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=r"pip install '\.\["):
        make_tracker(f"{name}:here")
    with pytest.raises(UnknownNameError):
        make_tracker("wandb:here")


class Client:
    """The part of MLflow's client that is used, with the same names and arguments."""

    def __init__(self, tracking_uri: str) -> None:
        self.uri, self.experiments, self.runs = tracking_uri, {}, []

    def get_experiment_by_name(self, name: str) -> Any:
        return self.experiments.get(name)

    def create_experiment(self, name: str) -> str:
        self.experiments[name] = SimpleNamespace(experiment_id="7")
        return "7"

    def create_run(self, experiment_id: str, *, run_name: str, tags: dict[str, str]) -> Any:
        found = {"experiment": experiment_id, "name": run_name, "tags": tags, "metrics": [], "params": {}}
        self.runs.append(found)
        return SimpleNamespace(info=SimpleNamespace(run_id=str(len(self.runs) - 1)))

    def log_batch(self, run_id: str, metrics: Any = (), params: Any = ()) -> None:
        self.runs[int(run_id)]["metrics"] += metrics
        self.runs[int(run_id)]["params"] |= dict(params)

    def set_terminated(self, run_id: str, status: str) -> None:
        self.runs[int(run_id)]["status"] = status


def test_mlflow_gets_parameters_and_values_by_step(monkeypatch) -> None:
    entities = SimpleNamespace(Param=lambda key, value: (key, value), Metric=lambda *values: values)
    monkeypatch.setitem(sys.modules, "mlflow", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "mlflow.tracking", SimpleNamespace(MlflowClient=Client))
    monkeypatch.setitem(sys.modules, "mlflow.entities", entities)
    tracker: Any = make_tracker("mlflow:http://localhost:5000")
    tracker.run("churn", record(0))
    tracker.run("churn", record(1, "diverged"))
    client = tracker._client
    assert client.uri == "http://localhost:5000"
    first, second = client.runs
    assert (first["experiment"], first["status"], second["status"]) == ("7", "FINISHED", "FAILED")
    assert first["params"] == {
        "arm": "adam <b>", "learning_rate": "0.001", "seed": "0", "phase": "final", "steps": "30",
    }  # fmt: skip
    values = {(key, step): value for key, value, _, step in first["metrics"]}
    assert values["validation_rmse", 20] == 1.5
    assert values["test_rmse", 30] == 1.5
    assert ("train_loss", 0) not in values
    assert not [key for key, _ in values if "r2" in key]


@pytest.mark.skipif(not has("mlflow"), reason="needs mlflow")
@pytest.mark.filterwarnings("ignore")
def test_mlflow_itself_keeps_a_run(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    tracker: Any = make_tracker(f"mlflow:{(tmp_path / 'store').as_uri()}")
    tracker.run("churn", record())
    client = tracker._client
    [run] = client.search_runs([client.get_experiment_by_name("churn").experiment_id])
    assert run.data.params["learning_rate"] == "0.001"
    assert [(each.step, each.value) for each in client.get_metric_history(run.info.run_id, "validation_rmse")] == [
        (0, 2.0), (10, 1.75), (20, 1.5), (30, 1.25),
    ]  # fmt: skip
    assert run.info.status == "FINISHED"


@pytest.mark.skipif(not has("tensorboard"), reason="needs tensorboard")
@pytest.mark.filterwarnings("ignore")
def test_tensorboard_reads_what_is_written(tmp_path) -> None:
    make_tracker(f"tensorboard:{tmp_path}").run("churn", record())
    [folder] = (tmp_path / "churn").iterdir()
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder)).Reload()
    assert set(found.Tags()["scalars"]) == {"train/loss", "validation/rmse", "test/rmse"}
    assert [(each.step, each.value) for each in found.Scalars("validation/rmse")] == [
        (0, 2.0), (10, 1.75), (20, 1.5), (30, 1.25),
    ]  # fmt: skip
    assert [each.step for each in found.Scalars("train/loss")] == [10, 20, 30]


def test_names_of_runs_differ_by_seed() -> None:
    assert run_name(record(0)) != run_name(record(1))
