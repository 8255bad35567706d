"""Roles: each rule has rows here; overrides go before rules."""

from __future__ import annotations

import tomllib
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from steepest.data import dates
from steepest.data.options import TableOptions, table_options
from steepest.data.roles import decide_roles
from steepest.data.table import read_table
from steepest.data.target import decide_task
from steepest.errors import DataError, OptionError, UnknownNameError
from steepest.report.progress import data_text

N = 200
LONG = "a sentence that goes on and on until nobody reads it any more, number {}"
START = datetime(2018, 1, 1, 22, 30)

ROLES: list[tuple[str, list[Any], str, str]] = [
    ("text", ["a", "b"] * 100, "categorical", ""),
    ("yes or no", [True, False] * 100, "categorical", ""),
    ("few whole", [i % 12 for i in range(N)], "categorical", ""),
    ("whole as float", [float(i % 12) for i in range(N)], "categorical", ""),
    ("many whole", [i % 60 for i in range(N)], "continuous", ""),
    ("number", [i / 7 for i in range(N)], "continuous", ""),
    ("two numbers", [0.5, 1.5] * 100, "continuous", ""),
    ("constant", [3] * N, "left out", "one value only"),
    ("constant or missing", [None, 3] * 100, "categorical", ""),
    ("all missing", [None] * N, "left out", "all values are missing"),
    ("number of a row", list(range(N)), "left out", "identifier"),
    ("name of a row", [f"id{i}" for i in range(N)], "left out", "identifier"),
    ("many words", [f"id{i % 188}" for i in range(N)], "categorical", ""),
    ("long text", [LONG.format(i % 100) for i in range(N)], "left out", "text, not used"),
    ("short text", [f"{i % 140} red shoes" for i in range(N)], "left out", "text, not used"),
    ("person", [f"{chr(97 + i % 26)}bc, mr. d{i}ef" for i in range(N)], "left out", "text, not used"),
    ("same titles", [f"{i % 90} red shoes" for i in range(N)], "categorical", ""),
    ("titles in Chinese", [f"{i}年北京市的历史" for i in range(N)], "left out", "text, not used"),
    ("mail", [f"a.b{i}@example.org" for i in range(N)], "left out", "identifier"),
    ("position", [f"({i}.5, -87.{i})" for i in range(N)], "left out", "identifier"),
    ("ticket no", [f"A/{i % 120}" for i in range(N)], "left out", "identifier"),
    ("customer_id", [f"A/{i % 60}" for i in range(N)], "categorical", ""),
    ("Clothing ID", [i * i % 97 + 700 for i in range(N)], "categorical", ""),
    ("zip", [98001.0 + i % 60 for i in range(N)], "categorical", ""),
    ("movieId", [i % 150 for i in range(N)], "left out", "identifier"),
    ("num_users", [i % 60 for i in range(N)], "continuous", ""),
    ("people", [(i * 7919) % 9973 for i in range(N)], "continuous", ""),
    ("every third row", [3 * i + (i % 5 == 0) for i in range(N)], "left out", "identifier"),
    ("timestamp", [10**9 + 60 * i for i in range(N)], "continuous", ""),
    ("long labels", [LONG.format(i % 4) for i in range(N)], "categorical", ""),
    ("lists", [[1, 2]] * N, "left out", "cannot be used"),
    ("dates", [date(2018, 1, 1) + timedelta(days=i) for i in range(N)], "date", ""),
    ("times", [START + timedelta(hours=i) for i in range(N)], "date", ""),
    ("written dates", [str(date(2018, 1, 1) + timedelta(days=i)) for i in range(N)], "date", ""),
    ("one date", [date(2018, 1, 1)] * N, "left out", "one value only"),
    ("durations", [timedelta(seconds=i % 50) for i in range(N)], "continuous", ""),
]


@pytest.mark.parametrize(("name", "values", "role", "reason"), ROLES, ids=lambda each: str(each)[:20])
def test_roles(name: str, values: list[Any], role: str, reason: str) -> None:
    frame = pl.DataFrame({name: values, "x": ["p", "q"] * 100, "y": ["a", "b"] * 100})
    columns, notes = decide_roles(frame, "y", TableOptions())
    column = columns.columns[0]
    assert column.role == role
    assert reason in column.reason
    if role == "left out":
        assert any(name in note.text and column.reason in note.text for note in notes)
    if column.role != "left out":
        assert columns.features(frame).height == N


