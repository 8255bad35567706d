"""A study that is killed while it trains, and resumed, ends as if nothing had happened."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from steepest.record.store import STUDY
from tests.robust.conftest import Nursery
from tests.robust.test_kill import KILLED, check_same

WRITES = [("study.json", 1), ("journal.jsonl", 3), ("journal.jsonl", 5), ("results.json", 1), ("results.json", 2)]
"""Killed inside: what says which study it is, two runs, the comparison, and the answer in it."""


@pytest.mark.slow
def test_a_killed_study_is_resumed(nursery: Nursery) -> None:
    command = ("study", "memorisation", "--quick", "-q", "--out")
    found = nursery.run(*command, "study-whole")
    assert found["status"] == 0, found["said"]
    out, whole = nursery.where / "study-torn", nursery.where / "study-whole"
    for name, nth in WRITES:
        again = ("resume", out.name, "-q") if (out / STUDY).exists() else (*command, out.name)
        found = nursery.run(*again, name=name, nth=nth)
        assert found["status"] == KILLED, (name, nth, found["said"])
    found = nursery.run("resume", out.name, "-q")
    assert found["status"] == 0, found["said"]
    check_same(out, whole)
    assert _answer(out) == _answer(whole)


def _answer(folder: Path) -> object:
    """Return the answer without the column of seconds."""
    found = json.loads((folder / "results.json").read_text())["study"]
    at = next(place for place, head in enumerate(found["columns"]) if head.startswith("seconds"))
    for row in found["rows"]:
        del row["cells"][at]
    return found
