"""Callbacks in a comparison: by content in its recipes, said, and needed again when it goes on."""

from __future__ import annotations

import pytest

import steepest as st
from steepest.api import resume
from steepest.record.schema import Record
from steepest.record.store import Folder
from steepest.sweep.observer import Observer


class Log(st.Callback):
    """Counts steps."""

    only_watches = True

    def __init__(self) -> None:
        self.seen = 0

    def at_batch(self, view) -> None:
        self.seen += 1


class Target(st.Callback):
    """Stops at a value of the metric."""

    def __init__(self, value: float) -> None:
        self.value = value

    def at_evaluation(self, view) -> None:
        if view.values["log_loss"] <= self.value:
            view.stop(f"log loss {view.values['log_loss']:.3f}")


class Lines(Observer):
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.made: list[Record] = []

    def say(self, text: str) -> None:
        self.lines.append(text.strip())

    def run(self, record: Record) -> None:
        self.made.append(record)


def compared(churn_csv, folder, *callbacks) -> Lines:
    told = Lines()
    data = st.read_table(churn_csv, target="churned")
    st.plan(
        data,
        optimizers=["adam(lr=0.01)"],
        model="linear",
        epochs=3,
        seeds=2,
        schedule="constant",
        compile="off",
        callbacks=callbacks,
    ).run(folder, observer=told)
    return told


def test_callbacks_that_change_runs_make_other_recipes_and_watching_ones_do_not(
    churn_csv, tmp_path, steepest
) -> None:
    folder, log = tmp_path / "x", Log()
    plain = compared(churn_csv, folder).made
    assert {each.outcome for each in plain} == {"finished"}
    assert compared(churn_csv, folder, log).made == []
    assert log.seen == 0

    target = Target(0.69)
    stopped = compared(churn_csv, folder, target, log)
    assert "callbacks: Target may stop runs or set their rate; Log only watches" in stopped.lines
    assert "called after every step, so that every step is a call of its own: Log" in stopped.lines
    assert {each.key.recipe for each in stopped.made}.isdisjoint(each.key.recipe for each in plain)
    final = [each for each in stopped.made if each.key.phase == "final"]
    assert len(final) == 2
    for record in final:
        values = [point.validation["log_loss"] for point in record.curve]
        assert values[-1] <= 0.69 < min(values[1:-1], default=1.0)
        assert record.outcome == "stopped early"
        assert (
            record.reason == f"stopped by Target: log loss {values[-1]:.3f}, at step {record.curve[-1].step}"
        )
    result = st.Result.load(folder)
    assert result.comparison.rows[0].flags[-1] == "stopped early 2 of 2"
    assert ("callbacks", "Target, Log") in [(each.label, each.value) for each in result.comparison.recipe]

    assert compared(churn_csv, folder, Target(0.69)).made == []  # the same by content
    assert compared(churn_csv, folder, Target(0.68)).made
    said = steepest("resume", folder)
    assert said.status == 2
    assert "there is no callback 'Target'" in said.err
    assert resume(folder, observer=Observer(), callbacks=[Target(0.68)]).path == folder


TEXT = """import steepest as st


class Target(st.Callback):
    def __init__(self, value, metric="log_loss"):
        self.value, self.metric = value, metric

    def at_evaluation(self, view):
        if view.values[self.metric] <= self.value:
            view.stop(f"{self.metric} is low")


class Other:
    pass
"""


def test_callbacks_on_the_command_line(churn_csv, tmp_path, steepest, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(TEXT)
    command = ["compare", churn_csv, "--target", "churned", "-o", "adam(lr=0.01)", "--model", "linear", "--epochs", 3,
               "--seeds", 1, "--schedule", "constant", "--compile", "off", "--out", "x"]  # fmt: skip
    for value, stopped in ((0.1, False), (10, True)):
        said = steepest(*command, "--callbacks", f"mine.py:Target({value}, metric='log_loss')")
        assert said.status == 0, said.err
        final = [each for each in Folder.open("x").records() if each.key.phase == "final"]
        assert (final[-1].outcome == "stopped early") == stopped
    assert final[-1].reason == f"stopped by Target: log_loss is low, at step {final[-1].curve[1].step}"
    assert len(final) == 2
    assert steepest("resume", "x").status == 0
    assert len([each for each in Folder.open("x").records() if each.key.phase == "final"]) == 2
    (tmp_path / "mine.py").write_text(TEXT.replace("is low", "is low enough"))
    assert steepest("resume", "x").status == 0
    last = [each for each in Folder.open("x").records() if each.key.phase == "final"][-1]
    assert "is low enough" in last.reason
    said = steepest(*command[:-1], "y", "--callbacks", "mine.py:Target(10)", "--dry-run")
    assert "callbacks: Target may stop runs" in said.out


@pytest.mark.parametrize(
    ("given", "fact"),
    [
        ("Plateau", "there is no callback 'Plateau'"),
        ("mine.py:Missing", "cannot load 'mine.py:Missing'"),
        ("mine.py:Target", "the callback 'mine.py:Target' cannot be made: TypeError"),
        ("mine.py:Other", "is no callback"),
    ],
)
def test_what_is_no_callback_is_refused(churn_csv, tmp_path, steepest, monkeypatch, given, fact) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(TEXT)
    said = steepest("compare", churn_csv, "--target", "churned", "--callbacks", given)
    assert said.status == 2
    assert fact in said.err


def test_two_of_the_same_class_are_two(churn_csv, tmp_path) -> None:
    made = compared(churn_csv, tmp_path / "x", Target(0.1), Target(10)).made
    assert {each.outcome for each in made} == {"stopped early"}


def test_another_code_of_a_watching_callback_is_said(churn_csv, tmp_path, steepest) -> None:
    """Finished runs are not made again, so that an arm would have numbers of both without a word."""
    file = tmp_path / "watches.py"
    code = """
import steepest as st


class Watch(st.Callback):
    only_watches = by_run = True

    def at_end(self, view):
        view.log("seen", 1.0)
"""
    command = ["compare", churn_csv, "--target", "churned", "-o", "adam(lr=0.01)", "--model", "linear"]
    command += ["--epochs", "1", "--schedule", "constant", "--compile", "off", "--baseline", "none"]
    command += ["--callbacks", f"{file}:Watch", "--out", tmp_path / "x"]
    said = []
    for seeds, value in ((1, "1.0"), (2, "1.0"), (3, "2.0"), (3, "2.0")):
        file.write_text(code.replace("1.0", value))
        said.append(steepest(*command, "--seeds", str(seeds)))
        assert said[-1].status == 0, said[-1].err
    records = [each for each in Folder(tmp_path / "x").records() if each.key.phase == "final"]
    assert [each.logged["seen"][0][1] for each in records] == [1.0, 1.0, 2.0]
    warned = ["finished runs keep what the old one logged" in each.err for each in said]
    assert warned == [False, False, True, False]
