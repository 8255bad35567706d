"""Columns that look like numbers and cannot be read as numbers, where numbers are needed."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from steepest.data.judge import Doubt
from steepest.data.options import INTEGER_CLASSES, TableOptions
from steepest.errors import DataError


def check_doubts(doubts: Mapping[str, Doubt], options: TableOptions, target: pl.Series) -> None:
    """Raise a ``DataError`` if a column is to be a number, looks like one, and cannot be read as one."""
    for name, doubt in doubts.items():
        classes = options.task == "auto" and target.n_unique() <= INTEGER_CLASSES
        if name == options.target and not classes:
            classes_too = ", or treat them as classes: --task classification"
            hint = f"{doubt.cure}{classes_too if options.may_be_classes else ''}."
            raise DataError(f"the target {name!r} {doubt.why}", hint=hint)
        if name in options.continuous or name == options.weight:
            raise DataError(f"column {name!r} {doubt.why}", hint=f"{doubt.cure}.")
