"""What the texts of a table mean: blanks around them, marks for missing values, and numbers as people write them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from steepest.components.comma_lists import shell_name
from steepest.data.dataset import Note
from steepest.data.judge import Doubt, Judged, judged, likely, without_percent
from steepest.data.notation import PLAIN, Notation
from steepest.data.reading import Reading
from steepest.wording import counted

BLANKS_ROWS = 100_000
"""The first rows, in which values that differ only in blanks are looked for."""


@dataclass(frozen=True)
class Cells:
    """A table whose texts are read.

    Attributes:
        frame: the rows.
        notations: how the numbers of the columns are written that Python would not read so.
        notes: what was decided.
        doubts: the columns that look like numbers and are not read as numbers.
        raw: the rows before their texts were read.
        strays: warnings of rows that are no data, such as totals.
    """

    frame: pl.LazyFrame
    notations: Mapping[str, Notation] = field(default_factory=dict[str, Notation])
    notes: tuple[Note, ...] = ()
    doubts: Mapping[str, Doubt] = field(default_factory=dict[str, Doubt])
    raw: pl.LazyFrame | None = None
    strays: tuple[Note, ...] = ()

    def padded(self, names: Collection[str]) -> list[Note]:
        """Return notes on texts of some columns that are one value but for blanks; the first rows are looked at."""
        schema = {} if self.raw is None else self.raw.collect_schema()
        texts = [name for name, dtype in schema.items() if dtype == pl.String and name in names]
        if self.raw is None or not texts:
            return []
        first = self.raw.select(texts).head(BLANKS_ROWS).collect(engine="streaming")
        lengths = pl.all().str.len_bytes() != pl.all().str.strip_chars().str.len_bytes()
        found = first.select(lengths.any()).row(0, named=True)
        return [note for name, some in found.items() if some and (note := _one_but_for_blanks(first[name]))]


def tidied(
    frame: pl.LazyFrame,
    reading: Reading,
    *,
    untyped: bool = False,
    separator: str = "",
    plain: Collection[str] = (),
) -> Cells:
    """Read the texts of a table.

    Args:
        frame: the rows.
        reading: how texts are read.
        untyped: the table is a text file, in which plain numbers, and true and false, are no more than texts yet.
        separator: what separates the columns of the file.
        plain: columns of texts of which it is known that ``Reading.cells`` would change none.

    Example:
        >>> found = tidied(pl.LazyFrame({"price": ["1.234,50 €", "-", "7 €"]}), Reading())
        >>> found.frame.collect()["price"].to_list(), found.notes[0].text[:-1]
        ([1234.5, None, 7.0], "read as numbers: price ('1.234,50 €' is 1234.5)")
    """
    schema = frame.collect_schema()
    texts = [name for name, dtype in schema.items() if dtype == pl.String]
    codes = [name for name, dtype in schema.items() if isinstance(dtype, pl.Categorical | pl.Enum)]
    asked = [name for name in texts if name not in reading.text]
    if reading.trained is not None and not untyped:
        asked = [name for name in asked if name in reading.trained]
    raw, frame = frame, frame.with_columns(pl.col(codes).cast(pl.String)) if codes else frame
    asked = likely(frame, asked, reading, untyped=untyped)
    frame = reading.cells(frame, [name for name in (*texts, *codes) if name not in plain])
    found = judged(frame, asked, reading, untyped=untyped, separator=separator)
    typed = {each.name: each for each in found if each.dtype is not None}
    return Cells(
        frame.with_columns(each.values(reading).alias(name) for name, each in typed.items()),
        {name: each.notation for name, each in typed.items() if each.notation not in (None, PLAIN)},
        tuple(_notes(found, reading)),
        {each.name: each.doubt for each in found if each.doubt is not None} | without_percent(raw, reading),
        raw,
    )


def _one_but_for_blanks(texts: pl.Series) -> Note | None:
    """Return a note if values of a column differ only in the blanks around them."""
    name, texts = texts.name, texts.drop_nulls().alias("text")
    forms = texts.unique().to_frame().group_by(pl.col("text").str.strip_chars().alias("value")).agg("text")
    twice = forms.filter(pl.col("text").list.len() > 1).sort("value")
    if not twice.height:
        return None
    shown = " and ".join(repr(each) for each in sorted(twice["text"][0].to_list()))
    return Note("info", f"{name}: surrounding blanks are ignored, so {shown} are one value.")


def _notes(columns: Sequence[Judged], reading: Reading) -> list[Note]:
    notes: list[Note] = []
    read = [each for each in columns if each.is_number and each.is_odd]
    if read:
        notes.append(Note("info", f"read as numbers: {', '.join(map(_shown, read))}."))
    codes = [each for each in columns if each.is_kept and each.name not in reading.kept]
    if codes:
        shown = ", ".join(f"{each.name} ({each.facts['zero']!r})" for each in codes)
        text = f"kept as text because of leading zeros: {shown}"
        notes.append(Note("info", f"{text}; --continuous {shell_name(codes[0].name)} makes numbers of it."))
    marks: dict[str, list[str]] = {}
    for each in columns:
        for found in each.facts["marks"] if each.dtype is not None else ():
            mark, n = found.values()
            marks.setdefault(mark, []).append(f"{each.name} ({counted(n, 'value')})")
    for mark, where in marks.items():
        shown = ", ".join(where[:8]) + (f" and {len(where) - 8} more" if len(where) > 8 else "")
        notes.append(Note("info", f"read as missing: {mark!r} in {shown}; --missing '!{mark}' keeps it."))
    notes += [Note("warning", _about_points(each)) for each in columns if each.thousands and not each.is_odd]
    notes += [
        Note(
            "warning",
            f"{each.name} {each.doubt.why}: {each.doubt.cure}, or treat it as categories: "
            f"--categorical {each.name}.",
        )
        for each in columns
        if each.doubt
    ]
    return notes


def _about_points(column: Judged) -> str:
    """Return what to do if the points of a column, which were read as decimal points, separate thousands."""
    number = next((each for each in column.facts["first"] if "." in each), "1.234")
    return (
        f"{column.name}: {number!r} is read as {float(number):.12g}, but every point is followed by three digits, and "
        f"numbers without a point are below 1000. If points separate thousands ({number.replace('.', '')}): "
        "--decimal comma; if not: --decimal point."
    )


def _shown(column: Judged) -> str:
    """Return a column's name with one of its texts and the number that this is."""
    texts = pl.Series(column.facts["first"], dtype=pl.String)
    texts = texts.filter(texts != column.notation.numbers(texts)).to_list()
    example = f"{texts[0]!r} is {column.notation.shown(texts[0])}" if texts else "far down"
    return f"{column.name} ({example}{', ' if column.because else ''}{column.because})"
