"""What is decided for a user who decided nothing: batch size, length, class weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch

from steepest.data.dataset import Dataset, class_totals
from steepest.data.target import known_class
from steepest.errors import OptionError
from steepest.objectives.target import target_of
from steepest.optim import make_rule
from steepest.recipe import BEARINGS, NEUTRAL, Execution, Recipe
from steepest.record.schema import Record, RunKey
from steepest.regularizers import without_ends
from steepest.sweep.arms import PlannedArm
from steepest.sweep.codes import of_regularizers
from steepest.sweep.contestants import whole_spec
from steepest.sweep.planned import PlannedRun
from steepest.sweep.runner import Runner
from steepest.sweep.setup import TUNING_SEED
from steepest.sweep.wanted import Wanted
from steepest.wording import counted

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

    Where rows have weights, n_k is the sum of those of a class, whose mean over the training rows is 1.

    Raises:
        OptionError: the target has no classes, or a named class does not exist.
    """
    if wanted == "none":
        return None
    if not dataset.shape.classes:
        raise OptionError(
            f"class weights are given but {dataset.target!r} is {target_of(dataset).called}",
            hint="leave --class-weights out.",
        )
    if wanted == "balanced":
        counts = class_totals(dataset.train, len(dataset.classes))
        counts = torch.where(counts > 0, counts, 1)
        return tuple((len(dataset.train) / (len(dataset.classes) * counts)).tolist())
    assert isinstance(wanted, dict)
    weights = {known_class(name, dataset.classes): weight for name, weight in wanted.items()}
    return tuple(weights.get(name, 1.0) for name in dataset.classes)


def pilot_recipe(arm: PlannedArm) -> Recipe:
    """Return what the pilot of an arm trains with Adam: its recipe without what bears on no pilot, or ends a run."""
    recipe = arm.recipe.scheduled("constant").without_code("callbacks")
    neutral = {
        name: NEUTRAL[name] for name, each in BEARINGS.items() if name in NEUTRAL and not each.in_pilot
    }
    regularizer = without_ends(recipe.regularizer)
    if regularizer != recipe.regularizer:
        digest = of_regularizers(regularizer).digest if regularizer else ""
        recipe = recipe.without_code("regularizer")
        neutral |= {"code": {**recipe.code, **({"regularizer": digest} if digest else {})}}
    return recipe.model_copy(update={**neutral, "regularizer": regularizer, "patience": PILOT_PATIENCE})


def pilot_run(arm: PlannedArm, seed: int, most_steps: int = PILOT_STEPS) -> PlannedRun:
    """Return the run that finds the length: Adam at its default, constant, until five epochs bring nothing."""
    rule = make_rule("adam")
    epochs = max(1, min(PILOT_EPOCHS, most_steps // arm.per_epoch))
    changes = {"optimizer": whole_spec(rule), "steps": epochs * arm.per_epoch}
    recipe = pilot_recipe(arm).model_copy(update=changes)
    key = RunKey(name="pilot", recipe=recipe.id, seed=seed + TUNING_SEED, phase="pilot")
    return PlannedRun(key, recipe, rule, read_test=False, arm=arm)


def pilot_arms(arms: Sequence[PlannedArm]) -> list[PlannedArm]:
    """Return an arm for each pilot: one that trains exactly as the pilot does, where there is one."""
    found: dict[str, PlannedArm] = {}
    for arm in sorted(arms, key=lambda each: each.recipe.regularizer != pilot_recipe(each).regularizer):
        found.setdefault(pilot_recipe(arm).id, arm)
    return [arm for arm in arms if arm in found.values()]


def pilot(runner: Runner, arm: PlannedArm, seed: int, most_steps: int = PILOT_STEPS) -> tuple[int, str]:
    """Return the number of epochs that a pilot finds for an arm's model and data, and how.

    It is not repeated where the folder has one that says as much.
    """
    run, per_epoch = pilot_run(arm, seed, most_steps), arm.per_epoch
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
        >>> from steepest.record.schema import CurvePoint
        >>> key = RunKey(name="pilot", recipe="r", seed=0, phase="pilot")
        >>> about = {"seconds": 0, "gradients": 0, "train_loss": 0, "validation": {}}
        >>> curve = [CurvePoint(step=step, epoch=step / 500, **about) for step in (0, 3000)]
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
    arms: Sequence[PlannedArm],
    epochs: float,
    equal: str,
    cells: Mapping[str, Execution],
    run_seconds: float | None = None,
) -> dict[str, int]:
    """Return the steps of each arm's runs, by the arm's id; for a stage of a procedure, those of all its stages.

    ``epochs``: each goes as many times through its training rows. ``steps``: each makes as many steps as the one
    that needs most for these epochs. ``seconds``: each gets the same time, see :func:`equal_seconds`.
    ``gradients``: as many gradient evaluations as ``steps`` are steps; they are counted as they come, see
    :func:`steepest.sweep.setup.Setup.make`.

    Args:
        arms: what is compared.
        epochs: the length.
        equal: the unit.
        cells: execution plans with the times of steps; only ``seconds`` uses them.
        run_seconds: the time of ``seconds``, where a folder has it already.
    """
    compared, arms = arms, [stage for arm in arms for stage in arm.chain]
    steps = {arm.id: max(1, round(epochs * arm.per_epoch)) for arm in arms}
    if equal in ("steps", "gradients"):
        return dict.fromkeys(steps, max(steps.values()))
    if equal != "seconds":
        return steps
    each = equal_seconds(compared, epochs, cells) if run_seconds is None else run_seconds
    return {arm.id: max(1, round(each / _seconds_a_step(arm, cells))) for arm in arms}


def equal_seconds(arms: Sequence[PlannedArm], epochs: float, cells: Mapping[str, Execution]) -> float:
    """Return the time that so many epochs take on average over some arms."""
    times = [max(1, round(epochs * arm.per_epoch)) * _seconds_a_step(arm, cells) for arm in arms]
    return sum(times) / len(times)


def _seconds_a_step(arm: PlannedArm, cells: Mapping[str, Execution]) -> float:
    return cells[arm.cell].timings.seconds_a_step[arm.method.name]


def explain_batch_size(arms: Sequence[Wanted], rows: int) -> str:
    """Return the batch sizes, and where they come from.

    Example:
        >>> explain_batch_size([], 40_000), explain_batch_size([], 29)
        ('64 rows, the power of two nearest to rows/500', 'all 29 training rows')
    """
    given = list(dict.fromkeys(arm.batch_size for arm in arms if arm.batch_size is not None))
    size = default_batch_size(rows)
    default = (
        f"{counted(size, 'row')}, the power of two nearest to rows/{ROWS_A_BATCH}"
        if size < rows
        else f"all {counted(rows, 'training row')}"
    )
    if not given:
        return default
    texts = [
        "all training rows"
        if isinstance(each, str)
        else counted(each, "row")
        if each == given[-1]
        else str(each)
        for each in given
    ]
    sizes = f"{' and '.join([', '.join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)}, given"
    return sizes if all(arm.batch_size for arm in arms) else f"{sizes}; otherwise {default}"
