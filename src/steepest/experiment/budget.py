"""What fits into the time: the length of the runs, their number, and whose steps are compiled.

All of it is decided after the data was read, steps were timed and the baselines ran, and before anything is tuned:
what counts is how much of the comparison that is wanted gets done in the time that is left, so a program is compiled
where the steps that it saves are worth more than the wait.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from steepest.errors import OptionError
from steepest.experiment.settings import Settings
from steepest.optim import make_rule
from steepest.recipe import Execution, Experiment, RunLength, flag_of, stable_hash
from steepest.regularizers import without_ends
from steepest.report.format import seconds as duration
from steepest.report.words import listed
from steepest.sweep.ahead import Ahead
from steepest.sweep.arms import PlannedArm
from steepest.sweep.clock import AFTER_SECONDS, COMPILING_SHARE, Clock, Patience
from steepest.sweep.compiling import Work, with_choice
from steepest.sweep.defaults import PILOT_STEPS, equal_seconds, pilot, pilot_arms, pilot_recipe
from steepest.sweep.estimate import at_a_time, fit_budget, plan_seconds
from steepest.sweep.expected import expected_runs
from steepest.sweep.planned import History
from steepest.sweep.planner import make_planner
from steepest.sweep.runner import Runner
from steepest.sweep.setup import Setup
from steepest.wording import counted

PILOT_SHARE = 0.15
"""Share of a budget that a pilot may take."""
TYPICAL_EPOCHS = 5.0
"""Length that is reckoned with before a pilot has run."""
ENDLESS = 1e6
"""A length at which every run ends at its limit of seconds, where it has one."""
LARGEST_GUESS = 20.0
"""Length that a plan is made with where no pilot will run."""
MANY_RUNS = 1_000
"""More runs than this are begun only with ``--yes``."""
LATE = 1.05
"""A comparison that is expected to take so many times its budget is said to take longer."""


def with_minutes(experiment: Experiment, minutes: float) -> Experiment:
    """Return an experiment with another time budget.

    Raises:
        OptionError: it has none.
    """
    if experiment.protocol.minutes is None:
        raise OptionError(
            f"minutes={minutes:g} has no effect: the comparison was begun without a time budget",
            hint="leave it out; Ctrl-C stops it, and it can be resumed.",
        )
    protocol = experiment.protocol.model_copy(update={"minutes": float(minutes)})
    return experiment.model_copy(update={"protocol": protocol})


def check_number(settings: Settings, history: History) -> None:
    """Refuse to begin very many runs that nobody has agreed to.

    Raises:
        OptionError: there are more than :data:`MANY_RUNS`.
    """
    length = decided(settings) or RunLength(epochs=settings.experiment.protocol.epochs or 1.0)
    if len(expected_runs(with_times(settings).setup(length), history)) <= MANY_RUNS:
        return
    settings, length, known, wait = expected(settings)
    setup = settings.setup(length)  # a time budget may have made it smaller
    count = len(expected_runs(setup, history))
    if count > MANY_RUNS:
        raise OptionError(
            f"{counted(count, 'run')} are to be made, more than {MANY_RUNS:,}, which takes "
            f"{time_text(settings, setup, history, known=known, wait=wait)}",
            hint="give --yes (yes=True) if that is what you want; fewer values of a factor, fewer seeds or "
            "--learning-rates make it smaller.",
        )


def time_text(settings: Settings, setup: Setup, history: History, *, known: bool, wait: float) -> str:
    """Return in words how long what is still to come is expected to take.

    Args:
        settings: with the execution plan that is expected.
        setup: at the length that is expected.
        history: the runs that are done.
        known: whether the length is known, without a pilot.
        wait: seconds of compiling.
    """
    cells = settings.plan.cells
    besides = [f"{duration(wait)} of compiling"] if wait else []
    besides += [] if history else ["the baselines"]
    more = f", plus {' and '.join(besides)}" if besides else ""
    if known or settings.experiment.protocol.minutes is not None:
        most = about(settings) if known else "at most about"
        left = plan_seconds(setup, cells, history, asked=settings.experiment.execution.workers)
        return f"{most} {duration(left)}{more}"
    short, long, endless = (
        plan_seconds(settings.setup(RunLength(epochs=each)), cells, {}) for each in (1.0, 2.0, ENDLESS)
    )
    limited = settings.experiment.protocol.max_seconds is not None
    parts = [f"about {duration(long - short)} per epoch"] if not limited or long > short else []
    parts += [f"at most about {duration(endless)}"] if limited else []
    return f"{' and '.join(parts)}{more}; a pilot run chooses the number of epochs"


def about(settings: Settings) -> str:
    """Return "about", or "at most about" where runs may end before their length is used up."""
    ends = any(
        without_ends(arm.recipe.regularizer) != arm.recipe.regularizer
        or any(not each.only_watches for each in arm.callbacks)
        for arm in settings.arms
    )
    return "at most about" if ends else "about"


def decided(settings: Settings) -> RunLength | None:
    """Return the length that the folder has for what is asked now, or None."""
    begun = settings.plan.length
    if begun is None or set(_changed(begun, settings)) - {*STANDS}:
        return None
    had, has = (each.get(MINUTES, "None") != "None" for each in (begun.follows, follows_from(settings)))
    return begun if had == has else None


def _changed(begun: RunLength, settings: Settings) -> list[str]:
    """Return what a folder's length follows from and is another value now; earlier versions stored less of it."""
    now = follows_from(settings)
    return [name for name, value in now.items() if begun.follows.get(name, value) != value]


