"""Tables that are read in pieces: the same as at once, whatever the pieces."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from steepest.data import labels, preparation, read
from steepest.data.harmony import Harmony, Raw
from steepest.data.labels import labels_of, repeating
from steepest.data.table import Table, read_table
from steepest.data.unforeseen import Unforeseen
from steepest.errors import DataError

N = 1500


def rows() -> pl.DataFrame:
    draw = np.random.default_rng(3)
    street = draw.integers(0, 60, N)
    ward: list[int | None] = [int(each) % 7 for each in street]
    kinds = draw.choice(["Theft", "theft", "ARSON", "BATTERY", "robbery"], N)
    return pl.DataFrame(
        {
            "id": [f"H{i:05}" for i in range(N)],
            "kind": kinds,
            "street": [f"{each:03}XX W ELM ST" for each in street],
            "beat": street // 4,
            "ward": [None if draw.random() < 0.2 else each for each in ward],
            "place": [None if draw.random() < 0.1 else f"p{i % 9}" for i in range(N)],
            "arrest": draw.choice(["true", "False"], N),
            "size": np.round(draw.normal(5, 2, N), 3),
            "when": [f"2019-{i % 12 + 1:02}-{i % 28 + 1:02}" for i in range(N)],
            "year": draw.integers(2015, 2024, N),
        }
    )


STEPS: list[dict[str, Any]] = [
    {"use": "filter", "where": "year <= 2020"},
    {"use": "drop", "columns": ["id"]},
    {"use": "rename", "columns": {"size": "width"}},
    {"use": "derive", "columns": {"area": "width * width"}},
    {"use": "cast", "types": {"beat": "text"}},
    {"use": "fill-constant", "column": "place", "value": "OTHER"},
    {"use": "group", "column": "kind", "upper": True, "groups": {"THEFT": ["ROBBERY", "BURGLARY"]}},
    {"use": "fill-from", "column": "ward", "keys": ["street", "beat"]},
    {"use": "fill-mode", "columns": ["place"]},
    {"use": "derive", "columns": {"side": "substr(street, 6, 2)"}},
    {"use": "filter", "where": "street <> '001XX W ELM ST'"},
]
SELECT: list[dict[str, Any]] = [{"use": "select", "columns": ["street", "beat", "ward"]}, *STEPS[7:8]]


def opened(source: Any, prepare: Any, **options: Any) -> Table:
    return read_table(source, target="kind", prepare=prepare, **options)


def everything(table: Table) -> list[Any]:
    data = table.dataset()
    prepared = table.prepared()
    return [
        data.fingerprint,
        data.notes,
        data.shape,
        data.provenance["rows"],
        prepared.schema,
        prepared.rows(),
    ]


@pytest.mark.parametrize("ending", ["csv", "parquet", "frame"])
@pytest.mark.parametrize("batch", [64, 700, 10_000])
@pytest.mark.parametrize("prepare", [None, STEPS, SELECT], ids=["plain", "steps", "select"])
def test_pieces_make_the_same_dataset(
    ending: str, batch: int, prepare: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source: Any = rows()
    if ending != "frame":
        source = tmp_path / f"crimes.{ending}"
        (rows().write_csv if ending == "csv" else rows().write_parquet)(source)
    with monkeypatch.context() as whole:
        whole.setattr(labels, "_COMPACT", False)  # texts stay texts
        whole.setattr(preparation, "BATCH_ROWS", 1 << 30)
        at_once = everything(opened(source, prepare))
    monkeypatch.setattr(read, "IN_MEMORY_BYTES", 0)
    monkeypatch.setattr(preparation, "BATCH_ROWS", batch)
    table = opened(source, prepare)
    assert everything(table) == at_once
    assert table.pipeline.to_dict()["encoder"] == opened(source, prepare).pipeline.to_dict()["encoder"]


@pytest.mark.parametrize("split", ["random", "group:street", "time:when"])
def test_texts_held_as_codes_split_as_texts_do(split: str, monkeypatch: pytest.MonkeyPatch) -> None:
    held = everything(opened(rows(), STEPS, split=split))
    monkeypatch.setattr(labels, "_COMPACT", False)
    assert everything(opened(rows(), STEPS, split=split)) == held


def test_a_large_table_holds_codes_and_shows_texts() -> None:
    table = opened(rows(), SELECT)
    assert table._made.frame.schema["street"] == pl.Categorical
    assert table.prepared().schema["street"] == pl.String
    assert table.prepared()["street"].to_list()[0].endswith("ELM ST")


def test_only_texts_that_repeat_are_held_as_codes() -> None:
    assert repeating(rows().lazy()) == ["kind", "street", "place", "arrest", "when"]


def test_files_of_their_own_go_with_codes(tmp_path: Path) -> None:
    rows().tail(300).with_columns(street=pl.lit("new")).write_csv(tmp_path / "later.csv")
    data = opened(rows().head(1200), None, test=str(tmp_path / "later.csv")).dataset()
    assert len(data.test) == 300
    assert data.test.inputs[0][:, list(data.shape.cardinalities).index("street")].unique().tolist() == [0]


@pytest.mark.parametrize(
    ("first", "last", "dtype"),
    [
        ("1", "2", "Int64"),
        ("1", "2.5", "Float64"),
        ("1", "late", "String"),
        ("1", "NA", "Int64"),
        ("1.5", "?", "Float64"),
        ("true", "False", "Boolean"),
        ("true", "maybe", "String"),
        ("", "7", "Int64"),
        ("text", "", "String"),
    ],
)
def test_types_guessed_from_the_first_rows_give_way_to_later_rows(
    first: str, last: str, dtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "late.csv"
    values = [first] * 2000 + [last]
    path.write_text("k,v,y\n" + "".join(f"{i % 11},{v},{'ab'[i % 2]}\n" for i, v in enumerate(values)))
    at_once = read_table(path, target="y")
    monkeypatch.setattr(read, "IN_MEMORY_BYTES", 0)
    streamed = read_table(path, target="y")
    assert everything(streamed) == everything(at_once)
    assert str(streamed._raw.collect_schema()["v"]) == dtype


def test_a_cut_off_row_far_down_is_an_error_of_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "odd.csv"
    path.write_text("k,y\n" + "1,a\n2,b\n" * 1500 + "1,a,surplus\n")
    monkeypatch.setattr(read, "IN_MEMORY_BYTES", 0)
    with pytest.raises(DataError, match=r"odd\.csv"):
        read_table(path, target="y").dataset()


@pytest.mark.parametrize("size", [1, 7, 500, 1500, 9999])
def test_batches_have_the_size_asked_for(size: int, tmp_path: Path) -> None:
    rows().write_parquet(tmp_path / "t.parquet", row_group_size=300)
    found = list(read.batches(pl.scan_parquet(tmp_path / "t.parquet"), size))
    assert {each.height for each in found[:-1]} <= {size}
    assert pl.concat(found).equals(rows())


@pytest.mark.parametrize(
    "values",
    [
        pl.Series("v", ["b", None, "a", "b"]),
        pl.Series("v", [3, None, 1, 3]),
        pl.Series("v", [1.0, -0.0, 0.0, None, 2.5, float("nan")]),
        pl.Series("v", [True, None, False]),
        pl.Series("v", ["x", "y", None]).cast(pl.Categorical),
        pl.Series("v", ["2020-01-31", None]).str.to_date(),
        pl.Series("v", [None, None], dtype=pl.String),
        pl.Series("v", [], dtype=pl.Int64),
    ],
    ids=lambda values: str(values.dtype),
)
def test_labels_are_those_of_every_value(values: pl.Series) -> None:
    found = labels_of(values)
    texts = [found.texts[code] if code >= 0 else None for code in found.codes.tolist()]
    assert texts == labels.as_label(values).to_list()
    known = [each for each in texts if each is not None]
    counts, missing = found.counts(np.ones(len(values), dtype=bool))
    assert counts == {each: known.count(each) for each in known}
    assert missing == len(values) - len(known)


@pytest.mark.parametrize("size", [100, 512, 4000])
@pytest.mark.parametrize(
    "change",
    [
        pl.col("year"),
        pl.col("year").cast(pl.Float64),
        pl.col("year").cast(pl.String),
        pl.when(pl.int_range(pl.len()) == 1400).then(2019.5).otherwise("year").alias("year"),
        pl.when(pl.int_range(pl.len()) == 1400).then(pl.lit("soon")).otherwise("when").alias("when"),
        pl.when(pl.int_range(pl.len()) == 1400).then(pl.lit("maybe")).otherwise("arrest").alias("arrest"),
    ],
    ids=["same", "floats", "texts", "a late half", "a late word", "a late maybe"],
)
def test_new_rows_in_pieces_are_encoded_as_at_once(size: int, change: pl.Expr) -> None:
    old = rows().with_columns(pl.col("when").str.to_date(), pl.col("arrest").str.to_lowercase() == "true")
    pipeline = opened(old, STEPS[:6] + STEPS[7:]).pipeline
    new = rows().with_columns(change)
    whole, pieces = pipeline.transform(new), list(pipeline.transform_batches(new, size))
    assert [each.rows for each in pieces] == [min(size, N - at) for at in range(0, N, size)]
    starts = range(0, N, size)
    kept = [row + at for each, at in zip(pieces, starts, strict=True) for row in each.kept.to_list()]
    assert kept == whole.kept.to_list()
    for i, inputs in enumerate(whole.inputs):
        assert torch.equal(torch.cat([each.inputs[i] for each in pieces]), inputs)
    assert sum((each.unforeseen for each in pieces), Unforeseen()) == whole.unforeseen


def test_the_row_of_a_late_error_is_said() -> None:
    pipeline = opened(rows(), None).pipeline
    odd = pl.when(pl.int_range(pl.len()) == 1400).then(float("inf")).otherwise("size").alias("size")
    with pytest.raises(DataError, match=r"row 401 \(of the rows from row 1,001 on\)"):
        list(pipeline.transform_batches(rows().with_columns(odd), 500))


def test_a_type_is_changed_only_where_all_rows_allow_it() -> None:
    harmony = Harmony.of(pl.DataFrame({"a": ["1"], "b": ["2"]}), Raw({"a": "Int64", "b": "Int64"}))
    assert list(harmony.columns) == ["a", "b"]
    assert list(harmony.kept_by(pl.DataFrame({"a": ["x"], "b": ["3"]})).columns) == ["b"]


@pytest.mark.skipif("STEEPEST_DATA" not in os.environ, reason="needs the real crimes: set STEEPEST_DATA")
def test_the_made_crimes_are_like_the_real_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_crimes = pytest.importorskip("benchmarks.make_crimes")
    real = make_crimes.real_rows()
    monkeypatch.setattr(make_crimes, "real_rows", lambda: real)
    first, again = (make_crimes.make(tmp_path / name, rows=40_000) for name in ("a.csv", "b.csv"))
    assert first.read_bytes() == again.read_bytes()
    table = pl.read_csv(first)
    assert (table.shape, table.columns) == ((40_000, 22), make_crimes.COLUMNS)
    for column, share in make_crimes.MISSING.items():
        assert abs(table[column].null_count() / table.height - share) < 5 * (share / table.height) ** 0.5
    assert [each.name for each in tmp_path.iterdir() if each.name.endswith(".tmp")] == []


def test_new_neighbours_have_names_of_their_own() -> None:
    neighbours = pytest.importorskip("benchmarks.make_crimes").neighbours
    blocks = [f"{number:03d}XX {street}" for street in ("W ELM ST", "N OAK AVE") for number in range(5)]
    names = [each for of in neighbours(blocks, 23).values() for each in of]
    assert len(set(names)) == len(names) == 23
    assert set(blocks) < set(names)
