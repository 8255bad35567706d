"""How many runs a comparison makes: as many as follow from its results, and at least and at most.

A plan is a pure function of the finished runs, so it is carried out with made-up results: with a best rate inside every
grid that is not the library's default, with those that save the most runs, and with those that cost the most.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from steepest.record.schema import Record
from steepest.sweep.arms import PlannedArm
from steepest.sweep.expected import expected_runs
from steepest.sweep.plan import defaults, next_runs, taking_part, tuning
from steepest.sweep.planned import History, PlannedRun, identity
from steepest.sweep.planner import planner_of
from steepest.sweep.setup import Setup

MANY = 2_000
"""Plans of more runs are not carried out with made-up results; what is expected of them is said alone."""
HALF_STEP = 0.26
"""Decades from a rate towards another √10 away, so that the other is nearer, and this one the second."""
SAME = 1e-6
"""Decades by which rates differ that are the same but for their rounding."""
FAR, WORST = 1e3, 1e6
"""A loss that is far above those of other made-up runs of an arm, and one above those of all finished runs."""

Outcome = Callable[[PlannedRun], float]


@dataclass(frozen=True)
class RunCount:
    """How many runs a comparison makes, those included that are done.

    Attributes:
        expected: with a best rate inside of every grid.
        least: where runs serve twice, as where the tuned rate is the library's default; None where it is not known.
        most: where the best rate is at the edge of every grid that can be extended; None where it is not known.
        done: those of them that are finished.
    """

    expected: int
    least: int | None = None
    most: int | None = None
    done: int = 0


def run_count(setup: Setup, history: History) -> RunCount:
    """Return how many runs a comparison makes, pilots not counted.

    Args:
        setup: the comparison.
        history: the finished runs; those that take no part in it are not counted.
    """
    done, left = len(_taking_part(setup, history)), expected_runs(setup, history)
    if not left:
        return RunCount(done, done, done, done)
    if any(arm.tuned for arm in setup.stages) and not planner_of(setup).drawn_at_once:
        return RunCount(done + len(left), None, done + len(left), done)
    if done + len(left) > MANY:
        return RunCount(done + len(left), done=done)
    usual, others = _outcomes(setup)
    expected = _carried_out(setup, history, usual)
    counts = [expected, *(_carried_out(setup, history, each) for each in others)]
    return RunCount(expected, min(counts), max(counts), done)


def _taking_part(setup: Setup, history: History) -> list[Record]:
    return [each for each in taking_part(setup, history).values() if each.key.phase != "pilot"]


def _carried_out(setup: Setup, history: History, outcome: Outcome) -> int:
    """Return how many runs a plan has that is carried out with made-up validation losses."""
    setup, known = replace(setup), dict(history)  # it shares nothing that is kept between calls
    while some := next_runs(setup, known):
        for run in some:
            loss = outcome(run)
            value = {setup.metric: -loss if setup.higher_is_better else loss}
            known[identity(run)] = Record(
                key=run.key,
                lr=float(run.rule.hyper.lr),
                steps=run.recipe.steps,
                outcome="finished",
                best=value,
                test=value if run.read_test else {},
            )
    return len(_taking_part(setup, known))


@dataclass(frozen=True)
class _Grid:
    """What the outcomes need of a tuned arm: its rates, in decades, and its default.

    Attributes:
        rates: of its first trials, ascending.
        default: the library's default rate.
        spec: the optimizer at that rate as recipes have it; empty where no such runs are made.
    """

    rates: tuple[float, ...]
    default: float
    spec: str

    @classmethod
    def of(cls, setup: Setup, arm: PlannedArm) -> _Grid:
        first = arm.chain[
            0
        ]  # a later stage has the same trials, which are known when those before it are done
        rates = sorted({math.log10(float(run.rule.hyper.lr)) for run in tuning(setup, first, {}).scan})
        some = defaults(setup, arm) if arm in setup.arms else []
        return cls(
            tuple(rates) or (0.0,),
            math.log10(arm.rule.default_rate) if arm.rule.default_rate else math.inf,
            some[0].recipe.optimizer if some else "",
        )

    @property
    def middle(self) -> float:
        return self.rates[len(self.rates) // 2]

    def is_default(self, run: PlannedRun) -> bool:
        return bool(self.spec) and run.recipe.optimizer == self.spec


def _outcomes(setup: Setup) -> tuple[Outcome, list[Outcome]]:
    """Return the usual results, and those among which are the ones that save and that cost the most runs.

    Made-up runs are worse than all that are finished, or better, so that what is left of a grid ends, or goes on.
    """
    grids = {arm.id: _Grid.of(setup, arm) for arm in setup.stages if arm.tuned}
    longest = max(setup.arms, key=lambda arm: setup.lengths[arm.id]).id

    def of(tuned: Callable[[_Grid, PlannedRun], float], reported: Callable[[PlannedArm], float]) -> Outcome:
        def outcome(run: PlannedRun) -> float:
            grid = grids.get(run.arm.id)
            if grid is None or run.key.seed != setup.tuning_seed:
                return reported(run.arm)
            return tuned(grid, run)

        return outcome

    savings = (partial(_saving, **aim) for aim in ({}, {"inwards": HALF_STEP}, {"beyond": True}))
    others = [
        of(lambda grid, run, saving=saving, beside=beside: beside + saving(grid, run), lambda arm: len(arm.chain))
        for saving in savings
        for beside in (-WORST, WORST)
    ]  # fmt: skip
    others.append(of(lambda grid, run: _costly(grid, run) - WORST, lambda arm: -len(arm.chain)))
    return of(lambda grid, run: WORST + _usual(grid, run), lambda arm: float(arm.id != longest)), others


def _usual(grid: _Grid, run: PlannedRun) -> float:
    """Return results with a best rate that is neither at an edge nor the default."""
    inside = grid.rates[1:-1] or grid.rates
    others = [each for each in inside if abs(each - grid.default) > SAME] or inside
    best = min(others, key=lambda each: abs(each - grid.middle))
    return abs(_rate(run) - best) + FAR * (_at_length(run) and grid.is_default(run))


def _saving(grid: _Grid, run: PlannedRun, *, inwards: float = 0.0, beyond: bool = False) -> float:
    """Return results with which the tuned rate is the library's default.

    Args:
        grid: of the arm.
        run: the run.
        inwards: by so many decades the best rate of the short runs is farther inside a grid at whose edge the default
            is, so that it is the second best of them and the grid is not extended.
        beyond: also where the default is reached only by extending the grid.
    """
    if _at_length(run):
        return 0.0 if grid.is_default(run) else 1.0 + abs(_rate(run) - grid.middle)
    best, (low, high) = grid.middle, (grid.rates[0], grid.rates[-1])
    if grid.spec and (beyond or any(abs(each - grid.default) <= SAME for each in grid.rates)):
        best = grid.default
        if min(abs(best - low), abs(best - high)) <= SAME:
            best += math.copysign(inwards, grid.middle - best)
    return abs(_rate(run) - best) + (0.0 if grid.is_default(run) else SAME)


def _costly(grid: _Grid, run: PlannedRun) -> float:
    """Return results with which a grid is extended as far as it may be, from the start away from the default."""
    way = -1.0 if grid.default <= grid.middle else 1.0
    outside = -abs(_rate(run) - grid.middle) + way * 0.1 * _rate(run)
    return outside + FAR * (_at_length(run) and grid.is_default(run))


def _rate(run: PlannedRun) -> float:
    return math.log10(float(run.rule.hyper.lr))


def _at_length(run: PlannedRun) -> bool:
    """Return whether a run is one of those from which the setting is chosen."""
    return run.key.phase == "full"
