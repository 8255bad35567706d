"""Whether a column of texts holds numbers, and how they are written.

All texts of a column must be numbers in one way of writing. What can be read in two ways (``1,234``) is decided by the
table's other columns, else by what separates the columns of the file (a semicolon goes with decimal commas, a comma
with decimal points), else not at all.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from steepest.data.notation import PLAIN, Notation, NumberTexts, like_numbers, units_asked, units_found
from steepest.data.options import INTEGER_CLASSES
from steepest.data.reading import Reading

FIRST_ROWS, SAMPLE_ROWS = 20, 1000
"""The first rows, which tell which columns of texts are looked at as a whole."""
EXACT_DIGITS = 15
"""Whole numbers with more digits are not exact as floats."""
_SHORT, _FEW_LETTERS = 9, 5
"""Words for missing values and infinity are so short, and units and exponents have so few letters."""
_TRUTH = "(?i)^(?:true|false)$"
LEADING_ZERO = r"^0[0-9]{2,}$"
"""A whole number with a leading zero; two digits are an hour or a month."""
_GROUP = r"^[-+]?[1-9][0-9]{0,2}\.[0-9]{3}$"
"""A number whose point may separate thousands."""
_GROUP_OR_SHORT = r"^[-+]?(?:0|[1-9][0-9]{0,2}(?:\.[0-9]{3})?)$"
"""What a whole number is that has points between thousands, if it has less than seven digits."""
_CORRECT = "correct it in the table, or leave the field empty, which means a missing value"
_ALIKE = "write all numbers of the column in the same way"


@dataclass(frozen=True)
class Doubt:
    """Why a column that looks like numbers is not read as numbers, and what to do; without full stops."""

    why: str
    cure: str


@dataclass
class Judged:
    """A column of texts, the evidence about it, and the type that it is read as.

    Attributes:
        name: its name.
        facts: the answers to ``_asked``.
        units: the units of its numbers.
        trained: at prediction, how its numbers were written in training.
        evidence: what a closer look at its numbers found.
        dtype: what it is read as; None if it stays text.
        notation: how its numbers are written.
        because: what decided between two ways to read it.
        doubt: why it stays text although it looks like numbers.
        thousands: whether its points look as if they separated thousands.
        is_kept: whether it stays text because its numbers have leading zeros.
    """

    name: str
    facts: Mapping[str, Any]
    units: tuple[str, ...]
    trained: Notation | None = None
    evidence: NumberTexts | None = None
    dtype: Any = None
    notation: Notation = PLAIN
    because: str = ""
    doubt: Doubt | None = None
    thousands: bool = False
    is_kept: bool = False

    def values(self, reading: Reading) -> pl.Expr:
        """Return the column as what it is read as."""
        text = reading.known(pl.col(self.name))
        if self.dtype == pl.Boolean:
            return text.str.to_lowercase() == "true"
        return (self.notation.plain(text) if self.is_odd else text).cast(self.dtype)

    @property
    def is_odd(self) -> bool:
        """Whether Python would not read its numbers, or read others."""
        return self.notation != PLAIN or not self.facts["numbers"]

    @property
    def is_code(self) -> bool:
        """Whether its values are whole numbers of which some have leading zeros."""
        return self.facts["integers"] and self.facts["zero"] is not None

    @property
    def is_number(self) -> bool:
        """Whether it is read as numbers."""
        return self.dtype in (pl.Int64, pl.Float64)


def judged(
    frame: pl.LazyFrame, names: Sequence[str], reading: Reading, *, untyped: bool = False, separator: str = ""
) -> list[Judged]:
    """Return the columns that look like numbers or truth values, with what they are read as.

    Args:
        frame: the rows, their texts without blanks around them.
        names: the columns of texts to look at, as ``likely`` found them.
        reading: how texts are read.
        untyped: the table is a text file, in which plain numbers, and true and false, are no more than texts yet.
        separator: what separates the columns of the file.
    """
    if not names:
        return []
    columns = _looked_at(frame, names, reading)
    odd = [each for each in columns if not _is_plain(each, reading, untyped)]
    _look_closer(frame, odd, reading)
    votes = {vote for each in odd if (vote := _vote(each))}
    plain = [each for each in columns if each.dtype == pl.Float64]
    _find_thousands(frame, plain, reading)
    doubtful = bool(odd) or any(each.thousands for each in plain)
    if any(each.facts["points"] for each in plain) or (untyped and doubtful and _has_fractions(frame)):
        votes.add(".")
    for each in plain:
        each.thousands &= votes != {"."}
    by_separator = separator == ";" and any(each.thousands for each in plain)
    if "," in votes or reading.decimal == "comma" or by_separator:  # a point may separate thousands
        _look_closer(frame, plain, reading)
        odd += [each for each in plain if each.evidence and len(each.evidence.readings) > 1]
    for each in sorted(odd, key=lambda each: not each.thousands):
        _decide(each, reading, votes, separator)
        if each.thousands and each.notation.decimal == ",":
            votes.add(",")
    _decide_types(frame, [each for each in odd if each.is_number], reading)
    return columns


def _find_thousands(frame: pl.LazyFrame, columns: Sequence[Judged], reading: Reading) -> None:
    """Find the columns in which every point is followed by three digits and all other numbers are below 1000."""
    if reading.decimal != "auto":
        return
    asked: dict[str, dict[str, pl.Expr]] = {}
    for each in columns:
        if each.trained is None and not each.facts["points"]:
            known = reading.known(pl.col(each.name)).drop_nulls()
            short = known.str.contains(".", literal=True).not_() & (known.str.strip_chars("+-0") != "")
            asked[each.name] = {"short": short.any(), "all": known.str.contains(_GROUP_OR_SHORT).all()}
    found = _answers(frame, asked)
    for each in columns:
        each.thousands = all(found[each.name].values()) if each.name in found else False


def _has_fractions(frame: pl.LazyFrame) -> bool:
    """Whether numbers that were read from a text file already had a point that separates no thousands."""
    names = [name for name, dtype in frame.collect_schema().items() if dtype == pl.Float64]
    if not names:
        return False
    clear = may_separate_thousands(pl.col(names)).not_() & (pl.col(names) != pl.col(names).floor())
    return any(frame.select(clear.any()).collect(engine="streaming").row(0))


def may_separate_thousands(number: pl.Expr) -> pl.Expr:
    """Whether a number with a point may have been one of thousands, as 1.234 may be 1234; zero may have."""
    size = number.abs()
    return ((size >= 1) | (size == 0)) & (size < 1000) & ((size * 1000 - (size * 1000).round()).abs() < 1e-9)


def likely(
    frame: pl.LazyFrame, names: Sequence[str], reading: Reading, *, untyped: bool = False
) -> list[str]:
    """Return the columns to look at as a whole, because all of their first texts look like numbers or truth values.

    Args:
        frame: the rows, their texts as they came.
        names: columns of texts.
        reading: how texts are read; at prediction, the columns that were numbers in training are looked at anyway.
        untyped: true and false may be truth values.
    """
    trained, missing = reading.trained or {}, set(reading.missing)
    open_names = [name for name in names if name not in trained]
    if open_names:  # most columns of texts are out after a few
        few = frame.select(open_names).head(FIRST_ROWS).collect()
        open_names = [
            each.name for each in few.iter_columns() if all(_may_be_typed(text, missing) for text in each)
        ]
    if open_names:
        first = reading.cells(frame.select(open_names).head(SAMPLE_ROWS), open_names).collect()
        looks = {name: _looks_typed(reading.known(pl.col(name)).drop_nulls(), untyped) for name in open_names}
        found = first.select(**looks).row(0, named=True)
        open_names = [name for name, typed in found.items() if typed]
    return [name for name in names if name in trained or name in open_names]


def _may_be_typed(text: str | None, missing: Collection[str]) -> bool:
    """Whether a text may be a number, a truth value or a mark for a missing value; a quick look.

    Example:
        >>> [_may_be_typed(each, {"not known"}) for each in ("1,5 USD", " true", "not known", "019XX W CORTLAND ST")]
        [True, True, True, False]
    """
    bare = "" if text is None else text.strip()
    return len(bare) <= _SHORT or bare in missing or sum(map(str.isalpha, bare)) <= _FEW_LETTERS


def _looks_typed(known: pl.Expr, untyped: bool) -> pl.Expr:
    numbers = like_numbers(known).all()
    return numbers | known.str.contains(_TRUTH).all() if untyped else numbers


def _answers(frame: pl.LazyFrame, asked: Mapping[str, Mapping[str, pl.Expr]]) -> dict[str, dict[str, Any]]:
    """Return the values of expressions, of one value each, by column and key; all of them in one pass."""
    keyed = {f"{i} {key}": each for i, one in enumerate(asked.values()) for key, each in one.items()}
    row = frame.select(**keyed).collect(engine="streaming").row(0, named=True) if keyed else {}
    return {name: {key: row[f"{i} {key}"] for key in one} for i, (name, one) in enumerate(asked.items())}


def _looked_at(frame: pl.LazyFrame, names: Sequence[str], reading: Reading) -> list[Judged]:
    asked: dict[str, dict[str, pl.Expr]] = {}
    for name in names:
        cell, known = pl.col(name), reading.known(pl.col(name)).drop_nulls()
        asked[name] = {
            "known": known.count(),
            "first": known.head(SAMPLE_ROWS).implode(),
            "like": like_numbers(known).all(),
            "truth": known.str.contains(_TRUTH).all(),
            "integers": known.cast(pl.Int64, strict=False).is_not_null().all(),
            "numbers": known.cast(pl.Float64, strict=False).is_not_null().all(),
            "points": (known.str.contains(".", literal=True) & known.str.contains(_GROUP).not_()).any(),
            "codes": known.str.contains(r"^[-+]?[0-9]+$").all()
            & ((known.str.len_chars() > EXACT_DIGITS).mean() > 0.5),
            "zero": known.filter(known.str.contains(LEADING_ZERO)).first(),
            "marks": cell.filter(cell.is_in(list(reading.marks))).value_counts(sort=True).implode(),
            "odd": known.filter(like_numbers(known).not_()).first(),
            **({"distinct": known.n_unique()} if name == reading.target else {}),
            **units_asked(known),
        }
    return [
        Judged(name, facts, units_found(facts), (reading.trained or {}).get(name))
        for name, facts in _answers(frame, asked).items()
    ]


def _is_plain(column: Judged, reading: Reading, untyped: bool) -> bool:
    """Decide a column that needs no closer look, and return whether it needs none."""
    facts = column.facts
    if not facts["known"] or not facts["like"]:
        if not facts["known"] and column.trained is not None:
            column.dtype = pl.Float64
        elif untyped and facts["known"] and facts["truth"]:
            column.dtype = pl.Boolean
        elif facts["known"] and column.trained not in (None, PLAIN):
            column.doubt = Doubt(f"holds {facts['odd']!r}, which is not a number", _CORRECT)
        return True
    if not facts["numbers"] and column.name in reading.kept:
        return True
    if not facts["numbers"] or column.trained not in (None, PLAIN):
        return False
    if facts["codes"] and not facts["integers"]:
        return True  # as numbers they would lose digits
    if untyped and column.is_code and reading.may_be_a_code(column.name):
        column.is_kept = column.name != reading.target or _few(facts)
        if column.is_kept:
            return True
    if untyped or facts["marks"] or not facts["integers"] or column.trained is not None:
        column.dtype = pl.Int64 if facts["integers"] else pl.Float64
    if facts["marks"] and _stays_text(column, reading):
        column.dtype = None
    return True


def _stays_text(column: Judged, reading: Reading) -> bool:
    """Whether numbers that Python would not read stay as they are written, because they are categories."""
    return column.name in reading.kept or (column.dtype == pl.Int64 and _few(column.facts))


def _few(facts: Mapping[str, Any]) -> bool:
    """Whether a target's different values are so few that they are classes."""
    return facts.get("distinct", INTEGER_CLASSES + 1) <= INTEGER_CLASSES


