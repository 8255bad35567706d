"""How steps are computed on this machine, and how long one takes: measured, stored, and obeyed on resume."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from steepest.data.dataset import Dataset
from steepest.models import ModelBuilder, build_model
from steepest.optim import make_rule
from steepest.optim.method import GradientMethod
from steepest.optim.rule import Rule
from steepest.recipe import Execution, Recipe
from steepest.record.schema import RunKey
from steepest.schedules import make_schedule
from steepest.sweep.contestants import Contestant, whole_spec
from steepest.sweep.rows import by_rows, choose_tables
from steepest.sweep.runner import thread_count
from steepest.train.loop import measure, train

WARM_UP, TIMED, REPEATS = 3, 10, 2
FEWER_THREADS_UNLESS = 0.7
"""More threads are taken only where a step takes less than this share of its time on one: on a machine that is
busy with something else they can be many times slower."""


@dataclass(frozen=True)
class Bench:
    """What is timed: some steps on the data at hand, on a device.

    Attributes:
        dataset: on the device.
        recipe: model, batch size, clipping and class weights.
        model: the user's own model, or None.
        device: where.
    """

    dataset: Dataset
    recipe: Recipe
    model: ModelBuilder | None
    device: str

    def step(self, rule: Rule, threads: int, tables: tuple[str, ...] = ()) -> float:
        """Return the seconds of one training step, the best of some."""
        few = torch.arange(
            min(64, len(self.dataset.validation)), device=self.dataset.validation.target.device
        )
        small = replace(self.dataset, validation=self.dataset.validation.take(few))
        best = math.inf
        with thread_count(threads):
            for steps in (WARM_UP, *[TIMED] * REPEATS):
                recipe = self.recipe.model_copy(update={"steps": steps, "optimizer": whole_spec(rule)})
                key = RunKey(name="timing", recipe=recipe.id, seed=0, phase="pilot")
                method = GradientMethod(rule, make_schedule("constant", steps), recipe.clip, tables)
                found = train(small, recipe, key, method, model=self.model, evaluations=1, device=self.device)
                if steps == TIMED and found.record.outcome == "finished":
                    best = min(best, found.record.clocks.train / steps)
        return best

    def evaluation(self, threads: int) -> float:
        """Return the seconds of reading the validation rows once."""
        net = build_model(self.model or self.recipe.model, self.dataset.shape).to(self.device)
        watched = ("log_loss", "accuracy") if self.dataset.task == "classification" else ("rmse",)
        best = math.inf
        with thread_count(threads):
            for _ in range(3):
                started = time.perf_counter()
                measure(net, self.dataset, self.dataset.validation, watched)
                best = min(best, time.perf_counter() - started)
        return best


def choose_device() -> str:
    """Return ``cuda`` where there is one, else ``cpu``."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def choose_execution(bench: Bench, asked: Execution | None = None) -> Execution:
    """Return how steps are computed on this machine: the device, rows or dense, and the faster of one thread and all.

    For small steps two threads can be far slower than one. What was asked for is kept.
    """
    asked = asked or Execution.model_validate({"device": bench.device, "torch": torch.__version__})
    adam = make_rule("adam")
    tables: tuple[str, ...] = ()
    if asked.rows != "off":
        net = build_model(bench.model or bench.recipe.model, bench.dataset.shape)
        tables = choose_tables(net, bench.dataset, bench.recipe.batch_size, asked.rows, bench.device)
    if tables and asked.rows == "auto" and bench.step(adam, 1, tables) > bench.step(adam, 1):
        tables = ()
    threads = asked.threads
    if "threads" not in asked.model_fields_set:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        if bench.device == "cpu" and cores > 1:
            seconds = {count: bench.step(adam, count, tables) for count in (1, cores)}
            threads = cores if seconds[cores] < FEWER_THREADS_UNLESS * seconds[1] else 1
    chosen = {"executor": "rows" if tables else "dense", "tables": tables, "threads": threads}
    return asked.model_copy(update=chosen)


def with_times(execution: Execution, bench: Bench, who: Sequence[Contestant]) -> Execution:
    """Return the execution plan with the seconds of a step of each optimizer, measuring those that are not known."""
    known = dict(execution.seconds_a_step)
    for each in who:
        if each.name not in known:
            rule = each.rule.with_lr(min(1e-4, float(each.rule.hyper.lr)))
            known[each.name] = bench.step(rule, execution.threads, by_rows(execution, rule))
    evaluation = execution.seconds_an_evaluation or bench.evaluation(execution.threads)
    return execution.model_copy(update={"seconds_a_step": known, "seconds_an_evaluation": evaluation})
