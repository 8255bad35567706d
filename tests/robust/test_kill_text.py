"""A comparison of texts that is killed in the middle of training: resumed, it ends as if nothing had happened."""

from __future__ import annotations

import shutil

import pytest

from tests.robust.conftest import Nursery
from tests.robust.test_kill import KILLED, check_same
from tests.texts.test_language import written

KILLER = '''
import os, pathlib, signal
from steepest import Callback


class Killer(Callback):
    """Kills the process after a step, where a file says which."""

    only_watches = True

    def at_batch(self, view):
        asked = pathlib.Path("asked")
        if asked.exists() and [view.key.phase, str(view.step)] == asked.read_text().split():
            asked.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
'''


def test_a_qlora_run_that_is_killed_ends_with_the_same_bits(nursery: Nursery) -> None:
    """Codes and scales of the quantised base are made anew, and adapters drawn again."""
    pytest.importorskip("peft", reason="pip install '.[language]'")
    pytest.importorskip("bitsandbytes", reason="pip install '.[language]'")
    where = nursery.where
    if not (where / "texts").exists():
        written(where / "texts")
    (where / "killer.py").write_text(KILLER)
    command = ["compare", "texts", "--kind", "text", "--model", "transformer(width=8, layers=1, heads=2)"]
    command += [
        "--finetune",
        "qlora(2, dropout=0.1)",
        "-o",
        "adamw(lr=0.01)",
        "--block",
        "16",
        "--seeds",
        "2",
    ]
    command += ["--epochs", "1", "--batch-size", "32", "--device", "cpu", "--yes", "--baseline", "none"]
    command += ["--callbacks", "killer.py:Killer", "--compile", "off"]
    found = nursery.run(*command, "--out", "qlora-whole")
    assert found["status"] == 0, found["said"]
    (where / "asked").write_text("final 2")
    found = nursery.run(*command, "--out", "qlora-killed")
    assert found["status"] == KILLED, found["said"]
    assert not (where / "asked").exists()
    found = nursery.run("resume", "qlora-killed")
    assert found["status"] == 0, found["said"]
    check_same(where / "qlora-killed", where / "qlora-whole")
    for name in ("qlora-killed", "qlora-whole"):
        shutil.rmtree(where / name)


@pytest.mark.parametrize("again", ["resume", pytest.param("the same command", marks=pytest.mark.slow)])
def test_killed_in_the_middle_of_training(nursery: Nursery, again: str) -> None:
    """Twice, in tuning and in a reported run; with clipping and accumulation."""
    where = nursery.where
    if not (where / "texts").exists():
        written(where / "texts")
        (where / "killer.py").write_text(KILLER)
    model = ["--model", "transformer(width=8, layers=1, heads=2, dropout=0.1)"]
    command = ["compare", "texts", "--kind", "text", *model, "-o", "adamw", "--learning-rates", "0.01,0.1"]
    command += ["--block", "16", "--stride", "8", "--seeds", "2", "--epochs", "2", "--batch-size", "32"]
    command += ["--accumulate", "2", "--clip", "0.5", "--compile", "off", "--device", "cpu", "--yes"]
    command += ["--callbacks", "killer.py:Killer", "--baseline", "bigram"]
    found = nursery.run(*command, "--out", "text-whole")
    assert found["status"] == 0, found["said"]
    for phase, step in (("scan", 1), ("final", 4)):
        (where / "asked").write_text(f"{phase} {step}")
        found = nursery.run(*command, "--out", "text-killed")
        assert found["status"] == KILLED, found["said"]
        assert not (where / "asked").exists()
    more = ["resume", "text-killed"] if again == "resume" else [*command, "--out", "text-killed"]
    found = nursery.run(*more)
    assert found["status"] == 0, found["said"]
    check_same(where / "text-killed", where / "text-whole")
    for name in ("text-killed", "text-whole"):
        shutil.rmtree(where / name)
