"""Trials that are drawn before the first run; the best of them run longer, in one or several turns.

``grid`` is what a comparison does unless another planner is named: seven learning rates √10 apart on a quarter of the
steps, extended where the best one is at an edge, and the best three at full length. ``sobol`` and ``random`` draw other
points of the same ranges (Bergstra & Bengio, *Random search for hyper-parameter optimization*, JMLR 2012).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any

from steepest.optim.spec import MethodSpec
from steepest.record.schema import Phase
from steepest.sweep.arms import PlannedArm
from steepest.sweep.planned import History, PlannedRun
from steepest.sweep.planner import (
    PlannedTrial,
    Planner,
    Tuning,
    best_first,
    lacking,
    record_of,
    trial_run,
    tried_trials,
)
from steepest.sweep.setup import Setup
from steepest.sweep.space import design, random_points
from steepest.sweep.trials import Scan, axes_of, first_scan, fixed_values
from steepest.wording import share_text

COMPONENTS = {
    "grid": {
        "object": "GridSearch",
        "what": "a grid of rates, or a design; the best at full length (default)",
    },
    "sobol": {"object": "SobolSearch", "what": "points of a Sobol sequence; the best at full length"},
    "random": {"object": "RandomSearch", "what": "points drawn at random; the best at full length"},
}


class Ladder(Planner):
    """Trials that are drawn at once, and turns in which fewer and fewer of them run longer."""

    def points(self, setup: Setup, arm: PlannedArm) -> Scan:
        """Return the trials of the first turn: a grid of one axis, a Sobol design of several."""
        return first_scan(
            arm.method,
            setup.methods,
            setup.grid,
            setup.scan_rates,
            setup.seeds[0],
            setup.trial_counts[arm.method.key],
        )

    def turns(self, setup: Setup, trials: int) -> list[tuple[float, int]]:
        """Return the length of the runs of each turn, and how many trials have one; the last is at full length, if any.

        Args:
            setup: the comparison's setup.
            trials: how many there are.
        """
        first = (setup.scan_fraction, trials)
        return [first, (1.0, min(setup.full_rates, trials))] if setup.full_rates else [first]

    def lengths(self, setup: Setup) -> tuple[float, ...]:
        """Return the lengths of all turns."""
        counts = {*setup.trial_counts.values()} or {setup.scan_rates}
        return tuple(sorted({length for some in counts for length, _ in self.turns(setup, some)}))

    def first(self, setup: Setup, arm: PlannedArm) -> Scan:
        """Return the trials of the first turn; those of the same optimizer in other arms are the same."""
        known = setup.memo.get(("points", arm.method.key))
        if known is None:
            known = setup.memo["points", arm.method.key] = self.points(setup, arm)
        return known

    def tuning(self, setup: Setup, arm: PlannedArm, history: History, parent: PlannedRun | None) -> Tuning:
        """Return how far the turns are."""
        scan = self.first(setup, arm)
        rules, extra = list(scan.rules), scan.extra
        turns = self.turns(setup, len(rules))  # of those beyond an edge no arm gets more at greater length
        while True:
            only = _phase(turns, 0) == "full"
            runs = [trial_run(setup, arm, rule, turns[0][0], parent, last=only) for rule in rules]
            so_far = partial(Tuning, further=len(rules) - len(scan.rules), allowance=extra)
            missing = lacking(runs, history)
            if missing:
                return so_far(tuple(PlannedTrial((run,)) for run in runs), missing=missing)
            order = best_first(setup, runs, history)
            finite = math.isfinite(setup.loss(record_of(runs[order[0]], history)))
            wider = scan.beyond(arm.method, rules, rules[order[0]]) if finite else None
            if wider is None or len(rules) - len(scan.rules) == extra:
                break
            rules = sorted([*rules, wider], key=lambda rule: float(rule.hyper.lr))
        tried, leader = [[run] for run in runs], rules[order[0]]
        for length, count in turns[1:]:
            last, order = length == 1.0, order[:count]
            runs = [trial_run(setup, arm, rules[i], length, parent, last=last) for i in order]
            for i, run in zip(order, runs, strict=True):
                tried[i].append(run)
            missing = lacking(runs, history)
            if missing:
                return so_far(tried_trials(tried), tuple(runs) if last else (), missing, leader=leader)
            places = best_first(setup, runs, history)
            order, runs = [order[i] for i in places], runs if last else [runs[i] for i in places]
        best = tried[order[0]][-1]
        full = tuple(runs) if best.length == 1.0 else ()
        return so_far(tried_trials(tried), full, (), best.rule, best, leader)

    def to_come(self, setup: Setup, arm: PlannedArm, found: Tuning) -> list[tuple[Phase, float]]:
        """Return the runs of the turns that have not begun; those of the present one are missing."""
        count = len(self.first(setup, arm).rules)
        begun = max((len(trial.runs) for trial in found.trials), default=0)
        turns = self.turns(setup, count)
        coming: list[tuple[Phase, float]] = []
        for place, (length, some) in enumerate(turns):
            again = place and length == turns[place - 1][0]  # the same runs
            if place >= begun and not again:
                coming.extend((_phase(turns, place), length) for _ in range(min(some, count)))
        return coming

    def described(self, setup: Setup, trials: str) -> list[str]:
        """Return the turns in words."""
        count = max(setup.trial_counts.values(), default=setup.scan_rates)
        turns = self.turns(setup, count)
        parts = [f"{trials} at {share_text(turns[0][0])}"]
        for before, (length, some) in pairwise(turns):
            if length > before[0]:
                parts.append(f"best {some} at {share_text(length)}")
        return parts


def _phase(turns: Sequence[tuple[float, int]], place: int) -> Phase:
    """Return the purpose of the runs of a turn: those from which the setting is chosen are ``full``."""
    return "full" if turns[place][0] == 1.0 and (place or len(turns) == 1) else "scan"


class GridSearch(Ladder):
    """A grid of one axis and a Sobol design of several, on a quarter of the steps; the best run at full length.

    With strengths of regularizers among what is tuned, all trials have the full length, since overfitting comes late.
    """

    name = "grid"


class SobolSearch(Ladder):
    """Points of a scrambled Sobol sequence in place of a grid, the centre of every axis first, otherwise as ``grid``.

    Owen, *Scrambling Sobol' and Niederreiter-Xing points*, Journal of Complexity 1998.
    """

    name = "sobol"

    def points(self, setup: Setup, arm: PlannedArm) -> Scan:
        """Return the points of a design, also of one axis."""
        return _drawn(setup, arm, design)


class RandomSearch(Ladder):
    """Points drawn at random, log-uniformly where an axis is logarithmic, otherwise as ``grid``.

    Bergstra & Bengio, *Random search for hyper-parameter optimization*, JMLR 2012.
    """

    name = "random"

    def points(self, setup: Setup, arm: PlannedArm) -> Scan:
        """Return random points, distinct ones."""
        return _drawn(setup, arm, random_points)


def _drawn(setup: Setup, arm: PlannedArm, draw: Any) -> Scan:
    who = arm.method
    axes = axes_of(who, setup.grid, setup.scan_rates)
    points = draw(axes, setup.trial_counts[who.key], setup.seeds[0])
    single = fixed_values(who, setup.grid)
    rules: list[MethodSpec[Any]] = [who.at({**single, **point}) for point in points]
    return Scan(tuple(rules))