@pytest.mark.parametrize(
    ("options", "categorical", "continuous"),
    [
        ({}, ["month"], ["price"]),
        ({"categorical": ["price"]}, ["month", "price"], []),
        ({"continuous": ["month"]}, [], ["month", "price"]),
        ({"categorical": ["id"]}, ["month", "id"], ["price"]),
        ({"drop": ["month"]}, [], ["price"]),
        ({"features": ["month"]}, ["month"], []),
        ({"features": ["month"], "continuous": ["price"]}, ["month"], ["price"]),
        ({"categorical": ["title"]}, ["month", "title"], ["price"]),
        ({"continuous": ["zip", "row"]}, ["month"], ["price", "zip", "row"]),
        ({"categorical": ["row"]}, ["month", "row"], ["price"]),
    ],
)
def test_overrides_go_first(options: dict[str, Any], categorical: list[str], continuous: list[str]) -> None:
    frame = pl.DataFrame(
        {
            "month": [i % 12 for i in range(N)],
            "price": [i / 7 for i in range(N)],
            "id": [f"k{i}" for i in range(N)],
            "zip": [98001 + i % 150 for i in range(N)],
            "row": list(range(N)),
            "title": [f"{i} red shoes" for i in range(N)],
            "y": ["a", "b"] * 100,
        }
    )
    columns, _ = decide_roles(frame, "y", table_options(**options))
    assert (columns.categorical, columns.continuous) == (categorical, continuous)


@pytest.fixture
def reviews() -> pl.DataFrame:
    """Rows like those of a shop for clothes."""
    return pl.DataFrame(
        {
            "Clothing ID": [700 + i * i % 61 for i in range(N)],
            "Age": [18 + i * 11 % 70 for i in range(N)],
            "Title": [f"{('Great', 'Poor')[i % 2]} dress no {i % 130}" for i in range(N)],
            "Review Text": [LONG.format(i) for i in range(N)],
            "Class Name": [f"class {i % 20}" for i in range(N)],
            "Recommended": ["yes", "no"] * 100,
        }
    )


def test_a_table_of_reviews(reviews: pl.DataFrame) -> None:
    table = read_table(reviews, target="Recommended")
    roles = {each.name: each.role for each in table.describe().columns}
    assert [name for name, role in roles.items() if role == "left out"] == ["Title", "Review Text"]
    assert (roles["Clothing ID"], roles["Age"], roles["Class Name"]) == (
        "categorical",
        "continuous",
        "categorical",
    )
    said = [note.text for note in table.dataset().notes]
    (text,) = (each for each in said if each.startswith("left out: Title, Review Text: text, not used"))
    assert "--text Title uses its words, --categorical Title makes a category of each text" in text
    (codes,) = (each for each in said if "whole numbers used as categories" in each)
    assert "Clothing ID (" in codes
    assert "--continuous 'Clothing ID' uses them as numbers" in codes
    new = table.pipeline.transform(
        reviews.drop("Title", "Recommended").with_columns(**{"Clothing ID": pl.lit(5)})
    )
    assert new.unforeseen.unknown == {"Clothing ID": N}


def test_the_step_that_a_note_on_texts_names_makes_a_number(reviews: pl.DataFrame) -> None:
    notes = read_table(reviews, target="Recommended").describe().notes
    (step,) = (each.step for each in notes if "text, not used" in each.text)
    table = read_table(reviews, target="Recommended", prepare=tomllib.loads(step)["step"])
    made = table.prepared()["length of Title"]
    assert made.to_list() == reviews["Title"].str.len_chars().to_list()


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("2018-01-31", "%Y-%m-%d"),
        ("2018/01/31", "%Y/%m/%d"),
        ("2018-01-31 22:05:09", "%Y-%m-%d %H:%M:%S%.f"),
        ("2018-01-31T22:05:09.25", "%Y-%m-%dT%H:%M:%S%.f"),
        ("2018-01-31T22:05:09Z", "%Y-%m-%dT%H:%M:%S%.f%#z"),
        ("01/31/2018 10:05 PM", "%m/%d/%Y %I:%M %p"),
        ("01/31/2018 10:05:09 PM", "%m/%d/%Y %I:%M:%S %p"),
        ("31/01/2018", "%d/%m/%Y"),
        ("31.01.2018 22:05", "%d.%m.%Y %H:%M"),
        ("31-Jan-2018", "%d-%b-%Y"),
        ("2018.01.31", "%Y.%m.%d"),
        ("31 Jan 2018", "%d %b %Y"),
        ("Jan 31, 2018", "%b %d, %Y"),
        ("January 31, 2018 10:05 PM", "%B %d, %Y %I:%M %p"),
        ("Wednesday, 31 January 2018", "%A, %d %B %Y"),
        ("Wed, 31 Jan 2018 22:05:09", "%A, %d %B %Y %H:%M:%S%.f"),
        ("size 10 2018", None),
        ("2018-01-31T22:05:09+02:00", "%Y-%m-%dT%H:%M:%S%.f%#z"),
        ("1/31/18", "%m/%d/%y"),
        ("31.1.18 22:05", "%d.%m.%y %H:%M"),
        ("20180131", None),
        ("192.168.0.1", None),
        ("1-2-3", None),
        ("2018-13-31", None),
        ("a word", None),
    ],
)
def test_written_dates(written: str, form: str | None) -> None:
    assert dates.date_format(pl.Series([written, None, written])) == form
    if form is not None:
        moment = dates.parsed(pl.Series([written]), form)
        assert dates.part(moment, "day").to_list() == [31]
        assert dates.part(moment, "hour")[0] in (0, 20, 22)
        assert dates.part(moment, "year").to_list() == [2018]


