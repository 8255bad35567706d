"""Makes docstrings read well in the documentation: Sphinx roles become code, formulas stay as TeX."""

from __future__ import annotations

import re
from typing import Any

_ROLE = re.compile(r":(?:func|meth|class|attr|mod|data|math):(?=<(?:code|a|autoref)\b)")
_FORMULA = re.compile(r"<p>\.\. math::\s*(.*?)</p>", re.DOTALL)


def on_page_content(html: str, **_: Any) -> str:
    """Return the page's HTML without role marks, with each formula in a block of its own.

    Example:
        >>> on_page_content("<p>see :func:<code>plan</code></p><p>.. math:: x^2</p>")
        '<p>see <code>plan</code></p><pre><code>x^2</code></pre>'
    """
    html = _ROLE.sub("", html).replace("<code>~", "<code>")
    return _FORMULA.sub(r"<pre><code>\1</code></pre>", html)
