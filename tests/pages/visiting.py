"""What tests of pages in a browser share: opening settings by the address, and reading text."""

from __future__ import annotations

import json

from tests.report.browser import Page

DRAWN = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


def visit(page: Page, settings: str) -> None:
    """Open the page's own address with these settings, and wait until it is drawn."""
    page.run(
        f"new Promise(done => {{ addEventListener('hashchange', done, {{once: true}});"
        f" location.hash = {json.dumps(settings)}; }})"
    )
    page.run(DRAWN)


def text(page: Page, selector: str) -> str:
    """Return the text of an element."""
    return page.run(f"document.querySelector({json.dumps(selector)}).textContent")
