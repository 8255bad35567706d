"""Tables of any length, written batch by batch to a file that gets its name when it is complete."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl

from steepest.errors import OptionError
from steepest.files import reachable, writing_atomically

FORMATS = (".parquet", ".csv", ".feather", ".arrow")

Write = Callable[[pl.DataFrame], None]


@contextlib.contextmanager
def writing_tables(path: str | Path) -> Generator[Write]:
    """Give a function that appends rows to the file; a block that raises leaves nothing, or the old file.

    Args:
        path: where to; its ending decides the format: .csv, .parquet, .feather or .arrow.

    Raises:
        OptionError: the ending is none of these.
        FolderError: the file cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with writing_tables(f"{folder}/a.csv") as write:
        ...         for x in range(2):
        ...             write(pl.DataFrame({"x": [x]}))
        ...     Path(f"{folder}/a.csv").read_text()
        'x\\n0\\n1\\n'
    """
    kind = Path(path).suffix
    check_place(path)
    with writing_atomically(path) as file, contextlib.ExitStack() as stack:
        yield _csv(file) if kind == ".csv" else _arrow(file, kind, stack)


def check_place(path: str | Path, what: str = "predictions") -> None:
    """Raise an ``OptionError`` if a table cannot be written in this file's format, or its folder is not there."""
    if Path(path).suffix not in FORMATS:
        raise OptionError(
            f"cannot write {what} as {Path(path).suffix!r}",
            hint=f"name a file with {', '.join(FORMATS)}.",
        )
    folder = reachable(path).parent
    if not folder.is_dir():
        raise OptionError(f"there is no folder {str(folder)!r}", hint="make it first, or name another --out.")


def _csv(file: BinaryIO) -> Write:
    begun = False

    def write(table: pl.DataFrame) -> None:
        nonlocal begun
        file.write(_flat(table).write_csv(include_header=not begun).encode())
        begun = True

    return write


def _flat(table: pl.DataFrame) -> pl.DataFrame:
    """Return a table whose columns of arrays, such as images, are a column for each number.

    Example:
        >>> _flat(pl.DataFrame({"p": [[[1, 2]], [[3, 4]]]}, schema={"p": pl.Array(pl.UInt8, (1, 2))})).rows()
        [(1, 2), (3, 4)]
    """
    found: list[pl.Series] = []
    for column in table:
        if isinstance(column.dtype, pl.Array):
            values = column.to_numpy().reshape(len(column), -1)
            found += [pl.Series(f"{column.name}_{i}", values[:, i]) for i in range(values.shape[1])]
        else:
            found.append(column)
    return pl.DataFrame(found)


def _arrow(file: BinaryIO, kind: str, stack: contextlib.ExitStack) -> Write:
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer: Any = None

    def write(table: pl.DataFrame) -> None:
        nonlocal writer
        rows = table.to_arrow()
        if writer is None:
            made = (
                pq.ParquetWriter(file, rows.schema)
                if kind == ".parquet"
                else pa.ipc.new_file(file, rows.schema)
            )
            writer = stack.enter_context(made)
        writer.write_table(rows)

    return write
