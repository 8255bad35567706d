"""The page: whole, escaped, self-contained, written whole or not at all."""

from __future__ import annotations

import base64
import errno
import hashlib
import html
import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from steepest.compare.result import Comparison
from steepest.errors import FolderError
from steepest.report import render_html, write_report
from steepest.report.html import embedded_json
from tests.report.example import EXAMPLES, SCRIPT, crimes, nasty, smallest


class Reader(HTMLParser):
    """Collects tags, attributes, and the contents of scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.texts: list[str] = []
        self._in_script = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self._in_script = True
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._in_script = False

    def handle_data(self, data: str) -> None:
        if self._in_script:
            self.scripts[-1] += data
        else:
            self.texts.append(data)


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return {name: render_html(make()) for name, make in EXAMPLES.items()}


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_name_sentence_and_label_is_on_the_page(name: str, pages: dict[str, str]) -> None:
    result = EXAMPLES[name]()
    texts = "".join(Reader(pages[name]).texts)
    expected = [result.sentence, *result.remarks, *result.warnings]
    expected += [row.name for row in result.rows] + [each.label for each in result.classes]
    expected += [fact.value for fact in [*result.trust, *result.data, *result.recipe, *result.use]]
    for each in expected:
        assert each in texts


@pytest.mark.parametrize("name", EXAMPLES)
def test_page_asks_for_nothing_and_allows_only_its_own_scripts(name: str, pages: dict[str, str]) -> None:
    page = Reader(pages[name])
    for tag, attributes in page.tags:
        assert tag not in ("iframe", "object", "embed", "base", "form", "img")
        for key, value in attributes.items():
            assert not key.startswith("on")
            if key in ("src", "href", "action", "poster", "srcset"):
                assert (value or "").startswith(("#", "data:,"))
    metas = [attributes for tag, attributes in page.tags if tag == "meta"]
    policy = next(each["content"] for each in metas if each.get("http-equiv") == "Content-Security-Policy")
    allowed = set(re.findall(r"'sha256-([^']+)'", policy or ""))
    code = page.scripts[1:]
    assert {base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in code} == allowed
    assert "default-src 'none'" in (policy or "")
    assert "unsafe-eval" not in (policy or "")


def test_hostile_names_make_no_element_and_no_script(pages: dict[str, str]) -> None:
    text = pages["nasty"]
    assert SCRIPT not in text
    assert html.escape(SCRIPT, quote=False) in text
    assert len(Reader(text).scripts) == 3
    data = json.loads(Reader(text).scripts[0])
    assert set(data) == {"figures", "dark"}
    assert not any(tag in ("u", "a") and "contents" not in str(each) and not each.get("href", "").startswith("#")
                   for tag, each in Reader(text).tags)  # fmt: skip


def test_what_is_missing_has_no_section_and_no_library(pages: dict[str, str]) -> None:
    bare = smallest().model_copy(update={"classes": [], "confusion": []})
    text = render_html(bare)
    assert len(text) < 100_000
    for section in ("curves", "rates", "differences", "classes", "data", "recipe"):
        assert f'id="{section}"' not in text
        assert f'id="{section}"' in pages["crimes"]


def test_default_rate_rows_are_hollow_dots_in_their_optimizers_row() -> None:
    text = render_html(crimes())
    defaults = [row for row in crimes().rows if row.kind == "default"]
    assert text.count('<i class="hollow') == len(defaults)
    without = crimes().model_copy(update={"rows": [row for row in crimes().rows if row.kind != "default"]})
    assert '<i class="hollow' not in render_html(without)


def test_rendering_is_a_function_of_the_result_alone() -> None:
    stored = Comparison.model_validate_json(nasty().model_dump_json())
    assert render_html(stored) == render_html(nasty())


def test_embedded_json_survives_and_cannot_close_its_script() -> None:
    data = {"</script>": ["<!--", "&amp;", "\u2028", 'quote " and \\', "ü漢🦊"]}
    text = embedded_json(data)
    assert json.loads(text) == data
    assert not set("<>&\u2028") & set(text)


def test_report_is_written_and_makes_its_folder(tmp_path: Path) -> None:
    path = write_report(smallest(), tmp_path / "runs" / "small" / "report.html")
    assert path.read_text(encoding="utf-8") == render_html(smallest())
    assert [each.name for each in path.parent.iterdir()] == ["report.html"]


def test_full_disk_leaves_the_old_report_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.html"
    path.write_text("old", encoding="utf-8")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FolderError, match=r"report\.html.*no space left") as caught:
        write_report(smallest(), path)
    assert "Hint: " in str(caught.value)
    assert path.read_text(encoding="utf-8") == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]


def test_a_folder_that_is_a_file_is_an_error_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("", encoding="utf-8")
    with pytest.raises(FolderError, match="cannot write"):
        write_report(smallest(), tmp_path / "runs" / "report.html")


def test_a_number_with_its_interval_stays_on_one_line():
    page = render_html(
        crimes().model_copy(update={"sentence": "Use a: log loss 4e-9 ± 5e-8 (2 seeds). It is 1e-3."})
    )
    assert '<h1>Use a: log loss <span class="number">4e-9 ± 5e-8</span> (2 seeds). </h1>' in page
    assert '<p class="rest">It is <span class="number">1e-3</span>.</p>' in page
