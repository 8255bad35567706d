"""Numbers as people write them: ``1.234,50 €``, ``5 %``, ``(5)``, ``1'234.5``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import polars as pl

Sign = Literal[".", ","]

_SPACES = "\u0020\u00a0\u202f\u2009"
_BETWEEN = {"": "", ",": ",", ".": r"\.", " ": f"[{_SPACES}]", "'": "['’]"}
"""What stands between groups of three digits, as patterns."""
_UNITS = (
    r"[A-Z]{0,2}\p{Sc}|%|USD|EUR|GBP|CHF|JPY|CNY|INR|BRL|RUB|AUD|CAD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|kr|zł|Kč"
)
_SIGN = r"(?:[-−+]\s*)?"
_EXPONENT = r"(?:[eE][-+]?[0-9]+|[dD][-+][0-9]+)?"
_FORTRAN = r"[dD][-+]?[0-9]+"
"""Fortran writes D; without a sign behind it, such as 1D2, that is a code unless a decimal sign is before it."""


def _whole(number: str, unit: str) -> str:
    """Return the pattern of a text that is a number: with a sign or in brackets, and a unit before or after it."""
    before, after = (rf"(?:(?:{unit})\s*)?", rf"(?:\s*(?:{unit}))?") if unit else ("", "")
    signed = rf"(?:{_SIGN}{before}|{before}{_SIGN})" if unit else _SIGN  # one sign
    return rf"^(?:{signed}(?:{number}){after}|\(\s*{before}(?:{number}){after}\s*\))$"


LIKE_A_NUMBER = _whole(
    rf"[0-9][0-9.,'’{_SPACES}]*{_EXPONENT}|[.,][0-9]+{_EXPONENT}"
    rf"|[0-9][0-9.,'’{_SPACES}]*[.,][0-9]*{_FORTRAN}|[.,][0-9]+{_FORTRAN}",
    _UNITS,
)
"""What a text must look like to be taken for a number at all."""


@dataclass(frozen=True)
class Notation:
    """How the numbers of a column are written; by default as Python writes them.

    Attributes:
        decimal: the decimal sign.
        thousands: what separates groups of three digits, if anything: ``,``, ``.``, a blank or ``'``.
        unit: what may stand before or after a number: ``%``, or a currency.

    Example:
        >>> Notation(",", ".", "€").numbers(pl.Series(["1.234,50 €", "(3)", "4.5"])).to_list()
        ['1234.50', '-3', None]
        >>> Notation().numbers(pl.Series(["1.5D+02", "25d-1", "1.25D0", "1D2"])).to_list()  # of Fortran, or a code
        ['1.5e02', '25e-1', '1.25e0', None]
    """

    decimal: Sign = "."
    thousands: str = ""
    unit: str = ""

    @property
    def pattern(self) -> str:
        """The pattern of a text, without blanks around it, that is a number written so."""
        between, digits = _BETWEEN[self.thousands], r"[0-9]+"
        if between:
            digits = rf"[1-9][0-9]{{0,2}}(?:{between}[0-9]{{3}})+|[0-9]+"
        if self.thousands == ",":  # in lakhs and crores the higher groups have two digits
            digits = rf"[1-9][0-9]?(?:,[0-9][0-9])+,[0-9]{{3}}|{digits}"
        point = re.escape(self.decimal)
        number = rf"(?:(?:{digits})(?:{point}[0-9]+)?|{point}[0-9]+){_EXPONENT}"
        fortran = rf"(?:(?:{digits}){point}[0-9]*|{point}[0-9]+){_FORTRAN}"
        return _whole(f"{number}|{fortran}", re.escape(self.unit))

    @property
    def replacements(self) -> tuple[tuple[str, str], ...]:
        """What is replaced, in this order, in a text that is a number written so, to write it as Python does."""
        between = {" ": _SPACES, "'": "'’"}.get(self.thousands, self.thousands)
        gone = [(each, "") for each in (self.unit, *between, *_SPACES, "+", ")") if each]
        fortran = [(f"{letter}{sign}", f"e{sign}") for letter in "dD" for sign in ("-", "")]
        return (*gone, *([(",", ".")] if self.decimal == "," else []), ("−", "-"), ("(", "-"), *fortran)

    def fits(self, text: pl.Expr) -> pl.Expr:
        """Whether texts are numbers written so."""
        return text.str.contains(self.pattern)

    def plain(self, text: pl.Expr) -> pl.Expr:
        """Return numbers as Python writes them, still as text; null where a text is not written so."""
        number = text
        for old, new in self.replacements:
            number = number.str.replace_all(old, new, literal=True)
        return pl.when(self.fits(text)).then(number)

    def numbers(self, texts: pl.Series) -> pl.Series:
        """Return what ``plain`` makes of a column."""
        return texts.to_frame("text").select(self.plain(pl.col("text"))).to_series()

    def shown(self, text: str) -> str:
        """Return the number that a text is, as a person reads it.

        Example:
            >>> Notation(thousands=",").shown("1,234")
            '1234'
        """
        return f"{float(self.numbers(pl.Series([text]))[0]):.12g}"

    def to_dict(self) -> dict[str, str]:
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Notation:
        """Return what ``to_dict`` stored."""
        found = cls(**stored)
        if (found.decimal, found.thousands) not in STYLES:
            raise ValueError(f"numbers cannot be written so: {stored!r}")
        re.escape(found.unit)  # raises if it is no text
        return found


PLAIN = Notation()
STYLES: tuple[tuple[Sign, str], ...] = (
    (".", ""), (",", ""), (".", ","), (",", "."), (".", " "), (",", " "), (".", "'"), (",", "'"),
)  # fmt: skip
"""The decimal and thousands signs that occur together."""
_SIGNS = {",": ",", ".": r"\.", " ": rf"[0-9][{_SPACES}]+[0-9]", "'": "['’]"}


def like_numbers(text: pl.Expr) -> pl.Expr:
    """Whether texts look like numbers in some way of writing, or are numbers to Python."""
    return text.str.contains(LIKE_A_NUMBER) | text.cast(pl.Float64, strict=False).is_not_null()


def units_asked(text: pl.Expr) -> dict[str, pl.Expr]:
    """Return what ``units_found`` needs to know of texts that look like numbers."""
    some = text.filter(text.str.contains(r"[%\p{Sc}\p{L}]"))
    before, after = some.str.extract(rf"^[-−+(\s]*({_UNITS})"), some.str.extract(rf"({_UNITS})\s*\)?$")
    return {
        name: each.drop_nulls().unique().implode() for name, each in (("before", before), ("after", after))
    }


def units_found(found: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the different units, from the values of what was asked.

    Example:
        >>> texts = pl.DataFrame({"price": ["$5", "5 €", "(7)"]})
        >>> units_found(texts.select(**units_asked(pl.col("price"))).row(0, named=True))
        ('$', '€')
    """
    return tuple(sorted({*found["before"], *found["after"]}))


