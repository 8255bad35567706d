"""What a comparison tells while it runs: which runs have begun, and which rates were chosen."""

from __future__ import annotations

from dataclasses import dataclass, field

from steepest.sweep.observer import Observer, Tried
from steepest.sweep.plan import tuning
from steepest.sweep.planned import History, PlannedRun
from steepest.sweep.planner import Tuning
from steepest.sweep.setup import Setup
from steepest.wording import length_text

DOING = {
    "full": "best rates at full length",
    "final": "seeds",
    "refit": "on all rows, for the saved model",
    "sweep": "every rate with every seed",
    "default": "library default",
    "constant": "without a schedule",
    "pilot": "pilot",
}


def doing(run: PlannedRun) -> str:
    """Return what a run is for, in words."""
    if run.key.phase != "scan":
        return DOING[run.key.phase]
    return f"{'rates and strengths' if run.arm.method.strengths else 'rates'} {length_text(run.length)}"


@dataclass
class Told:
    """What was told already; everything is told once.

    Attributes:
        setup: the comparison's setup.
        observer: who is told.
    """

    setup: Setup
    observer: Observer
    _begun: set[str] = field(default_factory=set[str])
    _tuned: set[str] = field(default_factory=set[str])

    def begins(self, run: PlannedRun) -> None:
        """Tell that runs of a kind begin."""
        title = f"{run.key.name}: {doing(run)}"
        if title not in self._begun:
            self._begun.add(title)
            self.observer.stage(title)

    def tuned(self, history: History) -> None:
        """Tell which arms have their rate."""
        for arm in self.setup.stages:
            if arm.id in self._tuned:
                continue
            found = tuning(self.setup, arm, history)
            if found.chosen is not None and found.scan:
                self._tuned.add(arm.id)
                rate, beside = float(found.chosen.hyper.lr), arm.method.beside_rate(found.chosen)
                self.observer.tuned(arm.title, rate, tried(found), len(found.trials), beside)


def tried(found: Tuning) -> Tried:
    """Return which rates an arm whose tuning is complete was tried with in its shortest runs."""
    leader = found.leader or found.chosen
    assert leader is not None
    return Tried(
        lowest=found.rates[0],
        highest=found.rates[-1],
        best=float(leader.hyper.lr),
        shortest=found.scan[0].length,
        further=found.further,
        most=found.allowance,
    )
