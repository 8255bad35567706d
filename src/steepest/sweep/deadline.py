"""A time budget while runs are made: the largest part of a comparison that still ends in time, and what is left out.

The first that goes are the runs at library defaults and without a schedule; then what is left of the tuning of all
arms; then seeds, the same ones for all arms; and where not even one seed of all arms fits, arms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from steepest.sweep.estimate import LESS_TUNING, Cells, plan_seconds
from steepest.sweep.planned import History
from steepest.sweep.planner import planner_of
from steepest.sweep.setup import Setup

FEWEST_RUNS = 3
"""After so many runs, the time that they took says how fast the others will be."""
SLOWEST, FASTEST = 4.0, 0.5
"""How much slower or faster than expected runs are taken to be at most."""


def parts(setup: Setup) -> Iterator[Setup]:
    """Yield a comparison and its parts, from the largest to one arm with one seed.

    Args:
        setup: the comparison.
    """
    yield setup
    seeds = len(setup.seeds)
    tunings = [setup, *less_tuned(setup)]
    for count in range(seeds, 0, -1):
        for place, each in enumerate(tunings):
            if setup.has_references or count < seeds or place:
                yield replace(each, seeds=setup.seeds[:count], only_arms=True)
    for count in range(len(setup.arms) - 1, 0, -1):
        for each in tunings:
            yield replace(each, arms=setup.arms[:count], seeds=setup.seeds[:1], only_arms=True)


def less_tuned(setup: Setup) -> Iterator[Setup]:
    """Yield a comparison with less and less tuning of all arms; in the end the best of the first trials is taken.

    Where all of its tuning is done, the less is nothing that could be left out. Procedures go on from a run at full
    length, so one is left; planners other than grids and designs say themselves how many there are.
    """
    if not any(arm.tuned for arm in setup.stages) or setup.sweep or not planner_of(setup).takes_finalists:
        return
    least = 1 if any(arm.parent for arm in setup.arms) else 0
    for rates, full in (*LESS_TUNING, (LESS_TUNING[-1][0], least)):
        less = replace(setup, scan_rates=min(rates, setup.scan_rates), full_rates=min(full, setup.full_rates))
        if (less.scan_rates, less.full_rates) != (setup.scan_rates, setup.full_rates):
            yield less


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


@dataclass
class Deadline:
    """Decides before each run what of a comparison is still made.

    Attributes:
        left: returns the seconds that are left for the networks.
    """

    left: Callable[[], float]
    _first: tuple[float, float, int] | None = field(default=None)
    _tuning: tuple[int, int] | None = field(default=None)

    def part(self, setup: Setup, cells: Cells, history: History, begun: float = 0.0) -> Setup | None:
        """Return the part of a comparison that is expected to end in time; None where no arm is.

        Args:
            setup: the comparison.
            cells: the execution plans with the measured times.
            history: the runs that are done.
            begun: seconds of the work to come that are done already, in runs that have not ended.
        """
        work, left = plan_seconds(setup, cells, history) - begun, self.left()
        if self._first is None:
            self._first = work, left, len(history)
        if self._tuning is not None:  # once reported runs have a rate, it is not tuned on
            rates, full = self._tuning
            setup = replace(setup, scan_rates=rates, full_rates=full)
        part = largest_part(setup, cells, history, left / self._pace(work, left, len(history)) + begun)
        if part is not None and (part.scan_rates, part.full_rates) != (setup.scan_rates, setup.full_rates):
            self._tuning = part.scan_rates, part.full_rates
        return part

    def _pace(self, work: float, left: float, runs: int) -> float:
        """Return how many seconds went by for each second of work that was expected."""
        if self._first is None:
            return 1.0
        done, gone = self._first[0] - work, self._first[1] - left
        if runs - self._first[2] < FEWEST_RUNS or done <= 0:
            return 1.0
        return min(max(gone / done, FASTEST), SLOWEST)
