"""Names in comma lists, as options for columns take them: ``--drop 'age,"weight, kg"'``."""

from __future__ import annotations

import csv
import shlex


def names_in(text: str) -> list[str]:
    """Return the names in a comma list, of which one that has a comma itself is in double quotes, as in CSV files.

    Example:
        >>> names_in('age, "weight, kg",when'), names_in('5" screen, 7" screen'), names_in('"open, x')
        (['age', 'weight, kg', 'when'], ['5" screen', '7" screen'], ['"open', 'x'])
    """
    try:
        rows = list(csv.reader([text], skipinitialspace=True, strict=True))
    except csv.Error:  # a quotation mark that is part of a name
        rows = [text.split(",")]
    return [each.strip() for row in rows for each in row if each.strip()]


def shell_name(name: str) -> str:
    """Return a name as a comma list in a shell command takes it.

    Example:
        >>> print(shell_name("age"), shell_name("is paid"), shell_name("weight, kg"))
        age 'is paid' '"weight, kg"'
    """
    doubled = name.replace('"', '""')
    return shlex.quote(name if names_in(name) == [name] else f'"{doubled}"')
