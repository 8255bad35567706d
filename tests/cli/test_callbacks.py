"""Callbacks in a comparison: by content in its recipes, said, and needed again when it goes on."""

from __future__ import annotations

import steepest as st
from steepest.api import resume
from steepest.record.schema import Record
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
    assert "the callbacks Target of the comparison are not given" in said.err
    assert resume(folder, observer=Observer(), callbacks=[Target(0.68)]).path == folder
