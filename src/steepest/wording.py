"""Numbers with their nouns, in the singular or the plural."""

from __future__ import annotations


def counted(number: int, noun: str, many: str | None = None) -> str:
    """Return a number with its noun.

    Args:
        number: how many.
        noun: in the singular; a verb or more may follow it.
        many: in the plural, where it is not the singular with an s.

    Example:
        >>> counted(1, "row"), counted(18212, "row"), counted(2, "class", "classes")
        ('1 row', '18,212 rows', '2 classes')
    """
    return f"{number:,} {noun if number == 1 else many or noun + 's'}"
