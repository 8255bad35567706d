"""What fits into the time: the length of the runs, their number, and whose steps are compiled.

All of it is decided after the data was read, steps were timed and the baselines ran, and before anything is tuned:
what counts is how much of the comparison that is wanted gets done in the time that is left, so a program is compiled
where the steps that it saves are worth more than the wait.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

from steepest.errors import OptionError
from steepest.experiment.settings import Decision
from steepest.optim import make_rule
from steepest.recipe import Execution, Protocol, Recipe, RunLength
from steepest.report.format import seconds as duration
from steepest.sweep.compiling import Work, with_choice
from steepest.sweep.defaults import PILOT_STEPS, pilot
from steepest.sweep.estimate import fit_budget, plan_seconds
from steepest.sweep.plan import Setup
from steepest.sweep.runner import Runner
from steepest.wording import counted

LEAST_SHARE = 0.5
"""Share of a budget that the networks get, however long everything else took."""
PILOT_SHARE = 0.15
"""Share of a budget that a pilot may take."""
TYPICAL_EPOCHS = 5.0
"""Length that is reckoned with before a pilot has run."""
LARGEST_GUESS = 20.0
"""Length that a plan is made with where no pilot will run."""
LATE = 1.05
"""A comparison that is expected to take so many times its budget is said to take longer."""


@dataclass(frozen=True)
class Clock:
    """The time of a comparison.

    Attributes:
        budget: seconds that were given, or None.
        started: when the clock began, in the seconds of ``time.perf_counter``.
    """

    budget: float | None
    started: float

    @classmethod
    def of(cls, protocol: Protocol, started: float | None = None) -> Clock:
        """Return the clock of a protocol, which began now if not earlier."""
        budget = None if protocol.minutes is None else 60 * protocol.minutes
        return cls(budget, time.perf_counter() if started is None else started)

    @property
    def gone(self) -> float:
        """Seconds since the clock began."""
        return time.perf_counter() - self.started

    @property
    def left(self) -> float | None:
        """Seconds that the networks get from now on, or None without a budget."""
        return None if self.budget is None else max(self.budget - self.gone, LEAST_SHARE * self.budget)


def check_minutes(decision: Decision) -> None:
    """Refuse a budget into which not even the smallest comparison fits, as far as is known before anything ran.

    Raises:
        OptionError: it does not fit.
    """
    minutes = decision.experiment.protocol.minutes
    if minutes is None or decided(decision) is not None:
        return
    execution = _times(decision)
    found = fit_budget(_build(decision, execution), 1.0, decision.per_epoch, execution, 60 * minutes)
    if not found.fits:
        least = plan_seconds(found.setup, execution, {}) / 60
        enough = max(math.ceil(10 * least) / 10, 0.1)
        raise OptionError(
            f"a time budget of {counted(minutes, 'minute')} is too short for {counted(len(decision.who), 'optimizer')}",
            hint=f"give at least {counted(enough, 'minute')} (--minutes {enough:g}), or fewer optimizers.",
        )


def decided(decision: Decision) -> RunLength | None:
    """Return the length that the folder has for what is asked now, or None."""
    begun = decision.execution.fitted
    return (
        begun
        if begun is not None and begun.asked == asked_for(decision.experiment.protocol, decision.recipe)
        else None
    )


def settle(decision: Decision, runner: Runner, started: float) -> Decision:
    """Return the decision with an execution plan in which nothing is open: pilot, compiling, length.

    Args:
        decision: with timed steps.
        runner: makes the pilot.
        started: when the clock of the comparison began.
    """
    protocol = decision.experiment.protocol
    clock = Clock.of(protocol, started)
    begun = decided(decision)
    if begun is not None:
        return _with_compiled(decision, begun, None, runner)
    if protocol.epochs is not None:
        epochs, why = (
            protocol.epochs,
            f"{counted(protocol.epochs, 'epoch')}, given",
        )
    else:
        epochs, why = find_length(decision, runner, clock)
    wanted = RunLength(epochs=epochs, why=why)
    decision = _with_compiled(decision, wanted, clock, runner)
    fitted = fit_length(decision, wanted, clock)
    asked = fitted.model_copy(update={"asked": asked_for(protocol, decision.recipe)})
    return replace(decision, execution=decision.execution.model_copy(update={"fitted": asked}))


def expected(decision: Decision) -> tuple[Decision, RunLength, bool, float]:
    """Return what :func:`settle` is expected to find, without training or compiling anything.

    Returns:
        The decision, the length, whether the length is known already, and the seconds that compiling will take.
    """
    protocol = decision.experiment.protocol
    clock = Clock.of(protocol)
    begun = decided(decision)
    known = begun is not None or protocol.epochs is not None
    wanted = begun or RunLength(epochs=protocol.epochs or LARGEST_GUESS)
    if not known and clock.budget is not None:
        wanted = wanted.model_copy(
            update={"why": f"chosen by a pilot run; {LARGEST_GUESS:g} epochs assumed here"}
        )
    steps = decision.timed
    chosen = steps.choose(lambda: _work(decision, wanted, None if begun else clock), compiles=False)
    first, later = steps.waits()
    lacking = sum(name not in steps.compiled for name in chosen)
    wait = first + (lacking - 1) * later if lacking else 0.0
    decision = replace(decision, execution=steps.settled(chosen))
    if begun is None and clock.budget is not None:
        wanted = within(decision, wanted, clock.budget - wait)
    return decision, wanted, known, wait


def find_length(decision: Decision, runner: Runner, clock: Clock) -> tuple[float, str]:
    """Return the number of epochs that a pilot finds, and how; one epoch where the time is too short for a pilot."""
    steps, adam = decision.timed, str(make_rule("adam"))
    execution = _times(decision)
    if adam in steps.rules:
        typical = RunLength(epochs=TYPICAL_EPOCHS)
        chosen = steps.choose(lambda: _work(decision, typical, clock), only=(adam,))
        execution = _times(decision, [name for name in chosen if name == adam])
    most = PILOT_STEPS
    if clock.budget is not None:
        pace = execution.seconds_a_step
        a_step = pace.get(adam, sum(pace.values()) / len(pace))
        an_epoch = decision.per_epoch * a_step + execution.seconds_an_evaluation
        epochs = int(PILOT_SHARE * clock.budget / an_epoch)
        if not epochs:
            return 1.0, "1 epoch (the time budget is too short for a pilot run)"
        most = min(PILOT_STEPS, epochs * decision.per_epoch)
    runner.execution = execution
    epochs, how = pilot(runner, decision.recipe, decision.per_epoch, decision.experiment.protocol.seed, most)
    return epochs, f"{counted(epochs, 'epoch')} ({how})"


def fit_length(decision: Decision, wanted: RunLength, clock: Clock) -> RunLength:
    """Return the length, trials and seeds that fit into the time, where the execution plan has its times."""
    if clock.budget is None or clock.left is None:
        return wanted
    gone = clock.gone
    found = within(decision, wanted, clock.left)
    whole = gone + plan_seconds(decision.setup(found), decision.execution, {})
    if whole > LATE * clock.budget:
        late = (
            f"everything before training took {duration(gone)}, so the comparison is expected to take "
            f"{duration(whole)} instead of {duration(clock.budget)}"
        )
        found = found.model_copy(update={"why": f"{found.why}; {late}"})
    return found


def within(decision: Decision, wanted: RunLength, seconds: float) -> RunLength:
    """Return the length, trials and seeds with which a comparison fits into some seconds."""
    execution = decision.execution
    found = fit_budget(_build(decision, execution), wanted.epochs, decision.per_epoch, execution, seconds)
    lost = f"to fit the time budget: {'; '.join(found.given_up)}" if found.given_up else ""
    return RunLength(
        epochs=found.epochs,
        seeds=len(found.setup.seeds),
        scan_rates=found.setup.scan_rates,
        full_rates=found.setup.full_rates,
        why="; ".join(each for each in (wanted.why, lost) if each),
    )


def asked_for(protocol: Protocol, recipe: Recipe) -> str:
    """Return what the length was decided from: where it is the same, a folder's decision stands."""
    asked: dict[str, Any] = {"epochs": protocol.epochs, "minutes": protocol.minutes}
    if protocol.minutes is not None:
        asked |= {name: getattr(protocol, name) for name in ("seeds", "scan_rates", "full_rates")}
        asked |= {"sweep": True} if protocol.sweep else {}
    if protocol.epochs is None:
        asked["pilot of"] = recipe.id
    return ", ".join(f"{name} {value}" for name, value in asked.items())


