"""The chosen way of training, once more on all rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

import steepest as st
from steepest.data.options import TableOptions
from steepest.data.table import read_table
from steepest.errors import FolderError, OptionError, SteepestError
from steepest.experiment.again import Length
from steepest.record.store import Folder
from steepest.sweep.observer import Observer

SHORT: dict[str, Any] = {
    "target": "churned", "optimizers": ["adam"], "learning_rates": [0.01, 0.03], "epochs": 3, "batch_size": 64,
    "device": "cpu", "compile": "off", "seeds": 2, "baseline": "none", "full_rates": 1,
    "model": ["mlp(hidden=[8])", "linear"], "regularizer": "l2(1e-4) + early-stopping(9)",
}  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, churn_csv: Path) -> Path:
    out = tmp_path_factory.mktemp("refitted") / "x"
    st.plan(churn_csv, **SHORT).run(out, observer=Observer())
    return out


def test_refit_trains_the_best_network_on_training_and_validation_rows(
    steepest: Any, run: Path, churn_csv: Path, tmp_path: Path
) -> None:
    said = steepest("refit", run)
    assert said.status == 0, said.err
    again = run.with_name("x-refit")
    before, after = st.load(run / "model"), st.load(again)
    for key in ("rule", "seed", "lr"):
        assert before.about.trained[key] == after.about.trained[key]
    assert before.about.model == after.about.model
    assert st.Result.load(again).comparison.winner == st.Result.load(run).comparison.winner
    assert after.about.trained["regularizer"] == "l2(0.0001)"
    rows = read_table(churn_csv, target="churned").dataset()
    known = len(rows.train) + len(rows.validation)
    assert after.seen is not None
    assert int(after.seen.trained.sum()) == known
    finals = [each for each in Folder(run).records() if each.key.phase == "final"]
    length = Length.of([each for each in finals if each.key.recipe == before.about.trained["recipe"]])
    last = after.about.trained["steps"] / (known // 64)  # whole batches
    assert last == pytest.approx(length.epochs, rel=0.1)
    page = (again / "report.html").read_text(encoding="utf-8")
    text = f"{len(rows.validation):,} validation rows; the {len(rows.test):,} test rows are left out. Nothing is held"
    assert text in page
    assert steepest("predict", again, churn_csv, "--out", tmp_path / "p.csv").status == 0
    assert pl.read_csv(tmp_path / "p.csv").height == 600
    assert steepest("export", again, "--format", "torch", "--out", tmp_path / "e").status == 0
    kept = (again / "model" / "model.safetensors").read_bytes()
    assert steepest("resume", again).status == 0
    assert (again / "model" / "model.safetensors").read_bytes() == kept


def test_refit_takes_an_arm_and_the_test_rows(run: Path, churn_csv: Path) -> None:
    made = st.refit(run, run.with_name("all"), arm="linear", test_rows=True, observer=Observer())
    assert made.best.about.model.startswith("linear")
    assert made.best.seen is not None
    assert int(made.best.seen.trained.sum()) == 600
    found = made.best.predict(churn_csv)
    assert found.scores is not None
    assert not found.scores.new
    with pytest.raises(OptionError, match="trained on all rows already"):
        st.refit(made.path, observer=Observer())
    with pytest.raises(SteepestError, match="no arm 'mlpp'"):
        st.refit(run, arm="mlpp", observer=Observer())


class Told(Observer):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        """Keep a line."""
        self.lines.append(text)


STOPPING = """
import steepest as st


class Late(st.Callback):
    def at_evaluation(self, view):
        if view.epoch > 25:
            view.stop("late")


class Watch(st.Callback):
    only_watches = by_run = True

    def at_end(self, view):
        view.log("seen", view.step)
