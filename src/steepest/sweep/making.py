"""Make one planned run, in whatever process: with its execution plan, its compiled steps and its callbacks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from steepest.data.dataset import Dataset
from steepest.forks import usable_threads
from steepest.paths.option import KeepPath
from steepest.recipe import Execution
from steepest.record.schema import CurvePoint, RunKey
from steepest.schedules import make_schedule
from steepest.sweep.methods import is_compiled, make_method
from steepest.sweep.planned import PlannedRun
from steepest.sweep.stages import Use
from steepest.train.aot import NoCompilerError
from steepest.train.callback import Hooks
from steepest.train.compiled import Programs
from steepest.train.finished import Finished
from steepest.train.loop import train
from steepest.train.program import NotTraceableError
from steepest.train.taught import Teacher


@dataclass(frozen=True)
class Task:
    """A run that can be made anywhere.

    Attributes:
        run: the run.
        execution: how its steps are computed.
        metrics: what is reported besides the loss and the deciding metric.
        evaluations: how often it reads the validation rows.
        weights: those of earlier runs that it needs: that it starts from, instead of those that its seed draws, or that
            it is pruned by.
        watch: what is recorded at its evaluations besides, if it reads the test rows.
        libraries: names of compiled steps in the cache, as :class:`~steepest.train.compiled.Programs` has them.
        keep_path: which steps' weights are kept, if it is one of the final runs.
        live: whether somebody wants to know of its evaluations while it is made.
    """

    run: PlannedRun
    execution: Execution
    metrics: tuple[str, ...]
    evaluations: int
    weights: Mapping[Use, Mapping[str, Tensor]] = field(default_factory=dict[Use, Mapping[str, Tensor]])
    libraries: Mapping[str, str] = field(default_factory=dict[str, str])
    watch: tuple[str, ...] = ()
    keep_path: KeepPath | None = None
    live: bool = False

    def perform(self, maker: Maker, dataset: Dataset, progress: Callable[[float], None]) -> Finished:
        """Make the run and return what it leaves, without weights that nobody will keep."""
        finished = maker.make(self, dataset, progress)
        if self.run.key.phase not in ("final", "refit") and not self.run.hands_on:
            finished.weights = {}
        return finished


@dataclass
class Maker:
    """Makes runs in this process.

    Attributes:
        say: is told a line that a person should read.
        programs: the compiled steps of each cell on each dataset.
        looked: is told of every evaluation of a run that is live, with the run's learning rate.
    """

    say: Callable[[str], None]
    programs: dict[tuple[str, str], Programs] = field(default_factory=dict[tuple[str, str], Programs])
    looked: Callable[[RunKey, float, CurvePoint], None] | None = None

    def make(self, task: Task, dataset: Dataset, progress: Callable[[float], None]) -> Finished:
        """Make a run on a dataset that is on the device already.

        Args:
            task: the run.
            dataset: its data.
            progress: called with the steps done since the last call, or the gradients where they are the length.
        """
        run = task.run
        if is_compiled(task.execution, run.key.phase, run.arm):
            try:
                return self._made(task, dataset, progress, compiled=True)
            except (NotTraceableError, NoCompilerError) as error:
                name, rate = run.key.name, float(run.rule.hyper.lr)
                self.say(f"steps  {name} at {rate:.3g} runs eagerly: {error.fact}")
        return self._made(task, dataset, progress, compiled=False)

    def _made(
        self, task: Task, dataset: Dataset, progress: Callable[[float], None], *, compiled: bool
    ) -> Finished:
        run, execution = task.run, task.execution
        programs = self.programs.setdefault((run.arm.cell, run.recipe.data), Programs())
        programs.names.update(task.libraries)
        hooks = hooks_of(run)
        schedule = hooks.control.rate if hooks else None
        rate = float(run.rule.hyper.lr)
        method = make_method(run.rule, run.recipe, execution, programs, compiled=compiled, schedule=schedule)
        with thread_count(execution.threads):
            return train(
                dataset,
                run.recipe,
                run.key,
                method,
                model=run.arm.model,
                evaluations=task.evaluations,
                metrics=task.metrics,
                read_test=run.read_test,
                progress=progress,
                device=execution.device,
                start=task.weights.get("start"),
                masked=task.weights.get("mask"),
                teacher=_teacher_of(task),
                steps_before=run.before,
                keep_last=run.hands_on,
                keep_early=run.marks,
                hooks=hooks,
                watch=task.watch if run.read_test else (),
                keep_path=task.keep_path if run.key.phase == "final" else None,
                looked=partial(self.looked, run.key, rate) if task.live and self.looked else None,
            )


def _teacher_of(task: Task) -> Teacher | None:
    weights = task.weights.get("teacher")
    if weights is None or task.run.parent is None:
        return None
    whose = task.run.sources["teacher"][0]
    return Teacher(whose.arm.model or whose.recipe.model, weights, whose.recipe.finetune)


@contextlib.contextmanager
def thread_count(threads: int) -> Generator[None]:
    """Let torch use so many threads inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(usable_threads(threads))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def hooks_of(run: PlannedRun) -> Hooks | None:
    """Return the callbacks of a run; the pilot, which only finds the length, has none."""
    if not run.arm.callbacks or run.key.phase == "pilot":
        return None
    return Hooks(run.arm.callbacks, make_schedule(run.recipe.schedule, run.recipe.length))
