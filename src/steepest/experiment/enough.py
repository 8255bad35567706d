"""Whether a time budget is enough, as far as is known before anything ran, and the minutes that are.

A number of minutes that is suggested passes every rule of this module at once, and does so where everything takes
:data:`~steepest.sweep.estimate.MARGIN` times as long: whoever gives it is not told another one. It is the only number
that is suggested in a comparison, by an error, in the terminal and in the report.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

from steepest.compare.limits import is_short
from steepest.errors import OptionError
from steepest.experiment.budget import (
    LATE,
    PILOT_SHARE,
    build_of,
    decided,
    expected_steps,
    with_times,
    within,
)
from steepest.experiment.settings import Settings
from steepest.recipe import SUBJECTS, RunLength
from steepest.report.format import seconds as duration
from steepest.sweep.baselines import budget_within
from steepest.sweep.clock import AFTER_SECONDS, COMPILING_SHARE, LEAST_SHARE, Clock
from steepest.sweep.estimate import MARGIN, WithinBudget, fit_budget, plan_seconds, slowed, suggested_minutes
from steepest.sweep.setup import Setup
from steepest.wording import counted


@dataclass(frozen=True)
class Outlook:
    """What time budgets lead to; without one, or where the length of the runs is decided already, nothing is said.

    Attributes:
        minutes: the budget that was given; None where nothing is to be said.
        eager: the settings with eager steps.
        settings: with the steps that are expected.
        wanted: the length that is not fitted to a budget.
        known: whether it is known without a pilot.
        wait: seconds that compiling would take.
        gone: seconds since the command began.
        baselines: seconds that the baselines take with this budget.
    """

    minutes: float | None
    eager: Settings
    settings: Settings
    wanted: RunLength
    known: bool
    wait: float
    gone: float
    baselines: float

    @classmethod
    def of(cls, settings: Settings, started: float | None = None, baselines: float = 0.0) -> Outlook:
        """Return the outlook of a comparison.

        Args:
            settings: with timed steps.
            started: when the clock of the comparison began; now if not earlier.
            baselines: seconds that the baselines will take.
        """
        protocol = settings.experiment.protocol
        minutes = None if decided(settings) is not None else protocol.minutes
        gone = Clock.of(protocol, started).gone
        return cls(minutes, with_times(settings), *expected_steps(settings), gone, baselines)

    def check(self) -> None:
        """Refuse a budget into which not even the smallest comparison fits, as far as is known before anything ran.

        Raises:
            OptionError: it does not fit.
        """
        if self.minutes is None or (found := self.smallest(self.minutes)).fits:
            return
        differing = found.setup.differing or ("optimizer",)
        one, many = SUBJECTS[differing[0]] if len(differing) == 1 else ("arm", "arms")
        arms = counted(len(self.settings.arms), one, many)
        raise OptionError(
            f"a time budget of {counted(self.minutes, 'minute')} is too short for {arms}",
            hint=f"give {counted(self.suggested, 'minute')} (--minutes {self.suggested:g}), or fewer {many}.",
        )

    @property
    def warning(self) -> str:
        """That the budget will not be kept, and the least that is expected; nothing where it is kept."""
        if self.minutes is None or self.is_kept(self.minutes):
            return ""
        training = self.training(self.minutes)
        most = self.before(self.minutes) + training
        least = most - self._flexible(self.minutes)
        short = least > LATE * 60 * self.minutes
        text = "will not be enough: the least is" if short else "may not be enough: it can take"
        return (
            f"{counted(self.minutes, 'minute')} {text} about {duration(least if short else most)}, with "
            f"{duration(training)} of training; --minutes {self.suggested:g} is expected to suffice"
        )

    @functools.cached_property
    def suggested(self) -> float:
        """The least round number of minutes above those given that suffices where the machine is busier than now."""
        return suggested_minutes(self.minutes or 0.0, self._slower().suffices)

    def noted(self, length: RunLength, setup: Setup) -> RunLength:
        """Return a length that knows the minutes which are enough, where the budget made its runs too short."""
        if self.minutes is None or not is_short(length.epochs, setup.shortest):
            return length
        return length.model_copy(update={"enough": self.suggested})

    def suffices(self, minutes: float) -> bool:
        """Return whether a comparison in so many minutes is begun, ends in time, and has runs that are long enough."""
        if not self.smallest(minutes).fits or not self.is_kept(minutes):
            return False
        length = self._length(minutes)
        cut = length.epochs < self.wanted.epochs
        return not (cut and is_short(length.epochs, self.settings.setup(length).shortest))

    def smallest(self, minutes: float) -> WithinBudget:
        """Return what of a comparison of one epoch fits into so many minutes, if they are all for its networks."""
        cells = self.eager.plan.cells
        return fit_budget(build_of(self.eager), 1.0, self.eager.per_epoch, cells, 60 * minutes)

    def is_kept(self, minutes: float) -> bool:
        """Return whether a comparison is expected to end within so many minutes."""
        return self.before(minutes) + self.training(minutes) <= LATE * 60 * minutes

    def before(self, minutes: float) -> float:
        """Return the seconds that all but training takes, at most."""
        baselines = self.baselines * budget_within(minutes) / budget_within(self.minutes)
        return self.gone + self._flexible(minutes) + baselines + AFTER_SECONDS

    def _flexible(self, minutes: float) -> float:
        """Return the seconds that compilers and pilots take at most, which may end earlier."""
        given = 60 * minutes
        pilot = 0.0 if self.known else PILOT_SHARE * given
        flexible = min(self.wait, COMPILING_SHARE * given) + pilot
        return min(flexible, max((1.0 - LEAST_SHARE) * given - self.gone, 0.0))

    def training(self, minutes: float) -> float:
        """Return the seconds that training takes."""
        return plan_seconds(self.settings.setup(self._length(minutes)), self.settings.plan.cells, {})

    def _length(self, minutes: float) -> RunLength:
        left = max(60 * minutes - self.before(minutes), LEAST_SHARE * 60 * minutes)
        return within(self.settings, self.wanted, left)

    def _slower(self) -> Outlook:
        """Return what budgets lead to where everything takes longer."""
        eager, settings = (
            each.planned(slowed(each.plan.cells, MARGIN)) for each in (self.eager, self.settings)
        )
        wait, gone, baselines = (MARGIN * each for each in (self.wait, self.gone, self.baselines))
        return replace(self, eager=eager, settings=settings, wait=wait, gone=gone, baselines=baselines)
