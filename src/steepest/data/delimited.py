"""Text tables: what separates the columns, how they are encoded, and types that hold for all rows."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from steepest.data.cells import Cells, tidied
from steepest.data.dataset import Note
from steepest.data.encoding import PACKED, NotUtf8Error, check_head, read_bytes
from steepest.data.judge import LEADING_ZERO, SAMPLE_ROWS, may_separate_thousands
from steepest.data.names import called, names_a_code
from steepest.data.notation import PLAIN
from steepest.data.reading import Reading
from steepest.errors import DataError
from steepest.wording import counted

DELIMITERS = ",;\t|"
SHOWN = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}
PACKED_FACTOR = 8
"""How many times larger a packed text is taken to be when it is unpacked."""

_HEAD_BYTES = 1 << 16


@dataclass(frozen=True)
class Layout:
    """How a text table is laid out.

    Attributes:
        delimiter: what separates the columns.
        names: the column names, stripped.
        header: whether the first line holds the names.
    """

    delimiter: str
    names: list[str]
    header: bool = True


def scan_text(
    path: Path, reading: Reading, *, names: Sequence[str] | None = None, limit: int, sure: bool = True
) -> Cells:
    """Read a CSV or TSV file, packed or not. Lines without any value are no rows.

    Up to ``limit`` bytes the file is read at once with types guessed from its first rows; when a later row
    disagrees, the column is read as text and its type taken from all rows. A larger file stays lazy: it is
    gone through once for the types, or, if not ``sure``, they are guessed from the first rows, and collecting
    raises Polars' error where a later row disagrees.

    Raises:
        NotUtf8Error: the file is text in another encoding.
        DataError: the file is not text, has no rows, duplicate names or rows of another length.
    """
    layout = find_layout(path, names)
    size = path.stat().st_size * (PACKED_FACTOR if path.suffix.lower() in PACKED else 1)
    try:
        if size > limit:
            guess = None if sure else _guessed(path, layout, reading)
            if guess is not None:
                return Cells(guess)
            cell = pl.all()
            some = pl.any_horizontal(
                (cell == "") | (cell.str.strip_chars() != "")
            )  # the empty text is in quotes
            lazy = _scanned(path, layout).filter(some & ~_headers(layout))
            return tidied(lazy, reading, untyped=True, separator=layout.delimiter)
        frame = _with_points(_read(path, layout, reading), path, layout, reading)
    except pl.exceptions.ComputeError as error:
        raise _explained(error, path, layout) from error
    _check_quotes(frame, path, layout)
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
    cells = tidied(frame.lazy(), reading, untyped=True, separator=layout.delimiter)
    note = Note("info", f"{path.name}: {counted(blank, 'line')} without any value skipped.")
    cells = replace(cells, notes=(note, *cells.notes)) if blank else cells
    note = Note("info", f"{path.name}: the header is repeated in {counted(headers, 'line')}, left out.")
    return replace(cells, notes=(note, *cells.notes)) if headers else cells


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
        has_header=layout.header,
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


def find_layout(path: Path, names: Sequence[str] | None = None) -> Layout:
    """Look at the beginning of a text file.

    Raises:
        NotUtf8Error: the file is text in another encoding.
        DataError: the file is not text, or its header cannot serve.
    """
    head = read_bytes(path, _HEAD_BYTES)
    check_head(head, path, whole=len(head) < _HEAD_BYTES)
    text = head.decode("utf-8-sig", errors="replace")
    lines = text.splitlines()
    if len(head) == _HEAD_BYTES and len(lines) > 1:
        lines = lines[:-1]
    numbers = [i for i, each in enumerate(lines, 1) if each.strip()]
    lines = [each for each in lines if each.strip()]
    if not lines:
        raise DataError(f"{path.name} is empty", hint="give a file with a header line and rows.")
    _check_table(lines, path)
    delimiter = _delimiter(lines[:100])
    rows = list(csv.reader(io.StringIO("\n".join(lines[:100])), delimiter=delimiter))
    first = rows[0]
    if len(first) == 1 and names is None:
        _check_one_column(lines, path)
    if names is not None:
        if len(names) != len(first):
            raise DataError(
                f"{path.name} has {len(first)} columns but {counted(len(names), 'name')} given",
                hint="give one name for each column.",
            )
        return Layout(delimiter, list(names), header=False)
    found = called(each.strip() for each in first)
    _check_header(rows, numbers, path)
    if all(is_number(each) for each in first) and first != [str(i) for i in range(len(first))]:
        raise DataError(
            f"the first line of {path.name} holds numbers, not column names: {', '.join(first[:5])}",
            hint="write a first line with the names of the columns.",
        )
    check_names(found, path.name)
    return Layout(delimiter, found)


def check_names(names: Sequence[str], where: str) -> None:
    """Raise a ``DataError`` if two columns have the same name.

    Example:
        >>> check_names(["age", "b", "age"], "d.csv")
        Traceback (most recent call last):
        ...
        steepest.errors.DataError: d.csv has 2 columns named 'age' (columns 1, 3)
        Hint: rename them so that every name occurs once.
    """
    twice = [name for name, n in Counter(names).items() if n > 1]
    if twice:
        places = ", ".join(str(i + 1) for i, name in enumerate(names) if name == twice[0])
        raise DataError(
            f"{where} has {names.count(twice[0])} columns named {twice[0]!r} (columns {places})",
            hint="rename them so that every name occurs once.",
        )


def _delimiter(lines: list[str]) -> str:
    best, best_score = ",", (0.0, 0)
    for each in DELIMITERS:
        counts = [len(row) for row in csv.reader(io.StringIO("\n".join(lines)), delimiter=each)]
        if counts[0] < 2:
            continue
        same = sum(n == counts[0] for n in counts) / len(counts)
        score = (round(same, 1), counts[0])
        if score > best_score:
            best, best_score = each, score
    return best


def _check_table(lines: list[str], path: Path) -> None:
    """Raise a ``DataError`` if a text is something else than a table."""
    start = lines[0].lstrip().lower()
    what = "a web page" if re.match(r"<(!doctype html|html|head|\?xml)", start) else ""
    if re.match(r'[\[{]\s*(["{\[]|$)', start):
        what = "JSON"
    if what:
        raise DataError(
            f"{path.name} is {what}, not a table: {lines[0][:60]!r}",
            hint="write it as CSV or Parquet, for example with polars.read_json(…).write_csv(…)."
            if what == "JSON"
            else "download the table itself: the page may be an error message or a form to log in.",
        )


def _check_header(rows: list[list[str]], numbers: list[int], path: Path) -> None:
    """Raise a ``DataError`` if the first line is a title above the header, or a row without a header.

    Args:
        rows: the first lines that are not blank.
        numbers: which lines of the file these are.
        path: the file.
    """
    first, *others = ([each.strip() for each in row] for row in rows[:20])
    filled = [sum(map(bool, row)) for row in (first, *others)]
    at = next((i for i, n in enumerate(filled) if n == max(filled)), 0)
    names, below = others[at - 1] if at else [], others[at:]
    new = len(set(names)) == len(names) and not any(map(is_number, names))
    if at and max(filled) > 1 == max(filled[:at]) and new and not any(set(names) & set(row) for row in below):
        raise DataError(
            f"{path.name} does not begin with its header: the first line is {first[0]!r}, and the first one with "
            f"{max(filled)} fields is {', '.join(names[:5])}",
            hint=f"delete the lines above that: tail -n +{numbers[at]} {path.name} > {path.stem}-clean{path.suffix}",
        )
    words = [i for i, each in enumerate(first) if not is_number(each)]
    columns = [{row[i] for row in others if i < len(row)} for i in range(len(first))]
    alike = [i for i in range(len(first)) if i not in words and all(map(is_number, columns[i] - {""}))]
    if alike and words and len(others) > 2 and all(first[i] and first[i] in columns[i] for i in words):
        raise DataError(
            f"the first line of {path.name} is a row, not a header: {', '.join(first[:5])}",
            hint="write a first line with the names of the columns.",
        )


def _check_one_column(lines: list[str], path: Path) -> None:
    inside = next((each for each in DELIMITERS if lines[0].count(each)), None)
    if inside and len(lines) > 1 and all(each[:1] == each[-1:] == '"' for each in lines[:20]):
        raise DataError(
            f"the lines of {path.name} stand in quotes as a whole: {lines[0][:60]}",
            hint=f'take the outer ones away: sed \'s/^"//; s/"$//; s/""/"/g\' {path.name} > '
            f"{path.stem}-clean{path.suffix}",
        )
    words = {len(each.split()) for each in lines[:20]}
    if len(lines) > 1 and len(words) == 1 and words != {1} and any("  " in each for each in lines[:20]):
        raise DataError(
            f"the columns of {path.name} seem to be separated by blanks: {lines[0][:60]!r}",
            hint=f"separate them by commas: sed 's/^ *//; s/  */,/g' {path.name} > {path.stem}-commas{path.suffix}",
        )
    for mark, shown in ((":", "a colon"), ("^", "a caret"), ("~", "a tilde"), (" ", "a blank")):
        counts = {line.count(mark) for line in lines[:20]}
        if len(lines) > 1 and len(counts) == 1 and counts != {0}:
            raise DataError(
                f"the columns of {path.name} seem to be separated by {shown}: {lines[0][:60]!r}",
                hint=f"separate them by a comma, semicolon, tab or bar: "
                f"tr '{mark}' ',' < {path.name} > {path.stem}-commas{path.suffix}",
            )


def is_number(text: str) -> bool:
    """Whether a text can be read as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _explained(error: Exception, path: Path, layout: Layout) -> Exception:
    message = str(error)
    if "utf-8" in message.lower() or "utf8" in message.lower():
        return NotUtf8Error()
    if "more fields" in message:
        lines = _lines(path)
        line, count = _first_line_of_other_length(lines, layout, longer=True)
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
    shown = re.sub(r"\s+", " ", message.split("\n\n")[0])
    shown = shown if len(shown) < 90 else f"{shown[:80]}…"
    return DataError(
        f"cannot read {path.name}: {shown}",
        hint="look for an unclosed quotation mark.",
    )


