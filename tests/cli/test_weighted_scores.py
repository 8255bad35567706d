"""Scores of predictions by a model whose training rows had weights: weighted, or said not to be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import accuracy_score, log_loss, r2_score, roc_auc_score

import steepest as st
from steepest import rng
from steepest.cli import main
from steepest.prediction.predicted import joined
from tests.cli.conftest import QUICK


def made(n: int, stream: int) -> pl.DataFrame:
    """Return rows whose weight has much to do with how well they are predicted."""
    draw = rng.stream(stream, "data")
    x, people = draw.standard_normal(n), draw.choice([0.5, 1.0, 40.0], n)
    noise = draw.standard_normal(n) * np.where(people > 1, 2.0, 0.2)
    y = np.where(x + noise > 0, "yes", "no")
    return pl.DataFrame({"x": x, "people": people, "y": y, "amount": 10 + 3 * x + noise})


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _trained(tmp_path_factory.mktemp("classes"), "y", "amount")


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _trained(tmp_path_factory.mktemp("numbers"), "amount", "y")


def _trained(folder: Path, target: str, other: str) -> Path:
    made(400, 1).write_csv(folder / "t.csv")
    arguments = ("--target", target, "--drop", other, "--weight", "people", *QUICK)
    assert main(["compare", str(folder / "t.csv"), *arguments, "--out", str(folder / "run")]) == 0
    return folder / "run"


def half_width(values: np.ndarray, weights: np.ndarray) -> float:
    """Return that of a ratio's 95 % interval, by its linearised rows and two more as far out as the farthest."""
    mean = np.average(values, weights=weights)
    rows = weights / weights.mean() * (values - mean)
    n = len(rows)
    return 1.9679 * float(np.sqrt(((rows**2).sum() + 2 * (rows**2).max()) / (n * (n - 1))))


def test_scores_of_classes_are_weighted_as_in_training(classes: Path) -> None:
    model, rows = st.load(classes), made(300, 2)
    found = model.predict(rows)
    truth, weights = (rows["y"] == "yes").to_numpy(), rows["people"].to_numpy()
    probability, scores = model.predict_proba(rows)[:, 1], found.scores
    assert (scores.rows, scores.weight, scores.weighted) == (300, "people", True)
    for name, metric in (("log_loss", log_loss), ("roc_auc", roc_auc_score)):
        weighted = metric(truth, probability, sample_weight=weights)
        assert scores[name].value == pytest.approx(weighted)
        assert abs(weighted - metric(truth, probability)) > 0.02  # so the weights matter
    right = np.asarray(found == rows["y"].to_numpy())
    accuracy = accuracy_score(truth, probability > 0.5, sample_weight=weights)
    assert scores["accuracy"].value == pytest.approx(accuracy) == np.average(right, weights=weights)
    assert scores["accuracy"].high == pytest.approx(accuracy + half_width(right, weights), abs=1e-4)
    losses = -np.log(np.where(truth, probability, 1 - probability))
    assert scores["log_loss"].low == pytest.approx(
        np.average(losses, weights=weights) - half_width(losses, weights), abs=1e-4
    )


def test_scores_of_numbers_are_weighted_as_in_training(numbers: Path) -> None:
    model, rows = st.load(numbers), made(300, 2)
    found, weights = model.predict(rows), rows["people"].to_numpy()
    truth, errors = rows["amount"].to_numpy(), np.asarray(found - rows["amount"].to_numpy())
    assert found.scores["rmse"].value == pytest.approx(np.sqrt(np.average(errors**2, weights=weights)))
    assert found.scores["mae"].value == pytest.approx(np.average(abs(errors), weights=weights))
    assert found.scores["r2"].value == pytest.approx(r2_score(truth, found.values, sample_weight=weights))
    larger = model.predict(rows.with_columns(people=1e306 * pl.col("people"))).scores
    assert larger["rmse"].value == pytest.approx(found.scores["rmse"].value)


def test_rows_without_a_weight_are_counted_and_not_scored(classes: Path) -> None:
    model, rows = st.load(classes), made(300, 2)
    odd = {"0": 0, "": 1, "-1": 2, "many": 3, "inf": 4}
    texts = rows["people"].cast(pl.String).to_list()
    for text, at in odd.items():
        texts[at] = text or None
    given = rows.with_columns(pl.Series("people", texts))
    whole, rest = model.predict(given).scores, model.predict(rows[len(odd) :]).scores
    assert (whole.rows, whole.weightless, whole.unweighed, whole.missing) == (295, 1, 4, 0)
    assert whole.metrics == rest.metrics
    parts = joined(list(model.predict_batches(given, batch_rows=100))).scores
    assert (parts.rows, parts.weightless, parts.unweighed) == (295, 1, 4)
    assert parts["log_loss"].value == pytest.approx(rest["log_loss"].value)


def test_the_own_table_is_scored_on_its_test_rows_with_their_weights(classes: Path) -> None:
    model = st.load(classes / "model")
    table = pl.read_csv(classes.parent / "t.csv")
    scores = model.predict(table).scores
    assert scores.seen + scores.rows == 400
    assert scores["log_loss"].value == pytest.approx(model.about.trained["test"]["log_loss"], rel=1e-5)


def test_the_command_says_how_scores_are_weighted(steepest, classes: Path, tmp_path: Path) -> None:
    rows = made(300, 2)
    rows.write_csv(tmp_path / "new.csv")
    rows.drop("people").write_csv(tmp_path / "plain.csv")
    rows.drop("y").write_csv(tmp_path / "open.csv")
    out = ("--out", tmp_path / "p.csv")
    weighted = steepest("predict", classes, tmp_path / "new.csv", *out).out
    assert "scores on 300 rows with a known y, weighted by people [95 % interval" in weighted
    assert "not weighted" not in weighted
    plain = steepest("predict", classes, tmp_path / "plain.csv", *out).out
    assert "scores on 300 rows with a known y [95 % interval" in plain
    assert "  not weighted: the file has no column people\n" in plain
    assert "weighted" not in steepest("predict", classes, tmp_path / "open.csv", *out).out
    found = st.load(classes).predict(tmp_path / "plain.csv").scores
    assert (found.weight, found.weighted) == ("people", False)
    truth, probability = rows["y"] == "yes", st.load(classes).predict_proba(rows)[:, 1]
    assert found["log_loss"].value == pytest.approx(log_loss(truth, probability))
