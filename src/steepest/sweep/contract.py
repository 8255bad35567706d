"""What a planner must not return, found where it returns it: one that breaks its contract would end in no choice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from steepest.sweep.arms import PlannedArm
from steepest.sweep.contestants import whole_spec
from steepest.sweep.planned import History, PlannedRun, identity
from steepest.sweep.planner import Planner, Tuning, refused
from steepest.sweep.setup import Setup

TUNED = ("scan", "full")
"""The purposes of a trial's runs."""


def check_tuning(
    planner: Planner,
    setup: Setup,
    arm: PlannedArm,
    history: History,
    parent: PlannedRun | None,
    found: Tuning,
) -> None:
    """Refuse what a planner says of the tuning of an arm if nothing, or something else than that, can come of it.

    Args:
        planner: that said it.
        setup, arm, history, parent: what it was asked for.
        found: what it returned.

    Raises:
        OptionError: it is no answer.
    """
    for fact, cure in _faults(planner, setup, arm, history, parent, found):
        raise refused(planner, f"tuning() of {arm.title} {fact}", cure)


def _faults(
    planner: Planner,
    setup: Setup,
    arm: PlannedArm,
    history: History,
    parent: PlannedRun | None,
    found: Any,
) -> Iterator[tuple[str, str]]:
    if not isinstance(found, Tuning):
        yield f"returned {found!r}", "return a steepest.sweep.planner.Tuning"
        return
    if not found.missing and found.chosen is None:
        yield (
            "returned neither runs that are missing nor a choice",
            "return the runs that the history lacks as missing, and once it has them all, chosen and run",
        )
    if not all(trial.runs for trial in found.trials):
        yield "returned a trial without runs", "give every trial its shortest run"
    runs = [*(run for trial in found.trials for run in trial.runs), *found.full, *found.missing]
    runs += [found.run] if found.run is not None else []
    shortest = planner.lengths(setup)[0]
    for run in runs:
        if run.arm.id != arm.id or run.key.seed != setup.tuning_seed or run.key.phase not in TUNED:
            yield (
                f"returned a run of {run.key.name} for {run.key.phase!r} with the seed {run.key.seed}",
                "make its runs by steepest.sweep.planner.trial_run",
            )
        if (run.parent and identity(run.parent)) != (parent and identity(parent)):
            yield (
                "returned a run that starts from another run than the one before it",
                "give trial_run the parent",
            )
        if run.length < shortest * (1 - 1e-9):
            yield (
                f"returned a run of {run.length:g} of the full length, and the shortest of lengths() is {shortest:g}",
                "return all lengths there",
            )
    tried = {identity(run) for trial in found.trials for run in trial.runs}
    if any(identity(run) not in tried for run in found.missing):
        yield "returned a run as missing that is of no trial", "return it among the runs of its trial, too"
    if found.missing and all(identity(run) in history for run in found.missing):
        yield "returned runs as missing that are finished", "return those that the history lacks"
    if found.chosen is not None:
        if found.missing:
            yield "returned a choice beside runs that are missing", "choose when the history has them all"
        if found.run is None or identity(found.run) not in history or identity(found.run) not in tried:
            yield (
                "returned a choice without a finished run of a trial",
                "return the longest run of the chosen trial as run",
            )
        elif whole_spec(found.run.rule) != whole_spec(found.chosen):
            yield (
                f"chose {whole_spec(found.chosen)} and returned the run of {whole_spec(found.run.rule)}",
                "return its own run",
            )
