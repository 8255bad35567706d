"""Names of columns: Polars takes ``*`` and ``^…$`` for patterns, so a column named so gets quotes around its name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

_QUOTED = re.compile(r"'[^']*'|\"([^\"]*)\"")


def plain(name: str) -> str:
    """Return what a column is called: its own name, in quotes if it would be read as a pattern.

    Example:
        >>> plain("age"), plain("*"), plain("^a.*$")
        ('age', "'*'", "'^a.*$'")
    """
    pattern = name == "*" or (len(name) > 1 and name.startswith("^") and name.endswith("$"))
    return f"'{name}'" if pattern else name


def called(names: Iterable[str]) -> list[str]:
    """Return what the columns of a table are called; one without a name has its number.

    Example:
        >>> called(["", "age", "*"])
        ['column_1', 'age', "'*'"]
    """
    return [plain(name) if name.strip() else f"column_{i}" for i, name in enumerate(names, 1)]


def plain_in(value: Any) -> Any:
    """Return a name, a list of names or a mapping by name with plain names; anything else as it is.

    Example:
        >>> plain_in(["*", "age"]), plain_in({"*": "text"})
        (["'*'", 'age'], {"'*'": 'text'})
    """
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, list | tuple):
        return [plain_in(each) for each in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, Mapping):
        return {plain_in(name): each for name, each in value.items()}  # pyright: ignore[reportUnknownVariableType]
    return value


def plain_sql(sql: str) -> str:
    """Return an SQL expression in which the quoted names are plain; texts stay.

    Example:
        >>> plain_sql('''"*" > 1 AND kind = '"*"' ''')
        '"\\'*\\'" > 1 AND kind = \\'"*"\\' '
    """

    def one(found: re.Match[str]) -> str:
        return found.group() if found.group(1) is None else f'"{plain(found.group(1))}"'

    return _QUOTED.sub(one, sql)
