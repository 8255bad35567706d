"""Numbers that may stand for a missing value, such as -999 among temperatures.

The least or the greatest value of a column is taken for one if it is written with nines alone (at least two: 99, -999,
9999.9), is the least number of a type (-2147483648) or the mark of an empty cell in maps (-3.4e38), occurs at least
twice, and cannot well be one of the others: it is the only negative value, or farther from the nearest other value than
these are from each other; above them, five times as far, since the greatest value may be a limit (99999).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

import polars as pl

from steepest.data.dataset import Note
from steepest.wording import significant

_NINES = re.compile(r"-?9+(?:\.9+)?")
_LIMITS = {
    -(2.0**15),
    -(2.0**31),
    2.0**31 - 1,
    -(2.0**63),
    2.0**63,
    -3.4028234663852886e38,
    3.4028234663852886e38,
}
_SURVEYS = {-66.0, -77.0, -88.0, -666.0, -777.0, -888.0}
"""What surveys write beside -99 and -999: refused, not known, does not apply."""
LEAST_ROWS, LEAST_OTHERS, FAR_ABOVE = 2, 10, 5.0
"""So many rows with such a value, so many different other values, and how many times their range it lies above them."""


def about_sentinels(columns: Iterable[pl.Series]) -> list[Note]:
    """Return a note for every column of numbers in which a value may stand for a missing one.

    Args:
        columns: columns of numbers that are used as quantities, or predicted.

    Example:
        >>> degrees = [float(i % 40) for i in range(200)]
        >>> about_sentinels([pl.Series("t", [*degrees, -999.0, -999.0])])[0].text
        't: -999 (2 rows) may mean a missing value; its other values are 0 to 39. If so: --missing=-999.'
        >>> about_sentinels([pl.Series("t", degrees)])
        []
    """
    notes: list[Note] = []
    for values in columns:
        others, found = _apart(values.drop_nulls().cast(pl.Float64))
        if not found:
            continue
        marks = sorted(found, key=lambda each: -found[each])
        counts = (f"{_written(each)} ({found[each]:,} rows)" for each in marks)
        text = (
            f"{values.name}: {' and '.join(counts)} may mean a missing value; its other values are "
            f"{_range(others)}. If so: --missing={','.join(map(_written, marks))}."
        )
        notes.append(Note("warning", text))
    return notes


def _apart(known: pl.Series) -> tuple[pl.Series, dict[float, int]]:
    """Return the values without those that may stand for a missing one, and how often these are there."""
    found: dict[float, int] = {}
    while (extreme := next(filter(_is_mark, _extremes(known)), None)) is not None:
        found[extreme] = int((known == extreme).sum())
        known = known.filter(known != extreme)
    if not found or known.n_unique() < LEAST_OTHERS:
        return known, {}
    least, most = _extremes(known)
    far = {each: n for each, n in found.items() if n >= LEAST_ROWS and _is_far(each, least, most)}
    return known, far if any(each not in _SURVEYS for each in far) else {}


def _is_far(mark: float, least: float, most: float) -> bool:
    if mark < least:
        return least >= 0 or least - mark > most - least
    return mark - most > FAR_ABOVE * (most - least)


def _extremes(known: pl.Series) -> tuple[float, ...]:
    found = known.min(), known.max()
    return tuple(float(each) for each in found if isinstance(each, int | float))


def _is_mark(number: float) -> bool:
    text = _written(number)
    nines = bool(_NINES.fullmatch(text)) and text.count("9") > 1
    return nines or number in _LIMITS or number in _SURVEYS


def _written(number: float) -> str:
    return f"{number:.0f}" if number.is_integer() and abs(number) < 2.0**64 else repr(number)


def _range(others: pl.Series) -> str:
    return " to ".join(significant(each, 5) for each in _extremes(others) if math.isfinite(each))
