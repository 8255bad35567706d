"""Docstrings as the documentation shows them: a Griffe extension, and the formulas of every page.

Formulas become MathML, which browsers draw without a script; roles become code; and ``Example:`` becomes the section
``Examples:``, whose prompts and outputs are kept line by line.
"""

from __future__ import annotations

import re
from typing import Any

import griffe
from latex2mathml.converter import convert

_BLOCK = re.compile(r"^([ ]*)\.\. math::(.*(?:\n(?![ ]*$)\1[ ]+.*)*)", re.MULTILINE)
_INLINE = re.compile(r":math:`([^`]*)`")
_ROLE = re.compile(r":\w+:`~?(?:[\w.]*\.)?([^`]*)`")
_EXAMPLE = re.compile(r"^Example:$", re.MULTILINE)


def math_markup(latex: str, display: bool) -> str:
    """Return LaTeX as MathML on one line."""
    latex = " ".join(latex.split())
    if display and ("&" in latex or r"\\" in latex):
        latex = rf"\begin{{align*}} {latex} \end{{align*}}"
    found = convert(latex, display="block" if display else "inline").replace("\n", "")
    return re.sub(r'columnalign="(\w+)"', r'style="text-align: \1"', found)


def displayed(latex: str) -> str:
    """Return a formula in a block of its own, which scrolls where the page is too narrow."""
    return f'<div class="formula">{math_markup(latex, True)}</div>'


def shown(text: str) -> str:
    r"""Return a docstring with its formulas as MathML, its roles as code and its examples as a section.

    Example:
        >>> print(shown("See :func:`~steepest.plan`.\n\nExample:\n    >>> 1\n    1"))
        See `plan`.
        <BLANKLINE>
        Examples:
            >>> 1
            1
    """
    text = _BLOCK.sub(lambda found: f"{found[1]}{displayed(found[2])}", text)
    text = _INLINE.sub(lambda found: math_markup(found[1], False), text)
    return _EXAMPLE.sub("Examples:", _ROLE.sub(r"`\1`", text))


class Docstrings(griffe.Extension):
    """Rewrites every docstring before it is parsed."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring of an object."""
        if obj.docstring:
            obj.docstring.value = shown(obj.docstring.value)
