"""What is decided for a user who decided nothing: batch size, length, class weights."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from steepest.data.dataset import Dataset
from steepest.data.target import known_class
from steepest.errors import OptionError
from steepest.optim import make_rule
from steepest.recipe import Execution, Protocol, Recipe
from steepest.record.schema import Record, RunKey
from steepest.sweep.contestants import Contestant, contestants, whole_spec
from steepest.sweep.plan import TUNING_SEED, PlannedRun
from steepest.sweep.runner import Runner
from steepest.wording import counted

__all__ = [
    "class_weights",
    "contestants",
    "default_batch_size",
    "equal_lengths",
    "explain_batch_size",
    "pilot",
]

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
    weights = {known_class(name, dataset.classes): weight for name, weight in wanted.items()}
    return tuple(weights.get(name, 1.0) for name in dataset.classes)


def pilot_run(recipe: Recipe, per_epoch: int, seed: int, most_steps: int = PILOT_STEPS) -> PlannedRun:
    """Return the run that finds the length: Adam at its default, constant, until five epochs bring nothing."""
    rule = make_rule("adam")
    epochs = max(1, min(PILOT_EPOCHS, most_steps // per_epoch))
    changes = {
        "optimizer": whole_spec(rule),
        "steps": epochs * per_epoch,
        "patience": PILOT_PATIENCE,
    }
    recipe = recipe.scheduled("constant").model_copy(update=changes)
    key = RunKey(name="pilot", recipe=recipe.id, seed=seed + TUNING_SEED, phase="pilot")
    return PlannedRun(key, recipe, rule, read_test=False)


def pilot(
    runner: Runner, recipe: Recipe, per_epoch: int, seed: int, most_steps: int = PILOT_STEPS
) -> tuple[int, str]:
    """Return the number of epochs that a pilot finds, and how.

    It is not repeated where the folder has one that says as much.
    """
    run = pilot_run(recipe, per_epoch, seed, most_steps)
    made = [each for each in runner.folder.records() if _says_as_much(each, run)]
    if made:
        record = made[-1]
    else:
        runner.observer.stage("pilot: how many epochs")
        record = runner.make(run, {}, evaluations=run.recipe.steps // per_epoch)
    best = max(1, math.ceil(record.best_step / per_epoch))
    epochs = max(best, math.ceil(LEAST_STEPS / per_epoch))
    least = f", with a minimum of {LEAST_STEPS} steps" if epochs > best else ""
    return epochs, f"a pilot run of Adam at its default rate {pilot_text(record, per_epoch)}{least}"


def _says_as_much(record: Record, run: PlannedRun) -> bool:
    """Return whether a record is that of a pilot of the same recipe, and ended by itself or ran at least as long."""
    if record.key.phase != "pilot":
        return False
    same = run.recipe.model_copy(update={"steps": record.steps}).id == record.key.recipe
    return (
        same
        and record.key.seed == run.key.seed
        and (record.outcome != "finished" or record.steps >= run.recipe.steps)
    )


def pilot_text(record: Record, per_epoch: int) -> str:
    """Return what a pilot found, and what ended it.

    Example:
        >>> from steepest.record.schema import Point
        >>> key = RunKey(name="pilot", recipe="r", seed=0, phase="pilot")
        >>> about = {"seconds": 0, "gradients": 0, "train_loss": 0, "validation": {}}
        >>> curve = [Point(step=step, epoch=step / 500, **about) for step in (0, 3000)]
        >>> made = Record(key=key, lr=1e-3, steps=3000, outcome="finished", curve=curve, best_step=3000)
        >>> pilot_text(made, 500)
        'was still improving after 6 epochs, the limit of the time budget'
    """
    ran = round(record.curve[-1].epoch)
    best = max(1, math.ceil(record.best_step / per_epoch))
    if record.outcome == "stopped early":
        return f"ran {counted(ran, 'epoch')} and was best after {best}"
    if record.failed:
        return f"ended after {counted(ran, 'epoch')} ({record.outcome}) and was best after {best}"
    longest = min(PILOT_EPOCHS, max(1, PILOT_STEPS // per_epoch))
    limit = "the limit of the time budget" if ran < longest else "the limit of a pilot run"
    if record.best_step == record.curve[-1].step:
        return f"was still improving after {counted(ran, 'epoch')}, {limit}"
    return f"was best after {best} of {counted(ran, 'epoch')}, {limit}"


def equal_lengths(
    contestants: Sequence[Contestant], steps: int, equal: str, execution: Execution
) -> dict[str, int]:
    """Return the steps of each optimizer where the same length does not mean the same number of steps.

    ``seconds``: each gets the time that ``steps`` steps take on average over the optimizers. ``gradients``: each gets
    ``steps`` gradients, which bound its steps, because a step costs one at least; the plan and the loop count them.
    ``epochs`` are ``steps`` where all have one batch size and the same rows.

    Example:
        >>> who = contestants(["sgd", "adam"])
        >>> equal_lengths(who, 100, "seconds", Execution(seconds_a_step={"sgd": 0.001, "adam": 0.003}))
        {'sgd': 200, 'adam': 67}
    """
    if equal != "seconds":
        return {}
    times = execution.seconds_a_step
    budget = steps * sum(times[who.name] for who in contestants) / len(contestants)
    return {who.name: max(1, round(budget / times[who.name])) for who in contestants}


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