def _with_compiled(decision: Decision, wanted: RunLength, clock: Clock | None, runner: Runner) -> Decision:
    """Return the decision with an execution plan in which whose steps are compiled is no longer open."""
    steps = decision.timed
    chosen = steps.choose(lambda: _work(decision, wanted, clock))
    execution = steps.settled(chosen)
    for name in steps.rules if execution.compile == "on" else steps.faults:
        if why := steps.why_eager(name):
            runner.observer.say(f"steps  {name} runs eagerly: {why}")
    runner.execution = execution
    return replace(decision, execution=execution)


def _work(decision: Decision, wanted: RunLength, clock: Clock | None) -> Work:
    """Return the comparison that is wanted, and the time that there is now."""

    def build(epochs: float, execution: Execution) -> Setup:
        fitted = wanted.model_copy(update={"epochs": epochs})
        return replace(decision, execution=execution).setup(fitted)

    return Work(build, wanted.epochs, decision.per_epoch, None if clock is None else clock.left)


def _build(decision: Decision, execution: Execution) -> Callable[[float], Setup]:
    made = replace(decision, execution=execution)
    return lambda epochs: made.setup(RunLength(epochs=epochs))


def _times(decision: Decision, compiled: Collection[str] = ()) -> Execution:
    """Return the execution plan with times for all, eager where nothing else is said."""
    steps = decision.timed
    return with_choice(steps.execution, steps.prospects(), tuple(compiled))
