"""Planners: which trials the tuning of an arm has, and how long each of them runs; one a file, such as ``halving(3)``.

A planner is a pure function from the finished runs to those that can be made next. So a comparison that was killed goes
on with the same trials, however many processes make its runs, and no two of them draw the same one. All arms have the
same number of trials.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from steepest.components.declared import Component, make_component
from steepest.components.registry import Registry
from steepest.errors import OptionError
from steepest.optim.spec import MethodSpec
from steepest.record.schema import Phase, Record
from steepest.schedules import make_schedule
from steepest.sweep.arms import PlannedArm
from steepest.sweep.contestants import Contestant
from steepest.sweep.planned import History, PlannedRun, identity
from steepest.sweep.setup import Setup

registry = Registry("planner", "steepest.sweep.planners")


@dataclass(frozen=True)
class PlannedTrial:
    """One point that is tried.

    Attributes:
        runs: its runs so far, from the shortest to the longest.
        cut: whether it has no longer run because others were better.
    """

    runs: tuple[PlannedRun, ...]
    cut: bool = False


@dataclass(frozen=True)
class Tuning:
    """How far the tuning of an arm is.

    Attributes:
        trials: what was tried, and is, in the order in which it was drawn; a grid of rates ascends.
        full: the runs at full length; empty while it is open whose there are, and where no trial has one.
        missing: what has to run next.
        chosen: the best candidate, once nothing is missing.
        run: its longest run.
        leader: the trial that was best in its shortest run, once that is known.
        further: by how many trials a grid was extended.
        allowance: by how many it may be.
    """

    trials: tuple[PlannedTrial, ...] = ()
    full: tuple[PlannedRun, ...] = ()
    missing: tuple[PlannedRun, ...] = ()
    chosen: MethodSpec[Any] | None = None
    run: PlannedRun | None = None
    leader: MethodSpec[Any] | None = None
    further: int = 0
    allowance: int = 0

    @property
    def scan(self) -> tuple[PlannedRun, ...]:
        """The shortest run of each trial."""
        return tuple(trial.runs[0] for trial in self.trials)

    @property
    def rates(self) -> tuple[float, ...]:
        """The rates that were tried, ascending."""
        return tuple(sorted({float(run.rule.hyper.lr) for run in self.scan}))

    @property
    def runs(self) -> Iterator[PlannedRun]:
        """All runs of all trials, the shortest of each first."""
        longest = max((len(trial.runs) for trial in self.trials), default=0)
        for place in range(longest):
            yield from (trial.runs[place] for trial in self.trials if place < len(trial.runs))


class Planner(Component):
    """A way of tuning; a subclass declares its options as fields, in the order of arguments.

    Attributes:
        drawn_at_once: whether all trials but those beyond an edge are known before the first run.
    """

    drawn_at_once: ClassVar[bool] = True

    @property
    def takes_finalists(self) -> bool:
        """Whether ``--tuning-finalists`` says how many trials run at full length."""
        return True

    def check(self, methods: Sequence[Contestant]) -> None:
        """Raise an ``OptionError`` if it cannot tune these optimizers, or lacks a library."""

    @abstractmethod
    def lengths(self, setup: Setup) -> tuple[float, ...]:
        """Return the lengths that a trial's runs can have, in full lengths, ascending; without finalists none is 1."""

    @abstractmethod
    def tuning(self, setup: Setup, arm: PlannedArm, history: History, parent: PlannedRun | None) -> Tuning:
        """Return how far the tuning of an arm is, from the finished runs alone.

        Args:
            setup: the comparison's setup.
            arm: an arm that is tuned.
            history: the finished runs.
            parent: the run of the stage before it, whose tuning is complete.
        """

    @abstractmethod
    def to_come(self, setup: Setup, arm: PlannedArm, found: Tuning) -> list[tuple[Phase, float]]:
        """Return the tuning runs that will follow those that are missing, as far as it is known: purpose and length.

        Args:
            setup: the comparison's setup.
            arm: an arm whose tuning is not complete.
            found: how far it is; with no trials where it waits for the stage before.
        """

    @abstractmethod
    def described(self, setup: Setup, trials: str) -> list[str]:
        """Return what the tuning of an arm consists of, as parts of a plan, such as ``best 3 at full length``.

        Args:
            setup: the comparison's setup.
            trials: how many trials there are, in words: ``7 rates``.
        """


def make_planner(text: str) -> Planner:
    """Return the planner that a specification names, or refers to (``mine.py:Mine``).

    Raises:
        UnknownNameError: there is none with this name.
        OptionError: an option does not exist or has a value that is not allowed.

    Example:
        >>> str(make_planner("halving")), make_planner("halving(2)").factor
        ('halving(3, 0.1)', 2)
    """
    return make_component(registry, text, Planner)