def _look_closer(frame: pl.LazyFrame, columns: Sequence[Judged], reading: Reading) -> None:
    units = {each.name: each.units or _unit_of(each.trained) for each in columns}
    asked = {
        name: NumberTexts.asked(reading.known(pl.col(name)).drop_nulls(), unit)
        for name, unit in units.items()
    }
    found = _answers(frame, asked)
    for each in columns:
        each.evidence = NumberTexts.of(found[each.name], units[each.name])


def _unit_of(notation: Notation | None) -> tuple[str, ...]:
    return (notation.unit,) if notation is not None and notation.unit else ()


def without_percent(frame: pl.LazyFrame, reading: Reading) -> dict[str, Doubt]:
    """Return why columns of numbers cannot be new values of percentages: 0.05 can be 0.05 % or 5 %.

    Args:
        frame: the rows; in some columns they have numbers where training had texts with a %.
        reading: how texts are read.
    """
    trained, schema = reading.trained or {}, frame.collect_schema()
    names = [
        name for name, dtype in schema.items() if dtype.is_numeric() and _unit_of(trained.get(name)) == ("%",)
    ]
    if not names:
        return {}
    cells = pl.col(names).cast(pl.Float64)
    first = frame.select(cells.filter((cells != 0) & cells.is_not_nan()).first()).collect(engine="streaming")
    return {
        name: _lacks_percent(f"{value:.12g}")
        for name, value in first.row(0, named=True).items()
        if value is not None
    }


