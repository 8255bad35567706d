"""What the documentation shows, runs: files are written, Python is executed, commands end with status 0."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.docs_hook import on_page_markdown
from steepest.cli import main

ROOT = Path(__file__).parents[1]
PAGES = [
    "CONTRIBUTING.md",
    "docs/tutorial/first-comparison.md",
    "docs/tutorial/fit-a-curve.md",
    "docs/how-to/prepare-a-table.md",
    "docs/how-to/tables.md",
    "docs/how-to/plan-a-comparison.md",
    "docs/how-to/tune.md",
    "docs/how-to/many-comparisons.md",
    "docs/how-to/many-machines.md",
    "docs/how-to/compare-arms.md",
    "docs/how-to/data-variants.md",
    "docs/how-to/images.md",
    "docs/how-to/ratings.md",
    "docs/how-to/language.md",
    "docs/how-to/predict.md",
    "docs/how-to/scikit-learn.md",
    "docs/how-to/see-what-was-learned.md",
    "docs/how-to/export.md",
    "docs/how-to/own-model.md",
    "docs/how-to/own-optimizer.md",
    "docs/how-to/own-loss.md",
    "docs/how-to/regularizers.md",
    "docs/how-to/callbacks.md",
    "docs/how-to/optimizer-in-your-loop.md",
    "docs/how-to/trace.md",
    "docs/how-to/pages.md",
    "docs/how-to/check-derivatives.md",
    "docs/how-to/memory.md",
    "docs/how-to/find-a-rate.md",
    "docs/how-to/train-parts.md",
    "docs/how-to/second-order.md",
    "docs/how-to/curvature.md",
    "docs/how-to/landscape.md",
    "docs/how-to/hessian-free.md",
    "docs/how-to/read-a-report.md",
    "docs/how-to/studies.md",
    "docs/how-to/suite.md",
    "docs/how-to/watch-training.md",
    "docs/how-to/see-why.md",
    "docs/how-to/play.md",
]
BLOCK = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FEWER = {"seeds": 2, "epochs": 2, "workers": 1}
"""Commands and files of experiments have at most so many; ``make slow`` runs them as they are written."""
SHORTER = ("console", "toml")
NUMBERS = re.compile(rf"(--|^)({'|'.join(FEWER)})( = | )(\d+)", re.MULTILINE)


def shorter(text: str) -> str:
    """Return a command or a file with fewer seeds, epochs and workers; as it is where an epoch is a step."""
    if "--batch-size all" in text:
        return text
    return NUMBERS.sub(
        lambda found: f"{found[1]}{found[2]}{found[3]}{min(FEWER[found[2]], int(found[4]))}", text
    )


def blocks(page: str) -> Iterator[tuple[str, str, str]]:
    """Yield what a page has to run: the language, the name of a file, and the text; each command on its own."""
    for language, title, text in BLOCK.findall((ROOT / page).read_text(encoding="utf-8")):
        commands = text.replace("\\\n", " ").splitlines() if language == "console" else [text]
        yield from ((language, title, each) for each in commands)


def pages() -> Iterator[Any]:
    """Yield every page as it is run, and as it is written where that differs."""
    for page in PAGES:
        yield pytest.param(page, False, id=page)
        if any(language in SHORTER and shorter(text) != text for language, _, text in blocks(page)):
            yield pytest.param(page, True, id=f"{page} as it is written", marks=pytest.mark.slow)


@pytest.mark.parametrize(("page", "whole"), [*pages()])
def test_a_page_runs_from_top_to_bottom(page, whole, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "page"}
    ran = 0
    for language, title, written in blocks(page):
        text = shorter(written) if language in SHORTER and not whole else written
        if title:
            Path(title).write_text(text, encoding="utf-8")
        elif language == "python":
            exec(compile(text, page, "exec"), names)
            ran += 1
        elif language == "console":
            assert text.startswith("$ steepest "), text
            status = main(shlex.split(text)[2:])
            assert status == 0, f"{text}\n{capsys.readouterr().err}"
            ran += 1
    assert ran > 0


LONGEST = 84
"""Characters of a line of code that the site and a README show without scrolling."""


def documents() -> list[Path]:
    """Return the README and every page of the documentation."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_code_does_not_scroll_sideways(path):
    blocks = re.findall(
        r"^```([^\n]*)\n(.*?)^```$", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    code = [text for kind, text in blocks if kind.partition(" ")[0] not in ("math", "text")]
    assert not [line for text in code for line in text.splitlines() if len(line) > LONGEST]


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_line_begins_with_a_formula(path):
    """Such a line would be read as a block of HTML, and the text after it as part of that block."""
    lines = on_page_markdown(path.read_text(encoding="utf-8")).splitlines()
    assert not [line for line in lines if line.lstrip().startswith("<math")]


def test_every_how_to_page_is_run():
    assert {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs/how-to").glob("*.md")} <= set(PAGES)


def test_the_first_page_names_what_exists():
    """Its commands are those of the tutorial with the defaults, which would take minutes here."""
    text = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    import steepest

    for name in re.findall(r"\bst\.(\w+)", text):
        assert name in steepest.__all__
    assert "title=" not in text
