"""Curves: opened by their two columns, in their own units, trained, predicted and exported like everything else."""

from __future__ import annotations

import subprocess
import sys

import polars as pl
import pytest
import torch

import steepest as st
from steepest.data.sources.opening import load_pipeline, open_source
from steepest.data.variants import Variant
from steepest.errors import DataError, ModelError
from steepest.evaluate.baselines import run_baselines
from steepest.models import build_model

SHORT = ["--batch-size", "all", "-o", "sgd(lr=0.2)", "--epochs", "3", "--seeds", "1", "--compile", "off"]


def test_a_curve_is_in_its_own_units(points):
    curve = open_source(points, x="x", y="y", validation=0.2, test=0.3)
    data, pipeline = curve.make(0)
    assert (data.shape.takes, data.shape.call, data.shape.outputs) == ("values", "model(x)", 1)
    parts = {name: getattr(data, name) for name in ("train", "validation", "test")}
    assert [len(each) for each in parts.values()] == [50, 20, 30]
    for part in parts.values():
        assert [each.shape[1:] for each in part.inputs] == [(1,)]
        assert part.target.dtype == part.inputs[0].dtype == torch.float32
    wide = data.wide()
    seen = {(x, y) for part in (wide.train, wide.validation, wide.test)
            for x, y in zip(part.inputs[0][:, 0].tolist(), part.target.tolist(), strict=True)}  # fmt: skip
    assert seen == set(points.rows())  # to the last bit
    [new] = pipeline.transform_batches({"x": [0.25, -3.0]}, 10)
    assert [each.tolist() for each in new.inputs] == [[[0.25], [-3.0]]]
    rows = curve.test_rows
    assert rows["target"].to_list() == points["y"].gather(rows["row"]).to_list()


def test_what_it_is_does_not_depend_on_how_it_is_named(points, tmp_path):
    by_option, by_name = (
        open_source(points, x="x", y="y"),
        open_source(points, x="x", y="y", reader="curve"),
    )
    assert by_option.make(0)[0].fingerprint == by_name.make(0)[0].fingerprint
    table = st.read_table(points, target="y").dataset()
    assert table.fingerprint != by_option.make(0)[0].fingerprint
    assert not table.doubles
    pipeline = by_option.make(0)[1]
    pipeline.save(tmp_path / "p.json")
    again = load_pipeline(tmp_path / "p.json")
    assert again.to_dict() == pipeline.to_dict()
    assert again.shape == pipeline.shape


def test_test_sets_and_variants_are_those_of_a_table(points):
    curve = open_source(points, x="x", y="y", split="folds:4")
    table = st.read_table(points, target="y", split="folds:4")
    for fold in range(4):
        mine, theirs = curve.make(fold)[0], table.folds()[fold]
        assert len(mine.train) == len(theirs.train)
    assert curve.test_rows.equals(table.test_rows)
    few, _ = open_source(points, x="x", y="y").vary(Variant(train_rows="20"))
    assert len(few.train) == 20
    wide = few.wide().train
    assert set(zip(wide.inputs[0][:, 0].tolist(), wide.target.tolist(), strict=True)) < set(points.rows())


@pytest.mark.parametrize("model", ["linear", "polynomial(3)", "mlp(hidden=[4])"])
def test_a_command_trains_predicts_and_exports(steepest, curve_csv, tmp_path, model):
    run, new = tmp_path / "run", tmp_path / "new.csv"
    said = steepest("compare", curve_csv, "--x", "x", "--y", "y", "--model", model, *SHORT, "--out", run)
    assert said.status == 0, said.err
    assert "data   100 rows · x · y: a number" in said.err
    new.write_text("x,id\n0.5,a\n-1,b\n")
    said = steepest("predict", run / "model", new, "--keep", "id", "--out", tmp_path / "p.csv")
    assert said.status == 0, said.err
    found = pl.read_csv(tmp_path / "p.csv")
    net = st.load(run / "model").net
    wanted = net(torch.tensor([[0.5], [-1.0]]))[:, 0].tolist()
    assert found["prediction"].to_list() == pytest.approx(wanted, rel=1e-6)
    assert steepest("export", run / "model", "--format", "torch", "--out", tmp_path / "plain").status == 0
    [folder] = tmp_path.glob("plain/**/predict.py")
    subprocess.run(
        [sys.executable, "predict.py", str(new), str(tmp_path / "q.csv")], cwd=folder.parent, check=True
    )
    assert pl.read_csv(tmp_path / "q.csv")["prediction"].to_list() == pytest.approx(wanted, rel=1e-6)
    assert steepest("resume", run).status == 0


