"""Which columns hold identifiers, codes or free text.

A value that is there once teaches a network nothing about other rows. See ``docs/reference/tables.md`` for the rules.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import polars as pl

from steepest.data.labels import as_text
from steepest.data.names import names_a_code, names_a_time

IDENTIFIER_SHARE = 0.95
"""A column is an identifier if a larger share of its values differ (and numbers: if they also count the rows)."""
ONCE = 0.5
"""If a larger share of its values differ, most of them are there once."""
SEVERAL_WORDS = 2.0
LONG_TEXT, LONG_TEXT_SHARE = 50, 0.2
"""Texts of more letters than this are free text if a larger share of them than this differ."""
SAMPLE = 10_000
NUMBERS_THE_ROWS, EVEN_STEPS, LEAST_ROWS = 2, 0.985, 100
"""Numbers of rows lie within so many times their number, or rise in steps so even, in at least so many rows."""

_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}"
_WORD = rf"[{_UNSPACED}]{{2}}|(?:^|\s)[^\s{_UNSPACED}]*?[\p{{L}}&&[^{_UNSPACED}]]{{2,}}"
"""A word; in scripts without blanks two letters count as one."""


def use_of_texts(known: pl.Series, distinct: int) -> Literal["category", "identifier", "text"]:
    """Return what a column of texts is good for.

    Args:
        known: its values, none missing.
        distinct: how many of them differ.

    Example:
        >>> titles = pl.Series("title", [f"a dress in {i} colours" for i in range(100)])
        >>> use_of_texts(titles, 100), use_of_texts(titles.str.head(7), 1)
        ('text', 'category')
        >>> use_of_texts(pl.Series("hash", [f"{i:x}" for i in range(1000, 1100)]), 100)
        'identifier'
    """
    share = distinct / len(known)
    if share <= LONG_TEXT_SHARE:
        return "category"
    some = as_text(known.gather_every(max(1, len(known) // SAMPLE)))
    if _mean(some.str.len_chars()) > LONG_TEXT:
        return "text"
    if share > ONCE and _mean(some.str.count_matches(_WORD)) >= SEVERAL_WORDS:
        return "text"
    return "identifier" if share > (ONCE if names_a_code(known.name) else IDENTIFIER_SHARE) else "category"


def use_of_whole_numbers(known: pl.Series, distinct: int) -> Literal["category", "identifier", "number"]:
    """Return the use of a column of many different whole numbers: category, number or identifier.

    Example:
        >>> film = pl.Series("movieId", [i * i for i in range(50)] * 4)
        >>> use_of_whole_numbers(film, 50), use_of_whole_numbers(film[:50], 50)
        ('category', 'identifier')
        >>> use_of_whole_numbers(film[:50].alias("people"), 50)
        'number'
    """
    share = distinct / len(known)
    if names_a_code(known.name):
        return "identifier" if share > ONCE else "category"
    if share <= IDENTIFIER_SHARE or names_a_time(known.name):
        return "number"
    return "identifier" if _numbers_the_rows(known.cast(pl.Float64).to_numpy()) else "number"


def _numbers_the_rows(values: np.ndarray) -> bool:
    """Whether numbers lie as close as those of rows, or rise from row to row in even steps."""
    if np.ptp(values) < NUMBERS_THE_ROWS * len(values):
        return True
    if len(values) < LEAST_ROWS or not (np.diff(values) > 0).all():
        return False
    return float(np.corrcoef(values, np.arange(len(values)))[0, 1]) ** 2 > EVEN_STEPS


def _mean(values: pl.Series) -> float:
    mean = values.mean()
    return float(mean) if isinstance(mean, int | float) else 0.0
