"""Trackers are told of every run that ends, in any process, and a failing one does not end a comparison."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import steepest as st
from steepest.errors import FolderError, MissingExtraError, OptionError, UnknownNameError
from steepest.record.schema import Clocks, CurvePoint, Record, RunKey
from steepest.record.store import Folder
from steepest.sweep.observer import Observer
from steepest.sweep.tracking import (
    Tracked,
    Tracker,
    experiment_name,
    make_tracker,
    registry,
    run_name,
    tracked,
)
from steepest.testing import TrackerConformance


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
    assert {name for name, _ in kept.told} == {experiment_name(tmp_path / "run")}
    assert [each.key for _, each in kept.told] == [each.key for each in records]


class TestKept(TrackerConformance):
    def tracker(self) -> Tracker:
        return Kept()


TRACKER_CHECKS = [name for name in dir(TrackerConformance) if name.startswith("test_")]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("check", TRACKER_CHECKS)
@pytest.mark.parametrize("name", registry.names())
def test_our_trackers_conform(name, check, tmp_path, monkeypatch) -> None:
    """MLflow's client is replaced; its own is in the tests below."""
    if name == "tensorboard":
        pytest.importorskip("tensorboard")
    replaced(monkeypatch)

    class Suite(TrackerConformance):
        def tracker(self) -> Tracker:
            return make_tracker(f"{name}:{tmp_path / 'logs'}")

    getattr(Suite(), check)()


def test_the_suite_finds_a_tracker_that_fails_at_some_runs() -> None:
    class Fails(Kept):
        def run(self, experiment: str, record: Record) -> None:
            record.test["rmse"] = 1 / len(record.curve)

    class Suite(TrackerConformance):
        def tracker(self) -> Tracker:
            return Fails()

    with pytest.raises(ZeroDivisionError):
        Suite().test_takes_every_run()
    with pytest.raises(AssertionError, match="changes the record"):
        Suite().test_changes_no_run()


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

    def search_experiments(self, *, max_results: int) -> list[Any]:
        return list(self.experiments.values())[:max_results]

    def get_experiment_by_name(self, name: str) -> Any:
        return self.experiments.get(name)

    def create_experiment(self, name: str) -> str:
        self.experiments[name] = SimpleNamespace(experiment_id="7")
        return "7"

    def create_run(self, experiment_id: str, start_time: int, tags: dict[str, str], run_name: str) -> Any:
        found: dict[str, Any] = {"start": start_time}
        found |= {"experiment": experiment_id, "name": run_name, "tags": tags, "metrics": [], "params": {}}
        self.runs.append(found)
        return SimpleNamespace(info=SimpleNamespace(run_id=str(len(self.runs) - 1)))

    def log_batch(self, run_id: str, metrics: Any = (), params: Any = ()) -> None:
        self.runs[int(run_id)]["metrics"] += metrics
        self.runs[int(run_id)]["params"] |= dict(params)

    def set_terminated(self, run_id: str, status: str, end_time: int) -> None:
        self.runs[int(run_id)] |= {"status": status, "end": end_time}


def replaced(monkeypatch: pytest.MonkeyPatch, client: type[Client] = Client) -> None:
    entities = SimpleNamespace(Param=lambda key, value: (key, value), Metric=lambda *values: values)
    monkeypatch.setitem(sys.modules, "mlflow", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "mlflow.tracking", SimpleNamespace(MlflowClient=client))
    monkeypatch.setitem(sys.modules, "mlflow.entities", entities)
    for name in ("sqlalchemy", "alembic"):
        monkeypatch.setitem(sys.modules, name, SimpleNamespace())


@pytest.mark.parametrize(
    ("place", "said", "hint"),
    [
        ("http://127.0.0.1:9", "no MLflow server answers at 'http://127.0.0.1:9': refused", "start it"),
        ("logs", "MLflow cannot use 'logs': refused", "mlflow:sqlite:///runs.db"),
    ],
)
def test_a_place_of_mlflow_is_asked_once_before_the_first_run(monkeypatch, place, said, hint) -> None:
    asked: list[str | None] = []

    class Away(Client):
        def search_experiments(self, *, max_results: int) -> list[Any]:
            asked.append(os.environ.get("MLFLOW_HTTP_REQUEST_MAX_RETRIES"))
            raise ConnectionError("refused")

    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
    replaced(monkeypatch, Away)
    with pytest.raises(OptionError) as caught:
        make_tracker(f"mlflow:{place}")
    assert said in str(caught.value)
    assert hint in str(caught.value)
    assert asked == ["2"]
    assert "MLFLOW_HTTP_REQUEST_MAX_RETRIES" not in os.environ


