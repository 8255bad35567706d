"""From a file or a frame to a Polars ``LazyFrame`` in which everything that means "missing" is null.

Which reader serves a file is decided by its name and checked against its first bytes. No pickle is ever
opened. What cannot be read is a ``DataError`` that says what the file is instead.
"""

from __future__ import annotations

import contextlib
import difflib
import math
import os
import tempfile
import zlib
from collections.abc import Collection, Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
from polars.exceptions import PanicException

from steepest import forks
from steepest.data import delimited
from steepest.data.cells import Cells, tidied
from steepest.data.dataset import Note
from steepest.data.encoding import NotUtf8Error, as_utf8
from steepest.data.judge import EXACT_DIGITS
from steepest.data.layout import check_names, is_number
from steepest.data.names import called
from steepest.data.objects import frame_of
from steepest.data.options import MISSING
from steepest.data.packed import unpacked
from steepest.data.preamble import from_header
from steepest.data.reading import Reading
from steepest.data.sound import check_sound
from steepest.data.strays import strays
from steepest.errors import DataError, SteepestError
from steepest.files import local

IN_MEMORY_BYTES = 1 << 28
"""Files up to this size (unpacked) are read at once, which checks them whole; larger ones stay lazy, are streamed."""

_CHECKED_BYTES = 1 << 30
"""Up to this size Arrow goes over a Parquet or Arrow file before Polars may read it."""

_PARQUET = (".parquet", ".pq", ".parq")
_ARROW = (".feather", ".arrow", ".ipc")
_TEXT = (".csv", ".tsv", ".tab", ".txt", ".data", ".dat")
_PACKED_MAGIC = {b"\x1f\x8b": ".gz", b"\x28\xb5\x2f\xfd": ".zst"}
_REFUSED = {
    ".xlsx": ("a spreadsheet", "save the sheet as CSV in the spreadsheet program."),
    ".xls": ("a spreadsheet", "save the sheet as CSV in the spreadsheet program."),
    ".ods": ("a spreadsheet", "save the sheet as CSV in the spreadsheet program."),
    ".pkl": ("a pickle, which can run code", "write it with frame.to_parquet('table.parquet') instead."),
    ".pickle": ("a pickle, which can run code", "write it with frame.to_parquet('table.parquet') instead."),
    ".json": ("JSON", "write it as CSV or Parquet, for example with polars.read_json(…).write_parquet(…)."),
    ".jsonl": ("JSON lines", "write it as Parquet: polars.read_ndjson(…).write_parquet('table.parquet')."),
    ".ndjson": ("JSON lines", "write it as Parquet: polars.read_ndjson(…).write_parquet('table.parquet')."),
}


def scan(
    source: Any,
    missing: Sequence[str] = MISSING,
    *,
    text: Sequence[str] = (),
    names: Sequence[str] | None = None,
    sure: bool = True,
) -> pl.LazyFrame:
    """Return the rows that ``read`` gives.

    Args:
        source, names, sure: as for ``read``.
        missing: texts that mean a missing value, in every column of texts.
        text: columns that stay text even if they look like numbers.

    Example:
        >>> scan({"x": ["1", "?", "NA"], "y": [1, 2, 3]}).collect()["x"].null_count()
        2
    """
    return read(source, Reading(missing=missing, text=text), names=names, sure=sure).frame


def read(
    source: Any, how: Reading | None = None, *, names: Sequence[str] | None = None, sure: bool = True
) -> Cells:
    """Read a table lazily.

    Args:
        source: a path (CSV, TSV, Parquet, Feather/Arrow IPC; CSV also as .gz, .zst, .xz, .bz2, .zip), a Polars, pandas
            or Arrow frame, any object with ``__arrow_c_stream__``, a mapping of columns, or rows (mappings of values).
        how: how texts are read.
        names: column names of a CSV file that has none of its own.
        sure: go through a large CSV file once, so that the types hold for all of it; if not, they are
            guessed from its first rows, and collecting may raise a ``PolarsError`` that a sure scan would not.

    Returns:
        A table whose types hold for all rows: text, integers, floats, booleans, dates; and what was decided.

    Raises:
        DataError: the source cannot be read as a table; the hint says what to do.
    """
    forks.check()
    how = how or Reading()
    if not isinstance(source, str | Path):
        return _with_strays(_clean(frame_of(source), how, "the table"), "the table")
    with _as_file(_existing(source)) as path:
        return _read_file(path, how, names=names, sure=sure)


