"""Columns in which most values are numbers and some are words."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass

import polars as pl

from steepest.data.labels import as_text
from steepest.data.notation import like_numbers

SHOWN = 5
"""So many words are named."""


@dataclass(frozen=True)
class Words:
    """The words of a column of texts some of which are numbers.

    Attributes:
        name: the column.
        share: the share of its known values that are numbers.
        numbers: how many different numbers there are.
        words: the different words, the most frequent first.
    """

    name: str
    share: float
    numbers: int
    words: tuple[str, ...]

    @classmethod
    def of(cls, values: pl.Series) -> Words | None:
        """Return the words of a column; None if it has no words or no numbers.

        Example:
            >>> Words.of(pl.Series("price", ["1.5", "2,50 €", "sold", "4"]))
            Words(name='price', share=0.75, numbers=3, words=('sold',))
        """
        counts = values.drop_nulls().alias("text").value_counts(sort=True, name="count")
        counts = counts.with_columns(as_text(counts["text"]))
        number = counts.select(like_numbers(pl.col("text"))).to_series()
        if number.all() or not number.any():
            return None
        words = counts.filter(~number)["text"]
        share = counts["count"].filter(number).sum() / (len(values) - values.null_count())
        return cls(values.name, float(share), int(number.sum()), tuple(words.to_list()))

    @property
    def shown(self) -> str:
        """Some of the words."""
        more = f" and {len(self.words) - SHOWN} more" if len(self.words) > SHOWN else ""
        return ", ".join(map(repr, self.words[:SHOWN])) + more

    @property
    def cure(self) -> str:
        """What to do if the words mean that a value is missing.

        Example:
            >>> Words("price", 0.9, 40, ("sold", "not yet")).cure
            "if they mean missing: --missing 'sold,not yet'"
        """
        if len(self.words) > SHOWN:
            step = f'use = "cast", types = {{ {json.dumps(self.name)} = "number" }}'
            return f"if they mean missing: a cast step, {step}"
        if any("," in each or each != each.strip() or each.startswith("!") for each in self.words):
            listed = json.dumps(list(self.words), ensure_ascii=False)
            return f"if they mean missing: missing = {listed} in the [table] of a --prepare file"
        return f"if they mean missing: --missing {shlex.quote(','.join(self.words))}"
