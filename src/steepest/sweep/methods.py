"""How the steps of a run are made: eagerly or as one compiled program, and how that is chosen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from steepest.optim import make_rule
from steepest.optim.method import GradientMethod, Method
from steepest.optim.rule import Rule
from steepest.recipe import Execution, Recipe
from steepest.schedules import make_schedule
from steepest.sweep.contestants import Contestant
from steepest.sweep.rows import by_rows
from steepest.train.compiled import CompiledMethod, Programs
from steepest.train.compiler import compiler
from steepest.train.replayed import ReplayedMethod, has_triton

COMPILE_SECONDS = 25.0
"""What compiling a step takes, about; it must save twice as much to be worth it."""
LOAD_SECONDS = 4.0
"""What finding a compiled step in the cache takes, about."""
TYPICAL_EPOCHS = 5.0
"""Length that the saving is reckoned with before a pilot has run."""
SAVED = 0.7
"""Share of a small step that compiling saves, at least."""


def make_method(
    rule: Rule[Any], recipe: Recipe, execution: Execution, programs: Programs, *, compiled: bool
) -> Method:
    """Return the method of a run."""
    schedule = make_schedule(recipe.schedule, recipe.steps)
    tables = by_rows(execution, rule)
    if compiled:
        kind = ReplayedMethod if execution.device.startswith("cuda") else CompiledMethod
        return kind(rule, schedule, recipe.clip, tables, programs)
    return GradientMethod(rule, schedule, recipe.clip, tables)


def is_compiled(execution: Execution, name: str) -> bool:
    """Return whether the steps of an optimizer are compiled; those of a pilot are where Adam's are.

    Example:
        >>> plan = Execution(compiled=("adam", "sgd"))
        >>> [is_compiled(plan, name) for name in ("adam", "muon", "pilot")]
        [True, False, True]
    """
    return (str(make_rule("adam")) if name == "pilot" else name) in execution.compiled


@dataclass(frozen=True)
class Expectation:
    """What is known of the work before anything has run.

    Attributes:
        per_epoch: steps an epoch.
        epochs: their number, if it is given.
        seconds: the budget, if there is one.
        epochs_trained: how many times the length an optimizer trains in all its runs.
        optimizers: how many take part.
    """

    per_epoch: int
    epochs: float | None
    seconds: float | None
    epochs_trained: float
    optimizers: int

    def seconds_of(self, a_step: float) -> float:
        """Return how long the steps of one optimizer will take at so many seconds a step."""
        length = (self.epochs or TYPICAL_EPOCHS) * self.per_epoch
        whole = self.epochs_trained * length * a_step
        return whole if self.seconds is None else min(whole, self.seconds / self.optimizers)


def worth_compiling(execution: Execution, work: Expectation, a_step: float) -> tuple[bool, bool]:
    """Return whether a compiled step is to be looked for in the cache, and whether it may be compiled.

    Example:
        >>> work = Expectation(per_epoch=500, epochs=10, seconds=None, epochs_trained=14.75, optimizers=2)
        >>> plan = Execution(device="cpu")
        >>> [worth_compiling(plan, work, a_step)[1] for a_step in (1e-4, 2e-3)]
        [False, True]
    """
    on_cuda = execution.device.startswith("cuda")
    if execution.compile == "off" or not (on_cuda or execution.device == "cpu"):
        return False, False
    if execution.compile == "on":
        return True, True
    saved = SAVED * work.seconds_of(a_step)
    if on_cuda:  # nothing is kept from one comparison to the next
        worth = saved > 2.0 * (COMPILE_SECONDS if has_triton() else LOAD_SECONDS)
        return worth, worth
    return saved > LOAD_SECONDS, saved > 2.0 * COMPILE_SECONDS and compiler() is not None


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