def _read_file(path: Path, how: Reading, *, names: Sequence[str] | None, sure: bool) -> Cells:
    with reading(path.name):
        kind = _kind(path)
    if kind == "text":
        with reading(path.name):
            cells = _read_text(path, how, names=names, sure=sure)
        return replace(cells, frame=_numbers_without_marks(cells.frame, how.missing))
    with reading(path.name), _without_panic_text():
        plain: set[str] = set()
        if path.stat().st_size <= _CHECKED_BYTES:
            plain = check_sound(path, kind, how.is_plain)
        if kind == "parquet":
            frame = pl.scan_parquet(path)
        elif kind == "stream":
            frame = pl.read_ipc_stream(path).lazy()
        else:
            frame = pl.scan_ipc(path)
        frame.collect_schema()
        if path.stat().st_size <= IN_MEMORY_BYTES // delimited.PACKED_FACTOR:
            frame = frame.collect().lazy()
    with reading(path.name):
        cells = _clean(frame, how, path.name, plain)
        return cells if is_streamed(path) else _with_strays(cells, path.name)


def _with_strays(cells: Cells, name: str) -> Cells:
    """Return cells with warnings of rows that are no data; they have no lines, so they are counted from 1."""
    found = strays(cells.frame.collect(engine="streaming"))
    return replace(
        cells, strays=tuple(Note("warning", each.said(f"row {each.row + 1} of {name}")) for each in found)
    )


def _read_text(path: Path, how: Reading, **options: Any) -> Cells:
    try:
        return _scan_text(path, how, **options)
    except NotUtf8Error:
        pass
    with as_utf8(path, how.encoding, IN_MEMORY_BYTES, predicting=how.trained is not None) as (copy, note):
        cells = _scan_text(copy, how, **options)
        return replace(cells, notes=(Note("info", note), *cells.notes))


def _scan_text(path: Path, how: Reading, **options: Any) -> Cells:
    with from_header(path, IN_MEMORY_BYTES) as (copy, note, above):
        limit = IN_MEMORY_BYTES if copy == path else 2**62
        cells = delimited.scan_text(copy, how, limit=limit, above=above, **options)
        return replace(cells, notes=(Note("info", note), *cells.notes)) if note else cells


def source_name(source: Any) -> str:
    """Return how messages call ``source``: the file's name, or "the table" for a frame.

    Example:
        >>> source_name("data/churn.csv"), source_name({})
        ('churn.csv', 'the table')
    """
    return Path(source).name if isinstance(source, str | Path) else "the table"


def check_lasting(source: Any) -> None:
    """Raise a ``DataError`` if a path can be read only once, as a pipe can.

    Example:
        >>> check_lasting({"x": [1]})
    """
    if isinstance(source, str | Path) and _is_pipe(Path(source).expanduser()):
        raise DataError(
            f"{str(source)!r} can be read only once, and a comparison that is continued reads its table again",
            hint="save it in a file first, for example with cat > table.csv.",
        )


def _is_pipe(path: Path) -> bool:
    with contextlib.suppress(OSError, ValueError):
        return path.exists() and not path.is_file() and not path.is_dir()
    return False


def is_streamed(source: Any) -> bool:
    """Whether ``source`` is a file so large that it is read only when its rows are needed.

    Example:
        >>> is_streamed({})
        False
    """
    if not isinstance(source, str | Path):
        return False
    path = Path(source).expanduser()
    return path.is_file() and path.stat().st_size > IN_MEMORY_BYTES // delimited.PACKED_FACTOR


