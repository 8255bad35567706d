"""Texts for people: numbers with their nouns, and what is shown of a value where there is no terminal."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any


def counted(number: float, noun: str, many: str | None = None) -> str:
    """Return a number with its noun.

    Args:
        number: how many; a length in epochs need not be whole.
        noun: in the singular; a verb or more may follow it.
        many: in the plural, where it is not the singular with an s.

    Example:
        >>> counted(1, "row"), counted(18212, "row"), counted(2, "class", "classes"), counted(1.0, "epoch")
        ('1 row', '18,212 rows', '2 classes', '1 epoch')
    """
    shown = f"{number:,}" if isinstance(number, int) else f"{number:g}"
    return f"{shown} {noun if number == 1 else many or noun + 's'}"


def two_digits(value: float) -> str:
    """Return a number with two significant digits, without a power of ten where it can be read without.

    Example:
        >>> two_digits(100.0), two_digits(3162.3), two_digits(0.0316), two_digits(1e-9)
        ('100', '3200', '0.032', '1e-09')
    """
    return f"{float(f'{value:.2g}'):g}"


def significant(value: float, digits: int) -> str:
    """Return a number with so many significant digits, written out with its thousands separated.

    Example:
        >>> significant(1834.2, 3), significant(1234567.8, 6), significant(0.043215, 3), significant(-45590.2, 4)
        ('1,830', '1,234,570', '0.0432', '-45,590')
    """
    return f"{float(f'{value:.{digits}g}'):,.15g}"


def memory_text(value: int | None) -> str:
    """Return a number of bytes.

    Example:
        >>> [memory_text(each) for each in (999, 48_200_000, 1_540_000_000, None)]
        ['1 kB', '48 MB', '1.5 GB', '–']
    """
    if value is None:
        return "–"
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if value >= 0.9995 * size:
            scaled = value / size
            return f"{scaled:.1f} {unit}" if scaled < 9.95 else f"{scaled:,.0f} {unit}"
    return f"{value / 1e3:.0f} kB"


def first_few(names: Sequence[str], most: int = 6) -> str:
    """Return names with commas, and how many more there are.

    Example:
        >>> first_few(["age", "plan"]), first_few(["a", "b", "c"], 2)
        ('age, plan', 'a, b and 1 more')
    """
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")


def in_blocks(names: Sequence[str]) -> list[str]:
    """Return names, with those that differ in a number that is counted up from 1 as one.

    Example:
        >>> in_blocks(["age", *(f"title {i}" for i in range(1, 129)), "x 1", "x 3"])
        ['age', 'title 1 … 128', 'x 1', 'x 3']
    """
    found: list[str] = []
    at = 0
    while at < len(names):
        stem, _, number = names[at].rpartition(" ")
        end = 1
        while number == "1" and stem and names[at + end : at + end + 1] == [f"{stem} {end + 1}"]:
            end += 1
        found += [f"{stem} 1 … {end}"] if end > 2 else names[at : at + end]
        at += end
    return found


def one_line(text: str) -> str:
    """Return a name or a value without line breaks and runs of blanks, as it is shown.

    Example:
        >>> one_line("Head\\ner  A")
        'Head er A'
    """
    return " ".join(text.split())


def plain_text(shown: Any, width: int = 100) -> str:
    """Return what rich would print of a value, as text without colours; nothing is printed, in a notebook either.

    Example:
        >>> from rich.text import Text
        >>> plain_text(Text("two\\nlines", style="bold"))
        'two\\nlines'
    """
    from rich.console import Console

    file = io.StringIO()
    console = Console(
        file=file, width=width, color_system=None, force_terminal=False, force_jupyter=False, emoji=False,
        legacy_windows=False,
    )  # fmt: skip
    console.print(shown)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())


def length_text(length: float) -> str:
    """Return a length in full lengths as the place where something was tried.

    Example:
        >>> length_text(0.25), length_text(0.125)
        ('on a quarter of the steps', 'at ⅛ length')
    """
    return "on a quarter of the steps" if length == 0.25 else f"at {share_text(length)}"


def share_text(length: float) -> str:
    """Return a length in full lengths as people write it.

    Example:
        >>> share_text(0.25), share_text(1 / 9), share_text(1.0), share_text(0.3)
        ('¼ length', '1/9 length', 'full length', '30 % of the length')
    """
    if length == 1.0:
        return "full length"
    whole = round(1 / length)
    if abs(whole * length - 1.0) > 1e-9:
        return f"{length:.0%} of the length".replace("%", " %")
    return {2: "½ length", 3: "⅓ length", 4: "¼ length", 8: "⅛ length"}.get(whole, f"1/{whole} length")
