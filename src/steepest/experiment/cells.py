"""Cells: what the time of a step depends on besides the optimizer, and what an execution plan belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from steepest.data.dataset import Shape
from steepest.models import count_parameters
from steepest.recipe import Execution, Recipe, stable_hash
from steepest.sweep.arms import Arm
from steepest.sweep.machine import cores, processor

INSIDE = {"regularizer": "", "rates": "", "freeze": "", "accumulate": 1}
"""What the time of a step depends on, too, with the values that older plans do not name."""


def cell_of(recipe: Recipe, shape: Shape) -> str:
    """Return the key of the cell of a recipe on data of a shape."""
    known = [recipe.model, repr(shape), recipe.batch_size, recipe.precision]
    more = [getattr(recipe, name) for name, neutral in INSIDE.items() if getattr(recipe, name) != neutral]
    return stable_hash([*known, *more])[:12]


@dataclass(frozen=True)
class TimedCell:
    """What the time of a step depends on, besides the optimizer, and what it is measured with.

    Attributes:
        arm: one of its arms.
        methods: the optimizers of its arms, each once.
        of: what its execution plan belongs to.
        parameters: trainable numbers of its model; ``fixed``, those that are not trained.
    """

    arm: Arm
    methods: tuple[Any, ...]
    of: Mapping[str, str]
    parameters: int
    fixed: int = 0

    @property
    def parameters_text(self) -> str:
        """How many parameters the model has, and how many of them are trained.

        Example:
            >>> TimedCell(None, (), {}, 1200, 300).parameters_text
            '1,500 parameters, 1,200 of them trained'
        """
        whole = f"{self.parameters + self.fixed:,} parameters"
        return f"{whole}, {self.parameters:,} of them trained" if self.fixed else whole


def with_arm(cell: TimedCell | None, arm: Arm, net: nn.Module) -> TimedCell:
    """Return a cell with the optimizer of one more arm."""
    if cell is None:
        trained = count_parameters(net)
        fixed = sum(each.numel() for each in net.parameters()) - trained
        cell = TimedCell(arm, (), measured_for(net, arm.recipe), trained, fixed)
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
        **{name: str(getattr(recipe, name)) for name in INSIDE if getattr(recipe, name) != INSIDE[name]},
        "machine": f"{processor()} with {cores()} cores",
        **({"code": recipe.code["model"]} if "model" in recipe.code else {}),
        **({"code of the regularizer": recipe.code["regularizer"]} if "regularizer" in recipe.code else {}),
    }
