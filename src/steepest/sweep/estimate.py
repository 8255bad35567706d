"""How long a comparison will take, and what fits into a budget."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from steepest.recipe import Execution
from steepest.record.schema import Phase
from steepest.sweep.cuts import BEFORE
from steepest.sweep.expected import Expected, expected_runs
from steepest.sweep.machine import with_room
from steepest.sweep.planned import History
from steepest.sweep.setup import Setup, most_seconds
from steepest.sweep.trials import rates_alone, trials
from steepest.wording import counted

LEAST_STEPS = 20
"""No budget leaves shorter runs."""
ENOUGH_STEPS = 1000
"""Runs of less than an epoch say something about optimizers from so many steps on."""
MARGIN = 1.5
"""Minutes are suggested that suffice where everything takes so many times as long as was measured: the next time the
machine may be busier."""
EXTENSIONS = 0.5
"""Rates by which a scan is expected to be extended, on average."""
SHARED = 0.9
"""How fast a run is, compared with one that has the machine to itself, where one is made on every core."""
START_SECONDS = 6.0
"""Until processes of their own have loaded what makes runs, about."""


Cells = Mapping[str, Execution]
"""Execution plans by the arms' cells."""


def run_seconds(cells: Cells, run: Expected) -> float:
    """Return how long one run is expected to take: its steps, its evaluations, and the test rows if it reads them."""
    looks, times = run.arm.recipe.evaluations, cells[run.arm.cell].timings
    steps = run.steps * times.seconds_a_step[run.arm.method.name]
    most = most_seconds(run.arm, run.length)
    if most is not None and steps > most:
        looks, steps = math.ceil(looks * most / steps), most
    looks += 2 + (3 if run.read_test else 0)
    return steps + looks * times.seconds_an_evaluation + times.seconds_a_run


def plan_seconds(
    setup: Setup, cells: Cells, history: History, besides: float = 0.0, asked: int | str | None = None
) -> float:
    """Return how long what is still to come is expected to take, several runs at a time where that is quicker.

    Args:
        setup: the comparison's setup.
        cells: the execution plans.
        history: the runs that are done.
        besides: seconds of other work that the processes have to do.
        asked: how many runs at a time were asked for, or of which cluster: then it is so many, quicker or not.
    """
    alone, together = _both(setup, cells, history, besides)
    several = (
        asked is not None and alone > 0 and max((each.workers for each in cells.values()), default=1) > 1
    )
    return together if several else min(alone, together)


def at_a_time(
    setup: Setup, cells: Cells, history: History, asked: int | str | None = None, besides: float = 0.0
) -> int:
    """Return how many runs are made at the same time: one, unless more are asked for or save time.

    Args:
        setup: the comparison's setup.
        cells: the execution plans; they say how many runs can be made at the same time.
        history: the runs that are done.
        asked: how many were asked for, or of which cluster.
        besides: seconds of other work that the processes have to do.
    """
    most = max((each.workers for each in cells.values()), default=1)
    if asked is not None or most == 1:
        return most
    most = with_room(most)
    alone, together = _both(setup, cells, history, besides)
    return most if together < alone else 1


def _both(setup: Setup, cells: Cells, history: History, besides: float) -> tuple[float, float]:
    """Return how long what is to come takes one run at a time, and several.

    Several take no longer than their work by all processes, and what has to wait for each other (Graham, 1969).
    """
    runs = expected_runs(setup, history)
    workers = max((each.workers for each in cells.values()), default=1)
    alone, beside = besides, besides / SHARED
    longest: dict[tuple[str, int], float] = {}
    scanning = {run.arm.id: run for run in runs if run.phase == "scan"}
    for count, some in ((1.0, runs), (EXTENSIONS, scanning.values())):
        for run in some:
            seconds = count * run_seconds(cells, run)
            alone += seconds
            if cells[run.arm.cell].workers > 1 and not run.timed and not run.arm.stays:
                beside += seconds / SHARED
                place = run.arm.id, PLACES[run.phase]
                longest[place] = max(longest.get(place, 0.0), run_seconds(cells, run) / SHARED)
    waits = {arm.id: sum(each for (of, _), each in longest.items() if of == arm.id) for arm in setup.stages}
    most = max((sum(waits[stage.id] for stage in arm.chain) for arm in setup.arms), default=0.0)
    others = alone - beside * SHARED
    return alone, others + beside / workers + (1 - 1 / workers) * most + START_SECONDS


PLACES: Mapping[Phase, int] = {
    "pilot": 0, "scan": 0, "full": 1, "final": 2, "default": 2, "sweep": 2, "constant": 3, "refit": 3,
}  # fmt: skip
"""Runs with a number wait for those of the same arm with smaller ones."""


@dataclass(frozen=True)
class WithinBudget:
    """A setup that fits a budget.

    Attributes:
        setup: the setup.
        epochs: its length.
        cuts: how far down the list of cuts it is, 0 where nothing but length was cut.
        fits: whether it is expected to end in time; otherwise it is the smallest that there is.
        given_up: what was cut, as lines.
    """

    setup: Setup
    epochs: float
    cuts: int
    fits: bool
    given_up: tuple[str, ...]


