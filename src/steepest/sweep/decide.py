"""What is decided for a user who decided nothing: batch size, length, class weights, device and threads."""

from __future__ import annotations

import math
import os
from dataclasses import replace

import torch

from steepest.data.dataset import Dataset
from steepest.errors import OptionError, unknown_name
from steepest.models import ModelBuilder
from steepest.optim import make_rule
from steepest.optim.method import GradientMethod
from steepest.recipe import Execution, Protocol, Recipe
from steepest.record.schema import RunKey
from steepest.schedules import make_schedule
from steepest.sweep.plan import TUNING_SEED, Run, whole_spec
from steepest.sweep.runner import Runner, thread_count
from steepest.train.loop import train

SMALLEST_BATCH, LARGEST_BATCH, ROWS_A_BATCH = 32, 1024, 500
PILOT_PATIENCE = 5
PILOT_EPOCHS = 100
PILOT_STEPS = 20_000
LEAST_STEPS = 200
"""A run found by a pilot is at least so long: a quarter of less tells learning rates apart badly."""


def default_batch_size(rows: int) -> int:
    """Return the power of two nearest to rows/500, within 32…1024.

    Example:
        >>> [default_batch_size(rows) for rows in (100, 40_000, 100_000, 10_000_000)]
        [32, 64, 256, 1024]
    """
    nearest = 2 ** round(math.log2(max(rows, 1) / ROWS_A_BATCH))
    return int(min(LARGEST_BATCH, max(SMALLEST_BATCH, nearest)))


def class_weights(dataset: Dataset, wanted: str | dict[str, float]) -> tuple[float, ...] | None:
    """Return a weight for each class: none, ``balanced`` (N / (K · n_k)), or the given ones (others are 1).

    Raises:
        OptionError: the target has no classes, or a named class does not exist.
    """
    if wanted == "none":
        return None
    if dataset.task != "classification":
        raise OptionError(
            f"class weights are given but {dataset.target!r} is a number", hint="leave --class-weights out."
        )
    if wanted == "balanced":
        counts = torch.bincount(dataset.train.target.cpu(), minlength=len(dataset.classes)).clamp(min=1)
        return tuple((len(dataset.train) / (len(dataset.classes) * counts)).tolist())
    assert isinstance(wanted, dict)
    for name in wanted:
        if name not in dataset.classes:
            raise unknown_name("class", name, dataset.classes)
    return tuple(wanted.get(name, 1.0) for name in dataset.classes)


def pilot_run(recipe: Recipe, per_epoch: int, seed: int) -> Run:
    """Return the run that finds the length: Adam at its default, constant, until five epochs bring nothing."""
    rule = make_rule("adam")
    epochs = max(1, min(PILOT_EPOCHS, PILOT_STEPS // per_epoch))
    changes = {
        "optimizer": whole_spec(rule), "schedule": "constant", "steps": epochs * per_epoch, "patience": PILOT_PATIENCE,
    }  # fmt: skip
    recipe = recipe.model_copy(update=changes)
    key = RunKey(name="pilot", recipe=recipe.id, seed=seed + TUNING_SEED, phase="pilot")
    return Run(key, recipe, rule, read_test=False)


def pilot(runner: Runner, recipe: Recipe, per_epoch: int, seed: int) -> tuple[int, str]:
    """Return the number of epochs that a pilot finds, and how; a pilot in the folder is not repeated."""
    run = pilot_run(recipe, per_epoch, seed)
    history = runner.history()
    record = history.get((run.key.recipe, run.key.seed))
    if record is None:
        runner.observer.stage("pilot: how many epochs", 0)
        record = runner.make(run, history, evaluations=run.recipe.steps // per_epoch)
    best = max(1, math.ceil(record.best_step / per_epoch))
    epochs = max(best, math.ceil(LEAST_STEPS / per_epoch))
    ran = f"a pilot of Adam at its default ran {record.curve[-1].epoch:g} epochs and was best after {best}"
    least = f", and {LEAST_STEPS} steps are the least" if epochs > best else ""
    return epochs, f"{epochs} epochs ({ran}{least})"


def choose_execution(dataset: Dataset, recipe: Recipe, model: ModelBuilder | None = None) -> Execution:
    """Return how steps are computed on this machine: the device, and the faster of one thread and all.

    Threads are measured with some steps of Adam on the model at hand: for small steps two threads can be far
    slower than one.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = 1
    if device == "cpu" and cores > 1:
        seconds = {count: _seconds_a_step(dataset, recipe, model, count) for count in (1, cores)}
        threads = cores if seconds[cores] < 0.9 * seconds[1] else 1
    return Execution(device=device, threads=threads, torch=torch.__version__)


def _seconds_a_step(dataset: Dataset, recipe: Recipe, model: ModelBuilder | None, threads: int) -> float:
    rule = make_rule("adam")
    best = math.inf
    with thread_count(threads):
        for steps in (3, 12, 12):
            trial = recipe.model_copy(update={"steps": steps, "optimizer": whole_spec(rule)})
            key = RunKey(name="timing", recipe=trial.id, seed=0, phase="pilot")
            method = GradientMethod(rule, make_schedule("constant", steps))
            finished = train(_without_validation(dataset), trial, key, method, model=model, evaluations=1)
            best = min(best, finished.record.clocks.train / steps)
    return best


def _without_validation(dataset: Dataset) -> Dataset:
    few = torch.arange(min(64, len(dataset.validation)), device=dataset.validation.target.device)
    return replace(dataset, validation=dataset.validation.take(few))


def explain_batch_size(protocol: Protocol, rows: int) -> tuple[int, str]:
    """Return the batch size and where it comes from."""
    if protocol.batch_size is not None:
        if protocol.batch_size > rows:
            raise OptionError(
                f"the batch size {protocol.batch_size} is larger than the {rows} training rows",
                hint=f"give --batch-size {default_batch_size(rows)} or smaller.",
            )
        return protocol.batch_size, "given"
    return min(default_batch_size(rows), rows), "the power of two nearest to rows/500"
