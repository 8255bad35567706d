"""Text tables: what separates the columns, how they are encoded, and types that hold for the whole file."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import re
import zlib
from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl

from steepest.data.names import called
from steepest.errors import DataError
from steepest.wording import counted

DELIMITERS = ",;\t|"
SHOWN = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}
PACKED_FACTOR = 8
"""How many times larger a packed text is taken to be when it is unpacked."""

_HEAD_BYTES = 1 << 16
_SAMPLE_ROWS = 1000
_PACKED = (".gz", ".zst")


@dataclass(frozen=True)
class Layout:
    """How a text table is laid out.

    Attributes:
        delimiter: what separates the columns.
        names: the column names, stripped.
        padded: cells have blanks around them, as in ``1, 2``.
        header: whether the first line holds the names.
    """

    delimiter: str
    names: list[str]
    padded: bool
    header: bool = True


def scan_text(
    path: Path,
    markers: list[str],
    *,
    text: Sequence[str] = (),
    names: Sequence[str] | None = None,
    limit: int,
    sure: bool = True,
) -> pl.LazyFrame:
    """Read a CSV or TSV file, packed or not.

    Up to ``limit`` bytes the file is read at once with types guessed from its first rows; when a later row
    disagrees, the column is read as text and its type taken from all rows. A larger file stays lazy: it is
    gone through once for the types, or, if not ``sure``, they are guessed from the first rows, and collecting
    raises Polars' error where a later row disagrees.

    Raises:
        DataError: the file is not text, not UTF-8, has no rows, duplicate names or rows of another length.
    """
    layout = find_layout(path, names)
    size = path.stat().st_size * (PACKED_FACTOR if path.suffix.lower() in _PACKED else 1)
    if size > limit:
        guess = (
            None
            if sure or layout.padded or layout.delimiter == ";"
            else _guessed(path, layout, markers, text)
        )
        if guess is not None:
            return guess
        lazy = _scanned(path, layout, null_values=markers)
        return _typed_lazily(_decimal_points(_marked(lazy, layout, markers), layout, text), text)
    try:
        frame = _read(path, layout, markers, text)
    except pl.exceptions.ComputeError as error:
        raise _explained(error, path, layout) from error
    if frame.height == 0:
        raise DataError(
            f"{path.name} has a header ({', '.join(layout.names[:5])}) but no rows",
            hint="give a file with rows below the header.",
        )
    _check_short_rows(frame, path, layout)
    lazy = _decimal_points(_without_marks(frame, layout, markers).lazy(), layout, text)
    return _typed(lazy.collect(), text).lazy()


def _read(path: Path, layout: Layout, markers: list[str], text: Sequence[str]) -> pl.DataFrame:
    """Read at once, by the first way that works: each later one takes less for granted and more time.

    Types guessed and no text but the empty one missing (other marks are found afterwards, which costs a
    fifth); marks known to the parser; all columns as text.
    """
    forced: Any = {name: pl.String for name in layout.names if name in set(text)} or None
    guess: dict[str, Any] = {"infer_schema_length": _SAMPLE_ROWS, "schema_overrides": forced}
    ways = [guess, {**guess, "null_values": markers}]
    for way in [] if layout.padded else ways:
        try:
            return _parsed(path, layout, way)
        except pl.exceptions.ComputeError as error:
            if "could not parse" not in str(error):
                raise
    return _parsed(path, layout, {"infer_schema": False, "null_values": markers})


def _scanned(path: Path, layout: Layout, **options: Any) -> pl.LazyFrame:
    return pl.scan_csv(
        path,
        separator=layout.delimiter,
        has_header=layout.header,
        schema=dict.fromkeys(layout.names, pl.String) | options.pop("types", {}),
        **options,
    )


def _guessed(path: Path, layout: Layout, markers: list[str], text: Sequence[str]) -> pl.LazyFrame | None:
    """Take the types from the first rows; None if a column has no value there."""
    lazy = _scanned(path, layout)
    first = lazy.head(_SAMPLE_ROWS).collect(engine="streaming")
    known = _marked(first.lazy(), layout, markers).collect()
    if known.height < first.height or any(each.null_count() == len(each) for each in known.iter_columns()):
        return None
    found = _typed(known, text).schema
    truths = [name for name, dtype in found.items() if dtype == pl.Boolean]
    numbers = {name: dtype for name, dtype in found.items() if dtype.is_numeric()}
    marked = any(known[name].null_count() > first[name].null_count() for name in numbers)
    lazy = _scanned(path, layout, types=numbers, null_values=markers if marked else None)
    return _marked(lazy, layout, markers).with_columns(
        pl.col(truths)
        .str.to_lowercase()
        .replace_strict({"true": True, "false": False}, return_dtype=pl.Boolean)
    )


def _parsed(path: Path, layout: Layout, options: dict[str, Any]) -> pl.DataFrame:
    return pl.read_csv(
        path, separator=layout.delimiter, has_header=layout.header, new_columns=layout.names, **options
    )


def find_layout(path: Path, names: Sequence[str] | None = None) -> Layout:
    """Look at the beginning of a text file.

    Raises:
        DataError: the file is not UTF-8 text, or its header cannot serve.
    """
    head = _head(path)
    _check_bytes(head, path)
    text = head.decode("utf-8-sig", errors="replace")
    lines = text.splitlines()
    if len(head) == _HEAD_BYTES and len(lines) > 1:
        lines = lines[:-1]
    lines = [each for each in lines if each.strip()]
    if not lines:
        raise DataError(f"{path.name} is empty", hint="give a file with a header line and rows.")
    delimiter = _delimiter(lines[:100])
    rows = list(csv.reader(io.StringIO("\n".join(lines[:100])), delimiter=delimiter))
    first = rows[0]
    if len(first) == 1 and names is None:
        _check_one_column(lines, path)
    padded = any(cell != cell.strip() for row in rows[1:] for cell in row)
    if names is not None:
        if len(names) != len(first):
            raise DataError(
                f"{path.name} has {len(first)} columns but {counted(len(names), 'name')} given",
                hint="give one name for each column.",
            )
        return Layout(delimiter, list(names), padded, header=False)
    found = called(each.strip() for each in first)
    if all(is_number(each) for each in first) and first != [str(i) for i in range(len(first))]:
        raise DataError(
            f"the first line of {path.name} holds numbers, not column names: {', '.join(first[:5])}",
            hint="write a first line with the names of the columns.",
        )
    check_names(found, path.name)
    return Layout(delimiter, found, padded)


def check_names(names: Sequence[str], where: str) -> None:
    """Raise a ``DataError`` if two columns have the same name.

    Example:
        >>> check_names(["age", "b", "age"], "d.csv")
        Traceback (most recent call last):
        ...
        steepest.errors.DataError: d.csv has 2 columns named 'age' (columns 1, 3)
        Hint: rename them so that each name is there once.
    """
    twice = [name for name, n in Counter(names).items() if n > 1]
    if twice:
        places = ", ".join(str(i + 1) for i, name in enumerate(names) if name == twice[0])
        raise DataError(
            f"{where} has {names.count(twice[0])} columns named {twice[0]!r} (columns {places})",
            hint="rename them so that each name is there once.",
        )


@contextlib.contextmanager
def _opened(path: Path) -> Generator[BinaryIO]:
    """Open a text file, unpacked."""
    suffix = path.suffix.lower()
    with contextlib.ExitStack() as stack:
        file: Any
        if suffix == ".zst":
            import pyarrow as pa

            file = io.BufferedReader(stack.enter_context(pa.input_stream(str(path), compression="zstd")))
        else:
            open_file = gzip.open if suffix == ".gz" else open
            file = stack.enter_context(open_file(path, "rb"))
        yield file


def _head(path: Path) -> bytes:
    try:
        with _opened(path) as file:
            return file.read(_HEAD_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"cannot unpack {path.name}: {str(error) or 'the file ends too early'}",
            hint="the file is damaged or cut off: fetch it again.",
        ) from error


def _check_bytes(head: bytes, path: Path) -> None:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or (
        len(head) > 3 and head[1::2].count(0) > len(head) // 3
    ):
        raise DataError(f"{path.name} is UTF-16 text, not UTF-8", hint=_convert(path, "UTF-16"))
    if head.startswith(b"\x80") or b"\x00" in head:
        raise DataError(
            f"{path.name} is not text: it begins with {head[:8]!r}",
            hint="give CSV, TSV, Parquet or Feather; a pickle is never opened because it can run code.",
        )


def _convert(path: Path, encoding: str) -> str:
    packed = path.suffix.lower() in _PACKED
    name = path.with_suffix("").name if packed else path.name
    new = f"{Path(name).stem}-utf8{Path(name).suffix}"
    return f"{'unpack it, then ' if packed else ''}convert it: iconv -f {encoding} -t UTF-8 {name} > {new}"


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


def _check_one_column(lines: list[str], path: Path) -> None:
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


def _marked(frame: pl.LazyFrame, layout: Layout, markers: list[str]) -> pl.LazyFrame:
    """Make the texts that mean a missing value null, and take blanks off padded cells."""
    names = [name for name, dtype in frame.collect_schema().items() if dtype == pl.String]
    if not names:
        return frame
    cell = pl.col(names).str.strip_chars() if layout.padded else pl.col(names)
    return frame.with_columns(pl.when(cell.is_in(markers).not_()).then(cell).name.keep())


def _without_marks(frame: pl.DataFrame, layout: Layout, markers: list[str]) -> pl.DataFrame:
    """Do the same with rows in memory; a column without such a text is not written anew."""
    texts = frame.select(pl.col(pl.String))
    if layout.padded or not texts.width:
        return _marked(frame.lazy(), layout, markers).collect()
    found = texts.select(pl.all().is_in(markers).any()).row(0, named=True)
    changed = texts.select(name for name, any_of_it in found.items() if any_of_it)
    return frame.with_columns(_marked(changed.lazy(), layout, markers).collect().iter_columns())


def _decimal_points(frame: pl.LazyFrame, layout: Layout, text: Sequence[str]) -> pl.LazyFrame:
    """Write numbers with a decimal comma with a point, in the columns that hold nothing else.

    Tables separated by semicolons come from places where the comma is the decimal sign.
    """
    if layout.delimiter != ";":
        return frame
    names = [n for n, dtype in frame.collect_schema().items() if dtype == pl.String and n not in text]
    if not names:
        return frame
    whole = pl.col(names).str.contains(r"^\s*[-+]?\d+(,\d+)?\s*$").all(ignore_nulls=True)
    found = frame.select(whole).collect(engine="streaming").row(0, named=True)
    commas = [name for name, only in found.items() if only]
    return frame.with_columns(pl.col(commas).str.replace(",", ".", literal=True)) if commas else frame


def _typed(frame: pl.DataFrame, text: Sequence[str]) -> pl.DataFrame:
    changed: list[pl.Series] = []
    for column in frame.iter_columns():
        if column.dtype == pl.Int128:
            changed.append(column.cast(pl.Float64))
        elif column.dtype == pl.String and column.name not in text:
            known = column.drop_nulls()
            if _common_type(known.head(_SAMPLE_ROWS)) is not None:
                dtype = _common_type(known)
                if dtype is not None:
                    changed.append(_as_type(column, dtype))
    return frame.with_columns(changed)


def _common_type(values: pl.Series) -> Any:
    if len(values) == 0:
        return None
    if values.str.contains("(?i)^(?:true|false)$").all():
        return pl.Boolean
    for dtype in (pl.Int64, pl.Float64):
        if values.cast(dtype, strict=False).null_count() == 0:
            return dtype
    return None


def _as_type(column: pl.Series, dtype: Any) -> pl.Series:
    return column.str.to_lowercase() == "true" if dtype == pl.Boolean else column.cast(dtype)


def _typed_lazily(frame: pl.LazyFrame, text: Sequence[str]) -> pl.LazyFrame:
    names = [name for name in frame.collect_schema() if name not in text]
    checks: list[pl.Expr] = []
    for name in names:
        known = pl.col(name).drop_nulls()
        checks += [
            known.len().alias(f"{name} known"),
            known.str.contains("(?i)^(?:true|false)$").all().alias(f"{name} Boolean"),
            known.cast(pl.Int64, strict=False).is_not_null().all().alias(f"{name} Int64"),
            known.cast(pl.Float64, strict=False).is_not_null().all().alias(f"{name} Float64"),
        ]
    found = frame.select(checks).collect(engine="streaming").row(0, named=True)
    changed: list[pl.Expr] = []
    for name in names:
        if not found[f"{name} known"]:
            continue
        if found[f"{name} Boolean"]:
            changed.append(pl.col(name).str.to_lowercase() == "true")
        elif found[f"{name} Int64"]:
            changed.append(pl.col(name).cast(pl.Int64))
        elif found[f"{name} Float64"]:
            changed.append(pl.col(name).cast(pl.Float64))
    return frame.with_columns(changed)


def _explained(error: Exception, path: Path, layout: Layout) -> DataError:
    message = str(error)
    if "utf-8" in message.lower() or "utf8" in message.lower():
        line = _first_bad_line(path)
        return DataError(
            f"{path.name} is not UTF-8 text: line {line} cannot be decoded (it looks like Latin-1)",
            hint=_convert(path, "LATIN1"),
        )
    if "more fields" in message:
        line, count = _first_line_of_other_length(path, layout, longer=True)
        return DataError(
            f"line {line} of {path.name} has {counted(count, 'field')}, the header has {len(layout.names)}",
            hint=f"columns are separated by {SHOWN[layout.delimiter]}: put quotes around fields that hold "
            "one, or mend that line.",
        )
    shown = re.sub(r"\s+", " ", message.split("\n\n")[0])
    shown = shown if len(shown) < 90 else f"{shown[:80]}…"
    return DataError(
        f"cannot read {path.name}: {shown}",
        hint="look for a quotation mark that is opened and not closed.",
    )


def _first_bad_line(path: Path) -> int:
    with _opened(path) as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return 0


def _lines(path: Path) -> pl.DataFrame:
    return pl.read_csv(
        path,
        separator="\x01",
        quote_char=None,
        has_header=False,
        infer_schema=False,
        new_columns=["line"],
    ).fill_null("")


def _first_line_of_other_length(path: Path, layout: Layout, *, longer: bool) -> tuple[int, int]:
    counted = _lines(path).with_row_index("number", offset=1)
    fields = pl.col("line").str.count_matches(layout.delimiter, literal=True) + 1
    counted = counted.filter(~pl.col("line").str.contains('"', literal=True)).with_columns(fields=fields)
    wanted = (
        pl.col("fields") > len(layout.names)
        if longer
        else (pl.col("line") != "") & (pl.col("fields") < len(layout.names))
    )
    found = counted.filter(wanted).head(1)
    return (int(found["number"][0]), int(found["fields"][0])) if found.height else (0, 0)


def _check_short_rows(frame: pl.DataFrame, path: Path, layout: Layout) -> None:
    if frame.width < 2 or frame.to_series(-1).null_count() == 0:
        return
    lines = _lines(path)
    if lines.height != frame.height + layout.header:
        return
    line, count = _first_line_of_other_length(path, layout, longer=False)
    if line:
        raise DataError(
            f"line {line} of {path.name} has {counted(count, 'field')}, the header has {len(layout.names)}",
            hint="the row is cut off or is no row of the table: mend or delete that line.",
        )
