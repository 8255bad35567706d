"""What identifies a result: the data, the settings of its runs, and the code of its rule.

A stored result is used only where all three are what would be computed now. The *settings* are the recipes of all
first trials and of a reported run: everything but the seed on which the bits of a run depend, from the preparation of
the data to every hyperparameter, so that a changed default is another setting. The *code* is what the files of the rule
and of the model compute, without comments and docstrings. That the rest of steepest still gives the same bits is tested
where the results are stored.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

from steepest.components import grammar
from steepest.models import registry as models
from steepest.recipe import stable_hash
from steepest.studies.base.code import computing
from steepest.suites.base.suite import EXECUTION
from steepest.sweep.arms import PlannedArm
from steepest.sweep.planner import planner_of, trial_run
from steepest.sweep.planners.grid import Ladder
from steepest.sweep.setup import Setup

RULES = "steepest.optim."
"""Where the rules are."""
LAYERS = ("steepest.models.layers", "steepest.models.columns")
"""What models are made of."""


def settings_hash(setup: Setup, arm: PlannedArm) -> str:
    """Return twelve hexadecimal digits that change with anything that the results of an arm depend on, but for code.

    The number of seeds is no part of it, since each run has the same bits whatever others there are.

    Args:
        setup: of a comparison with all arms, which share the number of trials.
        arm: one of them.
    """
    found: dict[str, Any] = {"execution": dict(EXECUTION), "seeds": [setup.seeds[0], setup.tuning_seed]}
    rule = arm.method.at({})
    planner = planner_of(setup)
    if arm.tuned and isinstance(planner, Ladder):
        scan = planner.first(setup, arm)
        rule, turns = scan.rules[0], planner.turns(setup, len(scan.rules))
        trials = [trial_run(setup, arm, each, turns[0][0], None).recipe.id for each in scan.rules]
        found |= {"trials": trials, "turns": turns, "further": scan.extra}
    found |= {"run": setup.make(arm, rule, "final", setup.seeds[0]).recipe.id}
    return stable_hash(found)[:12]


def code_hash(arm: PlannedArm) -> str:
    """Return twelve hexadecimal digits that change with what the files of an arm's rule and model compute.

    What is the user's own is identified by its own digest, which is a part of the settings.
    """
    rule = inspect.getmodule(type(arm.rule))
    texts = [] if rule is None else [*map(_text, (rule.__name__, *_made_of(rule)))]
    name = grammar.parse(arm.recipe.model).name if arm.model is None else ""
    if name in models.entries:
        texts += [_text(models.entry(name).module), *map(_text, LAYERS)]
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:12]


def _made_of(rule: ModuleType) -> list[str]:
    """Return the modules with the arithmetic that a rule of steepest imports, such as its averages."""
    if not rule.__name__.startswith(RULES):
        return []
    found = {getattr(each, "__module__", "") for each in vars(rule).values() if inspect.isfunction(each)}
    return sorted(name for name in found if name.startswith("steepest.") and name != rule.__name__)


def _text(module: str) -> str:
    """Return what a module of steepest computes; nothing of one without a file."""
    if module.partition(".")[0] != "steepest":
        return ""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return ""
    return computing(Path(spec.origin).read_text(encoding="utf-8"))