@pytest.mark.parametrize(
    ("place", "whole"),
    [
        ("sqlite:///~/runs.db", "sqlite:///{home}/runs.db"),
        ("~/mlruns", "{home}/mlruns"),
        ("file:~/mlruns", "file://{home}/mlruns"),
        ("file:///~/mlruns", "file://{home}/mlruns"),
        ("http://host/~me", "http://host/~me"),
    ],
)
def test_a_home_folder_is_written_out(monkeypatch, tmp_path, place, whole) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    replaced(monkeypatch)
    tracker: Any = make_tracker(f"mlflow:{place}")
    assert tracker._client.uri == whole.format(home=tmp_path.as_posix())
    with pytest.raises(OptionError, match="there is no home folder '~nobody-of-this-name'"):
        make_tracker("mlflow:~nobody-of-this-name/mlruns")


def test_mlflow_gets_parameters_and_values_by_step(monkeypatch) -> None:
    replaced(monkeypatch)
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


def test_a_run_of_mlflow_lasts_as_long_as_it_took(monkeypatch) -> None:
    replaced(monkeypatch)
    tracker: Any = make_tracker("mlflow:http://localhost:5000")
    tracker.run("churn", record().model_copy(update={"clocks": Clocks(train=3.0, evaluate=1.0, compile=2.0)}))
    [run] = tracker._client.runs
    assert run["end"] - run["start"] == 6000
    assert [at - run["start"] for key, _, at, _ in run["metrics"] if key == "validation_rmse"] == [
        0,
        1000,
        2000,
        3000,
    ]


def test_a_library_that_mlflow_lacks_is_no_wrong_address(monkeypatch) -> None:
    class Lacks(Client):
        def search_experiments(self, *, max_results: int) -> list[Any]:
            raise ModuleNotFoundError("No module named 'boto3'", name="boto3")

    replaced(monkeypatch, Lacks)
    for place in ("http://localhost:5000", "databricks"):
        with pytest.raises(
            MissingExtraError, match=r"a library that it needs cannot be imported: .*boto3"
        ) as caught:
            make_tracker(f"mlflow:{place}")
        assert "address" not in str(caught.value)


@pytest.mark.filterwarnings("ignore")
def test_mlflow_itself_keeps_a_run(tmp_path) -> None:
    pytest.importorskip("mlflow")
    pytest.importorskip("sqlalchemy")
    tracker: Any = make_tracker(f"mlflow:sqlite:///{tmp_path.as_posix()}/runs.db")
    tracker.run("churn", record())
    client = tracker._client
    [run] = client.search_runs([client.get_experiment_by_name("churn").experiment_id])
    assert run.data.params["learning_rate"] == "0.001"
    assert [(each.step, each.value) for each in client.get_metric_history(run.info.run_id, "validation_rmse")] == [
        (0, 2.0), (10, 1.75), (20, 1.5), (30, 1.25),
    ]  # fmt: skip
    assert run.info.status == "FINISHED"


@pytest.mark.filterwarnings("ignore")
def test_mlflow_itself_refuses_a_server_that_does_not_answer(monkeypatch) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(OptionError, match="no MLflow server answers at"):
        make_tracker("mlflow:http://127.0.0.1:9")


def test_a_place_of_tensorboard_is_checked_before_the_first_run(monkeypatch, tmp_path) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", SimpleNamespace())
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file/logs"):
        with pytest.raises(OptionError, match="/file' is no folder"):
            make_tracker(f"tensorboard:{place}")
    with pytest.raises(FolderError, match="too long"):
        make_tracker(f"tensorboard:{'x' * 300}")
    assert Path(make_tracker("tensorboard:~/logs").place) == tmp_path / "logs"
    assert not (tmp_path / "logs").exists()


@pytest.mark.filterwarnings("ignore")
def test_tensorboard_reads_what_is_written(tmp_path) -> None:
    pytest.importorskip("tensorboard")
    long = record().model_copy(update={"key": record().key.model_copy(update={"name": "ä" * 400})})
    make_tracker(f"tensorboard:{tmp_path}").run("long", long)
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


def test_names_of_long_arms_are_short_and_differ() -> None:
    names = ["ä" * 400, "ä" * 400 + "b"]
    found = [
        run_name(record().model_copy(update={"key": record().key.model_copy(update={"name": each})}))
        for each in names
    ]
    assert len(set(found)) == 2
    assert all(len(each.encode()) < 200 for each in found)
    assert all(each.endswith("seed 0 0f31aa90") for each in found)


def test_comparisons_in_folders_of_one_name_have_names_of_their_own(tmp_path) -> None:
    first, second = tmp_path / "a/run", tmp_path / "b/run"
    assert experiment_name(first).startswith("run-")
    assert experiment_name(first) != experiment_name(second)
    assert experiment_name(first) == experiment_name(tmp_path / "b/../a/run")
    assert len(experiment_name(tmp_path / ("x" * 250)).encode()) < 200