"""


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory, churn_csv: Path) -> Path:
    place = tmp_path_factory.mktemp("stopped")
    (place / "own.py").write_text(STOPPING)
    (place / "rows.csv").write_bytes(churn_csv.read_bytes())
    options: dict[str, Any] = {
        "optimizers": ["adam(lr=0.03)"], "epochs": 30, "model": "mlp(hidden=[8])", "max_seconds": 1000.0,
        "regularizer": "early-stopping(2)", "callbacks": [f"{place}/own.py:{each}" for each in ("Late", "Watch")],
    }  # fmt: skip
    st.plan(place / "rows.csv", **without_tuning({**SHORT, **options})).run(place / "x", observer=Observer())
    return place / "x"


def test_refit_of_stopped_runs_has_the_rates_that_were_judged_in_one_run(stopped: Path) -> None:
    finals = [each for each in Folder(stopped).records() if each.key.phase == "final"]
    assert {each.outcome for each in finals} == {"stopped early"}
    share = sum(each.best_step / each.steps for each in finals) / 2
    told = Told()
    made = st.refit(stopped, observer=told)
    [record] = Folder(made.path).records()
    assert record.key.phase == "final"
    assert record.outcome == "finished"
    assert list(record.logged) == ["seen"]
    schedule = made.best.about.trained["factors"]["schedule"]
    assert schedule == f"beginning(cosine, share={round(share, 4)})"
    [left_out] = [each for each in told.lines if "without" in each]
    for each in ("early-stopping(2", "own.py:Late", "--max-seconds 1000"):
        assert each in left_out
    assert "Watch" not in left_out
    assert [each for each in told.lines if "median best epoch of 2 runs" in each]
    page = (made.path / "report.html").read_text(encoding="utf-8")
    assert "as in the comparison" in str(made)
    assert "as in the comparison" in page
    assert "not tuned" not in page


def test_refit_refuses_data_that_has_changed(stopped: Path, tmp_path: Path) -> None:
    rows = stopped.with_name("rows.csv")
    before = rows.read_bytes()
    rows.write_bytes(before + before.splitlines(keepends=True)[-1])
    with pytest.raises(FolderError, match="the file has changed since"):
        st.refit(stopped, tmp_path / "y", observer=Observer())
    rows.write_bytes(before)


def test_refit_of_a_procedure_has_its_full_length(churn_csv: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {
        **SHORT,
        "optimizers": ["adam(lr=1e-9)"],
        "model": "linear",
        "regularizer": "none",
        "seeds": 1,
    }
    options |= {"procedure": "prune(0.5)", "metric": "accuracy", "epochs": 1, "controls": False}
    st.plan(churn_csv, **without_tuning(options)).run(tmp_path / "x", observer=Observer())
    assert Folder(tmp_path / "x").records()[-1].best_step == 0
    told = Told()
    made = st.refit(tmp_path / "x", observer=told)
    assert len(Folder(made.path).records()) == 2
    [line] = [each for each in told.lines if each.startswith("refit")]
    assert line.endswith("as long as in the comparison")


def test_refit_says_that_a_baseline_is_recommended(churn_csv: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {
        **SHORT,
        "optimizers": ["sgd(lr=1e-7)"],
        "model": "linear",
        "regularizer": "none",
    }
    options |= {"baseline": ["majority"], "epochs": 1}
    before = st.plan(churn_csv, **without_tuning(options)).run(tmp_path / "x", observer=Observer())
    assert before.comparison.recommended == "majority class"
    told = Told()
    st.refit(tmp_path / "x", observer=told)
    assert [each for each in told.lines if "recommends the baseline 'majority class'" in each]


def test_the_share_of_a_length_in_gradients(churn_csv: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {
        **SHORT,
        "optimizers": ["sam(adam(lr=0.01))"],
        "model": "linear",
        "regularizer": "none",
    }
    options |= {"equal": "gradients", "seeds": 1}
    st.plan(churn_csv, **without_tuning(options)).run(tmp_path / "x", observer=Observer())
    [record] = [each for each in Folder(tmp_path / "x").records() if each.key.phase == "final"]
    [point] = [each for each in record.curve if each.step == record.best_step]
    assert record.best_share == pytest.approx(point.gradients / record.curve[-1].gradients, rel=0.1)
    assert Length.of([record]).share == pytest.approx(record.best_share, abs=1e-4)


def without_tuning(options: dict[str, Any]) -> dict[str, Any]:
    """Return options without those of tuning, for an optimizer with a rate of its own."""
    return {key: value for key, value in options.items() if key not in ("learning_rates", "full_rates")}


def test_refit_of_folds(churn_csv: Path, tmp_path: Path) -> None:
    options = {**SHORT, "model": "linear", "regularizer": "none", "seeds": 1, "split": "folds:2"}
    st.plan(churn_csv, **options).run(tmp_path / "x", observer=Observer())
    made = st.refit(tmp_path / "x", observer=Observer())
    assert made.best.seen is not None
    assert int(made.best.seen.trained.sum()) == 600


@pytest.mark.parametrize("split", ["auto", "random", "group:plan", "time:minutes"])
def test_the_rows_of_another_split_train(split: str, churn_csv: Path) -> None:
    steps = [{"use": "filter", "where": "minutes IS NOT NULL"}]
    held = read_table(churn_csv, target="churned", split=split, prepare=steps, split_seed=0)
    again = read_table(churn_csv, target="churned", split=f"refit:{split}", prepare=steps)
    rows = held.dataset().rows
    kept = sorted([*rows["train"].tolist(), *rows["validation"].tolist()])
    assert again.dataset().rows["train"].tolist() == kept
    assert not again.dataset().held_out
    assert len(
        read_table(churn_csv, target="churned", split=f"refit-all:{split}", prepare=steps).dataset().train
    ) == len(kept) + len(rows["test"])
    assert [each.role for each in again.pipeline.columns.columns] == [
        each.role for each in held.pipeline.columns.columns
    ]


def test_rows_of_files_of_their_own_train(churn_csv: Path, tmp_path: Path) -> None:
    rows = pl.read_csv(churn_csv)
    rows.head(400).write_csv(tmp_path / "a.csv")
    rows.slice(400, 120).write_csv(tmp_path / "b.csv")
    rows.slice(520).write_csv(tmp_path / "c.csv")
    files = {"validation": str(tmp_path / "b.csv"), "test": str(tmp_path / "c.csv")}
    for split, n in (("refit:auto", 520), ("refit-all:auto", 600)):
        table = read_table(tmp_path / "a.csv", target="churned", split=split, **files)
        assert len(table.dataset().train) == n


def test_there_is_nothing_to_add_where_nothing_is_held_out() -> None:
    with pytest.raises(ValueError, match="has no rows to add"):
        TableOptions(split="refit:none")
