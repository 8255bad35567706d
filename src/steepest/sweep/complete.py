"""Carry out a plan: every missing run once, one after the other or several at a time, each kept when it has ended."""

from __future__ import annotations

from steepest.sweep.estimate import plan_seconds, saved_by_workers
from steepest.sweep.machine import memory
from steepest.sweep.plan import History, Setup, identity, next_runs, starts
from steepest.sweep.runner import Runner
from steepest.sweep.together import Together
from steepest.sweep.told import Told

WORKER_BYTES = 1_000_000_000
"""Memory that a process takes, about, besides the data; no more are started than have room, unless asked for."""


def complete(runner: Runner, setup: Setup, workers: int | None = None) -> History:
    """Make every run that a setup still lacks, and return all.

    Args:
        runner: makes and keeps them.
        setup: the comparison's setup.
        workers: how many were asked to be made at the same time; with None, more than one where that saves time.
    """
    history, told = runner.folder.history(), Told(setup, runner.observer)
    if workers is not None or saved_by_workers(setup, runner.cells, history) > 0:
        most = max((each.workers for each in runner.cells.values()), default=1)
        if workers is None and (known := memory()):
            most = min(most, max(1, known[1] // WORKER_BYTES))
        if most > 1:
            Together(runner, setup, told).complete(history, most)
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
