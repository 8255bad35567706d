"""What a comparison tells while it runs: which runs have begun, and which rates were chosen."""

from __future__ import annotations

from dataclasses import dataclass, field

from steepest.sweep.arms import PlannedArm
from steepest.sweep.observer import Observer, Tried
from steepest.sweep.plan import Setup, Tuning, tuning
from steepest.sweep.planned import History, PlannedRun, identity

DOING = {
    "scan": "rates on a quarter of the steps",
    "full": "best rates at full length",
    "final": "seeds",
    "refit": "on all rows, for the saved model",
    "sweep": "every rate with every seed",
    "default": "library default",
    "constant": "without a schedule",
    "pilot": "pilot",
}


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
        whole = run.key.phase == "scan" and self.setup.scan_fraction == 1.0
        title = f"{run.key.name}: {'rates and strengths at full length' if whole else DOING[run.key.phase]}"
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
                trials = len({identity(run) for run in (*found.scan, *found.full)})
                rate, beside = float(found.chosen.hyper.lr), arm.method.beside_rate(found.chosen)
                self.observer.tuned(arm.title, rate, tried(self.setup, arm, found), trials, beside)


def tried(setup: Setup, arm: PlannedArm, found: Tuning) -> Tried:
    """Return which rates an arm whose tuning is complete was tried with on a quarter of the steps."""
    first = setup.trials(arm)
    return Tried(
        lowest=found.rates[0],
        highest=found.rates[-1],
        best=float(found.full[0].rule.hyper.lr),
        further=len(found.scan) - len(first.rules),
        most=first.extra,
    )