def batches(frame: pl.LazyFrame, rows: int) -> Iterator[pl.DataFrame]:
    """Yield the rows in their order, ``rows`` at a time (the last time fewer), never all of them in memory.

    A source that is in memory already is cut into slices.

    Example:
        >>> [each["x"].to_list() for each in batches(pl.LazyFrame({"x": [1, 2, 3, 4, 5]}), 2)]
        [[1, 2], [3, 4], [5]]
    """
    stream: Any = (
        frame.collect_batches(chunk_size=rows, maintain_order=True, engine="streaming")
        if hasattr(frame, "collect_batches")
        else frame.collect(engine="streaming").iter_slices(rows)
    )
    waiting: list[pl.DataFrame] = []
    for found in stream:
        waiting.append(found)
        while sum(each.height for each in waiting) >= rows:
            whole = pl.concat(waiting)
            waiting = [whole.slice(rows)]
            yield whole.head(rows)
    if sum(each.height for each in waiting):
        yield pl.concat(waiting)


@contextlib.contextmanager
def reading(name: str) -> Generator[None]:
    """Turn what a reader raises inside the block, a panic included, into a ``DataError`` about ``name``.

    Example:
        >>> with reading("bad.csv.gz"):
        ...     raise OSError("unexpected end of file")
        Traceback (most recent call last):
        ...
        steepest.errors.DataError: cannot read bad.csv.gz: unexpected end of file
        Hint: the file is damaged or cut off: download or write it again.
    """
    try:
        yield
    except SteepestError:
        raise
    except PermissionError as error:
        raise DataError(
            f"no permission to read {name}", hint="change the file's permissions, or copy it."
        ) from error
    except (pl.exceptions.PolarsError, OSError, EOFError, zlib.error, ValueError, PanicException) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"cannot read {name}: {first[:200]}",
            hint="the file is damaged or cut off: download or write it again.",
        ) from error


@contextlib.contextmanager
def _without_panic_text() -> Generator[None]:
    """Keep what a panicking reader writes to the standard error from the user, who gets an error instead.

    What is written while nothing goes wrong is written afterwards.
    """
    try:
        kept = os.dup(2)
    except OSError:
        yield
        return
    with tempfile.TemporaryFile() as sink:
        os.dup2(sink.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        sink.seek(0)
        os.write(2, sink.read())


def _existing(source: str | Path) -> Path:
    try:
        Path(source).expanduser().exists()
    except (OSError, ValueError, RuntimeError) as error:  # too long, a zero byte, no home
        raise DataError(
            f"{_shortened(str(source))!r} cannot be a path: {getattr(error, 'strerror', None) or error}",
            hint="give the path of a file.",
        ) from None
    if str(source).startswith(("http://", "https://")):
        raise DataError(
            f"{str(source)!r} is an address, not a file", hint=f"download it first: curl -LO '{source}'"
        )
    path = local(source).expanduser()
    if path.is_dir():
        check_no_results(path)
        inside = [each.name for each in _tables(path)[:5]]
        some = f": it has {', '.join(inside)}" if inside else ""
        raise DataError(f"{str(path)!r} is a folder", hint=f"name one file in it{some}.")
    if not path.exists():
        folder = path.parent
        near = _alike(path)
        if near:
            hint = f"did you mean {' or '.join(repr(str(each)) for each in near)}?"
        elif folder.is_dir():
            some = ", ".join(repr(each.name) for each in _tables(folder)[:5])
            hint = f"{str(folder.resolve())!r} has {some or 'no table'}."
        else:
            hint = f"there is no folder {str(folder)!r} either."
        raise DataError(f"there is no file {str(path)!r}", hint=hint)
    if path.is_file() and path.stat().st_size == 0:
        raise _empty(path.name)
    return path


def _empty(name: str) -> DataError:
    return DataError(f"{name} is empty", hint="give a file with a header line and rows.")


@contextlib.contextmanager
def _as_file(path: Path) -> Generator[Path]:
    """Give the path of a file: ``path``, or where that is a pipe, a copy of what comes through it.

    Raises:
        DataError: nothing comes, or more than fits into memory.
    """
    if path.is_file():
        with reading(path.name), unpacked(path, IN_MEMORY_BYTES) as file:
            if file != path:
                _check_fits(file, path)
            yield file
        return
    with tempfile.TemporaryDirectory() as folder, reading(str(path)):
        with path.open("rb") as pipe:
            content = pipe.read(IN_MEMORY_BYTES + 1)
        if not content:
            raise _empty(str(path))
        ending = next((end for magic, end in _PACKED_MAGIC.items() if content.startswith(magic)), "")
        copy = Path(folder) / f"{path.name}{ending}"
        copy.write_bytes(content)
        if len(content) > IN_MEMORY_BYTES // (
            delimited.PACKED_FACTOR if _kind(copy) != "text" or ending else 1
        ):
            raise DataError(
                f"more than {IN_MEMORY_BYTES >> 20} MB come through {str(path)!r}",
                hint="save them in a file first, which is read in batches.",
            )
        yield copy


