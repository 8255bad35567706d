"""Carry out a plan: every missing run once, one after the other or several at a time, each kept when it has ended."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from steepest.sweep.crew import Crew
from steepest.sweep.deadline import Deadline
from steepest.sweep.estimate import at_a_time, plan_seconds
from steepest.sweep.plan import next_runs, starts
from steepest.sweep.planned import History, identity
from steepest.sweep.runner import Runner
from steepest.sweep.setup import Setup
from steepest.sweep.together import EVERY, Together
from steepest.sweep.told import Told


def complete(
    runner: Runner,
    setup: Setup,
    crew: Crew,
    workers: int | str | None = None,
    besides: Callable[[], float] = lambda: 0.0,
    deadline: Deadline | None = None,
) -> History:
    """Make every run that a setup still lacks, and return all; of a time budget, those that end in time.

    Args:
        runner: makes and keeps them.
        setup: the comparison's setup.
        crew: the processes that can make them; what else they have to do is done in the end, too.
        workers: how many were asked to be made at the same time, or in which cluster; with None, more than one where
            that saves time.
        besides: returns the seconds of what else the processes have to do, about.
        deadline: the time budget, by which the setup is reduced; None without one. Runs that have begun are finished.
    """
    history, told = runner.folder.history(), Told(setup, runner.observer)
    most = at_a_time(setup, runner.cells, history, workers, besides())
    if most > 1:
        crew.allow(most)
        if deadline is not None:
            deadline.beside = most
        Together(runner, setup, told, crew, besides, deadline).complete(history)
    if deadline is not None:
        deadline.beside = 1
    while not crew.idle:  # so that nothing runs beside what is timed
        crew.hear(wait=True)
    part: Setup | None = setup
    shown = -math.inf
    while True:
        if deadline is not None:
            part = deadline.part(setup, runner.cells, history)
        runs = [] if part is None else next_runs(part, history)
        if part is None or not runs:
            break
        runner.forget(starts(setup, history))
        for run in runs if deadline is None else runs[:1]:
            if time.monotonic() - shown >= EVERY:
                shown = time.monotonic()
                runner.observer.remaining(plan_seconds(part, runner.cells, history))
            told.begins(run)
            history[identity(run)] = runner.make_timed(run, history, setup)
        told.tuned(history)
    runner.forget(set())
    runner.observer.remaining(0.0)
    return history
