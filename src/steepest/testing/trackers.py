"""The suite for whoever writes a tracker, to subclass in a test file."""

from __future__ import annotations

import math

from steepest.record.schema import CurvePoint, Outcome, Record, RunKey
from steepest.sweep.tracking import Tracker

NAMES = ("adam", "adam <b>&'\"/\\:*?", "sgd(lr=0.1), batch 64 · größer", "x" * 300)
"""What arms may be called."""


class TrackerConformance:
    """The suite for a tracker of your own: subclass it in a test file and pytest runs every check.

    Attributes:
        place: where it writes to; override :meth:`tracker` where it is to be a new folder for each check.

    Example:
        >>> from steepest.sweep.tracking import Tracker
        >>> class Lines(Tracker):
        ...     def run(self, experiment, record):
        ...         self.last = f"{experiment}: {record.key.name} {record.outcome}"
        >>> class TestLines(TrackerConformance):
        ...     def tracker(self):
        ...         return Lines("here")
        >>> TestLines().test_takes_every_run()
    """

    def tracker(self) -> Tracker:
        """Return a new tracker, at the same place every time within one check."""
        raise NotImplementedError("return your tracker from tracker()")

    def test_is_a_tracker(self) -> None:
        """It derives from ``Tracker`` and knows its place."""
        made = self.tracker()
        assert isinstance(made, Tracker)
        assert made.place, "it does not keep its place: call super().__init__(place)"

    def test_takes_every_run(self) -> None:
        """Whatever became of a run, also before its first evaluation, with any name, and with values that are NaN."""
        made = self.tracker()
        for name in NAMES:
            for outcome in ("finished", "stopped early", "diverged", "failed"):
                made.run("churn-22e598", _record(name, outcome))
        made.run("churn-22e598", _record("adam", "failed", evaluations=0))
        made.run("churn-22e598", _record("adam", evaluations=2_000))

    def test_changes_no_run(self) -> None:
        """The record that it is told stays as it was."""
        told, kept = _record("adam"), _record("adam")
        self.tracker().run("churn-22e598", told)
        assert repr(told) == repr(kept), "it changes the record that it is told"

    def test_goes_on(self) -> None:
        """A resumed comparison, and another one, go on at the same place; a run may be told again."""
        for experiment, seed in (
            ("churn-22e598", 0),
            ("churn-22e598", 1),
            ("churn-0f31aa", 0),
            ("churn-22e598", 1),
        ):
            self.tracker().run(experiment, _record("adam", seed=seed))


def _record(name: str, outcome: Outcome = "finished", *, evaluations: int = 4, seed: int = 0) -> Record:
    """Return a run whose training loss is unknown at its beginning, and one of whose metrics is NaN."""
    curve = [
        CurvePoint(
            step=10 * i, epoch=i, seconds=i, gradients=10 * i, train_loss=math.nan if i == 0 else 1 / i,
            validation={"rmse": 2.0 - 1 / (1 + i), "r2": math.nan},
        )
        for i in range(evaluations)
    ]  # fmt: skip
    failed = outcome in ("diverged", "failed")
    return Record(
        key=RunKey(name=name, recipe="0f31aa90bc42", seed=seed, phase="final"),
        lr=0.001,
        steps=10 * evaluations,
        outcome=outcome,
        reason="ValueError: <no>\nreason" if outcome == "failed" else "",
        curve=curve,
        best_step=10 * max(evaluations - 1, 0),
        test={} if failed else {"rmse": 1.5, "r2": math.nan},
    )