def settle(
    settings: Settings, runner: Runner, started: float, besides: Callable[[], float] = lambda: 0.0
) -> Settings:
    """Return the settings with an execution plan in which nothing is open: pilot, compiling, length.

    Args:
        settings: with timed steps.
        runner: makes the pilot.
        started: when the clock of the comparison began.
        besides: returns the seconds of what is done beside the networks, about.
    """
    protocol = settings.experiment.protocol
    clock = replace(Clock.of(protocol, started), besides=besides)
    begun = decided(settings)
    if begun is not None:
        return of_length(_with_compiled(settings, begun, None, runner, Patience()), begun)
    patience = Patience.of(clock)
    if protocol.epochs is not None:
        epochs, why = protocol.epochs, f"{counted(protocol.epochs, 'epoch')}, given"
    else:
        epochs, why = find_length(settings, runner, clock, patience)
    wanted = RunLength(epochs=epochs, why=why)
    settings = _with_compiled(settings, wanted, clock, runner, patience)
    fitted = fit_length(settings, wanted, clock)
    return of_length(settings, fitted.model_copy(update={"follows": follows_from(settings)}))


def of_length(settings: Settings, length: RunLength) -> Settings:
    """Return the settings with a length; where arms get equal time, with that time, which later arms get, too."""
    if settings.experiment.protocol.equal == "seconds" and length.run_seconds is None:
        each = equal_seconds(settings.arms, length.epochs, settings.plan.cells)
        length = length.model_copy(update={"run_seconds": each})
    return replace(settings, plan=settings.plan.model_copy(update={"length": length}))


def expected(settings: Settings) -> tuple[Settings, RunLength, bool, float]:
    """Return what :func:`settle` is expected to find, without training or compiling anything.

    Returns:
        The settings, the length, whether the length is known already, and the seconds that compiling will take.
    """
    budget = Clock.of(settings.experiment.protocol).budget
    new = decided(settings) is None
    settings, wanted, known, wait = expected_steps(settings)
    if new and budget is not None:
        wanted = within(settings, wanted, budget - wait)
    return settings, wanted, known, wait