def planner_of(setup: Setup) -> Planner:
    """Return the planner of a comparison.

    Raises:
        OptionError: what it says of its runs is no answer.
    """
    known = setup.memo.get("planner")
    if known is None:
        known = make_planner(setup.planner)
        check_planner(known, setup)
        setup.memo["planner"] = known
    return known


def check_planner(planner: Planner, setup: Setup) -> None:
    """Refuse a planner whose lengths or words are none.

    Raises:
        OptionError: they are not.
    """
    lengths: Any = planner.lengths(setup)
    numbers = [each for each in _listed(lengths) if isinstance(each, int | float) and 0 < each <= 1]
    ascends = numbers == sorted(set(numbers))
    if not numbers or not ascends or len(numbers) != len(_listed(lengths)):
        raise refused(
            planner,
            f"lengths() returned {lengths!r}",
            "return the lengths of a trial's runs in full lengths, ascending, above 0 and at most 1, as (0.25, 1.0)",
        )
    words: Any = planner.described(setup, "7 rates")
    if not _listed(words) or not all(isinstance(each, str) for each in words):
        raise refused(
            planner, f"described() returned {words!r}", "return texts, such as ['7 rates at full length']"
        )


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()


def refused(planner: Planner, fact: str, cure: str) -> OptionError:
    """Return the error of a planner that breaks its contract."""
    return OptionError(
        f"the planner {str(planner)!r}: {fact}", hint=f"{cure}; {_SUITE} checks a planner in a test file."
    )


_SUITE = "steepest.testing.PlannerConformance"


def check_lengths(setup: Setup) -> None:
    """Refuse a schedule that does not fit the shortest run, and a first step that exceeds a budget of gradients.

    Raises:
        OptionError: one does, such as ``join(linear, constant, at=1000)`` in a run of 500 steps.
    """
    for arm in setup.stages:
        length = setup.steps_at(arm, planner_of(setup).lengths(setup)[0] if arm.tuned else 1.0)
        make_schedule(arm.recipe.schedule, length)
        if setup.by_gradients:
            arm.check_budget(length)


def check_drawn_at_once(planner: Planner) -> None:
    """Refuse to run every trial with every seed where trials follow from the results of others.

    Raises:
        OptionError: they do.
    """
    if not planner.drawn_at_once:
        raise OptionError(
            f"--sweep is for grids of learning rates, and the planner {str(planner)!r} draws rates by the results of "
            "others",
            hint="leave --sweep or --planner out.",
        )


def tried_trials(tried: Sequence[Sequence[PlannedRun]]) -> tuple[PlannedTrial, ...]:
    """Return trials by their runs so far; those are cut that have fewer than others."""
    most = max(map(len, tried))
    return tuple(PlannedTrial(tuple(runs), cut=len(runs) < most) for runs in tried)


def trial_run(
    setup: Setup,
    arm: PlannedArm,
    rule: MethodSpec[Any],
    length: float,
    parent: PlannedRun | None,
    *,
    last: bool = False,
) -> PlannedRun:
    """Return a run of a trial, with the seed of tuning.

    Args:
        setup: the comparison's setup.
        arm: the arm.
        rule: its optimizer at the trial's point.
        length: of the run, in full lengths.
        parent: the run of the stage before it.
        last: whether it is of those that are chosen from.
    """
    phase: Phase = "full" if last else "scan"
    return setup.make(arm, rule, phase, setup.tuning_seed, parent=parent, length=length)


def lacking(runs: Sequence[PlannedRun], history: History) -> tuple[PlannedRun, ...]:
    """Return the runs that a history lacks, each once."""
    return tuple({identity(run): run for run in runs if identity(run) not in history}.values())


def best_first(setup: Setup, runs: Sequence[PlannedRun], history: History) -> list[int]:
    """Return the places of finished runs by their validation, the best first; of equal ones the earlier."""
    losses = [setup.loss(record_of(run, history)) for run in runs]
    return sorted(range(len(runs)), key=losses.__getitem__)


def record_of(run: PlannedRun, history: History) -> Record:
    """Return the record of a finished run."""
    return history[identity(run)]


def check_no_strengths(planner: Planner, methods: Sequence[Contestant]) -> None:
    """Refuse to cut trials after short runs where strengths of regularizers are tuned: overfitting comes late.

    Raises:
        OptionError: some are.
    """
    for who in methods:
        if who.strengths:
            names = ", ".join(axis.name for axis in who.strengths)
            raise OptionError(
                f"the planner {str(planner)!r} cuts trials after short runs, and of {who.name} the strength of {names} "
                "is tuned, which shows late",
                hint="leave --planner out, or give the strengths.",
            )
