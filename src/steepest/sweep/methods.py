"""How the steps of a run are made: eagerly or as one compiled program."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from steepest.optim import make_rule
from steepest.optim.method import GradientMethod, Method
from steepest.optim.rule import Rule
from steepest.optim.spec import MethodSettings, MethodSpec
from steepest.recipe import Execution, Recipe
from steepest.schedules import make_schedule
from steepest.sweep.contestants import Contestant
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


def is_compiled(execution: Execution, name: str) -> bool:
    """Return whether the steps of an optimizer are compiled; those of a pilot are where Adam's are.

    Example:
        >>> plan = Execution(compiled=("adam", "sgd"))
        >>> [is_compiled(plan, name) for name in ("adam", "muon", "pilot")]
        [True, False, True]
    """
    return (str(make_rule("adam")) if name == "pilot" else name) in execution.compiled


def difference(first: list[float], second: list[float]) -> float:
    """Return the largest difference of losses as a share of the larger of them and 1."""
    pairs = zip(first, second, strict=True)
    return max(
        (abs(a - b) / max(abs(a), abs(b), 1.0) if math.isfinite(a + b) else math.inf) for a, b in pairs
    )


def steps_text(execution: Execution, who: Sequence[Contestant]) -> str:
    """Return whose steps are compiled and what they take, in one line; nothing where none is.

    Example:
        >>> from steepest.sweep.contestants import contestants
        >>> times = {"adam": 6e-4, "muon": 5e-3}
        >>> plan = Execution(compiled=("adam",), seconds_a_step=times, threads=1)
        >>> steps_text(plan, contestants(["adam", "muon"]))
        'steps  one compiled program: adam 0.60 ms; eager: muon 5.0 ms; 1 thread'
    """
    if not execution.compiled:
        return ""
    names: dict[bool, list[str]] = {True: [], False: []}
    for each in who:
        time = f"{execution.seconds_a_step[each.name] * 1e3:#.2g}".rstrip(".")
        names[each.name in execution.compiled].append(f"{each.name} {time} ms")
    parts = [f"{title}: {', '.join(names[key])}" for key, title in
             ((True, "one compiled program"), (False, "eager")) if names[key]]  # fmt: skip
    count = execution.threads
    return f"steps  {'; '.join(parts)}; {count} thread{'s' if count > 1 else ''}"