def expected_steps(settings: Settings) -> tuple[Settings, RunLength, bool, float]:
    """Return what :func:`expected` does, with the length that is wanted before it is fitted to a budget."""
    protocol = settings.experiment.protocol
    clock = Clock.of(protocol)
    begun = decided(settings)
    known = begun is not None or protocol.epochs is not None
    wanted = begun or RunLength(epochs=protocol.epochs or LARGEST_GUESS)
    if not known and clock.budget is not None:
        wanted = wanted.model_copy(
            update={"why": f"chosen by a pilot run; {LARGEST_GUESS:g} epochs assumed here"}
        )
    settings, wait = with_times(settings), 0.0
    patience = Patience.of(None if begun else clock)
    for key, steps in settings.steps.items():
        work = _work(settings, key, wanted, None if begun else clock)
        chosen = steps.choose(work, compiles=False, patience=patience)
        first, later = steps.waits()
        lacking = sum(name not in steps.compiled for name in chosen)
        takes = (later if wait else first) + (lacking - 1) * later if lacking else 0.0
        wait, patience.spent = wait + takes, patience.spent + takes
        settings = settings.planned({key: steps.settled(chosen)})
    return settings, wanted, known, wait


def compile_ahead(settings: Settings, ahead: Ahead) -> None:
    """Let the steps be compiled that are expected to be.

    Without a time budget the first one is left out: this process needs it at once, and makes it. With a budget it makes
    none, as it could not leave off.
    """
    begun = decided(settings)
    wanted, clock = _typical(settings), None if begun else Clock.of(settings.experiment.protocol)
    settings, of_pilots = with_times(settings), str(make_rule("adam"))
    patience = Patience.of(clock)
    first = 1 if math.isinf(patience.most) else 0
    for key, steps in settings.steps.items():
        steps.ahead = ahead
        chosen = steps.choose(_work(settings, key, wanted, clock), compiles=False, patience=patience)
        lacking = steps.lacking(chosen)
        steps.begin(sorted(lacking, key=lambda name: name != of_pilots)[first:])


def usually_together(settings: Settings, history: History) -> bool:
    """Return whether a comparison of a typical length would make several runs at a time."""
    workers = settings.experiment.execution.workers
    setup = with_times(settings).setup(_typical(settings))
    return at_a_time(setup, with_times(settings).plan.cells, history, workers) > 1


def _typical(settings: Settings) -> RunLength:
    """Return the length that is reckoned with before a pilot has run."""
    return decided(settings) or RunLength(epochs=settings.experiment.protocol.epochs or TYPICAL_EPOCHS)


def find_length(
    settings: Settings, runner: Runner, clock: Clock, patience: Patience | None = None
) -> tuple[float, str]:
    """Return the number of epochs that pilots find, and how; one epoch where the time is too short for a pilot.

    Where the time for all that precedes training is used up, there is no pilot, and a typical length is assumed.

    There is one pilot for each recipe without its optimizer and schedule; the longest length holds for all arms.
    """
    adam = str(make_rule("adam"))
    arms = pilot_arms(settings.arms)
    settings = with_times(settings)
    typical = RunLength(epochs=TYPICAL_EPOCHS)
    found: list[tuple[float, str, PlannedArm]] = []
    for arm in arms:
        steps = settings.steps[arm.cell]
        execution = settings.execution(arm)
        if adam in steps.rules:
            chosen = steps.choose(_work(settings, arm.cell, typical, clock), only=(adam,), patience=patience)
            compiled = [name for name in chosen if name == adam]
            execution = with_choice(steps.execution, steps.prospects(), compiled)
        most = PILOT_STEPS
        if clock.budget is not None:
            pace = execution.timings.seconds_a_step
            a_step = pace.get(adam, sum(pace.values()) / len(pace))
            an_epoch = arm.per_epoch * a_step + execution.timings.seconds_an_evaluation
            share = PILOT_SHARE * clock.budget / len(arms)
            epochs = int(min(share, clock.preparing) / an_epoch)
            if share < an_epoch:
                found.append((1.0, "the time budget is too short for a pilot run", arm))
                continue
            if not epochs:
                found.append((TYPICAL_EPOCHS, "assumed: no time was left for a pilot run", arm))
                continue
            most = min(PILOT_STEPS, epochs * arm.per_epoch)
        runner.cells = {**settings.plan.cells, arm.cell: execution}
        epochs, how = pilot(runner, arm, settings.experiment.protocol.seed, most)
        found.append((epochs, how, arm))
    epochs, how, arm = max(found, key=lambda each: each[0])
    of = f", the longest of {len(arms)} pilot runs: {arm.title}" if len(arms) > 1 else ""
    return epochs, f"{counted(epochs, 'epoch')} ({how}{of})"


