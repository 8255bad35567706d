"""Text tables: what separates the columns, how they are encoded, and types that hold for all rows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from steepest.data.cells import Cells, tidied
from steepest.data.dataset import Note
from steepest.data.encoding import PACKED, NotUtf8Error
from steepest.data.judge import LEADING_ZERO, SAMPLE_ROWS, may_separate_thousands
from steepest.data.layout import SHOWN, Layout, find_layout
from steepest.data.names import names_a_code
from steepest.data.notation import PLAIN
from steepest.data.quotes import (
    BLANK_QUOTE,
    check_quotes,
    check_streamed_quotes,
    first_line_of_other_length,
    lines_of,
    stray_error,
    stray_quote,
    take_blanks_away,
)
from steepest.data.reading import Reading
from steepest.data.strays import strays
from steepest.errors import DataError
from steepest.wording import counted, first_few

PACKED_FACTOR = 8
"""How many times larger a packed text is taken to be when it is unpacked."""


def scan_text(
    path: Path,
    reading: Reading,
    *,
    names: Sequence[str] | None = None,
    limit: int,
    sure: bool = True,
    above: int = 0,
) -> Cells:
    """Read a CSV or TSV file, packed or not. Lines without any value are no rows.

    Up to ``limit`` bytes the file is read at once with types guessed from its first rows; when a later row
    disagrees, the column is read as text and its type taken from all rows. A larger file stays lazy: it is
    gone through once for the types, or, if not ``sure``, they are guessed from the first rows, and collecting
    raises Polars' error where a later row disagrees.

    Args:
        path: the file.
        reading: how texts are read.
        names: column names of a file that has none of its own.
        limit: so many bytes are read at once.
        sure: whether the types have to hold for all rows of a larger file.
        above: lines of the user's file that were left out above the first one of ``path``.

    Raises:
        NotUtf8Error: the file is text in another encoding.
        DataError: the file is not text, has no rows, duplicate names or rows of another length.
    """
    layout = find_layout(path, names)
    size = path.stat().st_size * (PACKED_FACTOR if path.suffix.lower() in PACKED else 1)
    try:
        if size > limit:
            check_streamed_quotes(_scanned(path, layout), path, layout)
            guess = None if sure else _guessed(path, layout, reading)
            if guess is not None:
                return _with_quotes(Cells(guess), path, layout)
            cell = pl.all()
            some = pl.any_horizontal(
                (cell == "") | (cell.str.strip_chars() != "")
            )  # the empty text is in quotes
            lazy = _scanned(path, layout).filter(some & ~_headers(layout))
            return _with_quotes(tidied(lazy, reading, untyped=True, separator=layout.delimiter), path, layout)
        frame = _with_points(_read(path, layout, reading), path, layout, reading)
    except (pl.exceptions.ComputeError, pl.exceptions.SchemaError) as error:
        raise _explained(error, path, layout) from error
    check_quotes(frame, path, layout)
    frame, blank = _rows(frame, path, layout)
    repeated = _headers(layout)
    headers = frame.filter(repeated).height if _all_texts(frame) else 0
    if headers:
        frame = frame.filter(~repeated)
    if frame.height == 0:
        raise DataError(
            f"{path.name} has a header ({', '.join(layout.names[:5])}) but no rows",
            hint="give a file with rows below the header.",
        )
    cells = _with_quotes(
        tidied(frame.lazy(), reading, untyped=True, separator=layout.delimiter), path, layout
    )
    cells = replace(cells, strays=_strays(cells, path, layout, above))
    note = Note("info", f"{path.name}: {counted(blank, 'line')} without any value skipped.")
    cells = replace(cells, notes=(note, *cells.notes)) if blank else cells
    note = Note("info", f"{path.name}: the header is repeated in {counted(headers, 'line')}, left out.")
    return replace(cells, notes=(note, *cells.notes)) if headers else cells


def _strays(cells: Cells, path: Path, layout: Layout, above: int) -> tuple[Note, ...]:
    """Return warnings of rows that are no data, with the numbers of their lines."""
    frame = cells.frame.collect()
    found = strays(frame)
    if not found:
        return ()
    lines = lines_of(path)["line"].str.contains(rf"[^\s{re.escape(layout.delimiter)}]").arg_true() + above + 1
    first = next(i for i in lines if i > above + layout.above)
    return tuple(
        Note(
            "warning",
            each.said(f"line {first if not each.row else lines[each.row - frame.height]} of {path.name}"),
        )
        for each in found
    )


def _with_quotes(cells: Cells, path: Path, layout: Layout) -> Cells:
    """Return cells with a warning if columns keep quotation marks, because blanks stand before them."""
    if not layout.unquoted:
        return cells
    text = (
        f"blanks stand before the quotation marks of {first_few(layout.unquoted)}, which are then part of the values: "
        f"{take_blanks_away(path, layout)}."
    )
    return replace(cells, notes=(Note("warning", text), *cells.notes))


def _headers(layout: Layout) -> pl.Expr:
    """Which rows are the header again, as where files were joined; a single column may well hold its name."""
    if len(layout.names) < 2:
        return pl.lit(False)
    return pl.all_horizontal(pl.col(name).str.strip_chars().fill_null("") == name for name in layout.names)


def _all_texts(frame: pl.DataFrame) -> bool:
    """Whether there are columns of texts alone, as a header among the rows makes them."""
    return frame.width > 1 and all(dtype == pl.String for dtype in frame.schema.values())


def _read(path: Path, layout: Layout, reading: Reading) -> pl.DataFrame:
    """Read at once, by the first way that works: each later one takes less for granted and more time.

    Types guessed and no text but the empty one missing (other marks are found afterwards, which costs a
    fifth); marks known to the parser; all columns as text.
    """
    as_text = {*reading.text, *(name for name, each in (reading.trained or {}).items() if each != PLAIN)}
    text = {name for name in layout.names if name in as_text}
    for _ in range(2):
        forced: Any = dict.fromkeys(text, pl.String) or None
        guess: dict[str, Any] = {"infer_schema_length": SAMPLE_ROWS, "schema_overrides": forced}
        frame = _first_that_works(path, layout, [guess, {**guess, "null_values": list(reading.missing)}])
        beyond = {name for name, dtype in frame.schema.items() if dtype == pl.Int128}
        beyond |= _codes(path, layout, reading, frame) - text
        if not beyond:
            return frame
        text |= beyond  # more digits than a number holds, or leading zeros, which a number loses
    return _parsed(path, layout, {"infer_schema": False})


def _codes(path: Path, layout: Layout, reading: Reading, frame: pl.DataFrame) -> set[str]:
    """Return the columns of whole numbers with leading zeros: in all rows if named as codes, else in the first ones."""
    whole = [name for name, each in frame.schema.items() if each.is_integer() and reading.may_be_a_code(name)]
    if not whole:
        return set()
    zero = pl.all().str.strip_chars().str.contains(LEADING_ZERO).any()
    first = _parsed(path, layout, {"infer_schema": False, "n_rows": SAMPLE_ROWS}).select(whole).select(zero)
    found = {each.name for each in first.iter_columns() if each.item()}
    named = [name for name in whole if name not in found and names_a_code(name)]
    if named and frame.height > SAMPLE_ROWS:
        rest = _parsed(path, layout, {"infer_schema": False}).select(named).select(zero)
        found |= {each.name for each in rest.iter_columns() if each.item()}
    return found


def _first_that_works(path: Path, layout: Layout, ways: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    for way in ways:
        try:
            return _parsed(path, layout, way)
        except pl.exceptions.ComputeError as error:
            if "could not parse" not in str(error):
                raise
    return _parsed(path, layout, {"infer_schema": False})


def _with_points(frame: pl.DataFrame, path: Path, layout: Layout, reading: Reading) -> pl.DataFrame:
    """Return the table with numbers as text again whose points may separate thousands, where something hints at it.

    That is ``--decimal comma``, a column with decimal commas, or one with both whole numbers and fractions.
    """
    if layout.delimiter == "," and reading.decimal != "comma":
        return frame
    doubtful = [
        name
        for name, dtype in frame.schema.items()
        if dtype == pl.Float64
        and frame.select(may_separate_thousands(pl.col(name).drop_nulls()).all()).item()
    ]
    if not doubtful or reading.decimal == "point":
        return frame
    commas = r"^\D*[\d.]+,\d+\D*$"
    texts = [name for name, dtype in frame.schema.items() if dtype == pl.String]
    hints = [pl.col(texts).head(SAMPLE_ROWS).str.contains(commas).any()] if texts else []
    if reading.trained is None:
        number = pl.col(doubtful)
        hints.append((number == number.round()).any() & (number != number.round()).any())
    if reading.decimal != "comma" and not any(any(frame.select(each).row(0)) for each in hints):
        return frame
    again = _parsed(path, layout, {"infer_schema": False}).select(doubtful)
    return frame.with_columns(again.iter_columns()) if again.height == frame.height else frame


def _scanned(path: Path, layout: Layout, **options: Any) -> pl.LazyFrame:
    return pl.scan_csv(
        path,
        separator=layout.delimiter,
        has_header=False,  # its names are stripped, and those without one have a number
        skip_lines=layout.above,
        schema=dict.fromkeys(layout.names, pl.String) | options.pop("types", {}),
        **options,
    )


def _guessed(path: Path, layout: Layout, reading: Reading) -> pl.LazyFrame | None:
    """Take the types from the first rows; None if these do not tell: the file has to be gone through.

    A column that has a value in each of the first rows is taken to have one in all, so that a line without any is
    found; collecting raises an error if it has not.
    """
    lazy = _scanned(path, layout)
    first = lazy.head(SAMPLE_ROWS).collect(engine="streaming")
    known = tidied(first.lazy(), reading, untyped=True, separator=layout.delimiter)
    cells = known.frame.collect()
    full = next((each.name for each in first.iter_columns() if not each.null_count()), None)
    empty = any(each.null_count() == len(each) for each in cells.iter_columns())
    if full is None or empty or known.notations or known.doubts or known.notes:
        return None
    if all(dtype == pl.String for dtype in cells.schema.values()):  # the header may be among the rows
        return None
    types = {name: dtype for name, dtype in cells.schema.items() if dtype.is_numeric()}
    truths = [name for name, dtype in cells.schema.items() if dtype == pl.Boolean]
    texts = [name for name, dtype in cells.schema.items() if dtype == pl.String]
    if any((first[name].str.strip_chars() != first[name]).any() for name in types):
        return None
    marked = any(cells[name].null_count() > first[name].null_count() for name in types)
    lazy = _scanned(path, layout, types=types, null_values=list(reading.missing) if marked else None)
    there = pl.col(full).is_not_null().replace_strict({True: True}, return_dtype=pl.Boolean)
    value = pl.col(truths).str.to_lowercase()
    value = value.replace_strict({"true": True, "false": False}, return_dtype=pl.Boolean)
    return reading.cells(lazy.filter(there), texts + truths).with_columns(value)


def _parsed(path: Path, layout: Layout, options: Mapping[str, Any]) -> pl.DataFrame:
    return pl.read_csv(
        path, separator=layout.delimiter, has_header=layout.header, new_columns=layout.names, **options
    )


def _explained(error: Exception, path: Path, layout: Layout) -> Exception:
    message = str(error)
    if "utf-8" in message.lower() or "utf8" in message.lower():
        return NotUtf8Error()
    if "more fields" in message or "n_extra" in message:
        lines = lines_of(path)
        line, count = first_line_of_other_length(lines, layout, longer=True)
        if line and re.search(BLANK_QUOTE, lines["line"][line - 1]):
            return DataError(
                f"line {line} of {path.name} has {counted(count, 'field')}, the header has {len(layout.names)}: "
                "blanks stand before quotation marks, so that these do not quote",
                hint=take_blanks_away(path, layout),
            )
        if count == len(layout.names) + 1 and lines["line"][line - 1].endswith(layout.delimiter):
            return DataError(
                f"line {line} of {path.name} ends with {SHOWN[layout.delimiter]}, and the header does not",
                hint=f"take it away at the ends: sed 's/{layout.delimiter}$//' {path.name} > "
                f"{path.stem}-clean{path.suffix}",
            )
        return DataError(
            f"line {line} of {path.name} has {counted(count, 'field')}, the header has {len(layout.names)}",
            hint=f"columns are separated by {SHOWN[layout.delimiter]}: quote fields that contain one, "
            "or fix that line.",
        )
    stray = stray_quote(lines_of(path)["line"], layout)
    if stray is not None:
        return stray_error(path, *stray)
    shown = re.sub(r"\s+", " ", message.split("\n\n")[0])
    shown = shown if len(shown) < 90 else f"{shown[:80]}…"
    return DataError(
        f"cannot read {path.name}: {shown}",
        hint="look for an unclosed quotation mark.",
    )


def _rows(frame: pl.DataFrame, path: Path, layout: Layout) -> tuple[pl.DataFrame, int]:
    """Return the rows without those that are lines without any value, and how many these are.

    Raises:
        DataError: a row is shorter than the header.
    """
    last = frame.to_series(-1)
    empty = last.is_null() | (last.str.strip_chars() == "") if last.dtype == pl.String else last.is_null()
    if not empty.any():
        return frame, 0
    lines = lines_of(path)
    if frame.width > 1 and lines.height == frame.height + layout.header:
        line, count = first_line_of_other_length(lines, layout, longer=False)
        if line:
            raise DataError(
                f"line {line} of {path.name} has {counted(count, 'field')}, the header has {len(layout.names)}",
                hint="the row is cut off or does not belong to the table: fix or delete that line.",
            )
    quotes = pl.col("line").str.count_matches('"', literal=True).cum_sum().shift(1, fill_value=0)
    starts = lines.filter(quotes % 2 == 0).slice(
        int(layout.header), frame.height
    )  # not inside a quoted field
    blank = starts["line"].str.contains(rf"^[\s{re.escape(layout.delimiter)}]*$")
    if len(blank) < frame.height or not blank.any():
        return frame, 0
    return frame.filter(~blank), int(blank.sum())
