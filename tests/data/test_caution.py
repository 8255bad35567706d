"""What a random split hides is said where it is so, and not where it is not; few test rows are said to be few."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

import steepest as st
from steepest.data import caution
from steepest.data.caution import FEW_TEST_ROWS
from steepest.errors import SteepestError
from steepest.sweep.observer import Observer

N = 600
DRAW = np.random.default_rng(0)
NOISE = DRAW.normal(size=N)
WALK = np.cumsum(DRAW.normal(size=N))
DAYS = [date(2015, 1, 1) + timedelta(days=i) for i in range(N)]
SHUFFLED = DRAW.permutation(N)
PERSON = np.repeat(np.arange(N // 6), 6)
EFFECT = DRAW.normal(size=N // 6)[PERSON] + 0.5 * DRAW.normal(size=N)


def shuffled(values: list[Any]) -> list[Any]:
    return [values[i] for i in SHUFFLED]


def _advises(text: str) -> bool:
    """Whether a note advises another way to split, not more test rows."""
    return "--split " in text and "another split can give" not in text


def hints(rows: dict[str, Any], **options: Any) -> list[tuple[str, str]]:
    """The kind and the option of each hint at another split, from the table that is trained on and from describe."""
    table = st.read_table(pl.DataFrame({"x": DRAW.normal(size=N), **rows}), target="y", **options)
    found = [(note.kind, note.text) for note in table.dataset().notes if _advises(note.text)]
    described = [(note.kind, note.text) for note in table.describe().notes if _advises(note.text)]
    assert described == found
    return [(kind, text.partition("--split ")[2].removesuffix(".")) for kind, text in found]


CLASSES = np.where(np.median(WALK) < WALK, "up", "down")
TIME = {
    "every day once": ({"date": DAYS, "y": WALK}, ("warning", "time:date")),
    "as text": ({"date": [str(each) for each in DAYS], "y": WALK}, ("warning", "time:date")),
    "backward": ({"date": DAYS[::-1], "y": WALK}, ("warning", "time:date")),
    "in no order": ({"date": shuffled(DAYS), "y": WALK[SHUFFLED]}, ("warning", "time:date")),
    "classes": ({"date": DAYS, "y": CLASSES}, ("warning", "time:date")),
    "classes as numbers": ({"date": DAYS, "y": (CLASSES == "up").astype(int)}, ("warning", "time:date")),
    "a target that does not care": ({"date": DAYS, "y": NOISE}, ("info", "time:date")),
    "six rows a day": ({"date": [DAYS[i // 6] for i in range(N)], "y": NOISE}, ("info", "time:date")),
    "several series": ({"date": DAYS[:100] * 6, "y": NOISE}, ("info", "time:date")),
    "moments": (
        {"Sold at": [datetime(2020, 1, 1) + timedelta(minutes=37 * i) for i in range(N)], "y": NOISE},
        ("info", "'time:Sold at'"),
    ),
    "days that are counted": ({"day": np.arange(N) // 6, "y": WALK}, ("warning", "time:day")),
    "days of one month": ({"day": np.arange(N) // 20 + 1, "y": WALK}, ("warning", "time:day")),
    "days that are counted, series by series": (
        {"day": np.tile(np.arange(0, 1000, 10), 6), "y": NOISE},
        ("info", "time:day"),
    ),
    "the latest first, with ties": ({"day": np.arange(N)[::-1] // 6, "y": WALK}, ("warning", "time:day")),
    "a duration before the date": (
        {"days_waiting": np.arange(N), "date": [DAYS[i // 6] for i in range(N)], "y": WALK},
        ("warning", "time:date"),
    ),
    "a number before the date": (
        {"day": np.arange(N), "date": [str(each) for each in DAYS], "y": WALK},
        ("warning", "time:date"),
    ),
    "the date that tells more": (
        {"updated": shuffled(DAYS), "date": DAYS, "y": WALK},
        ("warning", "time:date"),
    ),
    "few, but alike": (
        {"date": shuffled([DAYS[i // 6] for i in range(N)]), "y": WALK[SHUFFLED]},
        ("warning", "time:date"),
    ),
}


@pytest.mark.parametrize("case", TIME)
def test_rows_in_time(case):
    rows, wanted = TIME[case]
    assert hints(rows) == [wanted]


GROUPS = {
    "whole numbers": ({"patient": PERSON, "y": EFFECT}, ("warning", "group:patient")),
    "text": ({"customer_no": [f"C{i:04}" for i in PERSON], "y": EFFECT}, ("warning", "group:customer_no")),
    "in no order": ({"userId": PERSON[SHUFFLED], "y": EFFECT[SHUFFLED]}, ("warning", "group:userId")),
    "classes": (
        {"Subject": PERSON, "y": np.where(EFFECT > 0, "yes", "no")},
        ("warning", "group:Subject"),
    ),
    "truth values": ({"member id": PERSON, "y": EFFECT > 0}, ("warning", "'group:member id'")),
    "a target that does not care": ({"patient": PERSON, "y": NOISE}, ("info", "group:patient")),
    "few persons": ({"subject": np.arange(N) % 8, "y": NOISE}, ("info", "group:subject")),
}


@pytest.mark.parametrize("case", GROUPS)
def test_rows_that_belong_together(case):
    rows, wanted = GROUPS[case]
    assert hints(rows) == [wanted]


AGE = DRAW.integers(18, 80, N)
NEITHER = {
    "ages": {"age": AGE, "y": 0.1 * AGE + NOISE},
    "hours": {"hour": np.arange(N) % 24, "y": (np.arange(N) % 24) + NOISE},
    "codes of places": {"zip_code": PERSON, "y": EFFECT},
    "a kind of thing": {"device_type": PERSON % 9, "customer_type": PERSON % 7, "y": EFFECT},
    "an identifier": {"id": np.arange(N), "y": WALK},
    "two persons": {"driver": np.arange(N) % 2, "y": NOISE},
    "births": {"date_of_birth": shuffled(DAYS), "y": WALK[SHUFFLED]},
    "few days in no order": {"date": [DAYS[i % 40] for i in SHUFFLED], "y": NOISE},
    "times of day": {"time": [time(i % 24, (7 * i) % 60) for i in range(N)], "y": NOISE},
    "a duration": {"time": DRAW.gamma(2, 10, N), "y": NOISE},
    "a duration that is mostly zero": {
        "days_in_waiting_list": np.where(DRAW.random(N) < 0.06, DRAW.integers(1, 99, N), 0),
        "y": WALK,
    },
    "days that are overdue": {
        "overdue_days": np.where(np.arange(N) % 20 == 0, np.arange(N) // 20 + 1, 0),
        "y": WALK,
    },
    "a duration in order": {"years_employed": np.arange(N) // 6, "y": WALK},
    "days of the month": {"day": [each.day for each in DAYS], "y": WALK},
    "days of the year, the latest first": {"day": [int(f"{d:%j}") for d in DAYS[::-1]], "y": WALK},
    "weeks of the year": {"week": [each.isocalendar().week for each in DAYS], "y": WALK},
    "times of day as numbers": {
        "dep_time": [100 * (i % 60 // 3) + 20 * (i % 3) for i in range(N)],
        "y": NOISE,
    },
    "one value in most rows": {"day": np.maximum(np.arange(N) - 500, 0), "y": WALK},
    "alike in the order of the file only": {"date": [DAYS[i % 21] for i in SHUFFLED], "y": WALK},
    "ordered by another number": {"price": np.arange(N) // 3, "y": WALK},
}


@pytest.mark.parametrize("case", NEITHER)
def test_what_is_neither(case):
    assert hints(NEITHER[case]) == []


@pytest.mark.parametrize("case", [*TIME, *GROUPS])
def test_large_tables_are_judged_by_some_of_their_rows(case, monkeypatch):
    monkeypatch.setattr(caution, "MOST_ROWS", N // 2)
    rows, wanted = {**TIME, **GROUPS}[case]
    (found,) = hints(rows)
    assert found[1] == wanted[1]


def test_another_split_is_not_spoken_of(tmp_path):
    rows = {"date": DAYS, "patient": PERSON, "y": EFFECT}
    assert [each for _, each in hints(rows)] == ["time:date", "group:patient"]
    assert [each for _, each in hints(rows, split="random")] == ["time:date", "group:patient"]
    assert hints(rows, split="time:date") == []
    assert hints(rows, split="group:patient") == []
    own = {part: str(tmp_path / f"{part}.csv") for part in ("validation", "test")}
    for path in own.values():
        pl.DataFrame({"x": NOISE, **rows}).write_csv(path)
    assert hints(rows, **own) == []


def test_without_a_target_it_is_said_too():
    table = st.read_table({"date": DAYS, "patient": PERSON, "y": WALK})
    found = [note for note in table.describe().notes if "--split " in note.text]
    assert [note.kind for note in found] == ["info", "info"]


REAL = {
    "adult": ("adult/adult.csv.gz", "income", []),
    "bikeshare": ("bikeshare/Bikeshare.csv", "bikers", [("warning", "time:day")]),
    "crimes of 2018": (
        "chicago-crimes/crimes-2018-H1.snappy.parquet",
        "Arrest",
        [("info", "time:Date")],
    ),
    "ratings": (
        "movielens-small-2016/ratings.csv",
        "rating",
        [("warning", "group:userId"), ("warning", "group:movieId")],
    ),
}


@pytest.mark.parametrize("case", REAL)
def test_real_tables(real_data, case):
    where, target, wanted = REAL[case]
    notes = st.read_table(real_data / where, target=target).describe().notes
    found = [(note.kind, note.text.partition("--split ")[2].removesuffix(".")) for note in notes]
    assert [each for each in found if each[1]] == wanted


@pytest.mark.parametrize(("rows", "few"), [(340, True), (2990, True), (3000, False)])
@pytest.mark.parametrize("target", ["kind", "y"])
def test_few_test_rows_are_said_to_be_few(rows, few, target):
    data = {"x": np.arange(rows) % 7 * 0.5, "y": np.arange(rows) * 0.5, "kind": ["a", "b"] * (rows // 2)}
    dataset = st.read_table(data, target=target).dataset()
    found = [note for note in dataset.notes if "another split can give" in note.text]
    assert bool(found) == few == (len(dataset.test) < FEW_TEST_ROWS)
    for note in found:
        assert note.kind == "warning"
        assert f"only {len(dataset.test)} test rows" in note.text
        assert "(--test 0.3)" in note.text
        assert "test every row once (--split folds:5)" in note.text
        worth = f"{100 / len(dataset.test):.1f} points of accuracy"
        assert (worth in note.text) == (target == "kind")


def test_what_helps_against_few_test_rows_can_be_done(tmp_path):
    rows = pl.DataFrame({"x": NOISE, "date": DAYS, "y": WALK})
    own = tmp_path / "own.csv"
    rows.head(50).write_csv(own)

    def said(**options: Any) -> str:
        notes = st.read_table(rows, target="y", **options).dataset().notes
        return next(note.text for note in notes if "another split can give" in note.text)

    assert "--split folds" not in said(split="time:date")
    assert "(--split folds:5,group:date)" in said(split="group:date")
    assert len(st.read_table(rows, target="y", split="folds:5,group:date").folds()) == 5
    assert "--test 0.3" not in said(test=0.4)
    assert said(test=str(own)).endswith("quite different results. Give a --test file with more rows.")
    with pytest.raises(SteepestError):
        st.read_table(rows, target="y", split="time:nothing").dataset()


def test_it_is_printed_and_in_the_report(tmp_path):
    said: list[str] = []

    class Ears(Observer):
        def say(self, text: str) -> None:
            said.append(text)

    rows = pl.DataFrame({"x": NOISE, "date": DAYS, "y": WALK})
    options = {"target": "y", "optimizers": ["sgd(lr=0.01)"], "seeds": 1, "epochs": 1, "hidden": (4,)}
    result = st.plan(rows, **options).run(tmp_path / "x", observer=Ears())
    report = re.sub(
        r"</?\w[^>]*>", "", result.report.read_text()
    )  # options are whole on a line, in tags of their own
    for words in ("test on the latest rows: --split time:date", "only 60 test rows: another split can give"):
        (line,) = [each for each in said if words in each]
        assert line.startswith("warning: ")
        assert words in report


def copied(rows: int, again: int) -> dict[str, list[object]]:
    """Return a table of which the last rows are copies of the first ones, under other ids."""
    draw = np.random.default_rng(0)
    table = {
        "id": [*range(rows)],
        "x": draw.normal(size=rows).tolist(),
        "kind": draw.choice(["a", "b"], rows).tolist(),
        "y": draw.normal(size=rows).tolist(),
    }
    for name in ("x", "kind", "y"):
        table[name][rows - again :] = table[name][:again]
    return table


def identical(table: object, **options: object) -> list[str]:
    return [
        each.text
        for each in st.read_table(table, target="y", **options).dataset().notes
        if "identical" in each.text
    ]


def test_test_rows_that_are_training_rows_are_counted() -> None:
    rows = copied(400, 200)
    [text] = identical(rows, drop=["id"])
    made = st.read_table(rows, target="y", drop=["id"]).prepared().drop("id")
    train = set(made.filter(split="train").drop("split").rows())
    count = sum(row in train for row in made.filter(split="test").drop("split").rows())
    assert count > 10
    assert text.startswith(f"{count} of 40 test rows are identical to training rows")
    assert not identical(copied(400, 0), drop=["id"])
    assert identical(rows) == [text]  # ids are left out, and tell no copy from another row
    assert not identical(rows, drop=["id"], split="time:x")


def test_rows_of_few_values_are_equal_by_chance() -> None:
    draw = np.random.default_rng(1)
    rows = {name: draw.choice(["a", "b", "c"], 600).tolist() for name in ("one", "two", "y")}
    assert not identical(rows)


@pytest.mark.parametrize(
    ("column", "of"),
    [
        ("patient_id", lambda i: 5000 + (i // 2 if i < 60 else i)),  # 30 of 570 come again
        ("session", lambda i: f"s{i // 3}"),
        ("caseid", lambda i: i // 4),
        ("record", lambda i: f"r-{i // 2 if i < 20 else i}"),  # an identifier that is no name of one
    ],
)
def test_columns_that_nearly_identify_rows_suggest_groups(column: str, of: Callable[[int], Any]) -> None:
    rows = pl.DataFrame(
        {
            column: [of(i) for i in range(600)],
            "x": [i % 7 / 7 for i in range(600)],
            "y": ["a", "b", "b"] * 200,
        }
    )
    notes = [each.text for each in st.read_table(rows, target="y").describe().notes]
    assert any(f"--split group:{column}." in each for each in notes), notes
    assert any(
        f"--split group:{column}." in each.text for each in st.read_table(rows, target="y").dataset().notes
    )


def test_columns_whose_values_are_all_different_suggest_nothing() -> None:
    rows = pl.DataFrame(
        {"session_id": range(600), "city": [i // 3 for i in range(600)], "y": ["a", "b"] * 300}
    )
    assert not any("--split group" in each.text for each in st.read_table(rows, target="y").describe().notes)


@pytest.mark.parametrize(("rows", "said"), [(900, True), (1100, False)])
def test_few_validation_rows_are_warned_of(rows: int, said: bool) -> None:
    table = {"x": [i % 11 / 7 for i in range(rows)], "y": ["a", "b"] * (rows // 2)}
    found = [
        each for each in st.read_table(table, target="y").dataset().notes if "validation row" in each.text
    ]
    warned = [each.text for each in found if each.kind == "warning"]
    text = f"only {rows // 10} validation rows choose rates, weights and the winner, partly by chance: "
    assert warned == ([f"{text}give more (--validation 0.2)."] if said else [])
