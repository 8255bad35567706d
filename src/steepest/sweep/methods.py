"""How the steps of a run are made: eagerly or as one compiled program."""

from __future__ import annotations

import math
from typing import Any

from steepest.optim import make_rule
from steepest.optim.method import GradientMethod, Method
from steepest.optim.methods.hessian_free import HessianFreeSpec
from steepest.optim.rule import Rule
from steepest.optim.spec import MethodSettings, MethodSpec
from steepest.recipe import Execution, Recipe
from steepest.record.schema import Phase
from steepest.schedules import Schedule, make_schedule
from steepest.sweep.arms import PlannedArm
from steepest.sweep.rows import by_rows
from steepest.train.compiled import CompiledMethod, Programs
from steepest.train.compiled_hessian_free import CompiledHessianFree
from steepest.train.cuda_method import ReplayedMethod


def make_method(
    rule: MethodSpec[Any],
    recipe: Recipe,
    execution: Execution,
    programs: Programs,
    *,
    compiled: bool,
    schedule: Schedule | None = None,
) -> Method:
    """Return the method of a run, by the recipe's schedule unless another is given."""

    def execute(of: Rule[Any], settings: MethodSettings) -> Method:
        if not compiled:
            return GradientMethod(
                of,
                settings.schedule,
                settings.clip,
                settings.tables,
                settings.by_gradients,
                settings.rates,
                settings.accumulate,
            )
        kind = ReplayedMethod if execution.device.startswith("cuda") else CompiledMethod
        return kind(
            of,
            settings.schedule,
            settings.clip,
            settings.tables,
            rates=settings.rates,
            accumulate=settings.accumulate,
            programs=programs,
        )

    settings = MethodSettings(
        schedule or make_schedule(recipe.schedule, recipe.length),
        recipe.clip,
        by_rows(execution, rule),
        by_gradients=recipe.gradients is not None,
        rates=recipe.rates,
        accumulate=recipe.accumulate,
        execute=execute,
    )
    if compiled and isinstance(rule, HessianFreeSpec):
        return CompiledHessianFree(rule, settings, programs)
    return rule.make(settings)


def is_compiled(execution: Execution, phase: Phase, arm: PlannedArm) -> bool:
    """Return whether the steps of an arm's run are compiled; those of a pilot are where Adam's are."""
    return (str(make_rule("adam")) if phase == "pilot" else arm.method.name) in execution.compiled


def difference(first: list[float], second: list[float]) -> float:
    """Return the largest difference of losses as a share of the larger of them and 1."""
    pairs = zip(first, second, strict=True)
    return max(
        (abs(a - b) / max(abs(a), abs(b), 1.0) if math.isfinite(a + b) else math.inf) for a, b in pairs
    )
