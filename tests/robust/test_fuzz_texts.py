"""Numbers as text, and headers in any encoding: the right values and names, or it is said; never wrong ones in silence.

``make test`` draws a few seeded cases; ``make fuzz`` draws 2,000 new ones (``--fuzz-cases 2000``).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from steepest.data.layout import is_number
from steepest.data.read import read
from steepest.data.reading import Reading
from steepest.data.table import read_table
from steepest.errors import SteepestError

ROWS = 30
THOUSANDS = {".": ("", ",", " ", "'", "\u00a0", "\u202f"), ",": ("", ".", " ", "'", "\u00a0", "’")}
UNITS = ("%", " %", "$", "€", " €", "CHF ", " kr", "R$")
MARKS = ("", "-", "n.a.", "None", "NA", "?", "#DIV/0!", " ")
ODD = ("sold", "12-13", "1,2,3", "1.2.3", "1.234", "1,234", "0,5", "0.5", "5 %", "€ 7", "$1", "(3)", "()", "%", "e5",
       "1e5", "1e999", "1,5e-3", "٣", "1 2", "−4", "--4", "+", "0x10", "1_000", "inf", "12345678901234567890", "1.",
       ".5", ",5", "1'000", "12,34,567", "00,5", "1.000.00")  # fmt: skip
GROUPS = re.compile(r"\d{1,3}[.,]\d{3}")
"""What can be a number with three decimals, or thousands."""


def cases(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    """Return the settings of hypothesis."""
    n = request.config.getoption("--fuzz-cases")
    return settings(
        max_examples=n,
        derandomize=n <= 100,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


def explained(error: SteepestError) -> None:
    assert error.fact
    assert error.hint
    assert "Traceback" not in str(error)


# --- numbers ----------------------------------------------------------------------------------------------------


@st.composite
def ways(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a way to write numbers."""
    decimal = draw(st.sampled_from(".,"))
    return {
        "decimal": decimal,
        "thousands": draw(st.sampled_from(THOUSANDS[decimal])),
        "digits": draw(st.integers(0, 4)),
        "unit": draw(st.sampled_from(("", "", *UNITS))),
        "minus": draw(st.sampled_from(("-", "-", "−", "()"))),
        "pad": draw(st.sampled_from(("", "", " ", "\u00a0"))),
    }


def written(value: float, way: dict[str, Any]) -> str:
    text = f"{abs(value):,.{way['digits']}f}".replace(",", "_").replace(".", way["decimal"])
    text = text.replace("_", way["thousands"])
    unit = way["unit"]
    text = f"{text}{unit}" if unit in ("%", " %", " €", " kr") else f"{unit}{text}"
    if value < 0:
        text = f"({text})" if way["minus"] == "()" else f"{way['minus']}{text}"
    return f"{way['pad']}{text}"


@st.composite
def columns_of_numbers(draw: st.DrawFn) -> tuple[list[float | None], list[str], bool]:
    """Draw numbers and how they are written; and whether all are written in one way."""
    scale = draw(st.sampled_from((0.01, 1.0, 50.0, 3000.0, 1e7)))
    least = draw(st.sampled_from((0.0, -1.0)))
    way = draw(ways())
    values: list[float | None] = [
        round(scale * x, way["digits"]) + 0.0
        for x in draw(st.lists(st.floats(least, 1.0), min_size=ROWS, max_size=ROWS))
    ]
    texts = [written(value or 0.0, way) for value in values]
    for at in draw(st.sets(st.integers(0, ROWS - 1), max_size=5)):
        values[at], texts[at] = None, draw(st.sampled_from(MARKS))
    odd = draw(st.dictionaries(st.integers(0, ROWS - 1), st.sampled_from(ODD), max_size=3))
    odd = {} if draw(st.integers(0, 2)) else odd
    for at, text in odd.items():
        values[at], texts[at] = float("nan"), text
    return values, texts, not odd


def as_source(frame: pl.DataFrame, kind: str, folder: Path) -> Any:
    """Return the rows as a frame, or as a text file with this separator."""
    if kind == "frame":
        return frame
    path = folder / "t.csv"
    frame.write_csv(path, separator=kind, quote_style="necessary")
    return path


def right(found: Any, value: float | None, text: str) -> bool:
    """Whether a number read is the one that was written; ``nan`` stands for a text of which nothing is known."""
    if value is None:
        return found is None
    if value != value:
        return True
    if found is None:
        return False
    alike = abs(found - value) <= 1e-9 * max(1.0, abs(value))
    factor = 1000 if GROUPS.search(text) else 1  # it can be read in two ways, and --decimal decides
    return alike or any(abs(found - v) <= 1e-9 * abs(v) for v in (value * factor, value / factor))


