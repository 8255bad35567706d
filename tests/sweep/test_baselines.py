"""Baselines in a folder: fitted once for all that they depend on, saved like a network, and recommended if ahead."""

from __future__ import annotations

import json
import math
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
import torch
from polars.testing import assert_frame_equal

import steepest as st
from steepest.compare.recommended import recommended
from steepest.data.dataset import Dataset
from steepest.data.table import Table, read_table
from steepest.evaluate.baselines import baseline_names
from steepest.evaluate.metrics import evaluate
from steepest.experiment.folder import load_comparison
from steepest.objectives.target import target_of
from steepest.prediction.model import TrainedModel
from steepest.record.schema import BaselineRecord
from steepest.record.store import Folder
from steepest.report.usage import SEE_WHY
from steepest.sweep.baselines import Fitting, baseline_rows, save_baselines
from tests.conftest import churn_table

QUICK = {"optimizers": ["adam(lr=0.01)"], "seeds": 3, "epochs": 1, "hidden": [4], "batch_size": 64}


def numbers_table(rows: int = 1500) -> pl.DataFrame:
    """Return rows whose target is nearly linear in an hour and a size, and a kind."""
    draw = np.random.default_rng(4)
    hour, size, kind = draw.integers(0, 24, rows), draw.normal(size=rows), draw.choice(["a", "b", "c"], rows)
    value = 3.0 * hour + 20.0 * size + np.where(kind == "b", 15.0, 0.0) + draw.normal(size=rows)
    return pl.DataFrame({"hour": hour, "size": size, "kind": kind, "value": value})


SETTINGS = {
    "metrics": ("log_loss", "accuracy"),
    "class_weights": None,
    "seed": 0,
    "threads": 1,
    "budget": 20.0,
}


def complete(folder: Folder, table: Table, **changed: object) -> tuple[dict, list[str]]:
    fitted: list[str] = []
    found = records_of(folder, table.dataset(), fitted, **changed)
    return {each.name: each for each in found}, fitted


def records_of(
    folder: Folder, dataset: Dataset, fitted: list[str], **changed: object
) -> list[BaselineRecord]:
    names = tuple(baseline_names(dataset))
    return Fitting(names, **{**SETTINGS, **changed}).records(folder, dataset, fitted.append)


CHANGES = {
    "class weights": {"class_weights": (1.0, 4.0)},
    "metric": {"metrics": ("accuracy", "log_loss")},
    "seed": {"seed": 1},
    "budget": {"budget": 5.0},
}


OFFERED = ["command", "Python", "model"]


@pytest.mark.parametrize("change", CHANGES)
def test_a_kept_fit_serves_only_the_settings_that_it_was_made_with(change: str, tmp_path: Path) -> None:
    """There and back: the first settings again get their own rows, and nothing is fitted for it."""
    folder, table = Folder(tmp_path), read_table(churn_table(400), target="churned")
    folder.make()
    first, fitted = complete(folder, table)
    assert fitted == ["majority class", "logistic regression", "gradient boosting"]
    rows = {name: baseline_rows(folder, each) for name, each in first.items()}
    other, fitted = complete(folder, table, **CHANGES[change])
    assert fitted == ["majority class", "logistic regression", "gradient boosting"]
    again, fitted = complete(folder, table)
    assert fitted == []
    assert again == first
    for name, each in again.items():
        kept = baseline_rows(folder, each)
        assert {key: torch.equal(value, rows[name][key]) for key, value in kept.items()} == {
            "loss": True,
            "correct": True,
        }
        assert kept["loss"].mean().item() == pytest.approx(each.test["log_loss"])
    if change == "class weights":
        weighted = baseline_rows(folder, other["logistic-regression"])["loss"]
        assert weighted.mean().item() == pytest.approx(other["logistic-regression"].test["log_loss"])
        assert not torch.allclose(weighted, rows["logistic-regression"]["loss"])


