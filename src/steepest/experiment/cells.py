"""Cells: what the time of a step depends on besides the optimizer, and what an execution plan belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from steepest.data.dataset import Shape
from steepest.experiment.data import Datasets
from steepest.finetuning import read_finetuning
from steepest.finetuning.quantised import numbers_in
from steepest.models import build_model, count_parameters
from steepest.recipe import BEARINGS, Execution, Recipe, stable_hash
from steepest.sweep.arms import PlannedArm
from steepest.sweep.machine import cores, processor

IN_TIME = tuple(name for name, each in BEARINGS.items() if each.in_time)
"""The fields of a recipe that the time of a step depends on."""
ALWAYS_NAMED = ("model", "batch_size", "precision")
"""Those of them that a key names whatever their values are."""
CODES = {"model": "code", "loss": "loss code", "regularizer": "regularizer code"}
"""What the user's code of these kinds is called in an execution plan."""


def cell_of(recipe: Recipe, shape: Shape) -> str:
    """Return the key of the cell of a recipe on data of a shape."""
    known = [recipe.model, repr(shape), recipe.batch_size, recipe.precision]
    numbers = [] if shape.numbers is None else [len(shape.encoded.continuous)]
    return stable_hash([*known, *_unusual(recipe).values(), *numbers])[:12]


def _unusual(recipe: Recipe) -> dict[str, Any]:
    """Return the fields that the time of a step depends on, too, where they have another value than by default."""
    values = {name: getattr(recipe, name) for name in IN_TIME if name not in ALWAYS_NAMED}
    return {name: value for name, value in values.items() if value != Recipe.model_fields[name].default}


@dataclass(frozen=True)
class TimedCell:
    """What the time of a step depends on, besides the optimizer, and what it is measured with.

    Attributes:
        arm: one of its arms.
        methods: the optimizers of its arms, each once.
        of: what its execution plan belongs to.
        parameters: trainable numbers of its model; ``fixed``, those that are not trained.
        said: what else is to be said of how it is fine-tuned.
    """

    arm: PlannedArm
    methods: tuple[Any, ...]
    of: Mapping[str, str]
    parameters: int
    fixed: int = 0
    said: str = ""

    @property
    def parameters_text(self) -> str:
        """How many parameters the model has, and how many of them are trained.

        Example:
            >>> TimedCell(None, (), {}, 1200, 300).parameters_text
            '1,500 parameters, 1,200 of them trained (80 %)'
        """
        whole = f"{self.parameters + self.fixed:,} parameters"
        if not self.fixed:
            return whole
        share = 100 * self.parameters / (self.parameters + self.fixed)
        trained = f"{whole}, {self.parameters:,} of them trained ({share:.2g} %)"
        return f"{trained}, {self.said}" if self.said else trained


def stages_apart(arm: PlannedArm, datasets: Datasets) -> list[tuple[PlannedArm, nn.Module]]:
    """Return the stages of an arm that train other models than its own, with their models."""
    some = [each for each in arm.chain if each.cell != arm.cell]
    return [
        (
            each,
            build_model(each.recipe.model, datasets[each.folds[0]].shape, finetune=each.recipe.finetune),
        )
        for each in some
    ]


def with_arm(cell: TimedCell | None, arm: PlannedArm, net: nn.Module) -> TimedCell:
    """Return a cell with the optimizer of one more arm."""
    if cell is None:
        trained = count_parameters(net)
        fixed = sum(map(numbers_in, net.parameters())) - trained
        said = read_finetuning(arm.recipe.finetune).said_of(net)
        cell = TimedCell(arm, (), measured_for(net, arm.recipe), trained, fixed, said)
    if arm.method.name in [each.name for each in cell.methods]:
        return cell
    code = {f"code of {arm.method.name}": arm.method.code} if arm.method.code else {}
    return replace(cell, methods=(*cell.methods, arm.method), of={**cell.of, **code})


def without_edited(execution: Execution, of: Mapping[str, str]) -> Execution:
    """Return a plan without what it says of the optimizers whose code is another now."""
    edited = {name.removeprefix("code of ") for name, now in of.items() if execution.of.get(name, now) != now}
    times = {name: each for name, each in execution.timings.seconds_a_step.items() if name not in edited}
    compiled = tuple(name for name in execution.compiled if name not in edited)
    return execution.timed(seconds_a_step=times).model_copy(update={"compiled": compiled})


def measured_for(net: nn.Module, recipe: Recipe) -> dict[str, str]:
    """Return what an execution plan belongs to."""
    shapes = [f"{name} {tuple(each.shape)}" for name, each in net.named_parameters()]
    return {
        "model": recipe.model,
        "shapes": stable_hash(shapes)[:12],
        "batch size": str(recipe.batch_size),
        "precision": recipe.precision,
        **{name: str(value) for name, value in _unusual(recipe).items()},
        "machine": f"{processor()} with {cores()} cores",
        **{name: recipe.code[kind] for kind, name in CODES.items() if kind in recipe.code},
    }
