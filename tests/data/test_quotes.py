"""Text tables whose lines are not what they seem: blanks before quotation marks, stray ones, lines above the header."""

from __future__ import annotations

from pathlib import Path

import pytest

from steepest.data import read as reader
from steepest.data.read import read
from steepest.errors import DataError

ROWS = "".join(f'{i},"x{i}",{i / 4}\n' for i in range(30))
PLAIN = ROWS.replace('"', "")


@pytest.fixture(params=["at once", "streamed"])
def streamed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether files are too large to be read at once."""
    if request.param == "streamed":
        monkeypatch.setattr(reader, "IN_MEMORY_BYTES", 100)
    return request.param == "streamed"


@pytest.mark.usefixtures("streamed")
@pytest.mark.parametrize("sure", [True, False])
@pytest.mark.parametrize(
    ("content", "fact"),
    [
        ('a, b, y\n' + '1, "x, z", "yes"\n' * 9, "line 2 of t.csv has 4 fields, the header has 3: blanks stand"),
        (f'a,b,y\n{ROWS}7,"x",1,5\n{ROWS}', "line 32 of t.csv has 4 fields, the header has 3"),
        (f'a,b,y\n{ROWS}7,5" pipe,1\n{ROWS}', "line 32 of t.csv has a quotation mark that"),
        (f'a,b,y\n{ROWS}7,"5" pipe, big",1\n{ROWS}', "line 32 of t.csv has a quotation mark that"),
        (f'a,b,y\n{ROWS}7,"x,1\n{ROWS}', "line 32 of t.csv has a quotation mark that"),
        (f'a,b,y\n{ROWS}7,"x,1\n{ROWS}7,x",1\n', "line 32 of t.csv has a quotation mark that takes"),
        (f'a,b,y\n{PLAIN}7,5" x,1\n{PLAIN}7,5" x,1\n', "line 32 of t.csv has a quotation mark that"),
        (f"Report, 2020\n\na,b,y\n{ROWS}", "t.csv does not begin with its header: the first line is 'Report'"),
        (f"Report,,\nBy,,\na,b,y\n{ROWS}", "the first one with 3 fields is a, b, y"),
        ("Report: b\nby;me\nday;b;y\n" + "1.2.20;5,5;x\n2.2.20;6,5;x\n" * 9, "first one with 3 fields is day, b, y"),
    ],
    ids=["blanks", "longer", "inside", "in quotes", "not closed", "rows", "far", "title", "half empty", "semicolon"],
)  # fmt: skip
def test_the_line_is_named(content: str, fact: str, sure: bool, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(DataError) as raised:
        read(tmp_path / "t.csv", sure=sure).frame.collect()
    assert fact in raised.value.fact
    assert raised.value.hint


@pytest.mark.usefixtures("streamed")
@pytest.mark.parametrize("header", ["a, b ,y", '"a","b","y"', '\n"a","b","y"', "a,,y"])
def test_names_are_stripped_however_large_the_file_is(header: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"{header}\n{ROWS}")
    for sure in (True, False):
        frame = read(tmp_path / "t.csv", sure=sure).frame.collect()
        assert frame.columns == ["a", "b" if "b" in header else "column_2", "y"]
        assert (frame.height, frame["y"][-1], frame.row(0)) == (30, 7.25, (0, "x0", 0.0))


@pytest.mark.usefixtures("streamed")
def test_lines_within_a_value_are_no_rows(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f'"a\nof it",b,y\n{ROWS}31,"two\nlines",2.5\n{ROWS}')
    frame = read(tmp_path / "t.csv").frame.collect()
    assert (frame.height, frame.columns[0], frame["b"][30]) == (61, "a\nof it", "two\nlines")


@pytest.mark.usefixtures("streamed")
def test_marks_behind_blanks_quote_nothing_which_is_said(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a, b, y\n" + '1, "x", "yes"\n2, "z", "no"\n' * 9)
    notes = [each.text for each in read(tmp_path / "t.csv").notes]
    assert notes[0].startswith(
        "blanks stand before the quotation marks of b, y, which are then part of the values"
    )


def test_numbers_as_fortran_writes_them(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,code,y\n" + "1.5D+00,1D2,-2.50d-01\n-1.0D-02,3D4,1.0E+00\n" * 9)
    frame = read(tmp_path / "t.csv").frame.collect()
    assert frame.row(0) == (1.5, "1D2", -0.25)
    assert frame.row(1) == (-0.01, "3D4", 1.0)


@pytest.mark.usefixtures("streamed")
def test_exponents_of_fortran_without_a_sign_need_a_decimal_point_and_a_whole_column(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b,c,y\n" + "1.25D0,1.D3,1.25D0,2D1\n-.5d-1,2.0D0,A.5D0,1D2\n" * 9)
    frame = read(tmp_path / "t.csv").frame.collect()
    assert frame.row(0) == (1.25, 1000.0, "1.25D0", "2D1")
    assert frame.row(1) == (-0.05, 2.0, "A.5D0", "1D2")


@pytest.mark.usefixtures("streamed")
def test_a_value_that_takes_the_next_row_is_no_value(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f'a,b,y\n{PLAIN}7,"x,1\n8,"y,2\n{PLAIN}')
    with pytest.raises(DataError, match=r"line 32 of t\.csv has a quotation mark that"):
        read(tmp_path / "t.csv").frame.collect()
