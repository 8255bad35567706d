"""The papers that a component is taken from, as BibTeX beside its code."""

from __future__ import annotations


def bibtex_entries(text: str) -> list[str]:
    """Return the entries of a BibTeX text.

    Example:
        >>> bibtex_entries('''
        ... @misc{a, year = {1964}}
        ... @misc{b, year = {1992}}
        ... ''')
        ['@misc{a, year = {1964}}', '@misc{b, year = {1992}}']
    """
    return [f"@{each.strip()}" for each in f"\n{text}".split("\n@")[1:]]