def test_numbers(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """A column is read as the numbers that were written, or it stays text; the same at prediction."""

    @cases(request)
    @given(columns_of_numbers(), columns_of_numbers(), st.sampled_from(("frame", ",", ";", "\t")),
           st.sampled_from(("auto", "point", "comma")))  # fmt: skip
    def one(drawn: Any, other: Any, kind: str, decimal: Any) -> None:
        values, texts, alike = drawn
        rest = {"z": other[1], "w": [i / 7 for i in range(ROWS)], "y": ["a", "b"] * (ROWS // 2)}
        source = as_source(pl.DataFrame({"x": texts, **rest}), kind, tmp_path)
        try:
            cells = read(source, Reading(decimal=decimal))
            x = cells.frame.collect()["x"]
        except SteepestError as error:
            return explained(error)
        if not x.dtype.is_numeric():
            plain = all(v is None or not GROUPS.search(t) for v, t in zip(values, texts, strict=True))
            known = [v for v in values if v is not None]
            as_python = all(v is None or is_number(t) for v, t in zip(values, texts, strict=True))
            if alike and plain and known and decimal == "auto" and not (kind == "frame" and as_python):
                assert "x" in cells.doubts, "|".join(texts)
        else:
            for found, value, text in zip(x, values, texts, strict=True):
                assert right(found, value, text), (found, value, text, texts, cells)
        try:
            pipeline = read_table(source, target="y", decimal=decimal).pipeline
            more = pipeline.transform(source)
        except SteepestError as error:
            return explained(error)
        assert not more.unforeseen.unreadable, more.unforeseen
        new = as_source(pl.DataFrame({"x": other[1], **rest}), kind, tmp_path)
        try:
            pipeline.transform(new)
        except SteepestError as error:
            explained(error)
        return None

    one()


# --- encodings --------------------------------------------------------------------------------------------------

LETTERS = {
    "western": "ÄÖÜäöüßéèêàçñøåæÉœŒ€£°²",
    "central": "ąćęłńóśźżčďěňřšťůžőű",
    "cyrillic": "абвгдежзийклмнопрстуфхцчшщъыьэюя",
    "greek": "αβγδεζηθικλμνξοπρστυφχψω",
    "japanese": "日本語のカタカナ東京都",
    "chinese": "中文年龄收入城市价格",
    "none": "abc",
}
CODECS = {
    "western": ("cp1252", "latin-1", "iso8859-15", "cp850", "mac-roman"),
    "central": ("cp1250", "iso8859-2", "cp852"),
    "cyrillic": ("cp1251", "koi8-r", "cp866", "iso8859-5"),
    "greek": ("cp1253", "iso8859-7"),
    "japanese": ("shift-jis", "euc-jp", "iso2022-jp"),
    "chinese": ("gb18030", "big5", "gbk"),
    "none": ("ascii", "cp1252", "cp037", "utf-7"),
}
WIDE = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32")


@st.composite
def encoded_tables(draw: st.DrawFn) -> tuple[list[str], str, str, bytes]:
    """Draw the names of a table, its text, an encoding, and the bytes of the file."""
    script = draw(st.sampled_from(list(LETTERS)))
    word = st.text(st.sampled_from(LETTERS[script] + "aeinot "), min_size=1, max_size=9).map(str.strip)
    names = draw(st.lists(word.filter(bool), min_size=2, max_size=4, unique=True))
    values = draw(st.lists(word, min_size=3, max_size=6))
    ends = draw(st.sampled_from(("\n", "\r\n")))
    separator = draw(st.sampled_from(",;\t"))
    lines = [separator.join(names)]
    lines += [
        separator.join([str(i), *((values * 4)[i + j] for j in range(1, len(names)))])
        for i in range(len(values))
    ]
    text = ends.join([*lines, ""])
    codec = draw(st.sampled_from((*CODECS[script], *WIDE)))
    return names, text, codec, text.encode(codec, errors="ignore")


def test_headers_in_other_encodings(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Names are those that were written where the encoding is known; where it is guessed, that is said."""
    path = tmp_path / "t.csv"

    @cases(request)
    @given(encoded_tables(), st.booleans(), st.booleans())
    def one(drawn: tuple[list[str], str, str, bytes], named: bool, torn: bool) -> None:
        names, text, codec, data = drawn
        path.write_bytes(data[:-1] if torn else data)
        lossless = data.decode(codec) == text and not torn
        try:
            cells = read(path, Reading(encoding=codec if named else "auto"))
            found = cells.frame.collect()
        except SteepestError as error:
            return explained(error)
        assert not any("\ufffd" in each or "\x00" in each for each in found.columns)
        said = any("is not UTF-8" in note.text for note in cells.notes)
        if lossless and (codec in WIDE or (named and said)):
            assert found.columns == names
        if not said and lossless and data.isascii() and codec in ("ascii", *CODECS["western"]):
            assert found.columns == names
        if found.columns != names and lossless and not data.isascii():
            assert said, (codec, names, found.columns)
        return None

    one()
