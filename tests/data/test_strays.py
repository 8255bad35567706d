"""Rows of totals and of units are warned about, by their line, and ordinary data are left in peace."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import steepest as st
from steepest.data.read import read
from steepest.data.strays import strays
from steepest.errors import DataError

DRAW = np.random.default_rng(0)
SPEED, MASS = DRAW.integers(1, 30, 100), DRAW.integers(1, 60, 100)
KIND = [*"xyz"] * 33 + ["x"]
ROWS = [f"{a},{b},{kind},{2 * a + b}" for a, b, kind in zip(SPEED, MASS, KIND, strict=True)]
SUMS = SPEED.sum(), MASS.sum(), (2 * SPEED + MASS).sum()
MEANS = SPEED.mean(), MASS.mean(), (2 * SPEED + MASS).mean()
HEADER = "speed,mass,kind,force"

STRAY = {
    "total among numbers": ([*ROWS, f"Total,{SUMS[1]},,{SUMS[2]}"], [102]),
    "total among categories": ([*ROWS, f"{SUMS[0]},{SUMS[1]},total:,{SUMS[2]}"], [102]),
    "rounded average": ([*ROWS, f"{MEANS[0]:.1f},{MEANS[1]:.1f},average,{MEANS[2]:.1f}"], [102]),
    "sums without a word": ([*ROWS, f"{SUMS[0]},{SUMS[1]},,{SUMS[2]}"], [102]),
    "one sum without a word": ([*ROWS, f",,,{SUMS[2]}"], [102]),
    "total and average": (
        [*ROWS, f"Total,{SUMS[1]},,{SUMS[2]}", f"Average,{MEANS[1]},,{MEANS[2]}"],
        [103, 102],
    ),
    "below a blank line": ([*ROWS, "", f"Total,{SUMS[1]},,{SUMS[2]}", ""], [103]),
    "units": (["km/h,kg,,N", *ROWS], [2]),
    "units below a blank line": (["", "[km/h],[kg],text,[N]", *ROWS], [3]),
}


@pytest.mark.parametrize("name", STRAY)
def test_a_row_that_is_no_data_is_warned_about_by_its_line(name: str, tmp_path: Path) -> None:
    rows, lines = STRAY[name]
    path = tmp_path / "d.csv"
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    found = [each.text for each in read(path).strays]
    assert [each.split()[1] for each in found] == [str(line) for line in lines]
    for text, line in zip(found, lines, strict=True):
        assert text.startswith(f"line {line} of d.csv looks like a row of ")
        assert text.endswith(f": remove line {line}.")


def test_lines_left_out_above_the_header_count(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("\n".join(["sep=,", HEADER, *ROWS, f"Total,{SUMS[1]},,{SUMS[2]}"]))
    assert [each.text.split(" looks")[0] for each in read(path).strays] == ["line 103 of d.csv"]


def test_the_warning_is_in_the_description_and_of_a_test_file_in_the_data(tmp_path: Path) -> None:
    total = f"{SUMS[0]},{SUMS[1]},Total,{SUMS[2]}"
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    train.write_text("\n".join([HEADER, *ROWS]))
    test.write_text("\n".join([HEADER, *ROWS, total]))
    said = "line 102 of test.csv looks like a row of totals, not data ('Total' in kind): remove line 102."
    assert said in [each.text for each in st.read_table(test, target="force").describe().notes]
    beside = st.read_table(train, target="force", test=str(test))
    assert any(said in each.text for each in beside.dataset().notes)


@pytest.mark.parametrize(
    ("rows", "column", "cure"),
    [
        ([*ROWS, f"Total,{SUMS[1]},,{SUMS[2]}"], "speed", "remove the rows of totals"),
        (["km/h,kg,,N", *ROWS], "speed", "if that is a unit: remove the first row"),
    ],
)
def test_the_hint_removes_the_row_and_does_not_call_its_word_missing(
    rows: list[str], column: str, cure: str, tmp_path: Path
) -> None:
    path = tmp_path / "d.csv"
    path.write_text("\n".join([HEADER, *rows]))
    notes = [
        each.text for each in st.read_table(path, target="kind").describe().notes if "is text" in each.text
    ]
    assert cure in notes[0]
    assert "--missing Total" not in notes[0]
    with pytest.raises(DataError) as caught:
        st.read_table(path, target=column, task="regression").dataset()
    assert cure in str(caught.value)


def test_a_frame_has_rows_instead_of_lines() -> None:
    frame = pl.DataFrame({"day": [f"d{i}" for i in range(9)] + ["Total"], "rain": [*range(9), 36]})
    [note] = read(frame).strays
    assert (
        note.text
        == "row 10 of the table looks like a row of totals, not data ('Total' in day): remove row 10."
    )


ORDINARY = {
    "a category in many rows": pl.DataFrame(
        {"station": ["Shell", "Total"] * 50, "litres": SPEED, "price": MASS}
    ),
    "a name that is a word of totals": pl.DataFrame(
        {"firm": [f"firm {i}" for i in range(99)] + ["Total"], "staff": SPEED, "sales": MASS}
    ),
    "a quality that is average once": pl.DataFrame(
        {
            "quality": ["good", "poor"] * 49 + ["good", "average"],
            "size": [*SPEED[:-1], 1],
            "y": [*MASS[:-1], 59],
        }
    ),
    "an unknown value in the first row": pl.DataFrame(
        {"age": ["unknown", *map(str, SPEED)], "y": [3, *MASS]}
    ),
    "values that double": pl.DataFrame({"n": [2**i for i in range(20)], "m": [3 * 2**i for i in range(20)]}),
    "five rows": pl.DataFrame({"a": [1, 1, 1, 3], "b": [2, 2, 2, 6]}),
}


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_rows_are_no_strays(name: str) -> None:
    assert strays(ORDINARY[name]) == []


def test_small_whole_numbers_are_hardly_ever_sums_by_chance() -> None:
    draw = np.random.default_rng(3)
    tables = (
        draw.integers(0, most, (rows, 4)) for most in (2, 3, 5) for rows in (6, 8, 12, 30) for _ in range(50)
    )
    found = [each for each in tables if strays(pl.from_numpy(each, schema=["a", "b", "c", "d"]))]
    assert len(found) <= 1


@pytest.mark.parametrize("name", ["flights", "parabola"])
def test_the_data_of_the_package_have_no_strays(name: str) -> None:
    assert not [each for each in st.read_table(name).describe().notes if "not data" in each.text]
