"""Checks whether a Parquet or Arrow file is sound, with a reader that survives if it is not.

Polars trusts the sizes in a file: a damaged one can make it ask for exabytes, and then the whole process is
aborted, with nothing to catch. Arrow's own reader raises instead, so it goes over the file first.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import polars as pl

if TYPE_CHECKING:  # slow to import, and needed by some files only
    import pyarrow as pa
    import pyarrow.parquet as pq

_ROWS = 1 << 18
"""Rows of a Parquet file that are read at a time."""


def check_sound(path: Path, kind: str, is_plain: Callable[[pl.Series], bool] | None = None) -> set[str]:
    """Read a file to its end and keep nothing.

    Args:
        path: the file.
        kind: ``parquet``, ``arrow`` (the file format) or ``stream``.
        is_plain: a test of texts.

    Returns:
        The columns of texts stored as codes whose different texts, which are few, pass the test.

    Raises:
        ValueError: the file is damaged; the message is Arrow's.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "t.parquet")
        ...     _ = path.write_bytes(b"PAR1 and then nothing of the kind PAR1")
        ...     check_sound(path, "parquet")
        Traceback (most recent call last):
        ...
        ValueError: ...
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if kind == "parquet":
            with pq.ParquetFile(path) as file:
                about = file.metadata
            coded = _repeating(about)
            plain = set(coded if is_plain else ())
            with pq.ParquetFile(path, metadata=about, read_dictionary=coded) as file:
                for batch in file.iter_batches(batch_size=_ROWS):
                    if is_plain:
                        plain = {name for name in plain if is_plain(_texts(batch, name))}
            return plain
        with pa.memory_map(str(path)) as source:
            opened: Any = pa.ipc.open_stream(source) if kind == "stream" else pa.ipc.open_file(source)
            batches = opened if kind == "stream" else map(opened.get_batch, range(opened.num_record_batches))
            for batch in batches:
                batch.validate(full=True)
    except pa.ArrowNotImplementedError:
        pass  # something that Arrow cannot read but Polars may
    except (pa.ArrowException, OSError, MemoryError, KeyError, TypeError, IndexError, OverflowError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(first.rstrip(".")) from error
    return set()


def _texts(batch: pa.RecordBatch, name: str) -> pl.Series:
    texts: Any = cast(Any, batch.column(name)).dictionary
    texts.validate(full=True)  # or they may be no text
    return cast(pl.Series, pl.from_arrow(texts))


def _repeating(about: pq.FileMetaData) -> list[str]:
    """Return the text columns that are stored as codes, which need not be written out to be checked."""
    size: Counter[str] = Counter()
    values: Counter[str] = Counter()
    for group, column in itertools.product(range(about.num_row_groups), range(about.num_columns)):
        chunk = about.row_group(group).column(column)
        if chunk.physical_type == "BYTE_ARRAY":
            size[chunk.path_in_schema] += chunk.total_uncompressed_size
            values[chunk.path_in_schema] += chunk.num_values
    return [name for name in size if size[name] < 8 * values[name]]
