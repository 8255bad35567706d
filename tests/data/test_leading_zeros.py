"""Whole numbers with leading zeros in a text file are codes: they keep their zeros, in training and in new rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import steepest as st
from steepest.data import read

N = 400
DRAW = np.random.default_rng(0)
OFFICES = ["00501", "501", "02134", "90210"]


def written(folder: Path, name: str, texts: list[str], target: list[Any] | None = None) -> Path:
    path = folder / "t.csv"
    rows: dict[str, Any] = {"x": DRAW.normal(size=N), name: texts}
    pl.DataFrame({**rows, "y": DRAW.normal(size=N) if target is None else target}).write_csv(path)
    return path


def opened(path: Path, large: bool, monkeypatch: pytest.MonkeyPatch, **options: Any) -> st.data.Table:
    if large:
        monkeypatch.setattr(read, "IN_MEMORY_BYTES", 1)
    return st.read_table(path, **{"target": "y", **options})


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("name", ["office", "zip"])
def test_codes_keep_their_zeros(name, large, tmp_path, monkeypatch):
    table = opened(written(tmp_path, name, OFFICES * (N // 4)), large, monkeypatch)
    column = next(each for each in table.describe().columns if each.name == name)
    assert (column.role, column.distinct) == ("categorical", 4)
    data = table.dataset()
    assert sorted(table.prepared()[name].unique()) == sorted(OFFICES)
    (note,) = [each.text for each in data.notes if "leading zeros" in each.text]
    assert note.endswith(f"{name} ('00501'); --continuous {name} makes numbers of it.")


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize(
    ("name", "texts", "options"),
    [
        ("office", OFFICES, {"continuous": ["office"]}),
        ("hour", ["00", "07", "12", "23"], {}),
        ("dep_time", ["0005", "0930", "1200", "2355"], {}),
        ("share", ["00.5", "0.25", "007.5", "1"], {}),
        ("office", ["501", "0", "2134", "90210"], {}),
    ],
)
def test_other_numbers_stay_numbers(name, texts, options, large, tmp_path, monkeypatch):
    table = opened(written(tmp_path, name, texts * (N // 4)), large, monkeypatch, **options)
    assert set(table.prepared()[name].cast(pl.Float64)) == set(map(float, texts))
    assert not [each for each in table.dataset().notes if "leading zeros" in each.text]


def test_a_code_far_down_is_found_by_its_name(tmp_path):
    path = tmp_path / "t.csv"
    zips = [str(10_000 + i % 300) for i in range(3000)] + ["00501"] * 30
    pl.DataFrame({"zip": zips, "y": DRAW.normal(size=3030)}).write_csv(path)
    assert "00501" in st.read_table(path, target="y").prepared()["zip"].to_list()


def test_targets(tmp_path):
    many = [f"{i:05}" for i in range(N)]
    path = written(tmp_path, "office", OFFICES * (N // 4), many)
    assert st.read_table(path, target="y").dataset().task == "regression"
    assert st.read_table(path, target="y", task="regression").dataset().task == "regression"
    data = st.read_table(path, target="office").dataset()
    assert (data.task, sorted(data.classes)) == ("classification", sorted(OFFICES))


def test_new_rows_are_read_alike(tmp_path):
    table = st.read_table(written(tmp_path, "office", OFFICES * (N // 4)), target="y")
    table.dataset()
    new = tmp_path / "new.csv"
    new.write_text("x,office\n0.5,00501\n0.5,501\n0.5,999\n")
    codes = table.pipeline.transform(new).inputs[0][:, 0].tolist()
    assert len(set(codes)) == 3
