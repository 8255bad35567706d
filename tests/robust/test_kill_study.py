"""A study that is killed while it trains, and resumed, ends as if nothing had happened."""

from __future__ import annotations

import json

import pytest

from steepest.record.store import STUDY
from tests.robust.conftest import Nursery
from tests.robust.test_kill import KILLED, check_same

WRITES = [
    ("study.json", 1),
    ("journal.jsonl", 3),
    ("journal.jsonl", 5),
    ("results.json", 1),
    ("journal.jsonl", 3),
    ("results.json", 3),
]
"""Killed inside: what says which study it is, two runs, the first comparison, a run of the second one, the answer."""


@pytest.mark.slow
def test_a_killed_study_is_resumed(nursery: Nursery) -> None:
    command = ("study", "early-stopping", "--quick", "-q", "--out")
    found = nursery.run(*command, "study-whole")
    assert found["status"] == 0, found["said"]
    out, whole = nursery.where / "study-torn", nursery.where / "study-whole"
    for name, nth in WRITES:
        again = ("resume", out.name, "-q") if (out / STUDY).exists() else (*command, out.name)
        found = nursery.run(*again, name=name, nth=nth)
        assert found["status"] == KILLED, (name, nth, found["said"])
    found = nursery.run("resume", out.name, "-q")
    assert found["status"] == 0, found["said"]
    for part in ("", "log-loss"):
        check_same(out / part, whole / part)
    one, other = (json.loads((each / "results.json").read_text())["study"] for each in (out, whole))
    assert one == other
