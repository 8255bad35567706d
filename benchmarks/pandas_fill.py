"""The vectorised pandas way of filling a column from the most frequent value with the same key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def fill_by_columns(frame: Any, known: Any, column: str, keys: Sequence[str]) -> None:
    """Fill a column in place; the first key that knows wins, ties go to the smallest value.

    Args:
        frame: the pandas frame.
        known: the rows to learn from.
        column: what is filled.
        keys: the columns to look up by, the finest first.
    """
    known = known.loc[known[column].notna(), [*keys, column]]
    for key in keys:
        missing = frame[column].isna()
        counts = known.groupby([key, column], sort=False).size().rename("count").reset_index()
        counts = counts.sort_values([key, "count", column], ascending=[True, False, True])
        most = counts.drop_duplicates(key).set_index(key)[column]
        frame.loc[missing, column] = frame.loc[missing, key].map(most)
