"""Predictions of new rows in batches: the same bits as at once, and a file that is whole or not there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from steepest.data import read
from steepest.data.table import read_table
from steepest.errors import DataError, FolderError, OptionError
from steepest.models import build_model
from steepest.prediction import model as trained
from steepest.prediction.about import About
from steepest.prediction.model import TrainedModel
from steepest.prediction.predicted import Predictions, joined

N = 1000
READERS = {".csv": pl.read_csv, ".parquet": pl.read_parquet, ".feather": pl.read_ipc, ".arrow": pl.read_ipc}


def rows() -> pl.DataFrame:
    draw = np.random.default_rng(1)
    return pl.DataFrame(
        {
            "plan": draw.choice(["basic", "plus", "pro"], N),
            "months": draw.integers(1, 72, N),
            "price": draw.normal(50, 9, N),
            "left": draw.choice(["yes", "no"], N),
        }
    )


def model(target: str = "left", prepare: Any = None) -> TrainedModel:
    table = read_table(rows(), target=target, prepare=prepare)
    data = table.dataset()
    net = build_model("embedding-mlp(hidden=[8])", data.shape, seed=2)
    about = About("embedding-mlp(hidden=[8])", data.shape, data.classes, data.target, data.target_scale, {})
    return TrainedModel(net, about, table.pipeline)


@pytest.mark.parametrize("target", ["left", "price"])
@pytest.mark.parametrize("ending", READERS)
@pytest.mark.parametrize("batch", [256, 999, 5000])
def test_written_batches_are_the_predictions(
    target: str, ending: str, batch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = model(target)
    rows().write_csv(tmp_path / "new.csv")
    whole = found.predict(tmp_path / "new.csv")
    monkeypatch.setattr(trained, "BATCH_ROWS", batch)
    monkeypatch.setattr(read, "IN_MEMORY_BYTES", 0)
    batches = list(found.predict_batches(tmp_path / "new.csv", batch_rows=batch))
    assert [each.table.height for each in batches] == [min(batch, N - at) for at in range(0, N, batch)]
    assert_frame_equal(pl.concat([each.table for each in batches]), whole.table, abs_tol=1e-6)
    written = found.write_predictions(tmp_path / "new.csv", tmp_path / f"p{ending}")
    assert written.rows == N
    assert_frame_equal(READERS[ending](tmp_path / f"p{ending}"), whole.table, abs_tol=1e-6)


def test_batches_on_the_grid_of_the_models_own_give_the_same_bits() -> None:
    found, new = model(), pl.concat([rows()] * 140)
    at_once = list(found.predict_batches(new, batch_rows=1 << 18))
    batches = list(found.predict_batches(new, batch_rows=1 << 16))
    assert (len(at_once), len(batches)) == (1, 3)
    assert joined(batches).table.equals(at_once[0].table)


def test_rows_that_are_filtered_out_have_no_prediction_in_any_batch(tmp_path: Path) -> None:
    found = model(prepare=[{"use": "filter", "where": "months > 9"}])
    new = rows().with_columns(months=pl.when(pl.int_range(pl.len()) < 250).then(3).otherwise("months"))
    whole, batches = found.predict(new), list(found.predict_batches(new, batch_rows=250))
    assert batches[0].left_out == 250
    assert batches[0].table["prediction"].is_null().all()
    together = joined(batches)
    assert together.left_out == whole.left_out == (new["months"] <= 9).sum()
    assert (together.table["prediction"].is_null() == (new["months"] <= 9)).all()
    assert together.notes == (f"filter: {whole.left_out:,} changed, filled or left out",)


def test_what_was_never_seen_is_counted_over_batches() -> None:
    new = rows().with_columns(
        plan=pl.when(pl.int_range(pl.len()) % 3 == 0).then(pl.lit("gold")).otherwise("plan")
    )
    assert joined(list(model().predict_batches(new, batch_rows=100))).unknown == {"plan": 334}


def test_a_value_of_another_type_far_down_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new = rows().with_columns(pl.col("months").cast(pl.String)).to_dict(as_series=False)
    new["months"] += ["30.5"] * 2
    path = tmp_path / "new.csv"
    pl.DataFrame({name: (values * 3)[:1200] if name != "months" else (values[:-2] + values)[:1200]
                  for name, values in new.items()}).write_csv(path)  # fmt: skip
    text = path.read_text().splitlines()
    path.write_text("\n".join([*text, *["plus,30.5,40.0,no"] * 3]) + "\n")
    at_once = model().predict(path)
    monkeypatch.setattr(read, "IN_MEMORY_BYTES", 0)
    assert_frame_equal(model().predict(path).table, at_once.table, abs_tol=1e-6)


@pytest.mark.parametrize("old", [None, b"the old predictions"])
@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_an_error_far_down_leaves_no_part_of_a_file(
    old: bytes | None, ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trained, "BATCH_ROWS", 256)
    odd = pl.when(pl.int_range(pl.len()) == 900).then(float("inf")).otherwise("price").alias("price")
    rows().with_columns(odd).write_parquet(tmp_path / "new.parquet")
    out = tmp_path / f"p{ending}"
    if old is not None:
        out.write_bytes(old)
    with pytest.raises(DataError, match="infinite"):
        model().write_predictions(tmp_path / "new.parquet", out)
    assert out.exists() == (old is not None)
    assert old is None or out.read_bytes() == old
    assert {each.name for each in tmp_path.iterdir()} <= {"new.parquet", out.name}


@pytest.mark.parametrize(
    ("out", "error", "fact"),
    [("p.xlsx", OptionError, "cannot write predictions"), ("no/p.csv", OptionError, "there is no folder")],
)
def test_files_that_cannot_be_written(out: str, error: type[Exception], fact: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=fact):
        model().write_predictions(rows(), tmp_path / out)


def test_the_rows_are_not_overwritten_by_their_predictions(tmp_path: Path) -> None:
    rows().write_csv(tmp_path / "t.csv")
    before = (tmp_path / "t.csv").read_bytes()
    with pytest.raises(FolderError, match="is the input table"):
        model().write_predictions(tmp_path / "t.csv", tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_bytes() == before


def test_one_batch_is_said_in_its_own_words() -> None:
    one = Predictions(pl.DataFrame({"prediction": [1.0]}), {}, 0)
    assert joined([one]) is one


@pytest.mark.parametrize("trained", [None, True, "text", [], {"seed": None}, {"seed": "zero"}, {"seed": [1]},
                                     {"test": [[]]}, {"test": True},
                                     {"test": {"log_loss": "low"}}, {"positive": 1}])  # fmt: skip
def test_what_a_damaged_file_says_of_the_training_is_an_error_of_ours(tmp_path: Path, trained: Any) -> None:
    folder = model().save(tmp_path / "model")
    about = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**about, "trained": trained}))
    with pytest.raises(FolderError, match=r"cannot read .*model\.json"):
        TrainedModel.load(folder)
