"""A time budget while runs are made: the largest part of a comparison that still ends in time, and what is left out.

What goes, and in which order, is in :mod:`steepest.sweep.cuts`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from steepest.sweep.cuts import parts
from steepest.sweep.estimate import SHARED, Cells, plan_seconds, run_seconds
from steepest.sweep.expected import Expected
from steepest.sweep.plan import next_runs
from steepest.sweep.planned import History, PlannedRun, identity
from steepest.sweep.setup import Setup

FEWEST_RUNS = 3
"""After so many runs, the time that they took says how fast the others will be."""
SLOWEST, FASTEST = 4.0, 0.5
"""How much slower or faster than expected runs are taken to be at most."""


def largest_part(setup: Setup, cells: Cells, history: History, seconds: float) -> Setup | None:
    """Return the largest part of a comparison whose missing runs are expected to end within some seconds.

    With 0 seconds it is the largest one that is complete.

    Args:
        setup: the comparison.
        cells: the execution plans with the measured times.
        history: the runs that are done.
        seconds: the time that is left, at the pace of the measured times.
    """
    for part in parts(setup):
        if plan_seconds(part, cells, history) <= max(seconds, 0.0):
            return part
    return None


@dataclass(frozen=True)
class _Mark:
    """How far a comparison was: the expected seconds of the runs that were done, their number, the time left."""

    done: float
    runs: int
    left: float


@dataclass
class Deadline:
    """Decides before each run what of a comparison is still made.

    It is forecast anew each time, from how long the later half of the runs took: the first ones are slow for reasons of
    their own. Tuning that was given up is taken up again where runs turn out to be faster, until a seed is reported.

    Attributes:
        left: returns the seconds that are left for the networks.
        beside: how many runs are made at the same time.
    """

    left: Callable[[], float]
    beside: int = 1
    _coming: dict[tuple[str, int], PlannedRun] = field(default_factory=dict[tuple[str, int], PlannedRun])
    _marks: list[_Mark] = field(default_factory=list[_Mark])
    _seeds: int = 0
    _last: tuple[int, int] | None = None
    _tuning: tuple[int, int] | None = None

    def part(self, setup: Setup, cells: Cells, history: History, begun: float = 0.0) -> Setup | None:
        """Return the part of a comparison that is expected to end in time; None where no arm is.

        Args:
            setup: the comparison.
            cells: the execution plans with the measured times.
            history: the runs that are done.
            begun: seconds of the work to come that are done already, in runs that have not ended.
        """
        seeds, left = sum(record.key.phase == "final" for record in history.values()), self.left()
        if not self._marks:
            self._seeds = seeds
        pace = self._pace(setup, cells, history, begun, left)
        if self._tuning is None and seeds > self._seeds:
            self._tuning = self._last
        if self._tuning is not None:  # a reported run has a rate, with which the other seeds and arms go on
            rates, full = self._tuning
            setup = replace(setup, scan_rates=rates, full_rates=full)
        part = largest_part(setup, cells, history, left / pace + begun)
        if part is not None:
            self._last = part.scan_rates, part.full_rates
            self._coming |= {identity(run): run for run in next_runs(part, history, ahead=True)}
        return part

    def _pace(self, setup: Setup, cells: Cells, history: History, begun: float, left: float) -> float:
        """Return how many seconds went by for each second that the later half of the runs was expected to take."""
        ended = [self._coming.pop(each) for each in [*self._coming] if each in history]
        before = self._marks[-1].done if self._marks else 0.0
        done = before + sum(self._expected(run, setup, cells) for run in ended)
        if ended or not self._marks:
            self._marks.append(_Mark(done, len(history), left))
        first = self._marks[0].runs
        latest = min(len(history) - FEWEST_RUNS, (first + len(history)) // 2)
        since = next((each for each in reversed(self._marks) if each.runs <= latest), None)
        if since is None or done + begun <= since.done:
            return 1.0
        return min(max((since.left - left) / (done + begun - since.done), FASTEST), SLOWEST)

    def _expected(self, run: PlannedRun, setup: Setup, cells: Cells) -> float:
        """Return what a run was expected to add to the time of the comparison."""
        timed = setup.is_timed(run)
        seconds = run_seconds(cells, Expected(run.arm, run.key.phase, run.expected_steps, timed, run.length))
        alone = timed or run.arm.stays or cells[run.arm.cell].workers == 1
        return seconds if self.beside == 1 or alone else seconds / (self.beside * SHARED)