def fit_length(settings: Settings, wanted: RunLength, clock: Clock) -> RunLength:
    """Return the length, trials and seeds that fit into the time, where the execution plan has its times."""
    if clock.budget is None or clock.left is None:
        return wanted
    gone, besides = clock.gone, clock.besides()
    found = within(settings, wanted, clock.left)
    whole = gone + besides + plan_seconds(settings.setup(found), settings.plan.cells, {}) + AFTER_SECONDS
    if whole > LATE * clock.budget:
        before = f"everything before training took {duration(gone)}"
        more = f" and the baselines take {duration(besides)} more" if besides >= 1 else ""
        late = (
            f"{before}{more}, so the comparison is expected to take {duration(whole)} instead of "
            f"{duration(clock.budget)}"
        )
        found = found.model_copy(update={"why": f"{found.why}; {late}"})
    return found


def within(settings: Settings, wanted: RunLength, seconds: float) -> RunLength:
    """Return the length, trials and seeds with which a comparison fits into some seconds."""
    found = fit_budget(build_of(settings), wanted.epochs, settings.per_epoch, settings.plan.cells, seconds)
    lost = f"to fit the time budget: {'; '.join(found.given_up)}" if found.given_up else ""
    return RunLength(
        epochs=found.epochs,
        seeds=len(found.setup.seeds),
        scan_rates=found.setup.scan_rates,
        full_rates=found.setup.full_rates,
        why="; ".join(each for each in (wanted.why, lost) if each),
    )


ARMS, MINUTES = "arms", "minutes"
"""The entries of the arms, which begins with their number, and of a time budget in what a length follows from."""
COUNTED = (
    "seeds", "scan_rates", "full_rates", "sweep", "planner", "learning_rates", "equal", "max_seconds", "evaluations",
    "clip", "accumulate",
)  # fmt: skip
"""Options of the protocol that a time budget counts: how many runs there are, how long they take, and in what unit."""
STANDS = (ARMS, MINUTES, "tune", "references", "baseline", "split", "workers")
"""What a length follows from and stands for another value of, as the runs that are there take part with either."""


def follows_from(settings: Settings) -> dict[str, str]:
    """Return what a length follows from; a folder's stands where all of it is the same but for :data:`STANDS`.

    Where a pilot finds it, these are what pilots train, and from which seed; where it is fitted to a time budget, all
    that counts in how long the comparison takes, but for what is measured. How much time there is changes no length, as
    more of it is for more seeds.
    """
    experiment, protocol = settings.experiment, settings.experiment.protocol
    found: dict[str, Any] = {"epochs": protocol.epochs, MINUTES: protocol.minutes}
    if protocol.epochs is None:
        pilots = {
            pilot_recipe(arm).model_copy(update={"patience": None}).id for arm in pilot_arms(settings.arms)
        }
        found |= {"pilot of": " ".join(sorted(pilots)), "pilot seed": protocol.seed}
    if protocol.minutes is not None:
        found |= {name: getattr(protocol, name) for name in COUNTED}
        own = settings.codes.of["planner"][protocol.planner].digest
        found |= {"planner": f"{make_planner(protocol.planner)} {own}".rstrip()}
        found |= {ARMS: f"{len(settings.arms)} {stable_hash(sorted(arm.id for arm in settings.arms))[:12]}"}
        found |= {name: getattr(protocol, name) for name in ("tune", "references", "baseline")}
        found |= {"split": experiment.data.split, "workers": experiment.execution.workers}
    return {name: str(value) for name, value in found.items()}


