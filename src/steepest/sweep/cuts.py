"""What a time budget gives up of a comparison, in which order: before its first run, and while runs are made.

Both take tuning, then seeds, the same ones for all arms. Before the first run there is length to give up, too, down to
the least that says something, and no fewer than three seeds are left. While runs are made, the first that go are those
at library defaults and without a schedule, and where not even one seed of all arms fits, arms go.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from steepest.sweep.planner import planner_of
from steepest.sweep.setup import Setup

LEAST_SEEDS = 3
"""No budget leaves fewer beforehand, unless fewer are wanted: with two, hardly any difference could be detected."""
LESS_TUNING = ((5, 2), (3, 1))
"""Rates, or half the trials where several hyperparameters are tuned, and how many of them run at full length."""


@dataclass(frozen=True)
class Cut:
    """What is given up at once before the first run.

    Attributes:
        tuning: of :data:`LESS_TUNING`, or None for all of it.
        seeds: how many are left, or None for all.
        length: what must be left of the length: the whole of it, enough to say something, or the least.
    """

    tuning: tuple[int, int] | None = None
    seeds: int | None = None
    length: Literal["whole", "enough", "least"] = "enough"

    def of(self, setup: Setup) -> Setup:
        """Return what is left of a comparison."""
        less = setup if self.tuning is None else with_tuning(setup, *self.tuning)
        return less if self.seeds is None else replace(less, seeds=less.seeds[: self.seeds])


BEFORE: Sequence[Cut] = (
    Cut(length="whole"),
    Cut(LESS_TUNING[0]),
    Cut(LESS_TUNING[0], LEAST_SEEDS),
    Cut(LESS_TUNING[1], LEAST_SEEDS, "least"),
)
"""What is given up before the first run, less and more."""


def with_tuning(setup: Setup, rates: int, full: int) -> Setup:
    """Return a comparison with no more trials, and no more of them at full length where its planner takes their number.

    Args:
        setup: the comparison.
        rates: trials of the first stage.
        full: how many of them run at full length.
    """
    takes = planner_of(setup).takes_finalists
    return replace(
        setup,
        scan_rates=min(rates, setup.scan_rates),
        full_rates=min(full, setup.full_rates) if takes else setup.full_rates,
    )


def parts(setup: Setup) -> Iterator[Setup]:
    """Yield a comparison and the parts of it that can be left while runs are made, down to one arm with one seed.

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
        less = with_tuning(setup, rates, full)
        if (less.scan_rates, less.full_rates) != (setup.scan_rates, setup.full_rates):
            yield less
