"""Predictions as Python people use them, scores where the target is there, columns that are kept, the test rows."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import rich.console
from sklearn.metrics import accuracy_score, log_loss, mean_squared_error, r2_score, roc_auc_score

import steepest as st
from steepest.errors import DataError, FolderError, OptionError
from steepest.report.scores import score_lines
from tests.cli.conftest import QUICK
from tests.conftest import churn_table

QUIET = ["--quiet", *QUICK]


@pytest.fixture(scope="module", params=["text", "numbers", "true or false"])
def labelled(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pl.DataFrame]:
    """A finished comparison of two classes, and its table."""
    yes = pl.col("churned") == "yes"
    made = {"text": pl.col("churned"), "numbers": yes.cast(pl.Int64) + 3, "true or false": yes}
    table = churn_table().with_columns(churned=made[request.param], id=pl.int_range(pl.len()) * 7)
    out = tmp_path_factory.mktemp("labelled") / "run"
    st.compare(table, out, target="churned", optimizers=["adam(lr=0.01)"], seeds=2, epochs=1, hidden=[8])
    return out, table


def others(table: pl.DataFrame) -> pl.DataFrame:
    """Return other customers, their target as in the table."""
    yes = pl.col("churned") == "yes"
    made = {pl.String: pl.col("churned"), pl.Int64: yes.cast(pl.Int64) + 3, pl.Boolean: yes}
    return churn_table(600, 1).with_columns(
        churned=made[table["churned"].dtype], id=pl.int_range(pl.len()) * 7
    )


@pytest.mark.parametrize("which", ["model", "baselines/gradient-boosting", "baselines/majority"])
@pytest.mark.parametrize("library", ["polars", "pandas"])
def test_predictions_are_an_array_of_the_targets_own_values(labelled, which: str, library: str) -> None:
    out, table = labelled
    table = others(table)
    rows = table.to_pandas() if library == "pandas" else table
    truth = rows["churned"]
    model = st.load(out / which)
    found = model.predict(rows)
    values = np.asarray(found)
    assert type(values) is np.ndarray
    assert values.shape == (600,)
    assert values.dtype == table["churned"].to_numpy().dtype
    assert set(values) <= set(truth)
    right = (table["churned"] == pl.Series(values)).mean()
    assert accuracy_score(truth, found) == pytest.approx(right)
    assert (truth == found).mean() == pytest.approx(right)
    assert (found == truth).mean() == pytest.approx(right)
    assert found.scores["accuracy"].value == pytest.approx(right)
    assert model.classes_.tolist() == sorted(set(truth))
    probabilities = model.predict_proba(rows)
    assert type(probabilities) is np.ndarray
    assert probabilities.shape == (600, 2)
    assert (model.classes_[probabilities.argmax(1)] == values).all()
    assert found.table.columns == ["prediction", "probability", *(f"p_{name}" for name in model.classes)]
    assert found.table["prediction"].to_list() == found.tolist()


def test_predictions_are_taken_apart_like_an_array(labelled) -> None:
    out, table = labelled
    found = st.load(out).predict(table)
    values = found.values
    assert len(found) == 600
    assert found[0] == values[0]
    assert found[-1] == values[-1]
    assert not isinstance(found[3:9], type(found))
    assert found[3:9].tolist() == values[3:9].tolist()
    mask = table["age"].to_numpy() > 40
    assert found[mask].tolist() == values[mask].tolist()
    assert list(found) == values.tolist()
    assert pd.Series(found).tolist() == table.with_columns(p=found.values)["p"].to_list() == values.tolist()
    again = pickle.loads(pickle.dumps(found))  # noqa: S301  # as between processes
    assert again.tolist() == values.tolist()
    assert again.table.equals(found.table)
    assert repr(found).startswith("Predictions([")


def test_numbers_are_predicted_in_their_own_unit(tmp_path: Path) -> None:
    table = churn_table().drop_nulls()
    result = st.compare(
        table, tmp_path / "run", target="minutes", optimizers=["adam(lr=0.01)"], seeds=1, epochs=1
    )
    table = churn_table(600, 1).drop_nulls()
    for model in (result.best, st.load(tmp_path / "run/model")):
        found = model.predict(table)
        truth = table["minutes"].to_numpy()
        assert found.dtype == np.float64
        assert r2_score(truth, found) == pytest.approx(found.scores["r2"].value)
        errors = np.asarray(abs(found - truth))
        assert np.sqrt((errors**2).mean()) == pytest.approx(found.scores["rmse"].value)
        assert errors.mean() == pytest.approx(found.scores["mae"].value)
        assert model.classes_.tolist() == []


def test_models_say_what_they_predict(labelled) -> None:
    out, _ = labelled
    network, baseline = st.load(out / "model"), st.load(out / "baselines/majority")
    value = network.about.trained["test"]["log_loss"]
    assert repr(network).startswith("TrainedModel: a network trained by adam(lr=0.01) predicts 'churned' (")
    assert repr(network).endswith(
        f"from 3 columns (age, plan, minutes); log loss {value:.4g} on the test rows"
    )
    assert "majority class (baseline) predicts" in repr(baseline)
    assert network._repr_html_().startswith("<p>a network trained by adam(lr=0.01) predicts")


def delong(truth: np.ndarray, probability: np.ndarray) -> float:
    """Return the standard error of the area under the ROC curve (DeLong et al., 1988)."""
    pairs = probability[truth][:, None] - probability[~truth][None]
    above = (pairs > 0) + 0.5 * (pairs == 0)
    return float(np.sqrt(sum(each.var(ddof=1) / len(each) for each in (above.mean(0), above.mean(1)))))


def test_scores_are_those_of_scikit_learn_with_intervals(labelled) -> None:
    out, table = labelled
    table = others(table)
    model = st.load(out / "model")
    found = model.predict(table)
    truth = (table["churned"] == table["churned"].max()).to_numpy()
    probability = model.predict_proba(table)[:, 1]
    scores = found.scores
    assert (scores.rows, scores.missing, scores.unknown, scores.reason) == (600, 0, {}, "")
    assert scores["log-loss"].value == pytest.approx(log_loss(truth, probability))
    assert scores["roc-auc"].value == pytest.approx(roc_auc_score(truth, probability))
    losses = -np.log(np.where(truth, probability, 1 - probability))
    far = abs(losses - losses.mean()).max()
    longer = np.append(losses, losses.mean() + far * np.array([-1.0, 1.0]))
    half = 1.964 * np.sqrt(((longer - longer.mean()) ** 2).sum() / (600 * 599))
    assert scores["log_loss"].high == pytest.approx(losses.mean() + half, abs=1e-4)
    assert scores["log_loss"].low == pytest.approx(losses.mean() - half, abs=1e-4)
    error = (scores["roc_auc"].high - scores["roc_auc"].low) / 2 / 1.964
    assert error == pytest.approx(delong(truth, probability), rel=0.05)
    assert all(each.low < each.value < each.high for each in scores.metrics)
    assert 0 <= scores["accuracy"].low < scores["accuracy"].value < scores["accuracy"].high <= 1
    assert scores.metrics[0].name == "log_loss"
    assert scores.table.columns == ["metric", "value", "low", "high"]


def test_without_enough_rows_there_are_no_intervals_and_without_a_target_no_scores(labelled) -> None:
    out, table = labelled
    table = others(table)
    model = st.load(out)
    few = model.predict(table.head(99)).scores
    assert {each.low for each in few.metrics} == {None}
    assert few.reason == "99 rows, fewer than 100"
    assert model.predict(table.head(100)).scores.metrics[0].low is not None
    assert model.predict(table.drop("churned")).scores is None


def test_batches_give_the_same_scores(labelled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, table = labelled
    table = others(table)
    model = st.load(out / "model")
    whole = model.predict(table).scores
    monkeypatch.setattr("steepest.prediction.model.BATCH_ROWS", 256)
    written = model.write_predictions(table, tmp_path / "p.csv")
    assert written.scores.rows == 600
    for each in whole.metrics:
        again = written.scores[each.name]
        assert (again.value, again.low, again.high) == pytest.approx(
            (each.value, each.low, each.high), nan_ok=True
        )
    monkeypatch.setattr("steepest.prediction.known.MOST_OUTPUTS", 100)  # too many to be held
    streamed = model.write_predictions(table, tmp_path / "p.csv").scores
    assert [each.name for each in streamed.metrics] == ["log_loss", "accuracy"]
    assert streamed["log_loss"].value == pytest.approx(whole["log_loss"].value)


def test_the_command_scores_where_the_target_is_there(steepest, finished, tmp_path) -> None:
    churn_csv = tmp_path / "others.csv"
    churn_table(600, 1).write_csv(churn_csv)
    out = tmp_path / "p.csv"
    said = steepest("predict", finished, churn_csv, "--out", out)
    assert said.status == 0
    scores = st.load(finished).predict(churn_csv).scores
    lines = said.out.splitlines()
    assert lines[0] == "scores on 600 rows with a known churned [95 % interval, other rows of the same kind]"
    assert f"{scores['log_loss'].value:.3f} [" in lines[1]
    right = (pl.read_csv(out)["prediction"] == pl.read_csv(churn_csv)["churned"]).mean()
    [accuracy] = [line for line in lines if line.startswith("  accuracy ")]
    assert f"{right:.1%}".removesuffix("%") + " % [" in accuracy
    assert steepest("predict", finished, churn_csv, "--out", out, "--quiet").out == said.out
    rows = pl.read_csv(churn_csv)
    rows.drop("churned").write_csv(tmp_path / "new.csv")
    assert steepest("predict", finished, tmp_path / "new.csv", "--out", out).out == ""
    odd = pl.when(pl.int_range(pl.len()) < 30).then(pl.lit("maybe")).otherwise(pl.col("churned"))
    gone = pl.when(pl.int_range(pl.len()) >= 590).then(None).otherwise(odd).alias("churned")
    rows.with_columns(gone).write_csv(tmp_path / "odd.csv")
    said = steepest("predict", finished, tmp_path / "odd.csv", "--out", out)
    assert "scores on 560 rows" in said.out
    assert "  10 rows have no churned: not scored\n" in said.out
    assert "  30 rows have a churned that training did not have ('maybe'): not scored\n" in said.out
    rows.with_columns(churned=pl.lit(None, pl.String)).write_csv(tmp_path / "empty.csv")
    said = steepest("predict", finished, tmp_path / "empty.csv", "--out", out)
    assert (said.status, said.out) == (0, "  600 rows have no churned: not scored\n")


# --- rows of training -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["", "model", "baselines/gradient-boosting"])
def test_rows_of_training_are_not_scored_as_new_ones(
    labelled, which: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, table = labelled
    model = st.load(out / which)
    table.write_parquet(tmp_path / "t.parquet")
    measured = model.about.trained["test"]
    for rows in (
        table,
        table.sample(fraction=1.0, shuffle=True, seed=3),
        table.to_pandas(),
        tmp_path / "t.parquet",
    ):
        scores = model.predict(rows).scores
        assert (scores.rows, scores.seen, scores.new) == (60, 540, True)
        assert {each.name: each.value for each in scores.metrics} == pytest.approx(measured, nan_ok=True)
    mixed = pl.concat([table, others(table)])
    scores = model.predict(mixed).scores
    assert 540 <= scores.seen <= 550  # a few other customers are alike
    assert (scores.rows + scores.seen, scores.reason) == (1200, "")
    assert scores.metrics[0].low is not None
    trained = table.with_row_index("row").join(_kept(out), on="row", how="anti").drop("row")
    scores = model.predict(trained).scores
    assert (scores.rows, scores.seen, scores.new) == (540, 540, False)
    assert {each.low for each in scores.metrics} == {None}
    assert "trained or chosen on these rows" in scores.reason
    assert model.predict(others(table)).scores.seen == 0
    monkeypatch.setattr("steepest.prediction.model.BATCH_ROWS", 256)
    scores = model.write_predictions(mixed, tmp_path / "p.csv").scores
    assert 540 <= scores.seen == 1200 - scores.rows <= 550


def test_rows_of_training_with_a_number_as_the_target_are_recognised(tmp_path: Path) -> None:
    table = churn_table().drop_nulls()
    st.compare(table, tmp_path / "run", target="minutes", optimizers=["adam(lr=0.01)"], seeds=1, epochs=1)
    table.write_csv(tmp_path / "t.csv")
    model, test = st.load(tmp_path / "run/model"), _kept(tmp_path / "run").height
    for rows in (table, tmp_path / "t.csv"):
        scores = model.predict(rows).scores
        assert (scores.rows, scores.seen) == (test, table.height - test)
        assert scores["rmse"].value == pytest.approx(model.about.trained["test"]["rmse"])
    one = model.predict(churn_table(9, 5).drop_nulls().head(1)).scores
    assert np.isnan(one["r2"].value)
    assert one.reason == "1 row, fewer than 100"


def test_the_command_names_rows_of_training(steepest, finished, churn_csv, tmp_path) -> None:
    said = steepest("predict", finished, churn_csv, "--out", tmp_path / "p.csv")
    assert "scores on 60 rows with a known churned\n" in said.out
    assert "  540 of 600 rows were training or validation rows: not scored\n" in said.out
    test = _kept(finished)["row"].to_list()
    trained = pl.read_csv(churn_csv).with_row_index("row").filter(~pl.col("row").is_in(test)).drop("row")
    trained.write_csv(tmp_path / "trained.csv")
    said = steepest("predict", finished, tmp_path / "trained.csv", "--out", tmp_path / "p.csv")
    assert said.out.startswith(
        "scores on 540 rows that the model was trained or chosen on: too good for new rows\n"
    )
    assert "[" not in said.out
    assert pl.read_csv(tmp_path / "p.csv").height == 540


def test_new_rows_that_equal_rows_of_training_by_chance_are_scored(tmp_path: Path) -> None:
    def customers(seed: int) -> pl.DataFrame:
        return churn_table(600, seed).select("plan", "churned", old=pl.col("age") > 50)

    st.compare(
        customers(0), tmp_path / "run", target="churned", optimizers=["adam(lr=0.01)"], seeds=1, epochs=1
    )
    scores = st.load(tmp_path / "run").predict(customers(1)).scores
    assert (scores.rows, scores.seen, scores.new) == (600, 0, True)


def test_a_model_without_hashes_of_its_rows_scores_all(finished, churn_csv, tmp_path) -> None:
    copy = Path(shutil.copytree(finished / "model", tmp_path / "model"))
    hashes = copy / "training_rows.safetensors"
    hashes.write_bytes(b"\x00" * 40)
    with pytest.raises(FolderError, match=r"training_rows\.safetensors") as caught:
        st.load(copy)
    assert "delete it" in caught.value.hint
    hashes.unlink()
    scores = st.load(copy).predict(churn_csv).scores
    assert (scores.rows, {each.low for each in scores.metrics}) == (600, {None})
    assert scores.reason == "training rows cannot be recognised: the model was saved without hashes of them"


@pytest.mark.parametrize("which", ["model", "baselines/gradient-boosting"])
@pytest.mark.parametrize("rows", [600, 20])
@pytest.mark.parametrize("gone", ["lacking", "empty"])
def test_training_rows_without_a_column_are_not_taken_for_new_ones(
    finished, which: str, rows: int, gone: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("steepest.prediction.model.BATCH_ROWS", 256)
    empty = pl.lit(None, pl.Float64).alias("minutes")
    table = churn_table().filter(pl.col("minutes").is_not_null() | (pl.int_range(pl.len()) > 500)).head(rows)
    table = table.drop("minutes") if gone == "lacking" else table.with_columns(empty)
    table.write_csv(tmp_path / "t.csv")
    written = st.load(finished / which).write_predictions(tmp_path / "t.csv", tmp_path / "p.csv")
    scores = written.scores
    why = "training rows cannot be recognised without minutes, and may be among these"
    assert (scores.reason, scores.unrecognised, scores.new) == (why, why, True)
    assert {each.low for each in scores.metrics} == {None}
    assert scores.rows + scores.seen == len(table)
    assert f"  no intervals: {why}" in score_lines(scores)


def test_columns_without_values_here_and_there_leave_rows_recognised(finished) -> None:
    """A few rows may lack a value each, and a column that is no input may be absent."""
    model = st.load(finished / "model")
    gap = churn_table().filter(pl.col("minutes").is_null())
    few = model.predict(gap.head(5)).scores
    assert (few.rows, few.unrecognised) == (5, "")
    scores = model.predict(churn_table().with_columns(other=pl.lit(None, pl.String))).scores
    assert (scores.seen, scores.unrecognised) == (540, "")


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".feather"])
@pytest.mark.parametrize("flags", [["--keep", "id,plan"], ["--keep", "id", "--keep", "plan"]])
def test_columns_are_kept(steepest, finished, tmp_path, ending: str, flags: list[str]) -> None:
    rows = churn_table().with_columns(id=pl.format("{}x", pl.int_range(pl.len()) * 3))
    rows.write_csv(tmp_path / "new.csv")
    out = tmp_path / f"p{ending}"
    assert steepest("predict", finished, tmp_path / "new.csv", "--out", out, *flags).status == 0
    read = {".csv": pl.read_csv, ".parquet": pl.read_parquet, ".feather": pl.read_ipc}[ending]
    found = read(out)
    assert found.columns == ["id", "plan", "prediction", "probability", "p_no", "p_yes"]
    assert found["id"].equals(rows["id"])
    assert found["plan"].equals(rows["plan"])
    model = st.load(finished)
    assert (
        model.predict(rows, keep=["id", "plan"])
        .table.select("id", "plan", "prediction")
        .equals(found.select("id", "plan", "prediction"))
    )
    assert model.predict(rows, keep="id").table.columns[0] == "id"


def test_a_column_that_cannot_be_kept_is_said(steepest, finished, churn_csv, tmp_path) -> None:
    out = tmp_path / "p.csv"
    said = steepest("predict", finished, churn_csv, "--out", out, "--keep", "pan")
    assert said.status == 2
    assert "error: there is no column 'pan' in churn.csv\nHint: did you mean 'plan'?" in said.err
    assert not out.exists()
    churn_table().with_columns(prediction=1).write_csv(tmp_path / "new.csv")
    said = steepest("predict", finished, tmp_path / "new.csv", "--out", out, "--keep", "prediction")
    assert said.status == 2
    assert "the column 'prediction' cannot be kept" in said.err
    with pytest.raises(DataError, match="no column 'pan' in "):
        st.load(finished).predict(churn_csv, keep=["pan"])
    with pytest.raises(OptionError, match="'p_no' cannot be kept"):
        st.load(finished).predict(churn_csv, keep=["p_no"])


def _kept(out: Path) -> pl.DataFrame:
    return pl.read_parquet(out / "predictions/test.parquet")


def test_the_folder_keeps_the_predictions_of_the_test_rows(labelled) -> None:
    out, table = labelled
    kept, model = _kept(out), st.load(out)
    assert kept.columns == ["row", "target", "prediction", "probability", *(f"p_{c}" for c in model.classes)]
    assert kept.height == 60
    rows = table[kept["row"].to_list()]
    assert rows["churned"].to_list() == kept["target"].to_list()
    assert model.predict(rows).tolist() == kept["prediction"].to_list()
    truth = (kept["target"] == kept["target"].max()).to_numpy()
    reported = model.about.trained["test"]
    assert log_loss(truth, kept[f"p_{model.classes[1]}"].to_numpy()) == pytest.approx(reported["log_loss"])
    assert accuracy_score(kept["target"], kept["prediction"]) == pytest.approx(reported["accuracy"])


def test_the_row_numbers_are_those_of_the_file(steepest, tmp_path) -> None:
    """A filter before and after the split, rows without a target, and test rows in a file of their own."""
    table = (
        churn_table(900)
        .with_row_index("id")
        .with_columns(
            minutes=pl.when(pl.col("id") % 50 == 3).then(None).otherwise("minutes"), z=pl.col("id") % 5
        )
    )
    (tmp_path / "prepare.toml").write_text(
        '[[step]]\nuse = "filter"\nwhere = "age > 25"\n'
        '[[step]]\nuse = "fill-mode"\ncolumn = "plan"\n'
        '[[step]]\nuse = "filter"\nwhere = "z > 0"\n'
        '[[step]]\nuse = "drop"\ncolumns = ["id"]\n'
    )
    table.head(700).write_csv(tmp_path / "t.csv")
    table.tail(200).write_csv(tmp_path / "test.csv")
    flags = ["--target", "minutes", "--prepare", tmp_path / "prepare.toml", "-o", "sgd(lr=0.01)", *QUIET]
    for name, more in (("one", []), ("two", ["--test", tmp_path / "test.csv"])):
        said = steepest("compare", tmp_path / "t.csv", *flags, *more, "--out", tmp_path / name)
        assert said.status == 0, said.err
        source = table.tail(200) if more else table.head(700)
        kept = _kept(tmp_path / name)
        rows = source[kept["row"].to_list()]
        assert kept["row"].n_unique() == kept.height > 40
        assert rows["minutes"].to_list() == kept["target"].to_list()
        assert (rows["age"] > 25).all()
        assert (rows["z"] > 0).all()
        model = st.load(tmp_path / name)
        assert np.allclose(model.predict(rows), kept["prediction"])
        error = mean_squared_error(kept["target"], kept["prediction"]) ** 0.5
        assert error == pytest.approx(model.about.trained["test"]["rmse"])


def test_the_predictions_follow_the_recommended_model(steepest, churn_csv, tmp_path) -> None:
    out = tmp_path / "run"
    flags = ["--target", "churned", *QUIET, "--baseline", "none", "--out", out]
    assert steepest("compare", churn_csv, "-o", "sgd(lr=1e-9)", *flags).status == 0
    first = _kept(out)
    assert steepest("compare", churn_csv, "-o", "adam(lr=0.05)", *flags).status == 0
    second = _kept(out)
    assert first["row"].equals(second["row"])
    assert not first["p_yes"].equals(second["p_yes"])
    predicted = st.load(out).predict(pl.read_csv(churn_csv)[second["row"].to_list()])
    assert np.allclose(predicted.table["p_yes"], second["p_yes"])
    (out / "predictions/test.parquet").unlink()
    assert "predictions of the test rows" not in {each.label for each in st.Result.load(out).comparison.use}
    assert steepest("resume", out, "--quiet").status == 0
    assert _kept(out).equals(second)
    use = {each.label: each.value for each in st.Result.load(out).comparison.use}
    assert use["predictions of the test rows"] == f"{out}/predictions/test.parquet"
    assert "predictions/test.parquet" in (out / "report.html").read_text()


def test_a_notebook_gets_no_output_but_the_value(
    finished, churn_csv, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a notebook rich shows what it prints at once; a value that is made as text must not be shown twice."""
    shown: list[Any] = []
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    monkeypatch.setattr("rich.jupyter.display", lambda segments, text: shown.append(text))
    rich.console.Console().print("what rich does by itself")
    assert len(shown) == 1
    result, table = st.Result.load(finished), st.read_table(churn_csv, target="churned")
    model = result.best
    for each in (result, table, table.describe(), table.show_batch(), model, model.predict(churn_csv)):
        assert len(str(each)) > 20
        assert len(repr(each)) > 20
        assert each is table or len(each._repr_html_()) > 20
    assert len(shown) == 1