def outgrown(settings: Settings, history: History, gone: float) -> str:
    """Return that a folder's length was fitted to something else and what is to come exceeds the budget, or nothing.

    Args:
        settings: with the execution plan.
        history: the runs that are done.
        gone: seconds since the command began.
    """
    begun, minutes = decided(settings), settings.experiment.protocol.minutes
    if begun is None or minutes is None:
        return ""
    other = [name for name in _changed(begun, settings) if name != MINUTES]
    if not other:
        return ""
    takes = gone + plan_seconds(settings.setup(begun), settings.plan.cells, history)
    if takes <= LATE * 60 * minutes:
        return ""
    was = int(begun.follows.get(ARMS, "0").partition(" ")[0])
    parts: list[str] = []
    if ARMS in other:
        many = len(settings.arms)
        parts = [f"to {counted(was, 'arm')}, not to {many}" if was != many else "to other arms"]
        other.remove(ARMS)
    if other:
        parts.append(f"with other values of {', '.join(map(flag_of, other))}")
    return (
        f"the folder's length was fitted {' and '.join(parts) or 'earlier'}; expected to take {duration(takes)} "
        f"instead of {duration(60 * minutes)}"
    )


def with_times(settings: Settings) -> Settings:
    """Return the settings with times for the steps of all arms, eager where nothing else is decided."""
    cells = {
        key: with_choice(steps.execution, steps.prospects(), ()) for key, steps in settings.steps.items()
    }
    return settings.planned(cells)


def _with_compiled(
    settings: Settings, wanted: RunLength, clock: Clock | None, runner: Runner, patience: Patience
) -> Settings:
    """Return the settings with an execution plan in which whose steps are compiled is no longer open."""
    settings = with_times(settings)
    late: dict[str, None] = {}
    for key, steps in settings.steps.items():
        chosen = steps.choose(_work(settings, key, wanted, clock), patience=patience)
        late |= dict.fromkeys(steps.late)
        execution = steps.settled(chosen)
        for name in steps.rules if execution.compile == "on" else steps.faults:
            if why := steps.why_eager(name):
                runner.observer.say(f"steps  {name} runs eagerly: {why}")
        settings = settings.planned({key: execution})
    for ahead in {id(steps.ahead): steps.ahead for steps in settings.steps.values() if steps.ahead}.values():
        ahead.let_go()
    if late:
        runner.observer.say(
            f"steps  {listed(list(late))} {'runs' if len(late) == 1 else 'run'} eagerly: compiling takes more than "
            f"{100 * COMPILING_SHARE:.0f} % of the time budget"
        )
    runner.cells = settings.plan.cells
    return settings


def _work(settings: Settings, cell: str, wanted: RunLength, clock: Clock | None) -> Callable[[], Work]:
    """Return what tells the comparison that is wanted, as a cell sees it, and the time that there is now."""

    def cells(execution: Execution) -> Mapping[str, Execution]:
        return {**settings.plan.cells, cell: execution}

    def build(epochs: float, execution: Execution) -> Setup:
        return settings.planned({cell: execution}).setup(wanted.model_copy(update={"epochs": epochs}))

    return lambda: Work(
        build, cells, cell, wanted.epochs, settings.per_epoch, None if clock is None else clock.left
    )


def build_of(settings: Settings) -> Callable[[float], Setup]:
    """Return what makes the full setup for a number of epochs."""
    return lambda epochs: settings.setup(RunLength(epochs=epochs))
