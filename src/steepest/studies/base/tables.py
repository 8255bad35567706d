"""The data of studies that are tables: rows in one file in the cache, with how they are read, split and prepared."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from typing import Any

import polars as pl

from steepest.data.catalog import SOURCES, open_catalog
from steepest.files import write_with_folder
from steepest.rng import stream
from steepest.studies.base.data import StudyData, place_of


def kept_table(
    name: str, source: str, text: str, frame: pl.DataFrame, options: Mapping[str, Any]
) -> StudyData:
    """Write a table to the cache, unless it is there, and return it as the data of a study.

    Args:
        name: of the file, to which the digest of the rows is added.
        source: the data set of the catalog that they are of, or who drew them.
        text: what they are; the number of rows is added.
        frame: the rows as they are before any preparation, ``[N]``.
        options: how it is read, split and prepared, as for :func:`steepest.read_table`.

    Example:
        >>> made = kept_table("pairs", "made here", "pairs", pl.DataFrame({"a": [1, 2], "b": [0, 1]}), {"target": "b"})
        >>> made.text, made.called, made.options
        ('pairs: 2 rows', 'these rows', {'target': 'b'})
    """
    digest = hashlib.sha256(frame.write_csv().encode()).hexdigest()[:12]
    path = place_of(f"{name}-{digest}.parquet")
    if not path.is_file():
        buffer = io.BytesIO()
        frame.write_parquet(buffer)
        write_with_folder(path, buffer.getvalue())
    return StudyData(path, source, digest, f"{text}: {len(frame):,} rows", 1, dict(options))


def catalog_rows(name: str, rows: int | None = None) -> tuple[pl.DataFrame, Mapping[str, Any], int]:
    """Return rows of a table of the catalog, its options, and how many rows it has.

    Args:
        name: of the data set.
        rows: how many are drawn, the same ones always, in their order; None for all.

    Raises:
        DataError: it is not on this machine and cannot be downloaded.

    Example:
        >>> some, options, everything = catalog_rows("flights", 100)
        >>> len(some), options["target"], everything
        (100, 'status', 40000)
    """
    opened = open_catalog(name, SOURCES.load(name).kind)
    frame = opened.scan().collect()
    everything = len(frame)
    if rows is not None and rows < everything:
        frame = frame[sorted(stream(0, "data").permutation(everything)[:rows].tolist())]
    return frame, opened.options, everything
