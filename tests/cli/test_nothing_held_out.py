"""``--split none``: every row is a training row, and nothing claims to be about new rows."""

from __future__ import annotations

import json
import re

import polars as pl
import pytest

import steepest as st
from steepest.errors import OptionError

SHORT = ["--split", "none", "--seeds", "3", "--epochs", "2", "--compile", "off"]
DEFINED = re.compile(r'<script.*?</script>|<style.*?</style>|(?:title|id)="[^"]*"|<dt>.*?</dd>', re.DOTALL)
"""What a page holds besides its claims: code, and what terms mean."""


@pytest.fixture(scope="module")
def held(churn_csv, tmp_path_factory):
    """Two optimizers on a table of classes, and the command's output."""
    out = tmp_path_factory.mktemp("none") / "run"
    options = [*SHORT, "--batch-size", "64", "--model", "linear", "-o", "adam(lr=0.01),sgd(lr=0.1)"]
    from steepest.cli import main

    assert main(["compare", str(churn_csv), "--target", "churned", *options, "--out", str(out)]) == 0
    return out


def test_results_are_on_all_rows(held, churn_csv):
    rows = pl.read_csv(churn_csv)
    data = st.read_table(churn_csv, target="churned", split="none").dataset()
    assert not data.held_out
    assert len(data.train) == len(data.validation) == len(data.test) == len(rows)
    comparison = st.Result.load(held).comparison
    assert not comparison.held_out
    loaded = st.load(held / "model")
    found = loaded.predict(churn_csv)
    right = (found.table["prediction"] == rows["churned"]).mean()
    [row] = [each for each in comparison.rows if each.kind == "arm" and each.name == comparison.winner]
    assert any(value == pytest.approx(right, abs=1e-9) for value in row.values["accuracy"])
    kept = pl.read_parquet(held / "predictions" / "test.parquet")
    assert kept["target"].to_list() == rows["churned"].to_list()


def test_intervals_are_over_seeds_alone(held):
    comparison = st.Result.load(held).comparison
    baselines = {row.name for row in comparison.rows if row.kind == "baseline"}
    between = [each for each in comparison.pairs if each.second not in baselines]
    assert {(each.over, each.rows, each.n) for each in between} == {("seeds", 0, 3)}
    assert all(each.low is not None for each in between)
    against = [each for each in comparison.pairs if each.second in baselines]
    assert {each.reason for each in against} == {"nothing was held out"}
    assert all(row.metrics["log_loss"].low is not None for row in comparison.rows if row.kind == "arm")


def test_no_text_claims_anything_about_test_rows(held):
    stored = json.loads((held / "results.json").read_text())
    assert stored["held_out"] is False
    assert "All results are on the training rows; nothing was held out." in stored["sentence"]
    assert stored["results_on"] == stored["curves_on"] == "the training rows"
    shown = json.dumps([value for name, value in stored.items() if name != "environment"], ensure_ascii=False)
    page = DEFINED.sub("", (held / "report.html").read_text())
    for text in (shown, page):
        assert not re.findall(r".{0,60}(?:test rows?|test set|alidation).{0,40}", text)
    assert {"label": "training rows", "value": "600 (nothing held out)"} in stored["trust"]


@pytest.mark.parametrize(
    ("options", "fact"),
    [
        (["--test", "0.3"], "--test has no effect: --split none holds nothing out"),
        (["--validation", "0.2"], "--validation has no effect: --split none holds nothing out"),
        (["--split-seed", "4"], "--split-seed has no effect: --split none holds nothing out"),
        (["--train-rows", "0.5", "--train-rows", "all"], "cannot be compared where nothing is held out"),
        (["--labels", "none", "--labels", "noise(0.1)"], "cannot be compared where nothing is held out"),
    ],
)  # fmt: skip
def test_what_would_need_rows_that_are_held_out(steepest, churn_csv, options, fact):
    said = steepest("compare", churn_csv, "--target", "churned", *SHORT, "-o", "adam(lr=0.1)", *options)
    assert said.status == 2
    assert fact in said.err


def test_it_is_resumed_and_its_data_is_not_that_of_another_split(steepest, held, churn_csv):
    assert steepest("resume", held).status == 0
    prints = {
        st.read_table(churn_csv, target="churned", split=each).final().fingerprint
        for each in ("none", "auto")
    }
    assert len(prints) == 2
    with pytest.raises(OptionError):
        st.read_table(churn_csv, target="churned", split="folds:3,none").dataset()


@pytest.mark.parametrize(
    ("options", "metric"),
    [
        (["--loss", "absolute"], "mae"),
        (["--loss", "squared"], "rmse"),
        (["--loss", "absolute", "--loss", "huber"], "rmse"),
        (["--loss", "absolute", "--metric", "r2"], "r2"),
        (["--loss", "absolute", "--split", "auto"], "rmse"),
    ],
)
def test_where_nothing_is_held_out_the_training_loss_decides(steepest, churn_csv, tmp_path, options, metric):
    said = steepest("compare", churn_csv, "--target", "minutes", "--split", "none", *options, "-o", "adam(lr=0.1)",
                    "--model", "linear", "--seeds", "1", "--epochs", "1", "--compile", "off",
                    "--out", tmp_path / "run")  # fmt: skip
    assert said.status == 0, said.err
    assert st.Result.load(tmp_path / "run").comparison.metric == metric
    assert ("metric: MAE, the training loss, as nothing is held out" in said.err) == (metric == "mae")
