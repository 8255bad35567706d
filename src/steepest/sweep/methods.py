"""How the steps of a run are made: eagerly or as one compiled program."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from steepest.optim import make_rule
from steepest.optim.method import GradientMethod, Method
from steepest.optim.rule import Rule
from steepest.optim.spec import MethodSettings, MethodSpec
from steepest.recipe import Execution, Recipe
from steepest.record.schema import Phase
from steepest.schedules import make_schedule
from steepest.sweep.arms import Arm
from steepest.sweep.rows import by_rows
from steepest.train.compiled import CompiledMethod, Programs
from steepest.train.cuda_method import ReplayedMethod


def make_method(
    rule: MethodSpec[Any], recipe: Recipe, execution: Execution, programs: Programs, *, compiled: bool
) -> Method:
    """Return the method of a run."""

    def execute(of: Rule[Any], settings: MethodSettings) -> Method:
        if not compiled:
            return GradientMethod(
                of, settings.schedule, settings.clip, settings.tables, settings.by_gradients
            )
        kind = ReplayedMethod if execution.device.startswith("cuda") else CompiledMethod
        return kind(of, settings.schedule, settings.clip, settings.tables, programs=programs)

    schedule = make_schedule(recipe.schedule, recipe.length)
    return rule.make(
        MethodSettings(
            schedule,
            recipe.clip,
            by_rows(execution, rule),
            by_gradients=recipe.gradients is not None,
            execute=execute,
        )
    )


def is_compiled(execution: Execution, phase: Phase, arm: Arm) -> bool:
    """Return whether the steps of an arm's run are compiled; those of a pilot are where Adam's are."""
    return (str(make_rule("adam")) if phase == "pilot" else arm.method.name) in execution.compiled


def difference(first: list[float], second: list[float]) -> float:
    """Return the largest difference of losses as a share of the larger of them and 1."""
    pairs = zip(first, second, strict=True)
    return max(
        (abs(a - b) / max(abs(a), abs(b), 1.0) if math.isfinite(a + b) else math.inf) for a, b in pairs
    )


def steps_text(cells: Mapping[str, Execution], arms: Sequence[Arm]) -> list[str]:
    """Return whose steps are compiled and how long they take, a line for each cell with compiled ones."""
    lines: list[str] = []
    for key, execution in cells.items():
        names: dict[bool, dict[str, str]] = {True: {}, False: {}}
        mine = [arm for arm in arms if arm.cell == key]
        if not mine or not any(arm.method.name in execution.compiled for arm in mine):
            continue
        for arm in mine:
            time = f"{execution.timings.seconds_a_step[arm.method.name] * 1e3:#.2g}".rstrip(".")
            kind = arm.method.name in execution.compiled
            names[kind].setdefault(arm.method.name, f"{arm.method.name} {time} ms")
        parts = [f"{title}: {', '.join(names[kind].values())}" for kind, title in
                 ((True, "one compiled program"), (False, "eager")) if names[kind]]  # fmt: skip
        count = execution.threads
        what = f"{mine[0].recipe.model}, batch {mine[0].recipe.batch_size}: " if len(cells) > 1 else ""
        lines.append(f"steps  {what}{'; '.join(parts)}; {count} thread{'s' if count > 1 else ''}")
    return lines
