"""Carry out a plan: every missing run once, one after the other or several at a time, each kept when it has ended."""

from __future__ import annotations

from collections.abc import Callable

from steepest.sweep.crew import Crew
from steepest.sweep.estimate import at_a_time, plan_seconds
from steepest.sweep.plan import Setup, next_runs, starts
from steepest.sweep.planned import History, identity
from steepest.sweep.runner import Runner
from steepest.sweep.together import Together
from steepest.sweep.told import Told


def complete(
    runner: Runner,
    setup: Setup,
    crew: Crew,
    workers: int | None = None,
    besides: Callable[[], float] = lambda: 0.0,
) -> History:
    """Make every run that a setup still lacks, and return all.

    Args:
        runner: makes and keeps them.
        setup: the comparison's setup.
        crew: the processes that can make them; what else they have to do is done in the end, too.
        workers: how many were asked to be made at the same time; with None, more than one where that saves time.
        besides: returns the seconds of what else the processes have to do, about.
    """
    history, told = runner.folder.history(), Told(setup, runner.observer)
    most = at_a_time(setup, runner.cells, history, workers, besides())
    if most > 1:
        crew.allow(most)
        Together(runner, setup, told, crew, besides).complete(history)
    while not crew.idle:  # so that nothing runs beside what is timed
        crew.hear(wait=True)
    while runs := next_runs(setup, history):
        runner.forget(starts(setup, history))
        for run in runs:
            runner.observer.remaining(plan_seconds(setup, runner.cells, history))
            told.begins(run)
            history[identity(run)] = runner.make_timed(run, history, setup)
        told.tuned(history)
    runner.forget(set())
    runner.observer.remaining(0.0)
    return history
