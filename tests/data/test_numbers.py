"""Numbers as people write them: read right from every kind of table, and the same again at prediction."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import strategies as st

from steepest.data import read as reader
from steepest.data.notation import STYLES, Notation
from steepest.data.options import TableOptions
from steepest.data.pipeline import TablePipeline
from steepest.data.read import read, scan
from steepest.data.reading import Reading
from steepest.data.table import read_table
from steepest.errors import DataError

ROWS = 120
VALUES = [round((i * 7919 % 100_003) / 13 - 900, 2) for i in range(ROWS)]
SMALL = [round((i * 31 % 97) / 97, 3) for i in range(ROWS)]


def english(value: float, digits: int = 2) -> str:
    return f"{value:,.{digits}f}"


def swapped(text: str, thousands: str = ".") -> str:
    return text.replace(",", "_").replace(".", ",").replace("_", thousands)


def brackets(text: str) -> str:
    return f"({text[1:]})" if text.startswith("-") else text


WAYS: dict[str, tuple[Callable[[float], str], list[float]]] = {
    "decimal comma": (lambda v: f"{v}".replace(".", ","), VALUES),
    "decimal comma below one": (lambda v: f"{v:.3f}".replace(".", ","), SMALL),
    "decimal comma and powers": (lambda v: (f"{v:.3E}" if v < 0.2 else f"{v}").replace(".", ","), SMALL),
    "thousands": (english, VALUES),
    "whole thousands": (lambda v: f"{round(v) * 1001:,}", [round(v) for v in VALUES]),
    "thousands with points": (lambda v: swapped(english(v)), VALUES),
    "thousands with blanks": (lambda v: swapped(english(v), " "), VALUES),
    "thousands with hard blanks": (lambda v: swapped(english(v), "\u00a0"), VALUES),
    "thousands with thin blanks": (lambda v: english(v).replace(",", "\u202f"), VALUES),
    "thousands with apostrophes": (lambda v: english(v).replace(",", "'"), VALUES),
    "lakhs": (lambda v: f"{v:.0f},23,45,678.5", [float(1 + i % 99) for i in range(ROWS)]),
    "percent": (lambda v: f"{v}%", VALUES),
    "percent with a blank and comma": (lambda v: f"{v} %".replace(".", ","), VALUES),
    "dollars": (lambda v: f"${english(v)}", VALUES),
    "minus before dollars": (lambda v: f"-${english(-v)}" if v < 0 else f"${english(v)}", VALUES),
    "euros": (lambda v: f"{swapped(english(v))} €", VALUES),
    "francs": (lambda v: f"CHF {english(v)}".replace(",", "’"), VALUES),
    "brackets": (lambda v: brackets(f"{v}"), VALUES),
    "brackets and dollars": (lambda v: brackets(f"{english(v)}").replace("(", "($"), VALUES),
    "long minus": (lambda v: f"{v}".replace("-", "−"), VALUES),
    "plus": (lambda v: f"{v:+}", VALUES),
    "padded": (lambda v: f"  {v} ", VALUES),
}  # fmt: skip


def expected(way: str) -> list[float]:
    values = WAYS[way][1]
    if way == "whole thousands":
        return [v * 1001 for v in values]
    return [v * 1e7 + 2345678.5 for v in values] if way == "lakhs" else [float(v) for v in values]


def texts(way: str) -> list[str]:
    write, values = WAYS[way]
    return [write(value) for value in values]


def as_csv(table: pl.DataFrame, separator: str) -> Callable[[Path], Any]:
    def make(folder: Path) -> Path:
        table.write_csv(folder / "t.csv", separator=separator)
        return folder / "t.csv"

    return make


def as_parquet(table: pl.DataFrame) -> Callable[[Path], Any]:
    def make(folder: Path) -> Path:
        table.write_parquet(folder / "t.parquet")
        return folder / "t.parquet"

    return make


def sources(table: pl.DataFrame) -> dict[str, Callable[[Path], Any]]:
    return {
        **{f"file with {separator!r}": as_csv(table, separator) for separator in ",;\t"},
        "parquet": as_parquet(table),
        "polars": lambda folder: table,
        "lazy": lambda folder: table.lazy(),
        "pandas": lambda folder: table.to_pandas(),
        "dict": lambda folder: table.to_dict(as_series=False),
    }


SOURCES = list(sources(pl.DataFrame()))
GROUPED_ONLY = ("whole thousands",)
"""What can be read in two ways where nothing else tells."""


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("way", [each for each in WAYS if each not in GROUPED_ONLY])
def test_a_column_is_read_as_the_numbers_that_it_is(way: str, source: str, tmp_path: Path) -> None:
    table = pl.DataFrame({"x": texts(way), "other": ["a", "b"] * (ROWS // 2)})
    found = read(sources(table)[source](tmp_path))
    assert found.frame.collect()["x"].to_list() == pytest.approx(expected(way))
    if way not in ("plus", "padded"):
        (note,) = [each.text for each in found.notes]
        assert note.startswith("read as numbers: x (")
    assert not found.doubts


@pytest.mark.parametrize("separator", ",;\t")
@pytest.mark.parametrize("way", [each for each in WAYS if each not in GROUPED_ONLY])
def test_a_large_file_is_read_in_the_same_way(
    way: str, separator: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "IN_MEMORY_BYTES", 0)
    path = tmp_path / "t.csv"
    pl.DataFrame({"x": texts(way), "n": list(range(ROWS))}).write_csv(path, separator=separator)
    for sure in (True, False):
        assert scan(path, sure=sure).collect()["x"].to_list() == pytest.approx(expected(way))


# --- at prediction ----------------------------------------------------------------------------------------------


def trained(way: str, **more: Any) -> tuple[pl.DataFrame, TablePipeline]:
    """Return a table of texts and what was learned of it, through its stored form."""
    table = pl.DataFrame({"x": texts(way), "u": SMALL, "y": ["yes", "no", "no"] * (ROWS // 3)} | more)
    stored = json.dumps(read_table(table, target="y", continuous=["x"]).pipeline.to_dict())
    return table, TablePipeline.from_dict(json.loads(stored))


PREDICTED = [each for each in WAYS if each not in GROUPED_ONLY]


@pytest.mark.parametrize("way", PREDICTED)
def test_new_rows_are_read_as_in_training(way: str, tmp_path: Path) -> None:
    table, pipeline = trained(way)
    wanted = pipeline.transform(table).inputs[1]
    real = table.with_columns(pl.Series("x", expected(way)))
    for part in (slice(None), slice(0, 1), slice(7, 9), slice(100, 101)):
        of_part = sources(table[part])
        if not way.startswith("percent"):  # 0.05 may be 5 %
            of_part["numbers"] = lambda folder, part=part: real[part]
            of_part["numbers in a file"] = as_csv(real[part], ",")
            of_part["numbers in pandas"] = lambda folder, part=part: real[part].to_pandas()
        for name, make in of_part.items():
            found = pipeline.transform(make(tmp_path)).inputs[1]
            assert np.allclose(found, wanted[part], atol=1e-6), (name, part)
    batches = [each.inputs[1] for each in pipeline.transform_batches(table, 50)]
    assert np.allclose(np.concatenate(batches), wanted)


@pytest.mark.parametrize("way", ["decimal comma", "euros", "percent", "brackets"])
def test_a_large_file_of_new_rows_is_read_as_in_training(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, pipeline = trained(way)
    wanted = pipeline.transform(table).inputs[1]
    monkeypatch.setattr(reader, "IN_MEMORY_BYTES", 0)
    path = as_csv(table, ";")(tmp_path)
    for sure in (True, False):
        found = [each.inputs[1] for each in pipeline.transform_batches(path, 50, sure=sure)]
        assert np.allclose(np.concatenate(found), wanted)


@pytest.mark.parametrize(
    ("way", "values", "fact"),
    [
        ("dollars", ["€5", "€6"], "column 'x' has the unit €, and had the unit $ in training"),
        ("decimal comma", ["5 %", "6 %"], "column 'x' has the unit %, and had none in training"),
        ("plus", ["5 %", "6 %"], "column 'x' has the unit %, and had none in training"),
        ("decimal comma", ["1.234", "5.678"], "'1.234' can be 1.234 or 1234"),
        ("decimal comma", ["1,5", "1.5"], "their decimal signs differ"),
        ("decimal comma", ["1,5", "soon"], "column 'x' holds 'soon', which is not a number"),
        ("plus", ["1.5", "soon"], "column 'x' is continuous but holds 'soon' in row 2"),
    ],
)
def test_new_rows_that_cannot_be_read_without_a_guess_are_refused(
    way: str, values: list[str], fact: str
) -> None:
    _, pipeline = trained(way)
    with pytest.raises(DataError) as caught:
        pipeline.transform({"x": values, "u": [0.5, 0.25]})
    assert fact in caught.value.fact
    assert not caught.value.hint.endswith("..")


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(
    "values", [[0.05, 0.5], [0.0, 5.0], [5, 8], ["0.05", "0.5"], ["0,05", "0"], ["5 %", "5"], [None, 0.05]]
)
def test_percentages_keep_their_sign(values: list[Any], source: str, tmp_path: Path) -> None:
    _, pipeline = trained("percent")
    new = sources(pl.DataFrame({"x": values, "u": [0.5, 0.25]}))[source](tmp_path)
    with pytest.raises(DataError, match=r"column 'x' holds \S+ without a %") as caught:
        pipeline.transform(new)
    assert "'5 %'" in caught.value.hint
    with pytest.raises(DataError, match="without a %"):
        list(pipeline.transform_batches(new, 1, sure=False))


@pytest.mark.parametrize("way", ["percent", "dollars"])
def test_zeros_and_missing_values_need_no_unit(way: str, tmp_path: Path) -> None:
    _, pipeline = trained(way)
    wanted = pipeline.transform({"x": ["0 %" if way == "percent" else "$0", None], "u": SMALL[:2]}).inputs[1]
    for values in ([0.0, None], [0, None], ["0.00", None], [0.0, float("nan")]):
        for make in sources(pl.DataFrame({"x": values, "u": SMALL[:2]}, strict=False)).values():
            assert np.array_equal(pipeline.transform(make(tmp_path)).inputs[1], wanted)


def test_a_test_file_keeps_the_sign_of_percentages(tmp_path: Path) -> None:
    table = pl.DataFrame({"x": texts("percent"), "y": ["a", "b"] * 60})
    as_parquet(table.with_columns(pl.Series("x", [v / 100 for v in VALUES])))(tmp_path)
    with pytest.raises(DataError, match=r"column 'x' of t\.parquet holds -9 without a %"):
        read_table(table, target="y", test=str(tmp_path / "t.parquet")).dataset()


def test_columns_that_are_not_needed_may_hold_anything() -> None:
    table, pipeline = trained("dollars", z=texts("dollars"))
    dropped = read_table(table, target="y", continuous=["x"], drop=["z"]).pipeline
    new = table.with_columns(z=pl.lit("€5"))
    assert len(dropped.transform(new).kept) == ROWS
    with pytest.raises(DataError, match="'z' has the unit"):
        pipeline.transform(new)


def test_steps_see_numbers() -> None:
    table, _ = trained("euros")
    steps = [{"use": "derive", "columns": {"twice": "x * 2"}}, {"use": "filter", "where": "x > 0"}]
    made = read_table(table, target="y", prepare=steps)
    positive = [v for v in VALUES if v > 0]
    assert made.prepared()["twice"].to_list() == pytest.approx([2 * v for v in positive])
    found = made.pipeline.transform(table.with_columns(pl.Series("x", VALUES)))
    assert len(found.kept) == len(positive)


# --- as a target ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", [each for each in WAYS if each not in GROUPED_ONLY])
def test_a_target_is_read_in_the_same_way(way: str, tmp_path: Path) -> None:
    table = pl.DataFrame({"u": SMALL, "y": texts(way)})
    for make in (as_csv(table, ","), as_csv(table, ";"), lambda _: table):
        data = read_table(make(tmp_path), target="y").dataset()
        assert data.task == "regression"
        scale = data.target_scale
        found = sorted(
            float(each) * scale.sd + scale.mean
            for part in (data.train, data.validation, data.test)
            for each in part.target
        )
        assert found == pytest.approx(sorted(expected(way)), rel=1e-5, abs=1e-2)


def test_a_file_of_its_own_for_the_test_is_read_like_the_first(tmp_path: Path) -> None:
    table = pl.DataFrame({"x": texts("euros"), "y": texts("decimal comma")})
    other = pl.DataFrame({"x": VALUES, "y": VALUES})
    for given in (table, other):
        given.write_csv(tmp_path / "test.csv", separator=";")
        data = read_table(table, target="y", test=str(tmp_path / "test.csv")).dataset()
        scale = data.target_scale
        assert (data.test.target.double() * scale.sd + scale.mean).tolist() == pytest.approx(VALUES, abs=1e-2)


def test_classes_keep_how_they_are_written() -> None:
    rates = ["5 %", "10 %", "20 %"] * 40
    data = read_table({"u": SMALL, "y": rates}, target="y").dataset()
    assert (data.task, data.classes) == ("classification", ("10 %", "20 %", "5 %"))
    grades = ["1,3", "2,0", "3,7"] * 40
    assert read_table({"u": SMALL, "y": grades}, target="y").dataset().task == "regression"
    named = read_table({"u": SMALL, "y": grades}, target="y", task="classification").dataset()
    assert named.classes == ("1,3", "2,0", "3,7")
    marked = ["1", "2", "-"] * 40
    assert read_table({"u": SMALL, "y": marked}, target="y").dataset().classes == ("-", "1", "2")


def test_categories_keep_how_they_are_written() -> None:
    table = read_table(
        {"x": ["5 %", "10 %"] * 60, "u": SMALL, "y": ["a", "b"] * 60}, target="y", categorical="x"
    )
    assert table.pipeline.encoder.vocabularies["x"].labels == ("10 %", "5 %")


# --- what can be read in two ways -------------------------------------------------------------------------------

TWO_WAYS: list[tuple[str, dict[str, list[str]], dict[str, Any], list[float] | None]] = [
    (",", {"x": ["1,234", "5"]}, {}, [1234, 5]),
    (";", {"x": ["1,234", "5"]}, {}, [1.234, 5]),
    ("\t", {"x": ["1,234", "5"]}, {}, None),
    ("\t", {"x": ["1,234", "5"]}, {"decimal": "point"}, [1234, 5]),
    ("\t", {"x": ["1,234", "5"]}, {"decimal": "comma"}, [1.234, 5]),
    ("\t", {"x": ["1,234", "5"], "z": ["0,5", "7"]}, {}, [1.234, 5]),
    ("\t", {"x": ["1,234", "5"], "z": ["0.5", "7"]}, {}, [1234, 5]),
    (";", {"x": ["1,234", "5"], "z": ["0.5", "7"]}, {}, [1234, 5]),
    (",", {"x": ["1,234", "5"], "z": ["0,5", "7"]}, {}, [1.234, 5]),
    ("\t", {"x": ["1,234", "5"], "z": ["0,5", "7"], "w": ["0.5", "7"]}, {}, None),
    ("\t", {"x": ["1,234", "0,5"]}, {}, [1.234, 0.5]),
    ("\t", {"x": ["1,234", "1,234,567"]}, {}, [1234, 1234567]),
    ("\t", {"x": ["0,123", "0,456"]}, {}, [0.123, 0.456]),
    ("\t", {"x": ["1.234", "5"]}, {}, [1.234, 5]),
    (";", {"x": ["1.234", "5"], "z": ["0,5", "7"]}, {}, [1234, 5]),
    ("\t", {"x": ["1.234", "5"], "z": ["0,5 €", "7 €"]}, {}, [1234, 5]),
    (";", {"x": ["1.234", "0.5"], "z": ["0,5", "7"]}, {}, [1.234, 0.5]),
    ("\t", {"x": ["1.234", "2.345.678"]}, {}, [1234, 2345678]),
]


@pytest.mark.parametrize("limit", [1 << 30, 0], ids=["at once", "streamed"])
@pytest.mark.parametrize(("separator", "columns", "options", "wanted"), TWO_WAYS)
def test_what_can_be_read_in_two_ways_is_decided_by_a_rule(
    separator: str, columns: dict[str, list[str]], options: dict[str, Any], wanted: list[float] | None,
    limit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(reader, "IN_MEMORY_BYTES", limit)
    path = tmp_path / "t.csv"
    table = pl.DataFrame({"k": ["a", "b"], **columns})
    pl.concat([table] * 30).write_csv(path, separator=separator)
    for sure in (True, False):
        found = read(path, Reading(**options), sure=sure)
        values = found.frame.collect()["x"].head(2).to_list()
        if wanted is None:
            assert values == columns["x"]
            assert "can be 1.234 or 1234" in found.doubts["x"].why
        else:
            assert values == wanted


def with_points(values: list[int]) -> list[str]:
    return [f"{each:,}".replace(",", ".") for each in values]


POPULATIONS = [999, 1234, 12_500, 950, 0, 17_000, 1_000, 29_999]
LARGE = [1_250 * (i % 100 + 1) if i % 7 else 131 * (i % 7 + 1) for i in range(1500)]


@pytest.mark.parametrize("limit", [1 << 30, 0], ids=["at once", "streamed"])
@pytest.mark.parametrize("values", [POPULATIONS, LARGE], ids=["few", "many"])
def test_whole_numbers_with_points_are_read_as_such_where_the_file_has_semicolons(
    values: list[int], limit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "IN_MEMORY_BYTES", limit)
    columns = {"n": with_points(values), "all": [f"{i % 9 + 1}.500" for i in range(len(values))]}
    found = read(as_csv(pl.DataFrame(columns), ";")(tmp_path))
    assert found.frame.collect()["n"].to_list() == values
    assert found.frame.collect()["all"].head(2).to_list() == [1500, 2500]
    (note,) = [each.text for each in found.notes]
    assert "is 1234" in note or "is 1250" in note or "is 2500" in note
    assert "by the semicolons between the columns" in note
    point = read(tmp_path / "t.csv", Reading(decimal="point"))
    assert point.frame.collect()["n"].to_list() == [float(each) for each in columns["n"]]
    assert not point.notes


@pytest.mark.parametrize(
    ("others", "thousands"),
    [(["0,5", "12,3"], True), (["0.5", "12.3"], False), (["12.5", "3.25"], False), (["1234.5", "7"], False)],
)
@pytest.mark.parametrize("separator", ["\t", ";"])
def test_other_columns_tell_what_points_mean(
    others: list[str], thousands: bool, separator: str, tmp_path: Path
) -> None:
    texts = with_points(POPULATIONS)
    found = read(as_csv(pl.DataFrame({"n": texts, "o": others * 4}), separator)(tmp_path))
    wanted = POPULATIONS if thousands else [float(each) for each in texts]
    assert found.frame.collect()["n"].to_list() == wanted
    assert not [each for each in found.notes if each.kind == "warning"]


@pytest.mark.parametrize("source", ["file with '\\t'", "file with ';'", "file with ','", "polars", "pandas"])
def test_points_that_look_like_thousands_are_named(source: str, tmp_path: Path) -> None:
    table = pl.DataFrame({"n": with_points(POPULATIONS), "o": ["a", "b"] * 4})
    semicolons, commas = source == "file with ';'", source == "file with ','"
    found = read(sources(table)[source](tmp_path))
    warnings = [each.text for each in found.notes if each.kind == "warning"]
    if semicolons or commas:
        assert not warnings
    else:
        assert len(warnings) == 1
        assert "'1.234' is read as 1.234" in warnings[0]
        assert "(1234): --decimal comma" in warnings[0]
    for decimal, wanted in (("comma", POPULATIONS), ("point", [float(each) for each in table["n"]])):
        again = read(sources(table)[source](tmp_path), Reading(decimal=decimal))
        assert again.frame.collect()["n"].to_list() == wanted
        assert not [each for each in again.notes if each.kind == "warning"]


@pytest.mark.parametrize("values", [["1.234", "2.500"], ["0.123", "950"], ["1.234", "1950"], ["1.5", "950"]])
def test_points_that_may_well_be_decimal_ones_are(values: list[str], tmp_path: Path) -> None:
    for separator in ";\t":
        found = read(as_csv(pl.DataFrame({"n": values, "o": ["a", "b"]}), separator)(tmp_path))
        assert found.frame.collect()["n"].to_list() == [float(each) for each in values]
        assert not found.notes


DOUBTS: dict[str, tuple[list[str], str, dict[str, Any] | None]] = {
    "two ways": (["1,234", "5,678", "17"], "say which with --decimal", {"decimal": "comma"}),
    "two units": (["$5", "7 €", "9"], "--categorical x", {"categorical": ["x"]}),
    "percent or not": (["5%", "0.07", "9%"], "--categorical x", {"categorical": ["x"]}),
    "two signs": (["1,5", "1.5", "7"], "--categorical x", {"categorical": ["x"]}),
    "all in brackets": (["(1)", "(2)", "(3)"], "--categorical x", {"categorical": ["x"]}),
    "some words": ([*(f"{i}.5" for i in range(20)), *["closed"] * 9], "--missing closed", {"missing": "closed"}),
    "two words": ([*map(str, range(40)), "gone", "it's off"], "--missing", {"missing": "gone,it's off"}),
    "words with commas": ([*map(str, range(40)), "a, b"], '["a, b"] in the [table]', {"missing": ["a, b"]}),
    "many words": (
        [*map(str, range(40)), *(f"word {i}" for i in range(9))],
        'a cast step in a --prepare file',
        {"prepare": [{"use": "cast", "types": {"x": "number"}}]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("doubt", DOUBTS)
def test_following_the_note_settles_it(doubt: str) -> None:
    values, cure, options = DOUBTS[doubt]
    table = {"x": (values * 99)[:252], "u": list(range(252)), "y": ["a", "a", "b", "b"] * 63}
    warnings = [
        each.text for each in read_table(table, target="y").describe().notes if each.kind == "warning"
    ]
    assert len(warnings) == 1
    assert warnings[0].startswith("x ")
    assert cure in warnings[0]
    after = read_table(table, target="y", **(options or {})).describe()
    assert not [each for each in after.notes if each.kind == "warning"]
    assert after.columns[0].role in ("categorical", "continuous")


@pytest.mark.parametrize(
    ("values", "fact", "options"),
    [
        (["1,234", "5,678", *(f"{i}" for i in range(40))], "can be 1.234 or 1234", {"decimal": "point"}),
        ([f"{i}%" for i in range(1, 40)] + ["0.5"], "some have a % and others none", {"task": "classification"}),
        ([f"{i}.5" for i in range(40)] + ["closed"], "'closed' in row 41", {"missing": ["closed"]}),
        ([f"{i}.5" for i in range(40)] + ["closed"], "'closed' in row 41", {"task": "classification"}),
        ([f"${i}" for i in range(40)] + ["5 €"], "their units differ ($, €)", {"task": "classification"}),
    ],
)  # fmt: skip
def test_following_the_hint_settles_a_target(values: list[str], fact: str, options: dict[str, Any]) -> None:
    table = {"y": (values * 9)[:252], "u": list(range(252)), "v": SMALL * 2 + SMALL[:12]}
    with pytest.raises(DataError) as caught:
        read_table(table, target="y").dataset()
    assert fact in caught.value.fact
    assert all(f"--{name}" in caught.value.hint for name in options)
    read_table(table, target="y", **options).dataset()


def test_hints_for_a_target_of_names_do_not_lead_in_a_circle() -> None:
    table = {"y": [f"name {i}" for i in range(60)], "u": SMALL[:60]}
    for options in ({}, {"task": "classification"}, {"task": "regression"}):
        with pytest.raises(DataError) as caught:
            read_table(table, target="y", **options).dataset()
        assert "--task" not in caught.value.hint
        assert "another target" in caught.value.hint


# --- missing values among numbers -------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1 << 30, 0], ids=["at once", "streamed"])
@pytest.mark.parametrize("mark", ["-", ".", "None", "n.a.", "--", "#DIV/0!", "unknown"])
@pytest.mark.parametrize("late", [False, True])
def test_a_mark_among_numbers_means_missing(
    mark: str, late: bool, limit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "IN_MEMORY_BYTES", limit)
    head = ["1.5", "2.5", "3.5"] * 500 if late else []
    column = pl.Series([*head, *["0.5", mark, "7"] * 500])
    table = pl.DataFrame({"x": column, "t": column.replace({"7": "seven"}), "n": list(range(len(column)))})
    path = tmp_path / "t.csv"
    table.write_csv(path)
    wanted = column.replace({mark: None}).cast(pl.Float64).to_list()
    for source in (path, table, table.to_pandas()):
        found = read(source)
        frame = found.frame.collect()
        assert frame["x"].to_list() == wanted
        assert frame["t"].to_list() == table["t"].to_list()
        assert [each.text for each in found.notes] == [
            f"read as missing: {mark!r} in x (500 values); --missing '!{mark}' keeps it."
        ]
    kept = read(path, Reading(marks=TableOptions(missing=[f"!{mark}"]).number_marks)).frame.collect()
    assert kept["x"].to_list() == column.to_list()


def test_new_rows_may_mark_missing_values_even_if_training_had_none(tmp_path: Path) -> None:
    table = pl.DataFrame({"x": VALUES, "c": ["-", "a", "b"] * 40, "y": ["p", "q"] * 60})
    pipeline = read_table(table, target="y").pipeline
    new = pl.DataFrame({"x": ["1.5", "-", "None"], "c": ["-", "a", "b"]})
    for make in sources(new).values():
        found = pipeline.transform(make(tmp_path))
        assert found.unforeseen.missing == {"x": 2}
        assert not found.unforeseen.unknown
    only = pipeline.transform({"x": ["-"], "c": ["-"]})
    assert only.unforeseen.missing == {"x": 1}


@hypothesis.given(
    st.text("0123456789.,'’ +-−()eE%$€٣２\u00a0", max_size=9),
    st.sampled_from(STYLES),
    st.sampled_from(["", "%", "€"]),
)
def test_what_fits_a_notation_is_a_number(text: str, style: tuple[Any, str], unit: str) -> None:
    notation, texts = Notation(*style, unit), pl.Series([text])
    fits = texts.to_frame("t").select(notation.fits(pl.col("t"))).item()
    assert (notation.numbers(texts).cast(pl.Float64)[0] is not None) == fits


# --- codes ------------------------------------------------------------------------------------------------------

CODES = [12345678901234567890 + i for i in range(40)]


@pytest.mark.parametrize("limit", [1 << 30, 0], ids=["at once", "streamed"])
@pytest.mark.parametrize("digits", [20, 25, 45])
def test_codes_beyond_64_bits_stay_apart(
    digits: int, limit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = [str(each) + "0" * (digits - 20) for each in CODES]
    path = tmp_path / "t.csv"
    pl.DataFrame({"code": codes * 5, "y": ["a", "b"] * 100}).write_csv(path)
    monkeypatch.setattr(reader, "IN_MEMORY_BYTES", limit)
    assert scan(path).collect()["code"].to_list() == codes * 5
    table = read_table(path, target="y")
    assert table.pipeline.encoder.cardinalities["code"] == 41
    assert not table.pipeline.transform(path).unforeseen.lines


def test_codes_in_frames_stay_apart_and_are_recognised() -> None:
    rows = {"code": CODES * 5, "y": ["a", "b"] * 100}
    frames = {
        "python": rows,
        "uint64": pl.DataFrame(rows, schema_overrides={"code": pl.UInt64}),
        "int128": pl.DataFrame(rows, schema_overrides={"code": pl.Int128}),
        "pandas": pd.DataFrame(rows),
        "text": {**rows, "code": [str(each) for each in CODES] * 5},
        "decimal": pl.DataFrame(rows, schema_overrides={"code": pl.Int128}).cast({"code": pl.Decimal(38, 0)}),
    }
    for trained_on, table in frames.items():
        pipeline = read_table(table, target="y", categorical=["code"]).pipeline
        assert pipeline.encoder.cardinalities["code"] == 41, trained_on
        for name, new in frames.items():
            assert not pipeline.transform(new).unforeseen.lines, (trained_on, name)
    long = {"code": [each * 10**20 for each in CODES] * 5, "y": ["a", "b"] * 100}
    assert read_table(pd.DataFrame(long), target="y").pipeline.encoder.cardinalities["code"] == 41


def test_a_few_huge_numbers_among_others_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("x,k\n" + "1,a\n2,b\n" * 50 + "99999999999999999999,a\n")
    assert scan(path).collect()["x"].to_list()[-1] == pytest.approx(1e20)
    small = pl.DataFrame({"x": [1, 2]}, schema={"x": pl.Int128})
    assert scan(small).collect().schema == {"x": pl.Int64}


@pytest.mark.parametrize("odd", ["--4", "+-4", "-$-4", "٣", "４"])
def test_what_only_resembles_a_number_is_none(odd: str) -> None:
    texts = [*(f"${i}.5" if "$" in odd else f"{i},5" for i in range(ROWS)), odd]
    found = read({"x": texts})
    assert found.frame.collect()["x"].to_list() == texts
