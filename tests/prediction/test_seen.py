"""Rows of training in new tables: recognised by their content, copies counted as often as they are there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import safetensors.torch

import steepest as st
from steepest.prediction.seen import FILE, Origin, SeenRows, parted
from steepest.report.scores import score_lines
from steepest.sweep.observer import Observer
from tests.conftest import churn_table

ONCE: dict[str, Any] = {
    "optimizers": ["adam(lr=0.01)"],
    "seeds": 1,
    "epochs": 1,
    "hidden": [8],
    "compile": "off",
}


def with_copies() -> pl.DataFrame:
    """Return 600 customers, 300 of them twice, so that most test rows equal a training row."""
    return pl.concat([churn_table(), churn_table().head(300)])


def parts_of(out: Path, table: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows of training and validation, and those of the test set."""
    numbered = table.with_row_index("row")
    test = pl.read_parquet(out / "predictions/test.parquet").select(pl.col("row").cast(pl.UInt32))
    return tuple(numbered.join(test, on="row", how=how).drop("row") for how in ("anti", "semi"))


@pytest.fixture(scope="module", params=["churned", "minutes"])
def trained(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pl.DataFrame]:
    """A comparison on a table with copies, and its table."""
    out, table = tmp_path_factory.mktemp("copies") / "run", with_copies().drop_nulls()
    st.compare(table, out, target=request.param, **ONCE)
    return out, table


@pytest.mark.parametrize("which", ["model", "baselines/gradient-boosting"])
def test_a_table_with_copies_is_scored_on_its_test_rows(trained, which: str, tmp_path: Path) -> None:
    out, table = trained
    model = st.load(out / which)
    train, test = parts_of(out, table)
    table.write_csv(tmp_path / "t.csv")
    table.write_parquet(tmp_path / "t.parquet")
    shuffled = table.sample(fraction=1.0, shuffle=True, seed=1)
    copies = test.join(train, on=table.columns, how="semi").height
    assert 0 < copies < test.height
    for rows in (table, shuffled, table.to_pandas(), tmp_path / "t.csv", tmp_path / "t.parquet"):
        scores = model.predict(rows).scores
        assert (scores.rows, scores.seen, scores.equal) == (test.height, train.height, copies)
        name = scores.metrics[0].name
        assert scores.metrics[0].value == pytest.approx(model.about.trained["test"][name], rel=1e-5)
    assert f"  {copies} of {test.height} scored rows equal a training or validation row" in score_lines(
        scores
    )
    scores = model.predict(test).scores
    assert (scores.rows, scores.seen, scores.equal, scores.new) == (test.height, 0, copies, True)
    for rows in (train, train.head(400), pl.concat([train, train])):
        scores = model.predict(rows).scores
        assert (scores.rows, scores.seen, scores.equal, scores.new) == (rows.height, rows.height, 0, False)
    assert model.predict(table.drop(model.about.target)).scores is None


def test_new_rows_beside_those_of_training_are_scored_also_where_they_equal_one(trained) -> None:
    out, table = trained
    train, test = parts_of(out, table)
    fresh = churn_table(600, 1).drop_nulls()
    scores = st.load(out).predict(pl.concat([fresh, table])).scores
    assert (scores.rows, scores.seen) == (fresh.height + test.height, train.height)


def test_batches_of_a_table_with_copies_are_scored_as_one(trained, tmp_path, monkeypatch) -> None:
    out, table = trained
    monkeypatch.setattr("steepest.prediction.model.BATCH_ROWS", 256)
    scores = st.load(out).write_predictions(table, tmp_path / "p.csv").scores
    whole = st.load(out).predict(table).scores
    assert (scores.rows, scores.seen, scores.equal) == (whole.rows, whole.seen, whole.equal)


def test_rows_left_out_of_training_are_new_in_another_table(tmp_path: Path) -> None:
    table = churn_table().drop_nulls()
    found = st.compare(table, tmp_path / "run", target="churned", train_rows=0.1, **ONCE)
    train, _ = parts_of(found.path, table)
    stored = safetensors.torch.load_file(tmp_path / "run/model" / FILE)
    known = int(stored["trained"].sum())
    assert known < 200
    scores = st.load(found.path / "model").predict(train).scores
    assert (scores.rows, scores.seen) == (train.height - known, known)


def few_contents() -> pl.DataFrame:
    """Return 500 rows in 27 combinations of features, so that most rows are there several times."""
    draw = np.random.default_rng(5)
    columns = {name: draw.choice([0.5, 1.5, 2.5], 500) for name in "xyz"}
    total = columns["x"] + columns["y"] + draw.normal(scale=0.5, size=500)
    return pl.DataFrame({**columns, "kind": np.where(total > 3, "high", "low"), "sum": total.round()})


@pytest.mark.parametrize("target", ["kind", "sum"])
@pytest.mark.parametrize("make", [few_contents, with_copies])
def test_an_arm_with_fewer_training_rows_recognises_the_table(make, target, tmp_path: Path) -> None:
    """It is scored on exactly the test rows there, and not on rows that another arm was trained on."""
    table = make().drop_nulls()
    target = target if make is few_contents else {"kind": "churned", "sum": "minutes"}[target]
    plan = st.plan(table, target=target, **{**ONCE, "train_rows": [0.3, "all"]})
    found = plan.run(tmp_path / "run", observer=Observer())
    train, test = parts_of(found.path, table)
    table.write_csv(tmp_path / "t.csv")
    for arm in found.arms["id"]:
        model = st.load(found.path, arm=arm)
        for rows in (table, table.sample(fraction=1.0, shuffle=True, seed=1), tmp_path / "t.csv"):
            scores = model.predict(rows).scores
            assert (scores.rows, scores.seen, scores.new) == (test.height, train.height, True)
            name = scores.metrics[0].name
            assert scores.metrics[0].value == pytest.approx(model.about.trained["test"][name], rel=1e-5)
        assert model.predict(test).scores.rows == test.height