def _check_fits(file: Path, path: Path) -> None:
    """Raise a ``DataError`` if an unpacked file, which is there only for a moment, is too large to be read at once."""
    if _kind(file) != "text" and file.stat().st_size > IN_MEMORY_BYTES // delimited.PACKED_FACTOR:
        raise DataError(f"{path.name} holds a large {file.suffix} file", hint="unpack it first.")


def _alike(path: Path) -> list[Path]:
    """Return the tables beside a path whose names, without the endings, are much like its own."""
    there = _tables(path.parent)
    stems = {each: each.name.partition(".")[0].lower() for each in there}
    near = difflib.get_close_matches(path.name.partition(".")[0].lower(), set(stems.values()), n=3)
    alike = [each for each in there if stems[each] in near]
    return sorted(alike, key=lambda each: near.index(stems[each]))[:3]


def check_no_results(folder: Path) -> None:
    """Raise a ``DataError`` if a folder holds the results of a comparison, or a model, where data should be."""
    where = folder.as_posix()
    if (folder / "experiment.toml").is_file():
        raise DataError(
            f"{where!r} is the folder of a comparison, not data",
            hint=f"`steepest report {where}` shows its results; its data and settings are in the file "
            f"{where}/experiment.toml, which compare, lr-find and memory take instead of data.",
            python=f"st.Result.load({where!r}) has its results; name the data that it was made of.",
        )
    if (folder / "model.json").is_file() and (folder / "pipeline.json").is_file():
        raise DataError(
            f"{where!r} is the folder of a model, not data",
            hint=f"`steepest predict {where} FILE` predicts new rows with it.",
            python=f"st.load({where!r}) loads it.",
        )


def is_table_file(name: str) -> bool:
    """Whether a file is a table by its name.

    Example:
        >>> is_table_file("churn.csv"), is_table_file("cat.png")
        (True, False)
    """
    return Path(name).suffix.lower() in (*_PARQUET, *_ARROW, *_TEXT)


def _tables(folder: Path) -> list[Path]:
    """Return the files of a folder whose endings are those of tables."""
    endings = {*_PARQUET, *_ARROW, *_TEXT, ".gz", ".zst", ".zip", ".xz", ".bz2"}
    there = folder.iterdir() if folder.is_dir() else []
    return sorted(each for each in there if each.suffix.lower() in endings and each.is_file())


def _shortened(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}…"


def is_text_file(source: Any) -> bool:
    """Whether a source is a file that, by its name, holds text.

    Example:
        >>> is_text_file("a.csv.gz"), is_text_file("a.parquet"), is_text_file({"x": [1]})
        (True, False, False)
    """
    return isinstance(source, str | Path) and Path(source).suffix.lower() not in _PARQUET + _ARROW


