"""Killed while one run hands its weights to the next: resumed, it ends as if nothing had happened."""

from __future__ import annotations

from tests.robust.conftest import EXPERIMENT, Nursery
from tests.robust.test_kill import KILLED, check_same

STAGES = (
    EXPERIMENT.replace('"adam(lr=0.01)", "sgd"', '"adam"').replace("epochs = 8", "epochs = 4")
    + """
[factors]
procedure = ["train", "continue(0.5)", "continue(0.5, point=last)"]
"""
)
WRITES = [("start-", 1), ("journal.jsonl", 1), ("start-", 1), ("start-", 2), ("rows", 1), ("results.json", 1)]


def test_killed_between_the_stages(nursery: Nursery) -> None:
    """Killed inside writes of the weights that the next stage starts from, and of what follows."""
    (nursery.where / "stages.toml").write_text(STAGES)
    found = nursery.run("compare", "stages.toml", "--out", "stages-whole")
    assert found["status"] == 0, found["said"]
    out = nursery.where / "stages-torn"
    for name, nth in WRITES:
        command = ("resume", out.name) if out.exists() else ("compare", "stages.toml", "--out", out.name)
        found = nursery.run(*command, name=name, nth=nth)
        assert found["status"] == KILLED, (name, nth, found["said"])
    found = nursery.run("resume", out.name)
    assert found["status"] == 0, found["said"]
    assert not list(out.glob("checkpoints/start-*"))
    check_same(out, nursery.where / "stages-whole")
