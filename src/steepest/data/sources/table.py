"""The source of tables: columns of categories and numbers, one of them the target."""

from __future__ import annotations

from steepest.data.table import Table

__all__ = ["Table"]

COMPONENTS = {"table": {"object": "Table", "what": "a table: CSV, TSV, Parquet, Feather, or a frame"}}
