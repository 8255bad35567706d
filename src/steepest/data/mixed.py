"""Columns in which most values are numbers and some are words."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass

import polars as pl

from steepest.data.dataset import Note
from steepest.data.labels import as_text
from steepest.data.notation import like_numbers
from steepest.data.strays import looks_like_a_unit, names_a_total
from steepest.data.suggestions import step_toml

SHOWN = 5
"""So many words are named."""

LEAST_WITH_UNIT, MOST_UNITS = 10, 4
"""Numbers with a unit are looked for where there are so many different ones, in no more units."""
_WITH_UNIT = r"^[-+]?(?<number>[0-9]+(?:\.[0-9]+)?)(?<unit>\s*[\p{L}°µ]{1,4}[²³]?)$"
_ORDINALS = {"st", "nd", "rd", "th"}


@dataclass(frozen=True)
class Words:
    """The words of a column of texts some of which are numbers.

    Attributes:
        name: the column.
        share: the share of its known values that are numbers.
        numbers: how many different numbers there are.
        words: the different words, the most frequent first.
        begins: whether the first value is the only word.
    """

    name: str
    share: float
    numbers: int
    words: tuple[str, ...]
    begins: bool = False

    @classmethod
    def of(cls, values: pl.Series) -> Words | None:
        """Return the words of a column; None if it has no words or no numbers.

        Example:
            >>> Words.of(pl.Series("price", ["1.5", "2,50 €", "sold", "4"]))
            Words(name='price', share=0.75, numbers=3, words=('sold',), begins=False)
        """
        counts = values.drop_nulls().alias("text").value_counts(sort=True, name="count")
        counts = counts.with_columns(as_text(counts["text"]))
        number = counts.select(like_numbers(pl.col("text"))).to_series()
        if number.all() or not number.any():
            return None
        words = counts.filter(~number)["text"]
        share = counts["count"].filter(number).sum() / (len(values) - values.null_count())
        first = values.drop_nulls().head(1).cast(pl.String).to_list()
        begins = (
            len(words) == 1 and first == words.to_list() and int(counts["count"].filter(~number).sum()) == 1
        )
        return cls(values.name, float(share), int(number.sum()), tuple(words.to_list()), begins)

    @property
    def shown(self) -> str:
        """Some of the words."""
        more = f" and {len(self.words) - SHOWN} more" if len(self.words) > SHOWN else ""
        return ", ".join(map(repr, self.words[:SHOWN])) + more

    @property
    def cure(self) -> str:
        """What to do if the words mean that a value is missing, or are of rows that are no data.

        Example:
            >>> Words("price", 0.9, 40, ("sold", "not yet")).cure
            "if they mean missing: --missing 'sold,not yet'"
            >>> Words("price", 0.99, 40, ("Total",)).cure
            'remove the rows of totals, which are no data'
        """
        if all(map(names_a_total, self.words)):
            return "remove the rows of totals, which are no data"
        if self.begins and looks_like_a_unit(self.words[0]):
            return f"if that is a unit: remove the first row; {self._missing}"
        return self._missing

    @property
    def _missing(self) -> str:
        if len(self.words) > SHOWN:
            return f"if they mean missing: a cast step in a --prepare file makes {self.name} a number"
        if any("," in each or each != each.strip() or each.startswith("!") for each in self.words):
            listed = json.dumps(list(self.words), ensure_ascii=False)
            return f"if they mean missing: missing = {listed} in the [table] of a --prepare file"
        return f"if they mean missing: --missing {shlex.quote(','.join(self.words))}"

    @property
    def step(self) -> str:
        """The step that makes numbers of the column where the words are too many for an option, else nothing."""
        return step_toml("cast", types={self.name: "number"}) if len(self.words) > SHOWN else ""

    @property
    def below(self) -> str:
        """The step on lines of its own, to follow a hint."""
        return f"\n{self.step}" if self.step else ""


def about_units(known: pl.Series) -> Note | None:
    """Return a note on a column of texts that are numbers with a unit behind, such as ``12.5 kg``; else None.

    Example:
        >>> about_units(pl.Series("weight", [f"{i / 8} kg" for i in range(20)])).text[:72]
        'weight is text although its values look like numbers in kg: a derive ste'
        >>> about_units(pl.Series("place", ["1st", "2nd", "3rd"] * 9))
    """
    texts = as_text(known.unique()).sort()
    parts = texts.str.extract_groups(_WITH_UNIT).struct.unnest().drop_nulls()
    units = parts["unit"].str.strip_chars().unique().sort().to_list()
    if parts.height < max(LEAST_WITH_UNIT, len(texts)) or len(units) > MOST_UNITS or set(units) <= _ORDINALS:
        return None
    text = f"{known.name} is text although its values look like numbers in {' and '.join(units)}"
    ends = parts["unit"].unique().to_list()
    if len(ends) > 1:
        return Note("warning", f"{text}, such as {texts[0]!r}: write them in one unit, without its name.")
    name = known.name.replace('"', '""')
    sql = f"CAST(REPLACE(\"{name}\", '{ends[0]}', '') AS DOUBLE)"
    step = step_toml("derive", columns={known.name: sql})
    return Note("warning", f"{text}: a derive step in a --prepare file makes numbers of it.", step)
