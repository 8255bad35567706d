"""Tables in a real browser: words stay whole on a phone, the first column in sight, and rows sort and are found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from steepest.recipe import validate_experiment
from steepest.report.html import render_html
from steepest.report.side_by_side import Side, render_sides
from steepest.report.suite_page import suite_page
from tests.compare.test_across import made
from tests.report.browser import Browser, Page
from tests.report.example import crimes
from tests.report.test_browser import scroll
from tests.report.test_searches import searched

pytestmark = pytest.mark.browser

BROKEN = r"""
(() => {
  const found = new Set();
  for (const cell of document.querySelectorAll("th, td")) {
    if (!cell.getClientRects().length) continue;
    const walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      for (const word of walker.currentNode.data.matchAll(/[^\s\-\/.:(){},]{2,11}/g)) {
        const range = document.createRange();
        range.setStart(walker.currentNode, word.index);
        range.setEnd(walker.currentNode, word.index + word[0].length);
        if (new Set([...range.getClientRects()].map(each => Math.round(each.top))).size > 1) found.add(word[0]);
      }
    }
  }
  return [...found];
})()
"""
"""Words of tables that are broken into several lines, without those that are wider than any column."""

STUCK = """
[...document.querySelectorAll(".scroll")].filter(box => {
  box.scrollLeft = 200;
  const first = box.querySelector("tbody th:first-child");
  return box.scrollLeft && first && first.getBoundingClientRect().right < 60;
}).map(box => box.getAttribute("aria-label"))
"""
"""Tables whose first column is out of sight when they are scrolled."""


def suite() -> str:
    """Return the page of a suite with the columns of a real one."""
    results = made()
    facts = {"rows": "1,100 / 300 / 600", "model": "embedding-mlp(hidden=(32,), dropout=0.1)", "epochs": "4"}
    sets = [each.model_copy(update={"what": "status, 5 classes", "facts": facts}) for each in results.sets]
    here = {
        "steepest": "0.1.0",
        "torch": "2.13.0+cpu",
        "python": "3.11.7",
        "machine": "AMD EPYC",
        "cores": "2",
    }
    return suite_page(results.model_copy(update={"sets": sets, "here": here, "stored": here}))


def sides() -> str:
    """Return the page of three comparisons."""
    experiment = validate_experiment({"data": {"target": "y"}})
    return render_sides([Side(f"runs/{name}", crimes(), experiment, name) for name in "abc"])


PAGES: dict[str, Callable[[], str]] = {
    "trials": lambda: render_html(searched(crimes())),
    "suite": suite,
    "sides": sides,
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("tables")
    paths = {name: folder / f"{name}.html" for name in PAGES}
    for name, path in paths.items():
        path.write_text(PAGES[name](), encoding="utf-8")
    return paths


def opened(page: Page) -> None:
    page.run("document.querySelectorAll('details.further').forEach(each => { each.open = true; })")


@pytest.mark.parametrize("name", PAGES)
def test_words_stay_whole_and_names_in_sight(name: str, browser: Browser, files: dict[str, Path]) -> None:
    for width in (390, 1280):
        with browser.page(files[name], width=width) as page:
            opened(page)
            assert page.run(BROKEN) == []
            assert page.run(STUCK) == []
            assert scroll(page) <= 0
            assert page.complaints() == []