def test_day_and_month_are_told_apart_by_the_values() -> None:
    days = pl.Series(["01/02/2018", "13/02/2018"])
    assert dates.date_format(days) == "%d/%m/%Y"
    assert dates.date_format(pl.Series(["01/02/2018", "02/13/2018"])) == "%m/%d/%Y"


def test_only_parts_that_vary_become_features() -> None:
    frame = pl.DataFrame({"t": [START + timedelta(hours=i) for i in range(48)], "y": ["a", "b"] * 24})
    columns, _ = decide_roles(frame, "y", TableOptions())
    assert columns.columns[0].parts == ("day", "weekday", "hour")
    assert columns.categorical == ["t weekday", "t hour"]
    assert columns.features(frame).row(0, named=True) == {"t weekday": "1", "t hour": "22", "t day": 1.0}


def test_the_day_of_the_year_is_a_number_where_it_comes_again() -> None:
    for days, there in ((365, False), (366, True)):  # from the first to the last
        moments = [START, START + timedelta(days=days // 2), START + timedelta(days=days, hours=1)]
        values = [moments[i % 3] for i in range(60)]
        columns, notes = decide_roles(pl.DataFrame({"t": values, "y": ["a", "b"] * 30}), "y", TableOptions())
        assert ("day of year" in columns.columns[0].parts) == there
        assert ("t day of year" in columns.continuous) == there
        assert any("day of year" in note.text for note in notes) == there
    row = columns.features(pl.DataFrame({"t": [datetime(2020, 12, 31)]})).row(0, named=True)
    assert row["t day of year"] == 366.0


def test_a_part_does_not_replace_a_column_of_its_name() -> None:
    frame = pl.DataFrame(
        {
            "t": [START + timedelta(hours=i) for i in range(48)],
            "t hour": ["x", "y"] * 24,
            "y": ["a", "b"] * 24,
        }
    )
    columns, _ = decide_roles(frame, "y", TableOptions())
    assert columns.categorical == ["t hour", "t weekday"]
    assert columns.features(frame)["t hour"][0] == "x"


def test_odd_texts_among_numbers_and_dates_are_said() -> None:
    frame = pl.DataFrame(
        {
            "price": [*(str(i % 30) for i in range(N - 2)), "n.a.", "n.a."],
            "day": [*(f"2018-01-{i % 28 + 1:02}" for i in range(N - 1)), "soon"],
            "y": ["a", "b"] * 100,
        }
    )
    columns, notes = decide_roles(frame, "y", TableOptions())
    assert [each.role for each in columns.columns] == ["categorical", "date", "target"]
    warnings = [note.text for note in notes if note.kind == "warning"]
    assert any("price" in each and "'n.a.'" in each for each in warnings)
    _, notes = decide_roles(frame.rename({"price": "FBICode"}), "y", TableOptions())
    assert not any("FBICode" in note.text for note in notes)
    assert any("day" in each and "'soon'" in each for each in warnings)


@pytest.mark.parametrize(
    ("values", "task", "expected"),
    [
        (["a", "b"] * 50, "auto", "classification"),
        ([True, False] * 50, "auto", "classification"),
        ([1, 2, 3, 4] * 25, "auto", "classification"),
        ([1.0, 2.0, 3.0, 4.0] * 25, "auto", "classification"),
        ([1.5, 2.0] * 50, "auto", "regression"),
        (list(range(50)) * 2, "auto", "regression"),
        (list(range(50)) * 2, "classification", "classification"),
        ([1, 2, 3, 4] * 25, "regression", "regression"),
        (["1", "2", "x"] * 30, "auto", "classification"),
    ],
)
def test_tasks(values: list[Any], task: Any, expected: str) -> None:
    found, notes = decide_task(pl.Series("y", values), TableOptions(task=task))
    assert found == expected
    assert expected in notes[0].text


DAYS = [date(2018, 1, 1) + timedelta(days=i % 28) for i in range(N)]


@pytest.mark.parametrize(
    ("values", "shown", "steps"),
    [
        ([str(each) for each in DAYS], "'2018-01-01'", [{"y": "date"}, {"y": "number"}]),
        ([f"{each:%d/%m/%Y}" for each in DAYS], "'01/01/2018'", [{"y": "date"}, {"y": "number"}]),
        (DAYS, "2018-01-01", [{"y": "number"}]),
        ([datetime(2018, 1, 1, each.day % 24) for each in DAYS], "2018-01-01 01:00:00", [{"y": "number"}]),
    ],
    ids=["text", "text, day first", "dates", "times"],
)
def test_dates_as_a_target_get_a_cure_that_works(
    values: list[Any], shown: str, steps: list[dict[str, str]]
) -> None:
    frame = pl.DataFrame({"x": [i / 7 for i in range(N)], "y": values})
    for task in ("auto", "regression"):
        with pytest.raises(DataError, match=f"the target 'y' holds dates, such as {shown}") as caught:
            read_table(frame, target="y", task=task).dataset()
    hint = caught.value.hint
    listed = tomllib.loads("[[step]]" + hint.partition("[[step]]")[2])["step"]
    assert [each["types"] for each in listed] == steps
    assert [each["formats"] for each in listed if "formats" in each] == (
        [{"y": "%d/%m/%Y"}] if "01/01" in shown else []
    )
    made = read_table(frame, target="y", prepare=listed)
    assert made.dataset().task == "regression"
    assert made.prepared()["y"].max() - made.prepared()["y"].min() <= 27
    made.pipeline.transform(frame)
    made.pipeline.transform(frame.drop("y"))
    classes = read_table(frame, target="y", task="classification").dataset().classes
    assert len(classes) == frame["y"].n_unique()


@pytest.mark.parametrize("target", [["y", "z"], ("y", "z"), "y,z", "y, z", "y,other"])
def test_several_targets_are_refused_by_name(target: Any) -> None:
    frame = pl.DataFrame({"x": [i / 7 for i in range(N)], "y": ["a", "b"] * 100, "z": [1, 2] * 100})
    for look in (lambda table: table.dataset(), lambda table: table.describe()):
        with pytest.raises(
            DataError, match=r"2 targets are named, 'y', '(z|other)': a comparison has one"
        ) as caught:
            look(read_table(frame, target=target))
        assert "--target y --drop" in caught.value.hint
    assert read_table(frame, target=["y"]).dataset().target == "y"
    odd = frame.rename({"y": "y,z"})
    assert read_table(odd, target="y,z").dataset().target == "y,z"


def test_options_take_comma_lists_and_check_themselves() -> None:
    options = table_options(categorical="a, b", test="0.2", validation="val.csv", missing="-1,!?")
    assert options.categorical == ["a", "b"]
    assert (options.test, options.validation) == (0.2, "val.csv")
    assert "?" in TableOptions().markers
    assert set(TableOptions().markers) ^ set(options.markers) == {"-1", "?"}
    assert TableOptions.model_validate_json(options.model_dump_json()) == options
    with pytest.raises(OptionError, match="'maybe'"):
        table_options(task="maybe")


@pytest.mark.parametrize(
    ("end", "other", "said"),
    [
        (" kg", " kg", True),
        ("km", "km", True),
        ("GB", "MB", True),
        (" kg", " sold", False),
        ("th", "st", False),
    ],
)
def test_numbers_with_units_are_said(end: str, other: str, said: bool) -> None:
    rows: dict[str, list[Any]] = {"z": [i / 7 for i in range(N)], "y": ["a", "b"] * 100}
    rows["x"] = [f"{i / 8}{other if i % 7 == 0 else end}" for i in range(N)]
    rows["x"][3] = "broken" if other == " sold" else rows["x"][3]
    notes = read_table(rows, target="y").describe().notes
    found = [each for each in notes if "look like numbers" in each.text]
    assert bool(found) == said
    if end == other:
        table = read_table(rows, target="y", prepare=tomllib.loads(found[0].step)["step"])
        assert table.prepared()["x"].to_list() == [i / 8 for i in range(N)]
    elif said:
        assert "write them in one unit" in found[0].text


def test_indicators_are_counted_apart_from_the_columns() -> None:
    rows = {
        "a": [None if i % 5 == 0 else i / 7 for i in range(N)],
        "b": [i / 9 for i in range(N)],
        "y": ["a", "b"] * (N // 2),
    }
    assert " · 0 categorical, 2 continuous (+1 missing-value indicator) · " in data_text(
        read_table(rows, target="y").dataset()
    )


YEARS = [22, 25, 29, 36, 30, 30, 21, 16, 15, 14, 10, 14, 12, 13, 9, 7, 7, 7, 1, 2, 1, 0, 0, 1]
"""Of 322 baseball players, how many have played for 1 to 24 years."""


@pytest.mark.parametrize(
    ("name", "counts", "role"),
    [
        ("played", YEARS, "continuous"),  # rare at its end, as quantities are
        ("hour", [14] * 24, "categorical"),
        ("hour", [9] * 24, "continuous"),
        ("weekday", [30, 28, 31, 30, 29, 28, 4], "categorical"),
        ("cylinders", [11, 7, 14], "continuous"),
        ("children", [200, 3], "categorical"),
        ("YearsInRole", [100] * 20, "continuous"),  # by the name, however many rows there are
        ("year", [100] * 20, "categorical"),
    ],
)
@pytest.mark.parametrize("dtype", [pl.Int64, pl.Float64], ids=str)
def test_few_whole_numbers_are_categories_where_they_are_seen_often(
    name: str, counts: list[int], role: str, dtype: Any
) -> None:
    values = [i for i, count in enumerate(counts, 1) for _ in range(count)]
    x = np.random.default_rng(0).normal(size=len(values))
    frame = pl.DataFrame({name: values, "x": x, "y": x}).with_columns(pl.col(name).cast(dtype))
    columns, notes = decide_roles(frame, "y", TableOptions())
    assert columns.columns[0].role == role
    said = [each.text for each in notes if name in each.text]
    distinct = len(set(values))
    if role == "categorical" and distinct > 2:
        assert said == [
            f"whole numbers used as categories, having few values: {name} ({distinct} values); --continuous {name} "
            "uses them as numbers."
        ]
    elif role == "continuous" and distinct <= len(values) // 10:
        assert said == [
            f"whole numbers used as quantities: {name} ({distinct} values); "
            f"if one is a code: --categorical {name} makes categories of it."
        ]


def test_a_quantity_beyond_the_training_rows_is_no_unknown_category() -> None:
    values = [i for i, count in enumerate(YEARS, 1) for _ in range(count)]
    data = read_table({"Years": values, "Salary": [10.0 * each for each in values]}, target="Salary")
    (_, scores), found = data.pipeline.encoder.encode(pl.DataFrame({"Years": [24, 33]}))
    assert float(scores[1, 0]) > float(scores[0, 0])
    assert found.unknown == {}


def test_amounts_beyond_64_bits_that_are_left_out_are_kept_as_numbers() -> None:
    draw = np.random.default_rng(0)
    wei = [int(each) * 10**18 + 7 for each in draw.integers(100, 10**6, 200)]
    rows = pl.DataFrame({
        "gas": draw.normal(size=200), "wei": [str(each) for each in wei], "hash": [f"{each:x}" for each in wei],
        "account no": [str(each) for each in wei], "zero": [f"0{each}" for each in wei], "y": ["a", "b"] * 100,
    })  # fmt: skip
    notes = [each.text for each in read_table(rows, target="y").dataset().notes if "left out" in each.text]
    assert notes == [
        "left out: wei: an identifier, whose values hardly repeat (--continuous wei keeps it).",
        "left out: hash, account no, zero: an identifier, whose values hardly repeat (--categorical hash keeps it).",
    ]
    assert read_table(rows, target="y", continuous="wei").dataset().shape.continuous == ("gas", "wei")


def test_what_the_preparation_took_away_may_be_dropped_once_more() -> None:
    """As a catalog's own options do; a column that never was there is still unknown."""
    kept = [{"use": "select", "columns": ["x", "y"]}]
    table = {"x": [i / 7 for i in range(200)], "code": ["a", "b"] * 100, "y": ["a", "b"] * 100}
    read = read_table(table, target="y", drop=["code"], prepare=kept)
    assert read.dataset().shape.continuous == ("x",)
    assert [each.name for each in read.describe().columns] == ["x", "y"]
    with pytest.raises(UnknownNameError, match="unknown column 'cod'"):
        read_table(table, target="y", drop=["cod"], prepare=kept).dataset()
