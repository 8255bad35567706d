"""Rows that are no data: totals below the others, and units below the header.

The last rows are looked at, and the first:

- *Totals*: a cell says total, sum, average or the like, and either the other values of its column are numbers, or at
  least half of the row's numbers are the sums or means of the rows above (to 2 %). Without such a word, at least two
  numbers and half of them are the sums of at least five rows above (to 1e-6), or one is, and the rest is empty.
- *Units*: the row has no number, and in at least two columns it has different words where all other rows have numbers;
  or in one, and the word looks like a unit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from steepest.data.labels import as_text
from steepest.data.notation import like_numbers
from steepest.wording import first_few

LEAST_ROWS = 5
"""So many other rows there are at least."""
MOST_BELOW = 3
"""So many rows of totals are looked for, the last first: a total, an average, a number of rows."""
LABELLED, EXACT = 0.02, 1e-6
"""How far a total may be from the sum, relatively, with a word that says so and without."""
_MOSTLY_FULL = 0.05

_TOTAL = re.compile(
    r"(?:(?:grand|sub|in)[ -]?)?(?:totals?|sums?|averages?|avg|means?|summe|gesamt|mittelwert|durchschnitt|"
    r"somme|moyenne|suma|promedio|totale)\.?\s*:?",
    re.IGNORECASE,
)
_UNIT = re.compile(
    r"[\[(].{1,12}[\])]|[A-Za-zµμΩ°%€$£]{1,3}(?:[/·*^][A-Za-z0-9²³]{1,4})*[²³23]?|.{0,6}[°/].{1,6}"
)


def names_a_total(text: str) -> bool:
    """Whether a text says that its row sums up others.

    Example:
        >>> [names_a_total(each) for each in ("Total", "grand total:", "Sub-total", "AVG", "Total Recall", "x")]
        [True, True, True, True, False, False]
    """
    return _TOTAL.fullmatch(text.strip()) is not None


def looks_like_a_unit(text: str) -> bool:
    """Whether a text looks like a unit of measurement.

    Example:
        >>> [looks_like_a_unit(each) for each in ("km/h", "N", "°C", "[kg]", "m²", "unknown", "see below")]
        [True, True, True, True, True, False, False]
    """
    return _UNIT.fullmatch(text.strip()) is not None


@dataclass(frozen=True)
class Stray:
    """A row that is no data.

    Attributes:
        row: its place, from 0.
        what: what it looks like.
        why: what tells so.
    """

    row: int
    what: str
    why: str

    def said(self, where: str) -> str:
        """Return the warning.

        Args:
            where: the row as a person finds it, such as ``line 402 of a.csv``.
        """
        line = where.partition(" of ")[0]
        return f"{where} looks like {self.what}, not data ({self.why}): remove {line}."


def strays(frame: pl.DataFrame) -> list[Stray]:
    """Return the rows of a table that are units or totals.

    Args:
        frame: the rows, their numbers read.

    Example:
        >>> rows = {"day": [*"abcdef", "Total"], "rain": [1, 2, 3, 4, 5, 6, 21]}
        >>> strays(pl.DataFrame(rows))
        [Stray(row=6, what='a row of totals', why="'Total' in day")]
        >>> strays(pl.DataFrame(rows).head(6))
        []
    """
    found = [*_units(frame)]
    for row in range(frame.height - 1, max(LEAST_ROWS - 1, frame.height - 1 - MOST_BELOW), -1):
        total = _total(frame, row)
        if total is None:
            break
        found.append(total)
    return found


def _units(frame: pl.DataFrame) -> Iterator[Stray]:
    if frame.height <= LEAST_ROWS:
        return
    first = frame.row(0, named=True)
    if any(isinstance(value, int | float) for value in first.values()):
        return
    words = {
        name: value.strip()
        for name, value in first.items()
        if isinstance(value, str) and not _are_numbers(frame[name].head(1))
    }
    words = {name: text for name, text in words.items() if text and _are_numbers(frame[name][1:])}
    several = len(words) > 1 and len(set(words.values())) > 1
    if several or (words and all(map(looks_like_a_unit, words.values()))):
        yield Stray(0, "a row of units or a second header", _shown(words))


def _are_numbers(values: pl.Series) -> bool:
    """Whether all known values are numbers, and there are some."""
    known = as_text(values).str.strip_chars().alias("text")
    known = known.filter(known != "").to_frame()
    return known.height > 0 and bool(known.select(like_numbers(pl.col("text")).all()).item())


def _total(frame: pl.DataFrame, row: int) -> Stray | None:
    cells = frame.row(row, named=True)
    labels = {name: text for name, text in cells.items() if isinstance(text, str) and names_a_total(text)}
    above = frame.head(row)
    for name, text in labels.items():
        others = as_text(above[name]).str.strip_chars()
        summing = others.str.contains(rf"(?i)^(?:{_TOTAL.pattern})$").fill_null(False)
        data = others.filter(~summing)
        if len(data.drop_nulls()) >= LEAST_ROWS and _are_numbers(data):
            return Stray(row, "a row of totals", _shown({name: text}))
        if (others.str.to_lowercase() == text.strip().lower()).any():  # one of its values
            continue
        known, sums, means = _agreeing(above.filter(~summing), cells, LABELLED)
        if known and 2 * max(len(sums), len(means)) >= len(known):
            return Stray(row, "a row of totals", _shown({name: text}))
    known, sums, _ = _agreeing(above, cells, EXACT)
    if not sums or 2 * len(sums) < len(known):
        return None
    empty = all(value is None or name in sums for name, value in cells.items())
    full = all(above[name].null_count() <= _MOSTLY_FULL * row for name in cells)
    if len(sums) > 1 or (len(cells) > 1 and empty and full):
        return Stray(row, "a row of totals", f"the sums of {first_few(sums)}")
    return None


def _agreeing(
    above: pl.DataFrame, cells: dict[str, object], share: float
) -> tuple[list[str], list[str], list[str]]:
    """Return the columns of numbers in a row, and those in which it has the sum, or the mean, of the rows above."""
    known = {
        name: float(value)
        for name, value in cells.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    if not known:
        return [], [], []
    number = pl.col(list(known)).cast(pl.Float64)
    sums, means, sizes = (
        above.select(each).row(0, named=True) for each in (number.sum(), number.mean(), number.abs().max())
    )
    judged = [name for name in known if sizes[name]]
    return (
        judged,
        [
            name
            for name in judged
            if abs(sums[name]) > sizes[name] and abs(known[name] - sums[name]) <= share * abs(sums[name])
        ],
        [name for name in judged if abs(known[name] - means[name]) <= share * abs(means[name])],
    )


def _shown(words: dict[str, str]) -> str:
    return first_few([f"{text.strip()!r} in {name}" for name, text in words.items()])
