"""Kinds of data: one source a file, which opens a path or an object and makes datasets of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from steepest.components.registry import Registry
from steepest.data.sources.rows import Pipeline, read_stored

registry = Registry("source", "steepest.data.sources")

TABLE = "table"
"""The source of what no other one declares."""


def load_pipeline(path: str | Path) -> Pipeline:
    """Read the pipeline of new rows that a model was saved with.

    Raises:
        FolderError: there is no such file, or it is damaged or of another version.
    """
    return read_stored(path, _stored)


def _stored(stored: Mapping[str, Any]) -> Pipeline:
    return registry.load(str(stored.get("source", TABLE))).stored_pipeline(stored)
