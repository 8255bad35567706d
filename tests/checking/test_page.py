"""The page about checks shows what its commands print."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from steepest.cli import main

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "check-derivatives.md"


def _plain(text: str) -> str:
    """Return a text in one line, without the small numbers that rounding errors make, which depend on the machine."""
    return re.sub(r"-?\d+(\.\d+)?e-\d+", "#", " ".join(text.split()))


def test_the_page_shows_what_its_commands_print(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    page = PAGE.read_text(encoding="utf-8")
    for title, text in re.findall(r"^```python title=\"(.*?)\"\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        Path(title).write_text(text, encoding="utf-8")
    commands = re.findall(r"^\$ (steepest check .*)$|^`(steepest check [^`]*)`", page, re.MULTILINE)
    for first, second in commands:
        if "--timing" not in first and "--json" not in first:
            main(shlex.split(first or second)[1:])
    printed = _plain(capsys.readouterr().out)
    shown = re.findall(r"^```text\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(shown) >= 4
    for each in shown:
        assert _plain(each) in printed, each
