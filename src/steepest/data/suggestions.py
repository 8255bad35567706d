"""Preparation steps that a message advises, as they are written in a file for ``--prepare``."""

from __future__ import annotations

import json
from collections.abc import Mapping


def step_toml(use: str, **options: Mapping[str, str]) -> str:
    """Return a step as TOML, a line for each option, so that it can be pasted into a file.

    Args:
        use: the step's name.
        options: texts by column.

    Example:
        >>> print(step_toml("derive", columns={"length of text": 'char_length("text")'}))
        [[step]]
        use = "derive"
        columns."length of text" = 'char_length("text")'
    """
    lines = ["[[step]]", f'use = "{use}"']
    for option, texts in options.items():
        lines += [f"{option}.{quoted(name)} = {_string(text)}" for name, text in texts.items()]
    return "\n".join(lines)


def quoted(text: str) -> str:
    r"""Return a text as a TOML string, which is also a key.

    Example:
        >>> print(quoted('a "b"'))
        "a \"b\""
    """
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _string(text: str) -> str:
    plain = text.isprintable() and '"' in text and "'" not in text
    return f"'{text}'" if plain else quoted(text)