def _lines(path: Path) -> pl.DataFrame:
    return pl.read_csv(
        path,
        separator="\x01",
        quote_char=None,
        has_header=False,
        infer_schema=False,
        new_columns=["line"],
    ).fill_null("")


def _check_quotes(frame: pl.DataFrame, path: Path, layout: Layout) -> None:
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
    lines = _lines(path)["line"]
    parts = csv.reader((f"{line}\n" for line in lines), delimiter=layout.delimiter)
    apart = sum(any(each.strip() for each in row) for row in parts) - layout.header
    if apart <= frame.height:
        return
    first = next(iter((lines.str.count_matches('"', literal=True) % 2 == 1).arg_true()), 0)
    raise DataError(
        f"line {first + 1} of {path.name} has a quotation mark that takes {apart - frame.height} of {apart} rows "
        f"into one value: {lines[first][:60]!r}",
        hint='write a quotation mark inside a quoted value twice ("").',
    )


def _first_line_of_other_length(lines: pl.DataFrame, layout: Layout, *, longer: bool) -> tuple[int, int]:
    numbered = lines.with_row_index("number", offset=1)
    fields = pl.col("line").str.count_matches(layout.delimiter, literal=True) + 1
    numbered = numbered.filter(~pl.col("line").str.contains('"', literal=True)).with_columns(fields=fields)
    wanted = (
        pl.col("fields") > len(layout.names)
        if longer
        else (pl.col("line").str.strip_chars() != "") & (pl.col("fields") < len(layout.names))
    )
    found = numbered.filter(wanted).head(1)
    return (int(found["number"][0]), int(found["fields"][0])) if found.height else (0, 0)


def _rows(frame: pl.DataFrame, path: Path, layout: Layout) -> tuple[pl.DataFrame, int]:
    """Return the rows without those that are lines without any value, and how many these are.

    Raises:
        DataError: a row is shorter than the header.
    """
    last = frame.to_series(-1)
    empty = last.is_null() | (last.str.strip_chars() == "") if last.dtype == pl.String else last.is_null()
    if not empty.any():
        return frame, 0
    lines = _lines(path)
    if frame.width > 1 and lines.height == frame.height + layout.header:
        line, count = _first_line_of_other_length(lines, layout, longer=False)
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
