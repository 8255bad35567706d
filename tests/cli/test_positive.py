"""The positive class from the command line and from Python: decided, said, obeyed, and equal to scikit-learn."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn import metrics as reference

import steepest as st
from steepest.record.store import Folder
from steepest.sweep.observer import Observer
from tests.cli.conftest import QUICK

NAMES = ("precision", "recall", "f1", "average_precision")


def compare(steepest, table: Path, out: Path, *more: str):
    said = steepest(
        "compare", table, "--target", "churned", "-o", "adam(lr=0.01)", *QUICK, *more, "--out", out
    )
    assert said.status == 0, said.err
    return said


def by_scikit_learn(folder: Path, table: Path, positive: str) -> dict[str, float]:
    """What scikit-learn says of the saved model on the test rows."""
    rows = st.read_table(table, target="churned").prepared().filter(pl.col("split") == "test")
    model = st.load(folder / "model")
    score = model.predict_proba(rows)[:, model.classes.index(positive)]
    guess = model.predict(rows).table["prediction"] == positive
    truth = rows["churned"] == positive
    return {
        "precision": reference.precision_score(truth, guess, zero_division=0),
        "recall": reference.recall_score(truth, guess),
        "f1": reference.f1_score(truth, guess, zero_division=0),
        "average_precision": reference.average_precision_score(truth, score),
    }


def recorded(folder: Path) -> dict[str, float]:
    return json.loads((folder / "model" / "model.json").read_text())["trained"]["test"]


def check(folder: Path, table: Path, positive: str) -> None:
    """Hold the record of the best run against scikit-learn, on the same rows."""
    found, wanted = recorded(folder), by_scikit_learn(folder, table, positive)
    other = by_scikit_learn(folder, table, "no" if positive == "yes" else "yes")
    for name in NAMES:
        assert found[f"positive_{name}"] == pytest.approx(wanted[name], abs=1e-9)
        assert found[name] == pytest.approx((wanted[name] + other[name]) / 2, abs=1e-9)


@pytest.mark.parametrize("name", ["f1", "precision", "recall", "average-precision"])
def test_a_metric_of_two_classes_is_that_of_the_positive_one(steepest, churn_csv, tmp_path, name) -> None:
    said = compare(steepest, churn_csv, tmp_path / "x", "--metric", name, "--positive", "yes")
    key = f"positive_{name.replace('-', '_')}"
    title = st.Result.load(tmp_path / "x").comparison.metrics[0].title
    assert (
        f"metric: {title}: with two classes, {name} is that of the positive class and macro-{name} the mean"
        in said.err
    )
    assert "positive class: yes, given (" in said.err
    assert title in said.out
    columns = pl.read_csv(tmp_path / "x" / "results.csv").columns
    assert columns[5] == key
    assert columns.index(key) < columns.index(name.replace("-", "_"))
    report = (tmp_path / "x" / "report.html").read_text()
    assert title in report
    assert "yes, given (" in report
    check(tmp_path / "x", churn_csv, "yes")
    curves = pl.read_ipc(tmp_path / "x" / "curves.arrow")
    assert key in set(curves["metric"])
    for run in Folder(tmp_path / "x").records():
        best = max(point.validation[key] for point in run.curve)
        assert run.best[key] == best


def test_the_rarer_class_is_the_positive_one_and_another_is_judged_anew(
    steepest, churn_csv, tmp_path
) -> None:
    counts = pl.read_csv(churn_csv)["churned"].value_counts(sort=True)
    rarer, other = counts["churned"][1], counts["churned"][0]
    folder = tmp_path / "x"
    said = compare(steepest, churn_csv, folder, "--metric", "positive-f1")
    assert f"positive class: {rarer}, the rarer one (" in said.err
    assert "metric: " not in said.err
    check(folder, churn_csv, rarer)
    once = recorded(folder)
    done = len(Folder(folder).records())
    compare(steepest, churn_csv, folder, "--metric", "positive-f1", "--positive", rarer)
    assert len(Folder(folder).records()) == done  # the same, said otherwise

    said = compare(steepest, churn_csv, folder, "--metric", "positive-f1", "--positive", other)
    assert len(Folder(folder).records()) == 2 * done
    assert st.Result.load(folder).comparison.positive == other
    assert tomllib.loads((folder / "experiment.toml").read_text())["protocol"]["positive"] == other
    check(folder, churn_csv, other)
    assert recorded(folder) != once
    baselines = {row.name: row for row in st.Result.load(folder).comparison.rows if row.kind == "baseline"}
    always = baselines["majority class"].metrics
    assert (always["positive_recall"].mean, always["recall"].mean) == (1.0, 0.5)

    said = steepest(
        "compare", churn_csv, "--target", "churned", "--positive", "maybe", *QUICK, "--out", tmp_path / "y"
    )
    assert said.status == 2
    assert "unknown class 'maybe'" in said.err
    said = steepest(
        "compare", churn_csv, "--target", "minutes", "--positive", "yes", *QUICK, "--out", tmp_path / "y"
    )
    assert said.status == 2
    assert "the positive class 'yes' is named, but 'minutes' is a number" in said.err
    assert not (tmp_path / "y").exists()


def test_an_optimizer_that_joins_is_judged_the_same(steepest, churn_csv, tmp_path) -> None:
    compare(steepest, churn_csv, tmp_path / "x", "--metric", "f1")
    label = st.Result.load(tmp_path / "x").comparison.positive
    said = steepest("compare", churn_csv, "--target", "churned", "-o", "sgd(lr=0.1)", *QUICK, "--out", tmp_path / "x",
                    "--metric", "positive-f1", "--positive", label)  # fmt: skip
    assert said.status == 0
    assert "adam(lr=0.01): already in this folder, kept in the comparison" in said.err
    result = st.Result.load(tmp_path / "x")
    pair = ("adam(lr=0.01)", "sgd(lr=0.1)")
    assert result.difference(*pair, "f1").metric == "positive_f1"
    assert result.difference(*pair, "macro-f1").metric == "f1"
    said = steepest("compare", churn_csv, "--target", "churned", "-o", "lion(lr=0.001)", *QUICK, "--out",
                    tmp_path / "x", "--metric", "macro-f1")  # fmt: skip
    assert "sgd(lr=0.1): in this folder, but trained with other settings" in said.err


def test_the_same_from_python_and_from_a_file(steepest, churn, churn_csv, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    options = {"optimizers": ["adam(lr=0.01)"], "seeds": 2, "epochs": 1, "batch_size": 64, "hidden": (8,)}
    data = st.read_table(churn_csv, target="churned")
    st.plan(data, metric="f1", positive="no", **options).run("python", observer=Observer())
    text = f"""