def _lacks_percent(number: str) -> Doubt:
    why = f"holds {number} without a %, and its numbers had one in training: {number} can be a percentage or a fraction"
    return Doubt(why, "give its numbers as texts with a %, as in training: '5 %'")


def _vote(column: Judged) -> str | None:
    """Return the decimal sign of the table, as far as a column leaves no choice."""
    evidence = column.evidence
    if evidence is None or len(evidence.readings) != 1:
        return None
    notation = evidence.readings[0]
    if notation.decimal in evidence.signs:
        return notation.decimal
    return {".": ",", ",": "."}.get(notation.thousands)


def _decide(column: Judged, reading: Reading, votes: set[str], separator: str) -> None:
    """Decide how a column that was looked at closer is read, or why it is not."""
    evidence, trained = column.evidence, column.trained
    if evidence is None:
        return
    column.dtype = None
    if trained is not None and evidence.units and evidence.units != (trained.unit,):
        had = f"the unit {trained.unit}" if trained.unit else "none"
        column.doubt = Doubt(
            f"has the unit {', '.join(evidence.units)}, and had {had} in training",
            "convert its numbers to the unit of training",
        )
        return
    if trained is not None and trained.unit == "%" and evidence.bare:
        column.doubt = _lacks_percent(evidence.bare)
        return
    trouble = evidence.trouble(trained=trained is not None)
    if trouble or not evidence.readings:
        if trouble or trained is not None:
            column.doubt = Doubt(f"looks like numbers, but {trouble or 'not all are some'}", _ALIKE)
        return
    chosen, column.because = _chosen(column, evidence, reading, votes, separator)
    if chosen is None:
        example = next(filter(evidence.ambiguous, column.facts["first"]), None)
        both = "some can be read in two ways"
        if example is not None:
            both = f"{example!r} can be {' or '.join(each.shown(example) for each in evidence.readings)}"
        cure = "say which with --decimal comma or --decimal point"
        if trained is not None:
            cure = "use the decimal sign of training, and nothing between thousands"
        column.doubt = Doubt(f"looks like numbers, but {both}", cure)
        return
    column.notation, column.dtype = chosen, pl.Float64


