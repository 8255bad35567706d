"""Numbers that stand for missing values are pointed out, with an option that makes them missing; others are not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import steepest as st
from steepest.cli import main

N = 400
DRAW = np.random.default_rng(0)
DEGREES = DRAW.normal(10.0, 8.0, N).round(1)
INCOME = DRAW.integers(0, 20_000, N)
AGE = DRAW.integers(18, 90, N)


def with_marks(values: Any, *marks: float, every: int = 40) -> list[float]:
    found = [float(each) for each in values]
    for i, mark in enumerate(marks):
        found[i::every] = [float(mark)] * len(found[i::every])
    return found


def hints(rows: dict[str, Any], **options: Any) -> list[str]:
    table = st.read_table({"x": DRAW.normal(size=N), **rows}, target="y", **options)
    return [each.text for each in table.describe().notes if "--missing=" in each.text]


MARKED = {
    "below zero and far away": (with_marks(DEGREES, -999), "-999"),
    "with a fraction": (with_marks(DEGREES, 9999.9), "9999.9"),
    "the only negative value": (with_marks(INCOME, -999), "-999"),
    "the only negative value, in whole numbers": ([int(each) for each in with_marks(INCOME, -99)], "-99"),
    "above": (with_marks(AGE, 999), "999"),
    "two": (with_marks(AGE, -99, -999), "-999,-99"),
    "codes of surveys": (with_marks(AGE, -88, -99), "-99,-88"),
    "beside missing values": ([None, *with_marks(AGE, -999)[1:]], "-999"),
    "the least number of 32 bits": (with_marks(INCOME, -(2**31)), "-2147483648"),
    "an empty cell of a map": (
        with_marks(DEGREES, float(np.float32(-3.4028235e38))),
        "-3.4028234663852886e+38",
    ),
}


@pytest.mark.parametrize("case", MARKED)
@pytest.mark.parametrize("column", ["reading", "y"])
def test_a_mark_is_named_with_its_cure(case, column):
    values, marks = MARKED[case]
    rows: dict[str, Any] = {"y": DEGREES, column: values}
    (text,) = hints(rows)
    assert text.startswith(f"{column}: ")
    assert text.endswith(f"--missing={marks}.")
    assert hints(rows, missing=marks) == []
    data = st.read_table({"x": INCOME, **rows}, target="y", missing=marks).describe()
    lost = sum(each is None or str(float(each)) in map(str, map(float, marks.split(","))) for each in values)
    assert next(each.missing for each in data.columns if each.name == column) == pytest.approx(lost / N)


UNMARKED = {
    "once": [-999.0, *INCOME[1:]],
    "among other negative values": with_marks(DRAW.integers(-1100, 1000, N), -999),
    "a price": with_marks(DRAW.gamma(2.0, 15.0, N).round(2), 99.99),
    "a limit": with_marks(DRAW.integers(0, 41_000, N), 99_999),
    "one nine": with_marks(DRAW.integers(0, 60, N) / 2, -9, 9),
    "a percentage": with_marks(DRAW.integers(20, 100, N), 99),
    "codes of surveys alone": with_marks(DRAW.normal(0, 3, N), -88),
    "few values": with_marks(DRAW.integers(1, 6, N) + 0.5, -99),
    "infinite": None,
}


@pytest.mark.parametrize("case", UNMARKED)
def test_other_numbers_are_not_suspected(case):
    values = UNMARKED[case]
    assert hints({"reading": DEGREES if values is None else values, "y": DEGREES}) == []


def test_the_option_works_as_it_is_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "t.csv"
    pl.DataFrame({"reading": with_marks(DEGREES, -999), "y": DEGREES}).write_csv(path)
    assert main(["describe", str(path), "--target", "y"]) == 0
    option = re.search(r"--missing=\S+?(?=\.\s)", capsys.readouterr().out)
    assert option is not None
    assert main(["describe", str(path), "--target", "y", option.group()]) == 0
    assert "-999" not in capsys.readouterr().out
