"""A time budget while runs are made: the largest part of a comparison that still ends in time, and what is left out.

What goes, and in which order, is in :mod:`steepest.sweep.cuts`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from steepest.sweep.cuts import parts
from steepest.sweep.estimate import Cells, plan_seconds
from steepest.sweep.planned import History
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
