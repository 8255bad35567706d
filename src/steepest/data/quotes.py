"""Quotation marks and numbers of fields in the lines of a text table, where its parser gives up or swallows rows."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from steepest.data.layout import Layout
from steepest.errors import DataError

BLANK_QUOTE = r'[,;\t|] +"'
"""Blanks between a separator and a quotation mark, which then does not quote."""


def lines_of(path: Path) -> pl.DataFrame:
    """Return the lines of a text file in the column ``line``, empty ones as empty texts."""
    return pl.read_csv(
        path,
        separator="\x01",
        quote_char=None,
        has_header=False,
        infer_schema=False,
        new_columns=["line"],
    ).fill_null("")


def check_quotes(frame: pl.DataFrame, path: Path, layout: Layout) -> None:
    """Refuse a file where a stray quotation mark made one value of several rows.

    The parser takes all up to the next mark for one value; the standard library's reads the rows apart.

    Raises:
        DataError: with the first line that has an odd number of marks.
    """
    broken = (
        pl.col(name).str.contains("\n", literal=True)
        for name, each in frame.schema.items()
        if each == pl.String
    )
    if frame.width < 2 or not frame.select(pl.any_horizontal(False, *broken).any()).item():
        return
    lines = lines_of(path)["line"]
    first = next(iter((lines.str.count_matches('"', literal=True) % 2 == 1).arg_true()), 0)
    _check_rows(
        lambda: (f"{line}\n" for line in lines),
        frame.height,
        path,
        layout,
        (int(first) + 1, lines[int(first)]),
    )


def _check_rows(
    lines: Callable[[], Iterable[str]], there: int, path: Path, layout: Layout, first: tuple[int, str]
) -> None:
    """Complain where the standard library finds more rows than the parser, or a row of several lines is malformed.

    Args:
        lines: returns those of the file, with their ends.
        there: how many rows the parser found.
        path, layout: of the file.
        first: the number and the text of the first line with an odd number of marks.
    """
    parts = csv.reader(lines(), delimiter=layout.delimiter)
    apart = sum(any(each.strip() for each in row) for row in parts) - layout.header
    if apart > there:
        raise _swallowing(path, *first, f"{apart - there} of {apart} rows")
    broken = _broken_row(lines(), layout.delimiter)
    if broken is not None:
        raise _swallowing(path, *broken, "the next row")


def _broken_row(lines: Iterable[str], delimiter: str) -> tuple[int, str] | None:
    """Return the first line of a row of several lines in which a value goes on behind its closing quotation mark.

    Example:
        >>> _broken_row(['1,"a\\n', 'b",2\\n', '3,"c,4\\n', '5,"d",6\\n'], ",")
        (3, '3,"c,4')
    """
    row: list[str] = []

    def noted() -> Iterator[str]:
        for line in lines:
            row.append(line)
            yield line

    parts = csv.reader(noted(), delimiter=delimiter, strict=True)
    while True:
        begun = parts.line_num + 1
        row.clear()
        try:
            next(parts)
        except StopIteration:
            return None
        except csv.Error:
            if len(row) > 1:
                return begun, row[0].rstrip("\n")


def check_streamed_quotes(rows: pl.LazyFrame, path: Path, layout: Layout) -> None:
    """Refuse a file that is not read at once where :func:`check_quotes` would: it is gone through without keeping it.

    Without a line that has an odd number of quotation marks nothing can be swallowed, and one pass is enough.

    Raises:
        DataError: with the first such line.
    """
    if len(layout.names) < 2:
        return
    lines = pl.scan_csv(path, separator="\x01", quote_char=None, has_header=False, schema={"line": pl.String})
    odd = pl.col("line").str.count_matches('"', literal=True) % 2 == 1
    first = lines.with_row_index("at").filter(odd).head(1).collect(engine="streaming")
    if not first.height:
        return
    try:
        there = rows.select(pl.col(layout.names[-1]).len()).collect(engine="streaming").item()
    except (pl.exceptions.ComputeError, pl.exceptions.SchemaError):
        raise stray_error(path, int(first["at"][0]) + 1, first["line"][0]) from None
    _check_rows(lambda: _each_line(lines), there, path, layout, (int(first["at"][0]) + 1, first["line"][0]))


def _each_line(lines: pl.LazyFrame) -> Iterator[str]:
    """Yield the lines of a file with their ends, some of them in memory at a time."""
    parts: Any = (
        lines.collect_batches(maintain_order=True, engine="streaming")
        if hasattr(lines, "collect_batches")
        else [lines.collect()]
    )
    for part in parts:
        for line in part["line"].fill_null(""):
            yield f"{line}\n"


def take_blanks_away(path: Path, layout: Layout) -> str:
    """Return how to write a file without blanks before quotation marks."""
    mark = layout.delimiter
    return f"take the blanks away: sed 's/{mark} *\"/{mark}\"/g' {path.name} > {path.stem}-clean{path.suffix}"


def _without_quoted(line: pl.Expr, layout: Layout) -> pl.Expr:
    """Return lines without their quoted values, as the parser sees them: those that begin with a quotation mark."""
    mark = re.escape(layout.delimiter)
    return line.str.replace_all(rf'(^|{mark})"(?:[^"]|"")*"', "$1")


def stray_quote(lines: pl.Series, layout: Layout) -> tuple[int, str] | None:
    """Return the first line with a quotation mark inside a value that has none around it, or one that is not closed."""
    rest = lines.alias("line").to_frame().select(_without_quoted(pl.col("line"), layout)).to_series()
    for stray in (rest.str.contains(r'[^"]"'), lines.str.count_matches('"', literal=True) % 2 == 1):
        at = next(iter(stray.arg_true()), None)
        if at is not None:
            return int(at) + 1, lines[int(at)]
    return None


def stray_error(path: Path, number: int, line: str) -> DataError:
    """Return the error about a line with a quotation mark that quotes nothing."""
    return DataError(
        f"line {number} of {path.name} has a quotation mark that is not the first or last of a value: {line[:60]!r}",
        hint='put the value in quotation marks and write the one inside it twice: "5"" pipe".',
    )


def _swallowing(path: Path, number: int, line: str, lost: str) -> DataError:
    """Return the error about a line with a quotation mark that takes rows into one value."""
    return DataError(
        f"line {number} of {path.name} has a quotation mark that takes {lost} into one value: {line[:60]!r}",
        hint='write a quotation mark inside a quoted value twice ("").',
    )


def first_line_of_other_length(lines: pl.DataFrame, layout: Layout, *, longer: bool) -> tuple[int, int]:
    numbered = lines.with_row_index("number", offset=1)
    quotes = pl.col("line").str.count_matches('"', literal=True)
    fields = _without_quoted(pl.col("line"), layout).str.count_matches(layout.delimiter, literal=True) + 1
    numbered = numbered.filter(quotes % 2 == 0).with_columns(fields=fields)
    wanted = (
        pl.col("fields") > len(layout.names)
        if longer
        else (pl.col("line").str.strip_chars() != "") & (pl.col("fields") < len(layout.names))
    )
    found = numbered.filter(wanted).head(1)
    return (int(found["number"][0]), int(found["fields"][0])) if found.height else (0, 0)