def _chosen(
    column: Judged, evidence: NumberTexts, reading: Reading, votes: set[str], separator: str
) -> tuple[Notation | None, str]:
    """Return the way in which a column is read, and what decided if there were two."""
    trained = column.trained
    by_sign = {each.decimal: each for each in evidence.readings}
    if len(by_sign) == 1:
        return evidence.readings[0], ""
    if reading.decimal != "auto":
        return by_sign["," if reading.decimal == "comma" else "."], ""
    if len(votes) == 1:
        (sign,) = votes
        return by_sign[sign], "by the decimal signs of other columns"
    if trained is not None and (trained.decimal, trained.thousands) in evidence.styles:
        return by_sign[trained.decimal], "as in training"
    if "." in evidence.signs and (trained is None or trained.decimal == ".") and not column.thousands:
        return by_sign["."], ""
    if separator in (",", ";") and not votes and trained in (None, PLAIN):
        sign = "," if separator == ";" else "."
        return by_sign[sign], f"by the {'semicolons' if separator == ';' else 'commas'} between the columns"
    return None, ""


def _decide_types(frame: pl.LazyFrame, columns: Sequence[Judged], reading: Reading) -> None:
    asked: dict[str, dict[str, pl.Expr]] = {}
    for each in columns:
        plain = each.notation.plain(reading.known(pl.col(each.name)).drop_nulls())
        asked[each.name] = {"integers": plain.cast(pl.Int64, strict=False).is_not_null().all()}
    found = _answers(frame, asked)
    for each in columns:
        each.dtype = pl.Int64 if found[each.name]["integers"] else pl.Float64
        if each.is_odd and _stays_text(each, reading):
            each.dtype = None