@dataclass(frozen=True)
class NumberTexts:
    """What is known of all texts of a column that looks like numbers.

    Attributes:
        signs: which of ``,``, ``.``, a blank and ``'`` they hold.
        styles: the signs with which every one of them is a number.
        each: whether each of them is a number in some way of writing.
        units: their units.
        bare: one of them without a unit that is not zero; empty if there is none.
        brackets: whether all stand in brackets.
    """

    signs: frozenset[str]
    styles: frozenset[tuple[Sign, str]]
    each: bool
    units: tuple[str, ...]
    bare: str
    brackets: bool

    @staticmethod
    def asked(text: pl.Expr, units: Sequence[str]) -> dict[str, pl.Expr]:
        """Return what ``of`` needs to know, as expressions of one value each; ``text`` holds no missing value."""
        unit = units[0] if units else ""
        ways = [Notation(*style, unit) for style in STYLES]
        has_unit = text.str.contains(re.escape(unit)) | text.str.contains(r"^[-−+(]?0*(?:[.,]0+)?\)?$")
        return {
            **{f"style {i}": way.fits(text).all() for i, way in enumerate(ways)},
            **{f"sign {sign}": text.str.contains(pattern).any() for sign, pattern in _SIGNS.items()},
            "each": text.str.contains("|".join(Notation(*style, unit).pattern for style in STYLES)).all(),
            "bare": text.filter(has_unit.not_()).first(),
            "brackets": text.str.starts_with("(").all(),
        }

    @classmethod
    def of(cls, found: Mapping[str, Any], units: Sequence[str]) -> NumberTexts:
        """Return the evidence from the values of what was asked."""
        return cls(
            frozenset(sign for sign in _SIGNS if found[f"sign {sign}"]),
            frozenset(style for i, style in enumerate(STYLES) if found[f"style {i}"]),
            bool(found["each"]),
            tuple(units),
            found["bare"] or "",
            bool(found["brackets"]),
        )

    @property
    def readings(self) -> tuple[Notation, ...]:
        """The ways in which the column can be read: one, or two of which a person would have to choose."""
        unit = self.units[0] if self.units else ""
        read = {
            (decimal if decimal in self.signs else _unused(thousands), thousands)
            for decimal, thousands in self.styles
            if self.signs <= {decimal, thousands} and thousands in {"", *self.signs}
        }
        return tuple(Notation(*each, unit) for each in STYLES if each in read)

    def ambiguous(self, text: str) -> bool:
        """Whether one of the texts is another number in each of two readings."""
        return len({each.numbers(pl.Series([text]))[0] for each in self.readings}) > 1

    def trouble(self, *, trained: bool) -> str:
        """Return why the column cannot be read as numbers though it looks so; empty if it can, or is something else.

        Args:
            trained: whether the column was numbers in training, so that brackets are minus signs.
        """
        if len(self.units) > 1:
            return f"their units differ ({', '.join(self.units)})"
        if "%" in self.units and self.bare:
            return "some have a % and others none"
        if self.brackets and not trained:
            return "all of them are in brackets"
        return "their decimal signs differ" if self.each and not self.readings else ""


def _unused(thousands: str) -> Sign:
    """Return the decimal sign of a column that has none in it."""
    return "," if thousands == "." else "."
