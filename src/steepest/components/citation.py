"""The papers that a component is taken from, as BibTeX beside its code."""

from __future__ import annotations

from collections.abc import Sequence


def bibtex_entries(text: str, keys: Sequence[str] | None = None) -> list[str]:
    """Return the entries of a BibTeX text: those with one of the keys, or all.

    Example:
        >>> bibtex_entries('''
        ... @misc{a, year = {1964}}
        ... @misc{b, year = {1992}}
        ... ''')
        ['@misc{a, year = {1964}}', '@misc{b, year = {1992}}']
    """
    found = [f"@{each.strip()}" for each in f"\n{text}".split("\n@")[1:]]
    return [each for each in found if keys is None or each.partition("{")[2].partition(",")[0] in keys]