def test_coefficients_ascend_and_begin_where_they_are_told(points, tmp_path):
    result = st.compare(
        open_source(points, x="x", y="y"), tmp_path / "run", model="polynomial(2, init=[1, 2, 3])",
        optimizers=["sgd(lr=1e-12)"], batch_size="all", epochs=1, seeds=1,
    )  # fmt: skip
    net = st.load(result.path / "model").net
    assert net.coefficients.tolist() == [1.0, 2.0, 3.0]
    assert net(torch.tensor([[2.0]])).tolist() == [[17.0]]


@pytest.mark.parametrize(
    ("options", "fact"),
    [
        (["--x", "x"], "the curve's y is not named"),
        (["--y", "y"], "the curve's x is not named"),
        (["--x", "y", "--y", "y"], "x and y are the same column, 'y'"),
        (["--x", "x", "--y", "y", "--target", "x"], "the target is 'x', but the curve's y is 'y'"),
        (["--x", "x", "--y", "y", "--drop", "z"], "--drop has no effect on data of the kind curve"),
        (["--x", "x", "--y", "q"], "there is no column 'q'"),
        (["--x", "x", "--y", "y", "--model", "embedding-mlp"], "the model 'embedding-mlp' does not take curves"),
        (["--x", "x", "--y", "y", "--hidden", "8"], "--hidden has no effect on the model 'mlp'"),
        (["--x", "x", "--y", "y", "--source", "table"], "--x has no effect on data of the kind table"),
        (["--x", "x", "--y", "y", "--source", "curv"], "unknown source 'curv'"),
        (["--target", "y", "--model", "polynomial(2)"], "'polynomial' does not take tables"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_name(steepest, curve_csv, options, fact):
    said = steepest("compare", curve_csv, *options, "-o", "sgd(lr=0.1)", "--epochs", "1", "--seeds", "1")
    assert said.status == 2
    assert fact in said.err
    assert "Hint: " in said.err


def timed(count=200, offset=0.0):
    """Return a curve along seconds since 1970."""
    seconds = [1_700_000_000 + each for each in range(count)]
    values = [offset + 0.01 * each + (each * 37 % 11) / 3 for each in range(count)]
    return pl.DataFrame({"t": seconds, "v": values})


def notes_of(frame, **options):
    return [
        each for each in open_source(frame, x="t", y="v", **options).make(0)[0].notes if each.kind != "info"
    ]


def test_places_that_32_bits_merge_are_warned_about_with_the_cure():
    [t] = [each for each in notes_of(timed()) if "32 bits" in each.text]
    assert t.text == (
        "the 200 different values of t become 3 in 32 bits: subtract 1700000100 with the step below, or train with "
        "--precision float64."
    )
    moved = notes_of(timed(), prepare=[{"use": "derive", "columns": {"t": '"t" - 1700000100'}}])
    assert not [each for each in moved if "32 bits" in each.text or "slow" in each.text]
    v = [each.text for each in notes_of(timed(offset=1e9)) if " v " in each.text and "32 bits" in each.text]
    assert "values of v become 1 in 32 bits: subtract 1000000003 with the step below" in v[0]


def test_a_place_far_from_zero_is_advised_to_move():
    years = timed().with_columns(pl.col("t") - 1_700_000_000 + 1825)
    [note] = [each for each in notes_of(years) if "slow" in each.text]
    assert note.text.startswith(
        "t is around 1,924.5 and varies by 57.7, which makes training slow: subtract 1920 with"
    )
    assert note.step == '[[step]]\nuse = "derive"\ncolumns."t" = \'"t" - 1920\''
    assert not [
        each for each in notes_of(timed().with_columns(pl.col("t") - 1_700_000_000)) if "slow" in each.text
    ]


@pytest.mark.parametrize("form", [None, "%Y-%m-%d", "%d.%m.%Y"])
def test_the_steps_that_are_advised_for_dates_can_be_taken(form, tmp_path):
    days = pl.select(pl.date_range(pl.date(2020, 1, 1), pl.date(2020, 7, 18))).to_series().alias("t")
    frame = pl.DataFrame([days if form is None else days.dt.to_string(form), timed()["v"]])
    [note] = [each for each in notes_of(frame) if "slow" in each.text]
    (tmp_path / "steps.toml").write_text(note.step)
    moved = open_source(frame, x="t", y="v", prepare=str(tmp_path / "steps.toml")).make(0)[0]
    assert not [each for each in moved.notes if "slow" in each.text]
    assert float(moved.train.inputs[0].mean().abs()) < 100


def test_neighbours_along_a_curve_are_told(points):
    smooth = pl.DataFrame({"dose": [*range(100)], "v": [(each / 10 - 5) ** 2 for each in range(100)]})

    def said(frame, x, y, **options):
        notes = open_source(frame, x=x, y=y, **options).make(0)[0].notes
        return [each.text for each in notes if each.text.startswith("neighbours along")]

    [text] = said(smooth, "dose", "v")
    assert "have similar v (correlation 0.9" in text
    assert text.endswith("--split time:dose.")
    assert not said(smooth, "dose", "v", split="time:dose")
    assert not said(smooth, "dose", "v", split="none")
    shuffled = smooth.with_columns(pl.col("v").shuffle(seed=1))
    assert not said(shuffled, "dose", "v")


def test_lines_and_predictions_have_the_digits_of_the_data(tmp_path):
    """Along seconds since 1970, which 32 bits merge, an exact line is exact, and so is a network of 64 bits."""
    frame = timed().with_columns((0.5 * (pl.col("t") - 1_700_000_000) - 3.0).alias("v"))
    curve = open_source(frame, x="t", y="v")
    data, pipeline = curve.make(0)
    for found in run_baselines(data, names=["least-squares", "least-absolute"], seed=0):
        assert found.test["rmse"] < 1e-5, found.name
        assert found.validation["rmse"] < 1e-5, found.name
        [new] = pipeline.transform_batches(frame, 1000)
        line = found.model(*new.inputs_for(found.model))[:, 0]
        assert line.tolist() == pytest.approx(frame["v"].to_list(), abs=1e-5)
        assert new.inputs_for(torch.nn.Linear(1, 1))[0].dtype == torch.float32


def test_a_point_without_a_place_is_refused(points, tmp_path):
    lacking = points.with_columns(pl.when(pl.int_range(100) == 7).then(None).otherwise("x").alias("x"))
    with pytest.raises(DataError, match="1 row has no x"):
        open_source(lacking, x="x", y="y").make(0)
    _, pipeline = open_source(points, x="x", y="y").make(0)
    with pytest.raises(DataError, match="1 row has no x"):
        list(pipeline.transform_batches(pl.DataFrame({"x": [0.5, None]}), 10))


@pytest.mark.parametrize(
    "model", ["polynomial(-1)", "polynomial(2, init=[1])", "mlp(hidden=[0])", "mlp(activation='no')"]
)
def test_impossible_models(points, model):
    data, _ = open_source(points, x="x", y="y").make(0)
    with pytest.raises(ModelError):
        build_model(model, data.shape)
