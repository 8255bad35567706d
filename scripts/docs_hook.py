"""Keeps code in running text in whole words: a line breaks at its spaces, never inside of ``--an-option``."""

from __future__ import annotations

import re
from typing import Any

LONGEST = 40
"""Letters of a word that a narrow page can show; a longer one may break."""

_BLOCK = re.compile(r"(<pre\b.*?</pre>)", re.DOTALL)
_CODE = re.compile(r"<code>([^<]*)</code>")


def on_page_content(html: str, **_: Any) -> str:
    """Return the page's HTML with the words of inline code marked, which the style sheet keeps in one piece.

    Example:
        >>> on_page_content("<p><code>report --open</code></p>")
        '<p><code><span class="word">report</span> <span class="word">--open</span></code></p>'
    """
    parts = _BLOCK.split(html)
    return "".join(part if part.startswith("<pre") else _CODE.sub(_words, part) for part in parts)


def _words(found: re.Match[str]) -> str:
    words = [
        f'<span class="word">{word}</span>' if len(word) <= LONGEST else word for word in found[1].split(" ")
    ]
    return f"<code>{' '.join(words)}</code>"
