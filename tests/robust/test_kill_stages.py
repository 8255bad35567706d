"""Killed while one run hands its weights to the next: resumed, it ends as if nothing had happened."""

from __future__ import annotations

import pytest

from tests.robust.conftest import EXPERIMENT, Nursery
from tests.robust.test_kill import KILLED, check_same

STAGES = (
    EXPERIMENT.replace('"adam(lr=0.01)", "sgd"', '"adam"')
    + """
[factors]
procedure = ["train", "continue(0.5)", "continue(0.5, point=last)"]
"""
)
PRUNED = STAGES.replace(
    '"continue(0.5)", "continue(0.5, point=last)"',
    '"prune(0.5, 2)", "distil(linear)", "lottery(0.5, 2, rewind=0.2)", '
    '"lottery(0.5, 2, rewind=0.2, ticket=random-mask)"',
)
ROUND = """
name = "round"
optimizers = ["adam(lr=0.01)"]

[data]
source = "churn.csv"
target = "churned"

[model]
hidden = [8]

[protocol]
seeds = 1
epochs = 8
batch_size = 64
baseline = ["none"]
CONTROLS

[factors]
procedure = ["PROCEDURE"]

[execution]
threads = 1
workers = 1
compile = "off"
"""
WRITES = [("start-", 1), ("journal.jsonl", 1), ("start-", 1), ("start-", 2), ("rows", 1), ("results.json", 1)]


@pytest.mark.parametrize("what", ["stages", pytest.param("pruned", marks=pytest.mark.slow)])
def test_killed_between_the_stages(nursery: Nursery, what: str) -> None:
    """Killed inside writes of the weights that the next stage starts from, and of what follows."""
    (nursery.where / f"{what}.toml").write_text({"stages": STAGES, "pruned": PRUNED}[what])
    found = nursery.run("compare", f"{what}.toml", "--out", f"{what}-whole")
    assert found["status"] == 0, found["said"]
    out = nursery.where / f"{what}-torn"
    for name, nth in WRITES:
        command = ("resume", out.name) if out.exists() else ("compare", f"{what}.toml", "--out", out.name)
        found = nursery.run(*command, name=name, nth=nth)
        assert found["status"] == KILLED, (name, nth, found["said"])
    found = nursery.run("resume", out.name)
    assert found["status"] == 0, found["said"]
    assert not list(out.glob("checkpoints/start-*"))
    check_same(out, nursery.where / f"{what}-whole")


@pytest.mark.parametrize(
    ("procedure", "field"),
    [
        ("prune(0.5, 2)", "prune"),
        pytest.param("prune(0.5, unit=neuron)", "prune", marks=pytest.mark.slow),
        pytest.param("lottery(0.5, 2, rewind=0.2)", "prune", marks=pytest.mark.slow),
        pytest.param("distil(linear)", "taught", marks=pytest.mark.slow),
    ],
)
def test_killed_inside_a_round(nursery: Nursery, procedure: str, field: str) -> None:
    """Killed twice between two steps of a run that holds weights at zero, or learns of a teacher: the same bits."""
    name = procedure.partition("(")[0] + str(len(procedure))
    text = ROUND.replace("PROCEDURE", procedure).replace(
        "CONTROLS", "controls = false" if field == "prune" else ""
    )
    (nursery.where / f"{name}.toml").write_text(text)
    found = nursery.run("compare", f"{name}.toml", "--out", f"{name}-whole")
    assert found["status"] == 0, found["said"]
    out = nursery.where / f"{name}-torn"
    for nth in (3, 5):
        command = ("resume", out.name) if out.exists() else ("compare", f"{name}.toml", "--out", out.name)
        found = nursery.run(*command, inside=field, nth=nth)
        assert found["status"] == KILLED, (nth, found["said"])
        assert not (out / "results.json").exists()
    found = nursery.run("resume", out.name)
    assert found["status"] == 0, found["said"]
    check_same(out, nursery.where / f"{name}-whole")
