"""A time budget while runs are made: the largest part of a comparison that still ends in time, and what is left out.

The first that goes are the runs at library defaults and without a schedule; then seeds, the same ones for all arms; and
where not even one seed of all arms fits, arms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from steepest.sweep.estimate import Cells, plan_seconds
from steepest.sweep.planned import History
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
    for count in range(seeds if setup.has_references else seeds - 1, 0, -1):
        yield replace(setup, seeds=setup.seeds[:count], only_arms=True)
    for count in range(len(setup.arms) - 1, 0, -1):
        yield replace(setup, arms=setup.arms[:count], seeds=setup.seeds[:1], only_arms=True)


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
        return largest_part(setup, cells, history, left / self._pace(work, left, len(history)) + begun)

    def _pace(self, work: float, left: float, runs: int) -> float:
        """Return how many seconds went by for each second of work that was expected."""
        if self._first is None:
            return 1.0
        done, gone = self._first[0] - work, self._first[1] - left
        if runs - self._first[2] < FEWEST_RUNS or done <= 0:
            return 1.0
        return min(max(gone / done, FASTEST), SLOWEST)