def _kind(path: Path) -> str:
    suffixes = [each.lower() for each in path.suffixes]
    packed = bool(suffixes) and suffixes[-1] in (".gz", ".zst")
    suffix = (suffixes[-2] if len(suffixes) > 1 else "") if packed else (suffixes[-1] if suffixes else "")
    if suffix in _REFUSED:
        what, hint = _REFUSED[suffix]
        raise DataError(f"{path.name} is {what}, not a table that can be read", hint=hint)
    with path.open("rb") as file:
        head = file.read(8)
    if packed:
        if suffix in _PARQUET + _ARROW:
            raise DataError(
                f"{path.name} is a packed {suffix} file",
                hint="unpack it: these formats are compressed internally.",
            )
        return "text"
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(b"ARROW1"):
        return "arrow"
    if head.startswith(b"\xff\xff\xff\xff"):
        return "stream"
    if suffix in _PARQUET or suffix in _ARROW:
        kind = "Parquet" if suffix in _PARQUET else "Feather/Arrow"
        raise DataError(
            f"{path.name} is not a {kind} file: it begins with {head[:4]!r}",
            hint="the file is damaged or has the wrong suffix: download or write it again.",
        )
    if head.startswith(b"PK\x03\x04"):
        raise DataError(
            f"{path.name} is a spreadsheet or a zip archive",
            hint="save the sheet as CSV, or unpack the archive.",
        )
    return "text"


def _clean(frame: pl.LazyFrame, how: Reading, name: str, plain: Collection[str] = ()) -> Cells:
    schema = frame.collect_schema()
    if not schema:
        raise DataError(f"{name} has no columns", hint="give a table with a target and other columns.")
    names = called(schema)
    if names != list(schema):
        check_names(names, name)
        frame = frame.rename(dict(zip(schema, names, strict=True)))
        schema, plain = frame.collect_schema(), ()
    changed = [
        each for column, dtype in schema.items() if (each := _simpler(frame, column, dtype)) is not None
    ]
    cells = tidied(frame.with_columns(changed) if changed else frame, how, plain=plain)
    return replace(cells, frame=_numbers_without_marks(cells.frame, how.missing))


def _simpler(frame: pl.LazyFrame, name: str, dtype: pl.DataType) -> pl.Expr | None:
    """Return a column as one of the types that a text file gives too; None if it is already.

    Whole numbers beyond 64 bits are codes, kept as text, where most of them have more digits than a float holds.
    """
    column = pl.col(name)
    if isinstance(dtype, pl.Int128) or (isinstance(dtype, pl.Decimal) and dtype.scale == 0):
        asked = frame.select(least=column.min(), most=column.max())
        least, most = asked.collect(engine="streaming").row(0)
        if least is None or -(1 << 63) <= least <= most < 1 << 63:
            return column.cast(pl.Int64)
        long = (column.cast(pl.String).str.strip_chars("-").str.len_chars() > EXACT_DIGITS).mean()
        codes = frame.select(long).collect(engine="streaming").item() > 0.5
        return column.cast(pl.String if codes else pl.Float64)
    if isinstance(dtype, pl.Decimal | pl.Float32):
        return column.cast(pl.Float64)
    return None


def _numbers_without_marks(frame: pl.LazyFrame, missing: Sequence[str]) -> pl.LazyFrame:
    """Make NaN, and numbers that are named as missing, null."""
    marks = [float(each) for each in missing if is_number(each) and math.isfinite(float(each))]
    changed: list[pl.Expr] = []
    for column, dtype in frame.collect_schema().items():
        each = pl.col(column)
        if dtype.is_float():
            each = each.fill_nan(None)
        if dtype.is_numeric() and marks:
            each = pl.when(each.cast(pl.Float64).is_in(marks).not_()).then(each).alias(column)
        if dtype.is_float() or (dtype.is_numeric() and marks):
            changed.append(each)
    return frame.with_columns(changed) if changed else frame
