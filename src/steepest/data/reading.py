"""How the texts of a table are read: what was said of it, and what training taught."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from steepest.data.names import names_a_time
from steepest.data.notation import PLAIN, Notation
from steepest.data.options import MISSING, NUMBER_MARKS, Decimal

FEW = 1000
"""So few texts are looked at one by one."""


@dataclass(frozen=True)
class Reading:
    """How texts are read: what was said of the table, and what training taught.

    Attributes:
        missing: texts that mean a missing value.
        marks: further texts that do so among numbers.
        decimal: the decimal sign of numbers that can be read in two ways: auto, point or comma.
        text: columns that stay text.
        kept: columns whose texts stay as they are unless Python would read them as numbers.
        numbers: columns that are numbers whatever their texts look like.
        target: the column that is predicted; whole numbers that are classes stay as they are, like those of ``kept``.
        trained: at prediction, the columns that were numbers in training and how they were written; else None.
        encoding: the encoding of a text file that is not UTF-8; auto takes it to be Western if it may be.
    """

    missing: Sequence[str] = MISSING
    marks: Sequence[str] = NUMBER_MARKS
    decimal: Decimal = "auto"
    text: Collection[str] = ()
    kept: Collection[str] = ()
    numbers: Collection[str] = ()
    target: str | None = None
    trained: Mapping[str, Notation] | None = None
    encoding: str = "auto"

    def cells(self, frame: pl.LazyFrame, names: Sequence[str]) -> pl.LazyFrame:
        """Return rows with columns of texts without blanks around them, and null where they mean a missing value."""
        if not names:
            return frame
        texts = pl.col(names)  # in two steps, or each text is stripped twice
        missing = texts.is_in(list(self.missing))
        return frame.with_columns(texts.str.strip_chars()).with_columns(
            pl.when(~missing).then(texts).name.keep()
        )

    def is_plain(self, texts: pl.Series) -> bool:
        """Whether ``cells`` would change none of these texts."""
        if len(texts) <= FEW:  # Python begins at once
            return all(text is None or (text == text.strip() and text not in self.missing) for text in texts)
        text = pl.col("text")
        changed = (text.str.strip_chars().str.len_bytes() != text.str.len_bytes()) | text.is_in(
            [*self.missing]
        )
        return not texts.alias("text").to_frame().select(changed.any()).item()

    def may_be_a_code(self, name: str) -> bool:
        """Whether leading zeros would make codes of a column's whole numbers, not in new rows and not in times."""
        return self.trained is None and name not in self.numbers and not names_a_time(name)

    def known(self, cell: pl.Expr) -> pl.Expr:
        """Return cells, null also where they mean a missing value among numbers."""
        return pl.when(cell.is_in(list(self.marks)).not_()).then(cell)


def as_in_training(raw: Mapping[str, str], notations: Mapping[str, Notation]) -> Reading:
    """Return how new rows are read, given the raw columns' types in training and how their numbers were written.

    Example:
        >>> as_in_training({"age": "Int64", "plan": "String"}, {}).trained
        {'age': Notation(decimal='.', thousands='', unit='')}
    """
    numbers = [name for name, dtype in raw.items() if dtype.startswith(("Int", "UInt", "Float"))]
    return Reading(
        text=[name for name, dtype in raw.items() if dtype == "String"],
        trained={**dict.fromkeys(numbers, PLAIN), **notations},
    )
