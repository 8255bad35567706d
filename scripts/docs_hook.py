"""The documentation site: formulas, docstrings, and code in running text. Both an MkDocs hook and a Griffe extension.

Formulas (``math`` fences and ``$`…`$`` of pages, ``.. math::`` and roles of docstrings) become MathML, which browsers
draw without a script. In docstrings other roles become code, and ``Example:`` becomes the section ``Examples:``, whose
prompts and outputs are kept line by line. Code in a line of text breaks at its spaces, never inside of ``--an-option``.
The pages to play with are part of the site.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import griffe
from latex2mathml.converter import convert

LONGEST = 40
"""Letters of a word of code that a narrow page can show; a longer one may break."""

_FENCE = re.compile(r"^```math\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_DOLLARS = re.compile(r"((?<=\S)\n)?\$`([^`]+)`\$")
_BLOCK = re.compile(r"^([ ]*)\.\. math::(.*(?:\n(?![ ]*$)\1[ ]+.*)*)", re.MULTILINE)
_INLINE = re.compile(r"((?<=\S)\n[ ]*)?:math:`([^`]*)`")
_ROLE = re.compile(r":\w+:`~?(?:[\w.]*\.)?([^`]*)`")
_EXAMPLE = re.compile(r"^Example:$", re.MULTILINE)
_PRE = re.compile(r"(<pre\b.*?</pre>)", re.DOTALL)
_CODE = re.compile(r"<code>([^<]*)</code>")


def math_markup(latex: str, display: bool) -> str:
    """Return LaTeX as MathML on one line."""
    latex = " ".join(latex.split())
    if display and ("&" in latex or r"\\" in latex) and not latex.startswith(r"\begin{align*}"):
        latex = rf"\begin{{align*}} {latex} \end{{align*}}"
    found = convert(latex, display="block" if display else "inline").replace("\n", "")
    return re.sub(r'columnalign="(\w+)"', r'style="text-align: \1"', found)


def displayed(latex: str) -> str:
    """Return a formula in a block of its own, which scrolls where the page is too narrow."""
    return f'<div class="formula">{math_markup(latex, True)}</div>'


def docstring(text: str) -> str:
    r"""Return a docstring with its formulas as MathML, its roles as code and its examples as a section.

    Example:
        >>> print(docstring("See :func:`~steepest.plan`.\n\nExample:\n    >>> 1\n    1"))
        See `plan`.
        <BLANKLINE>
        Examples:
            >>> 1
            1
    """
    text = _BLOCK.sub(lambda found: f"{found[1]}{displayed(found[2])}", text)
    text = _INLINE.sub(_inline, text)
    return _EXAMPLE.sub("Examples:", _ROLE.sub(r"`\1`", text))


class Docstrings(griffe.Extension):
    """Rewrites every docstring before it is parsed."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring of an object."""
        if obj.docstring:
            obj.docstring.value = docstring(obj.docstring.value)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Return a page with its formulas as MathML."""
    markdown = _FENCE.sub(lambda found: displayed(found[1]), markdown)
    return _DOLLARS.sub(_inline, markdown)


def _inline(found: re.Match[str]) -> str:
    """Return a formula in a line of text: never at the beginning of a line, where a tag would begin a block."""
    return (" " if found[1] else "") + math_markup(found[2], False)


def on_page_content(html: str, **_: Any) -> str:
    """Return the page's HTML with the words of inline code marked, which the style sheet keeps in one piece.

    Example:
        >>> on_page_content("<p><code>report --open</code></p>")
        '<p><code><span class="word">report</span> <span class="word">--open</span></code></p>'
    """
    parts = _PRE.split(html)
    return "".join(part if part.startswith("<pre") else _CODE.sub(_words, part) for part in parts)


def on_post_build(config: Any, **_: Any) -> None:
    """Write every page to play with into the site's folder ``pages``, where docs/how-to/pages.md links to it."""
    from steepest.pages.page import registry, write_page

    for name in registry.names():
        write_page(name, Path(config["site_dir"], "pages", f"{name}.html"))


def _words(found: re.Match[str]) -> str:
    words = [
        f'<span class="word">{word}</span>' if len(word) <= LONGEST else word for word in found[1].split(" ")
    ]
    return f"<code>{' '.join(words)}</code>"
