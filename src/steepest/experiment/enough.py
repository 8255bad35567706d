"""Whether a time budget is enough, as far as is known before anything ran, and the minutes that are.

A number of minutes that is suggested passes every rule of this module at once, and does so where everything takes
:data:`~steepest.sweep.estimate.MARGIN` times as long: whoever gives it is not told another one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from steepest.compare.limits import is_short
from steepest.errors import OptionError
from steepest.experiment.budget import (
    LARGEST_GUESS,
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
from steepest.wording import counted


def check_minutes(settings: Settings, started: float | None = None, baselines: float = 0.0) -> None:
    """Refuse a budget into which not even the smallest comparison fits, as far as is known before anything ran.

    Args:
        settings: with timed steps.
        started: when the clock of the comparison began; now if not earlier.
        baselines: seconds that the baselines will take.

    Raises:
        OptionError: it does not fit.
    """
    minutes = settings.experiment.protocol.minutes
    if minutes is None or decided(settings) is not None:
        return
    eager = with_times(settings)
    epochs = settings.experiment.protocol.epochs
    wanted, gone = (
        RunLength(epochs=epochs or LARGEST_GUESS),
        Clock.of(settings.experiment.protocol, started).gone,
    )
    outlook = Outlook(minutes, eager, eager, wanted, epochs is not None, 0.0, gone, baselines)
    found = outlook.smallest(minutes)
    if not found.fits:
        enough = outlook.suggested
        differing = found.setup.differing or ("optimizer",)
        one, many = SUBJECTS[differing[0]] if len(differing) == 1 else ("arm", "arms")
        raise OptionError(
            f"a time budget of {counted(minutes, 'minute')} is too short for {counted(len(settings.arms), one, many)}",
            hint=f"give {counted(enough, 'minute')} (--minutes {enough:g}), or fewer {many}.",
        )


def foretold(settings: Settings, started: float, baselines: float) -> str:
    """Return that a time budget will not be kept, and the least that is expected; nothing where it is kept.

    Args:
        settings: with timed steps.
        started: when the clock of the comparison began.
        baselines: seconds that the baselines will take.
    """
    minutes, clock = settings.experiment.protocol.minutes, Clock.of(settings.experiment.protocol, started)
    if minutes is None or decided(settings) is not None:
        return ""
    outlook = Outlook(minutes, with_times(settings), *expected_steps(settings), clock.gone, baselines)
    if outlook.is_kept(minutes):
        return ""
    before, training = outlook.before(minutes), outlook.training(minutes)
    return (
        f"{counted(minutes, 'minute')} will not be enough: the least is about {duration(before + training)}, with "
        f"{duration(training)} of training; --minutes {outlook.suggested:g} is expected to suffice"
    )


@dataclass(frozen=True)
class Outlook:
    """What time budgets lead to.

    Attributes:
        minutes: the budget that was given.
        eager: the settings with eager steps.
        settings: with the steps that are expected.
        wanted: the length that is not fitted to a budget.
        known: whether it is known without a pilot.
        wait: seconds that compiling would take.
        gone: seconds since the command began.
        baselines: seconds that the baselines take with this budget.
    """

    minutes: float
    eager: Settings
    settings: Settings
    wanted: RunLength
    known: bool
    wait: float
    gone: float
    baselines: float

    @property
    def suggested(self) -> float:
        """The least round number of minutes above those given that suffices where the machine is busier than now."""
        return suggested_minutes(self.minutes, self._slower().suffices)

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
        """Return the seconds that all but training takes: compilers and pilots no more than is theirs."""
        given = 60 * minutes
        pilot = 0.0 if self.known else PILOT_SHARE * given
        flexible = min(self.wait, COMPILING_SHARE * given) + pilot
        flexible = min(flexible, max((1.0 - LEAST_SHARE) * given - self.gone, 0.0))
        baselines = self.baselines * budget_within(minutes) / budget_within(self.minutes)
        return self.gone + flexible + baselines + AFTER_SECONDS

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