def test_an_arm_with_another_filter_recognises_the_table(tmp_path: Path) -> None:
    """One leaves out training rows, the other has rows that the comparison leaves out."""
    table = few_contents().with_row_index("no")
    split = st.read_table(table, target="kind").prepared()
    odd = split.filter(split=pl.lit("train"))["no"].gather_every(3)
    table = table.with_columns(odd=pl.col("no").is_in(odd.implode()).cast(pl.Int64)).drop("no")
    step = json.dumps([{"use": "filter", "where": "odd = 0"}])
    for own, other in ((None, step), (step, json.dumps([{"use": "filter", "where": "odd >= 0"}]))):
        out = tmp_path / str(own is None)
        opened = st.read_table(table, target="kind", drop=["odd"], prepare=own and json.loads(own))
        found = st.plan(opened, **{**ONCE, "prepare": [None, other]}).run(out, observer=Observer())
        _, test = parts_of(out, table)
        assert len(found.arms) == 2
        for arm in found.arms["id"]:
            model = st.load(found.path, arm=arm)
            scores = model.predict(table).scores
            assert scores.rows == test.height
            assert scores.metrics[0].value == pytest.approx(model.about.trained["test"]["log_loss"], rel=1e-5)


def test_the_model_of_folds_has_seen_all_rows(tmp_path: Path) -> None:
    found = st.compare(
        st.read_table(with_copies(), target="churned", split="folds:3"), tmp_path / "run", **ONCE
    )
    scores = found.best.predict(with_copies()).scores
    assert (scores.rows, scores.seen, scores.new) == (900, 900, False)


def test_models_of_earlier_versions_know_their_rows_without_counts(trained, tmp_path: Path) -> None:
    out, _ = trained
    kept = SeenRows.load(out / "model")
    assert kept is not None
    hashes = kept.hashes[kept.trained > 0]
    old = {
        "hashes": safetensors.torch.load_file(out / "model" / FILE)["hashes"][kept.trained > 0],
        "chance": safetensors.torch.load_file(out / "model" / FILE)["chance"][:1],
    }
    safetensors.torch.save_file(old, tmp_path / FILE)
    read = SeenRows.load(tmp_path)
    assert read is not None
    assert read.hashes.tolist() == hashes.tolist()
    assert read.trained.tolist() == [1] * len(hashes)
    assert read.tested.tolist() == read.unused.tolist() == [0] * len(hashes)


@pytest.mark.parametrize("make", [churn_table, with_copies])
@pytest.mark.parametrize("split", ["none", "refit:auto"])
def test_rows_of_training_are_recognised_where_nothing_is_held_out(make, split: str, tmp_path: Path) -> None:
    """In the whole table, in parts of it and beside new rows."""
    table = make().drop_nulls()
    model = st.compare(st.read_table(table, target="churned", split=split), tmp_path / "run", **ONCE).best
    trained = int(model.seen.trained.sum())
    assert (trained < table.height) == (split != "none")
    scores = model.predict(table).scores
    assert (scores.seen or scores.rows, scores.new) == (trained, split != "none")
    part = model.predict(table.gather_every(3)).scores
    assert (part.seen or part.rows) > 0.2 * trained
    fresh = churn_table(300, 1).drop_nulls()
    assert model.predict(pl.concat([table, fresh])).scores.seen == trained
    assert model.predict(fresh).scores.rows == fresh.height


@pytest.mark.parametrize("cells", [2, 12, 100, 5000])
@pytest.mark.parametrize("rows", [20, 200, 1100, 5000])
def test_new_rows_are_rarely_taken_for_rows_of_training(cells: int, rows: int) -> None:
    """Rows of few different contents equal rows of training by chance."""
    draw = np.random.default_rng(cells + rows)
    taken, taken_alone, complete = 0, 0, 0
    for _ in range(40):
        old, new = draw.integers(0, cells, 1000), draw.integers(0, cells, rows)
        train, test = (np.bincount(each, minlength=cells) for each in (old[:900], old[900:]))
        times, different = np.unique(train[train > 0], return_counts=True)
        chance = (int((train[old[900:]] > 0).sum()) + 1) / 102
        origin = Origin(1000, dict(zip(times.tolist(), different.tolist(), strict=True)), chance, 102)

        _, copies = np.unique(old[:900], return_counts=True)
        lone = Origin(900, origin.copies, (int(copies[copies > 1].sum()) + 1) / 902, 452)

        def found(values, train=train, test=test):
            return np.column_stack([values, train[values], test[values], 0 * values]).astype(np.uint32)

        taken += int(parted(found(new), origin)[0].any())
        taken_alone += int(parted(found(new, test=0 * test), lone)[0].any())
        seen, equal = parted(found(old), origin)
        complete += int(seen.sum() == 900 and equal.sum() == (train[old[900:]] > 0).sum())
    assert complete == 40
    assert taken <= 1
    assert taken_alone <= 1