def fit_budget(
    build: Callable[[float], Setup], epochs: float, per_epoch: int, cells: Cells, seconds: float
) -> WithinBudget:
    """Return the most thorough setup that is expected to end within a budget.

    Given up in the order of :data:`steepest.sweep.cuts.BEFORE`: tuning (five rates, the best two at full length),
    length down to the least that says something (an epoch, or 1,000 steps), seeds down to three, tuning again (three
    rates, the best one at full length), and then as much length as it takes. Fewer seeds, and fewer arms, are only left
    out while runs are made, see :mod:`steepest.sweep.deadline`.

    Args:
        build: makes the full setup for a number of epochs.
        epochs: the length that is wanted.
        per_epoch: the fewest steps an epoch of any arm.
        cells: the measured times.
        seconds: the budget.
    """
    least = min(LEAST_STEPS / per_epoch, epochs)
    enough = min(1.0, ENOUGH_STEPS / per_epoch)
    wanted = build(epochs)
    limited = any(arm.recipe.max_seconds is not None for arm in wanted.arms)
    used = epochs  # what is beyond the limit of every run costs nothing
    if limited:
        most = plan_seconds(wanted, cells, {})
        used = _longest(lambda some: plan_seconds(build(some), cells, {}), least, epochs, most * (1 - 1e-6))
    for cuts, cut in enumerate(BEFORE):
        full = plan_seconds(cut.of(wanted), cells, {})
        length = epochs
        if full > seconds:
            fixed = plan_seconds(cut.of(build(least)), cells, {})
            slope = (full - fixed) / max(epochs - least, 1e-12)
            length = least + (seconds - fixed) / slope if slope > 0 else 0.0
            if limited and fixed <= seconds:
                length = _longest(
                    lambda some: plan_seconds(cut.of(build(some)), cells, {}),  # noqa: B023
                    least,
                    epochs,
                    seconds,
                )
        if length >= max({"whole": used, "enough": min(enough, used), "least": least}[cut.length], least):
            setup = cut.of(build(length))
            return WithinBudget(setup, length, cuts, True, tuple(_given_up(wanted, setup, epochs, length)))
    setup = BEFORE[-1].of(build(least))
    return WithinBudget(setup, least, len(BEFORE), False, tuple(_given_up(wanted, setup, epochs, least)))


def _longest(cost: Callable[[float], float], least: float, most: float, seconds: float) -> float:
    """Return the greatest length whose cost, which never falls with it, is no more than some seconds."""
    for _ in range(_HALVINGS):
        middle = (least + most) / 2
        least, most = (middle, most) if cost(middle) <= seconds else (least, middle)
    return least


_HALVINGS = 20


def slowed(cells: Cells, times: float) -> dict[str, Execution]:
    """Return execution plans in which everything takes so many times as long."""

    def slower(execution: Execution) -> Execution:
        found = execution.timings
        return execution.timed(
            seconds_a_step={name: times * each for name, each in found.seconds_a_step.items()},
            seconds_an_evaluation=times * found.seconds_an_evaluation,
            seconds_a_run=times * found.seconds_a_run,
        )

    return {key: slower(each) for key, each in cells.items()}


def suggested_minutes(minutes: float, suffices: Callable[[float], bool]) -> float:
    """Return the least round number of minutes above some that suffices.

    Args:
        minutes: too few.
        suffices: whether a number does; where one does, a larger one does, too.

    Example:
        >>> suggested_minutes(1.0, lambda minutes: minutes >= 3.2), suggested_minutes(0.01, lambda minutes: True)
        (4.0, 0.1)
    """
    digits = (1, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9)
    rounds = [
        each
        for power in range(-1, 6)
        for digit in digits
        if (each := round(digit * 10.0**power, 3)) > minutes
    ]
    return rounds[bisect_left(rounds, True, hi=len(rounds) - 1, key=suffices)]


def _given_up(wanted: Setup, got: Setup, epochs: float, length: float) -> list[str]:
    lines: list[str] = []
    if length < epochs * (1 - 1e-9):
        lines.append(f"{_plain(length)} instead of {_plain(epochs)} epochs")
    tuned = [arm.method for arm in wanted.arms if arm.tuned]
    before, now = (
        max(trials(each.methods, each.grid, each.scan_rates).values(), default=0) for each in (wanted, got)
    )
    if now < before:
        lines.append(f"{now} instead of {before} {'rates' if rates_alone(tuned) else 'trials'}")
    if got.full_rates < wanted.full_rates and tuned:
        lines.append(f"the best {got.full_rates} instead of {wanted.full_rates} at full length")
    if len(got.seeds) < len(wanted.seeds):
        lines.append(f"{len(got.seeds)} instead of {counted(len(wanted.seeds), 'seed')}")
    return lines


def _plain(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if math.isfinite(value) else str(value)