optimizers = ["adam(lr=0.01)"]
[data]
source = {str(churn_csv)!r}
target = "churned"
[model]
hidden = [8]
[protocol]
metric = "f1"
positive = "no"
seeds = 2
epochs = 1
batch_size = 64
"""
    Path("e.toml").write_text(text)
    assert steepest("compare", "e.toml", "--out", "toml").status == 0
    assert recorded(Path("python")) == recorded(Path("toml"))
    check(Path("toml"), churn_csv, "no")
    (tmp_path / "toml" / "results.json").unlink()
    assert steepest("resume", "toml").status == 0
    assert st.Result.load("toml").comparison.metric == "positive_f1"
    assert steepest("export", "toml", "--format", "latex,csv,text").status == 0
    assert "positive_f1" in Path("toml/export/results.csv").read_text()


def test_where_one_class_prevails_the_second_metric_shows_what_was_learned(steepest, tmp_path) -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=600)
    place = np.argsort(np.argsort(x + generator.normal(size=600)))
    label = np.where(place >= 540, "ill", "well")
    pl.DataFrame({"x": x, "state": label}).write_csv(tmp_path / "t.csv")
    out = tmp_path / "x"
    said = steepest(
        "compare", tmp_path / "t.csv", "--target", "state", "-o", "adam(lr=0.01)", *QUICK, "--out", out
    )
    assert said.status == 0
    assert "warning: 90.0% of the training rows are 'well': " in said.err
    first, second, *_ = said.out.splitlines()
    assert first.index("positive average") == second.index("precision ↑")
    assert "accuracy" not in first + second
    assert "90.0% of the training rows are &#39;well&#39;" in (out / "report.html").read_text()


def test_of_a_number_the_second_metric_is_r2(steepest, churn_csv, tmp_path) -> None:
    said = steepest(
        "compare", churn_csv, "--target", "minutes", "-o", "adam(lr=0.01)", *QUICK, "--out", tmp_path / "x"
    )
    assert said.status == 0
    head = next(line for line in said.out.splitlines() if "RMSE ↓" in line)
    assert head.index("RMSE ↓") < head.index("R² ↑")
    assert "positive class" not in said.err
