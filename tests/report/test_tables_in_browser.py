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


CELLS = """
[...document.querySelectorAll("#trials-table tbody tr")].filter(row => !row.hidden)
  .map(row => row.cells[{column}].textContent.trim())
"""


def cells(page: Page, column: int) -> list[str]:
    return page.run(CELLS.replace("{column}", str(column)))


def press(page: Page, key: str) -> None:
    text = {"Enter": "\r", " ": " "}[key]
    for kind in ("keyDown", "keyUp"):
        page.send(
            "Input.dispatchKeyEvent",
            {"type": kind, "key": key, "text": text, "windowsVirtualKeyCode": ord(text)},
        )


def test_trials_sort_by_their_numbers_with_the_keyboard_and_what_is_missing_comes_last(
    browser: Browser, files: dict[str, Path]
) -> None:
    heads = "[...document.querySelectorAll('#trials-table thead th')]"
    with browser.page(files["trials"], width=1280) as page:
        opened(page)
        titles = page.run(f"{heads}.map(each => each.textContent)")
        for column, title in enumerate(titles):
            given = cells(page, column)
            nothing = ("",) if title == "end" else ("", "failed")
            missing = sum(each in nothing for each in given)
            page.run(f"{heads}[{column}].querySelector('button').focus()")
            for key, down in (("Enter", False), (" ", True)):
                press(page, key)
                found = cells(page, column)
                assert sorted(found) == sorted(given)
                assert all(each in nothing for each in found[len(found) - missing :]), title
                known: list[str] | list[float] = found[: len(found) - missing]
                if title not in ("optimizer", "amsgrad", "end"):
                    known = [*map(float, known)]
                assert known == sorted(known, reverse=down), title
                assert page.run(f"{heads}[{column}].getAttribute('aria-sort')") == (
                    "descending" if down else "ascending"
                )
        assert page.complaints() == []


def test_the_filter_finds_rows_with_all_words_of_a_part_and_says_how_many(
    browser: Browser, files: dict[str, Path]
) -> None:
    comparison = searched(crimes())
    trials = sum(len(each.trials) for each in comparison.searches)
    one, other = (each.name for each in comparison.searches[2:4])
    with browser.page(files["trials"], width=390) as page:
        opened(page)

        def found(text: str) -> tuple[set[str], str]:
            page.run(
                f"(() => {{ const field = document.querySelector('[data-filters]'); field.value = {text!r};"
                " field.dispatchEvent(new Event('input')); })()"
            )
            return {*cells(page, 0)}, page.run("document.querySelector('.find .count').textContent")

        assert found(f"{one} chosen") == ({one}, f"1 of {trials} rows")
        names, said = found(f"chosen, {one} or {other}")
        assert names == {one, other}
        assert said == f"{1 + len(comparison.searches[3].trials)} of {trials} rows"
        assert found("nothing like it") == (set(), f"0 of {trials} rows")
        assert found(" ")[1] == ""
