"""Folders of the pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from steepest.play.workplace import Workplace, open_workplace, workplace


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    """Return a workplace in an empty folder, which is that of this process during a test."""
    monkeypatch.chdir(tmp_path)
    before = workplace()
    yield open_workplace(Workplace(Path("runs/play"), base=tmp_path))
    open_workplace(before)