def test_other_data_is_not_served_by_a_kept_fit(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.make()
    complete(folder, read_table(churn_table(400), target="churned"))
    _, fitted = complete(folder, read_table(churn_table(400), target="churned", split_seed=1))
    assert len(fitted) == 3


@pytest.mark.parametrize("lost", ["rows", "checkpoints"])
def test_what_is_lost_is_fitted_again(lost: str, tmp_path: Path) -> None:
    folder, table = Folder(tmp_path), read_table(churn_table(400), target="churned")
    folder.make()
    first, _ = complete(folder, table)
    next((tmp_path / lost).glob("logistic-*")).unlink()
    again, fitted = complete(folder, table)
    assert fitted == ["logistic regression"]
    assert {name: replace_seconds(each) for name, each in again.items()} == {
        name: replace_seconds(each) for name, each in first.items()
    }


def replace_seconds(record):
    return record.model_copy(update={"seconds": 0.0, "cpu_seconds": None, "peak_memory": None})


def test_class_weights_there_and_back_give_the_first_intervals(tmp_path: Path) -> None:
    found = []
    for weights in ("none", "balanced", "none"):
        st.compare(churn_table(1200), tmp_path, target="churned", class_weights=weights, **QUICK)
        found.append(load_comparison(Folder(tmp_path)))
    first, second, third = (
        [each for each in one.pairs if each.second == "logistic regression"] for one in found
    )
    assert first[0].over == "both"
    assert first == third != second


TABLES = {"classes": ("churned", churn_table), "a number": ("value", numbers_table)}


@pytest.mark.parametrize("what", TABLES)
def test_saved_baselines_predict_what_was_measured(what: str, tmp_path: Path) -> None:
    """From raw rows, in a folder of their own: the same outputs to the bit, and the measured metric."""
    target, make = TABLES[what]
    frame = make(1000)
    table = read_table(frame, target=target)
    dataset, folder = table.dataset(), Folder(tmp_path)
    folder.make()
    metrics = ("log_loss",) if what == "classes" else ("rmse",)
    records = records_of(folder, dataset, [], metrics=metrics)
    save_baselines(folder, records, dataset, table.pipeline)
    for record in records:
        moved = Path(shutil.move(tmp_path / record.model, tmp_path / f"alone-{record.name}"))
        parts = {"model.json", "model.safetensors", "pipeline.json", "training_rows.safetensors"}
        assert {each.name for each in moved.iterdir()} == parts
        loaded = TrainedModel.load(moved)
        assert loaded.title == f"{record.title} (baseline)"
        outputs = loaded.net(*dataset.test.inputs)
        again = evaluate(outputs, dataset.test.target, target_of(dataset), list(metrics))  # fmt: skip
        assert again == {metrics[0]: record.test[metrics[0]]}
        losses = target_of(dataset).row_losses(outputs, dataset.test.target)
        assert torch.equal(losses, baseline_rows(folder, record)["loss"])
        predicted = loaded.predict(frame.drop(target))
        assert predicted.table.height == 1000
        if what == "classes":
            chances = loaded.predict_proba(frame)
            np.testing.assert_allclose(chances.sum(1), 1.0)
            names = np.array(loaded.classes)[chances.argmax(1)]
            assert (predicted.table["prediction"].to_numpy() == names).all()
        in_batches = pl.concat([each.table for each in loaded.predict_batches(frame, batch_rows=300)])
        assert_frame_equal(in_batches, predicted.table, check_exact=True)


def test_values_that_were_never_seen_are_counted_and_predicted(tmp_path: Path) -> None:
    table = read_table(numbers_table(), target="value")
    folder = Folder(tmp_path)
    folder.make()
    records = records_of(folder, table.dataset(), [], metrics=("rmse",))
    save_baselines(folder, records, table.dataset(), table.pipeline)
    new = pl.DataFrame({"hour": [99, 3], "size": [None, 0.5], "kind": ["z", "a"]})
    for record in records:
        found = TrainedModel.load(tmp_path / record.model).predict(new)
        assert found.unknown == {"hour": 1, "kind": 1}
        assert found.missing == {"size": 1}
        assert found.table["prediction"].is_finite().all()


def test_a_baseline_that_is_ahead_is_what_is_used(tmp_path: Path) -> None:
    """One epoch is too short for the network, and the target is linear."""
    frame = numbers_table()
    result = st.compare(frame, tmp_path / "run", target="value", **QUICK)
    found = result.comparison
    assert found.recommended == "ridge regression"
    assert found.winner == "adam(lr=0.01)"
    ahead = [each for each in found.pairs if each.second == found.recommended]
    assert [(each.told_apart, each.better) for each in ahead] == [(True, found.recommended)]
    reference = TrainedModel.load(tmp_path / "run/baselines/linear-regression").predict(frame).table
    for loaded in (
        result.best,
        st.load(tmp_path / "run"),
        st.load(str(tmp_path / "run/baselines/linear-regression")),
    ):
        assert loaded.title == "ridge regression (baseline)"
        assert loaded.predict(frame).table.equals(reference)
    network = st.load(tmp_path / "run/model")
    assert network.title == "a network trained by adam(lr=0.01)"
    assert not network.predict(frame).table.equals(reference)
    labels = [(each.label, each.value) for each in found.use]
    where = (tmp_path / "run").as_posix()
    assert labels[0] == ("command", f"steepest predict {where} new.csv --out predictions.parquet")
    assert labels[2] == ("model", f"{where}/baselines/linear-regression")
    assert labels[3][1] == f"steepest predict {where}/model new.csv --out predictions.parquet"


def test_where_no_difference_can_be_established_validation_decides(tmp_path: Path) -> None:
    """There are too few test rows for an interval, and the network is several times worse than a straight line."""
    frame = numbers_table(300)
    result = st.compare(frame, tmp_path, target="value", **QUICK, compile="off")
    found = result.comparison
    against = [each for each in found.pairs if each.second == "ridge regression"]
    assert [(each.ends, each.told_apart) for each in against] == [(None, False)]
    rows = {row.name: row for row in found.rows if row.kind in ("arm", "baseline")}
    assert rows["ridge regression"].chosen_by < rows[found.winner].chosen_by / 5
    assert found.recommended == "ridge regression"
    assert result.best.title == "ridge regression (baseline)"
    assert re.search("Use ridge regression: RMSE [0-9.]+, better on validation ", found.sentence)
    assert f"steepest predict {tmp_path.as_posix()}/model new.csv" in found.use[3].value


@dataclass
class Measured:
    """What the recommendation depends on: the validation value of the network, and those of the baselines by title."""

    network: float | None
    others: dict[str, float]
    metric: str = "log_loss"
    not_saved: tuple[str, ...] = ()
    not_finite: tuple[str, ...] = ()  # on the test rows

    winner = SimpleNamespace(title="adam")

    @property
    def baselines(self) -> list[SimpleNamespace]:
        return [
            SimpleNamespace(
                title=each,
                validation={self.metric: value},
                test={self.metric: math.inf if each in self.not_finite else value},
                saved=each not in self.not_saved,
            )
            for each, value in self.others.items()
        ]

    def final(self, arm: SimpleNamespace) -> list[SimpleNamespace]:
        return [arm]

    def on_validation(self, records: list[SimpleNamespace]) -> float | None:
        assert records == [self.winner]
        return self.network


BETTER_ON_VALIDATION = {"trees": 0.4, "line": 0.5, "constant": 0.7}
CHOICES = [
    # what was measured, the differences that are detectable: better and worse, and what is recommended
    (Measured(0.45, BETTER_ON_VALIDATION), {}, "trees"),
    (Measured(0.45, BETTER_ON_VALIDATION, not_finite=("trees",)), {}, "adam"),
    (Measured(0.35, BETTER_ON_VALIDATION), {}, "adam"),
    (Measured(0.4, BETTER_ON_VALIDATION), {}, "adam"),
    (Measured(0.45, BETTER_ON_VALIDATION), {"trees": "adam"}, "adam"),
    (Measured(0.6, BETTER_ON_VALIDATION), {"trees": "adam"}, "line"),
    (Measured(0.6, BETTER_ON_VALIDATION), {"line": "line"}, "line"),
    (Measured(0.3, BETTER_ON_VALIDATION), {"line": "line", "trees": "trees"}, "trees"),
    (Measured(0.6, BETTER_ON_VALIDATION, not_saved=("trees",)), {"trees": "trees"}, "line"),
    (Measured(0.6, BETTER_ON_VALIDATION, metric="accuracy"), {}, "constant"),
    (Measured(0.8, BETTER_ON_VALIDATION, metric="accuracy"), {}, "adam"),
    (Measured(None, BETTER_ON_VALIDATION), {}, "adam"),
    (Measured(None, BETTER_ON_VALIDATION), {"line": "line"}, "line"),
    (Measured(0.6, {"trees": math.nan}), {}, "adam"),
]


@pytest.mark.parametrize(("measured", "detected", "expected"), CHOICES)
def test_a_detectable_difference_decides_and_else_validation(measured, detected, expected) -> None:
    against = [
        SimpleNamespace(second=each, told_apart=each in detected, better=detected.get(each))
        for each in measured.others
    ]
    assert recommended(measured, against, trained=True) == expected


def test_without_a_network_the_best_baseline_on_validation_is_recommended() -> None:
    assert recommended(Measured(None, BETTER_ON_VALIDATION), [], trained=False) == "trees"
    assert recommended(Measured(None, {}), [], trained=False) == ""


@pytest.mark.parametrize("split", ["folds:3", "repeats:3"])
@pytest.mark.parametrize("what", TABLES)
def test_baselines_of_several_test_sets_know_their_rows_and_have_no_test_score(what, split, tmp_path) -> None:
    """Each row of the table was one that they were trained or chosen on; new rows are scored."""
    target, make = TABLES[what]
    frame = make(400).drop_nulls()
    old, new = frame.head(200), frame.tail(-200)
    options = {**QUICK, "seeds": 1, "compile": "off", "optimizers": ["adam(lr=0.01)"]}
    metric = "accuracy" if what == "classes" else "mae"
    st.compare(st.read_table(old, target=target, split=split), tmp_path, metric=metric, **options)
    saved = sorted(each.name for each in (tmp_path / "baselines").iterdir())
    assert len(saved) == 3
    for model in (st.load(tmp_path / "model"), *(st.load(tmp_path / "baselines" / each) for each in saved)):
        scores = model.predict(frame).scores
        assert (scores.rows, scores.seen, scores.equal, scores.new) == (new.height, old.height, 0, True)
        assert scores.metrics[0].name == metric
        assert not model.predict(old).scores.new
        assert model.about.trained["test"] == {}
        assert "on the test rows" not in repr(model)


def test_baselines_are_used_where_every_run_diverged(tmp_path: Path) -> None:
    frame = numbers_table()
    options = {**QUICK, "optimizers": ["sgd(lr=1e30)"]}
    found = st.compare(frame, tmp_path, target="value", **options).comparison
    assert found.recommended == "ridge regression"
    assert not (tmp_path / "model").exists()
    assert [each.label for each in found.use] == [*OFFERED, "predictions of the test rows"]
    assert st.load(tmp_path).title == "ridge regression (baseline)"
    again = load_comparison(Folder(tmp_path))
    assert again.use == found.use


def test_folders_without_a_recommendation_use_the_network(tmp_path: Path) -> None:
    """Those of earlier versions."""
    result = st.compare(numbers_table(), tmp_path, target="value", **QUICK)
    tree = result.comparison.model_dump(mode="json", exclude={"recommended"})
    for row in tree["rows"]:
        del row["model"]
    (tmp_path / "results.json").write_text(json.dumps(tree))
    assert st.load(tmp_path).title == "a network trained by adam(lr=0.01)"
    assert [each.label for each in load_comparison(Folder(tmp_path)).use] == [
        *OFFERED,
        "predictions of the test rows",
        SEE_WHY,
    ]
