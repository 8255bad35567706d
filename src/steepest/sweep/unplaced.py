"""Runs of a folder that have no place in a comparison: now, or whatever its tuning chooses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from steepest.recipe import DEFAULT_PLANNER
from steepest.record.schema import Record
from steepest.sweep.arms import PlannedArm
from steepest.sweep.plan import chosen_rules, constants, refits, taking_part
from steepest.sweep.planned import History
from steepest.sweep.setup import Setup


@dataclass(frozen=True)
class Unplaced:
    """How many finished runs of a folder have no place in a comparison so far; pilots are not counted.

    Attributes:
        otherwise: those that were made with other settings: they never have one.
        perhaps: those that have one if the tuning that is still to come tries or chooses their settings.
    """

    otherwise: int
    perhaps: int


def unplaced(setup: Setup, history: History) -> Unplaced:
    """Return how many runs of a history have no place in a comparison, whoever wins.

    Args:
        setup: the comparison.
        history: the finished runs.
    """
    rules = chosen_rules(setup, history)
    known = [arm for arm in setup.arms if all(stage.id in rules for stage in arm.chain)]
    of_a_winner = [run for arm in known for run in constants(setup, arm, rules[arm.id])]
    of_a_winner += [run for arm in known for stage in arm.chain for run in refits(setup, stage, rules)]
    used = {*taking_part(setup, history), *((run.key.recipe, run.key.seed) for run in of_a_winner)}
    others = [record for each, record in history.items() if each not in used and record.key.phase != "pilot"]
    waiting = [arm for arm in setup.stages if any(stage.id not in rules for stage in arm.chain)]
    perhaps = sum(any(_may_become(setup, arm, record) for arm in waiting) for record in others)
    return Unplaced(len(others) - perhaps, perhaps)


def _may_become(setup: Setup, arm: PlannedArm, record: Record) -> bool:
    """Return whether a run is one of an arm, at settings that its tuning may come to.

    Where its rate is all that is tuned, that is decided by its recipe at that rate; elsewhere by its name and length.
    """
    if record.key.seed not in (*setup.seeds, setup.tuning_seed):
        return False
    method = arm.method
    alone = not method.strengths and all(axis.size == 1 or axis.name == "lr" for axis in method.axes)
    if arm.parent is None and alone and not method.fixed_rate and setup.planner == DEFAULT_PLANNER:
        return record.key.recipe in _recipes(setup, arm, record)
    lengths = {setup.steps_at(arm, length) for length in (1.0, setup.scan_fraction)}
    usual = setup.planner == DEFAULT_PLANNER and not setup.by_gradients
    return record.key.name == arm.title and (record.steps in lengths or not usual)


def _recipes(setup: Setup, arm: PlannedArm, record: Record) -> Iterator[str]:
    """Yield the recipes that an arm can have at a run's rate."""
    rule = arm.method.at({"lr": record.lr})
    for length in (1.0, setup.scan_fraction):
        for fold in range(setup.folds):
            yield setup.make(arm, rule, "full", record.key.seed, fold=fold, length=length).key.recipe
    for fold in range(setup.folds):
        run = setup.make(arm, rule, "constant", record.key.seed, fold=fold, schedule="constant")
        yield run.key.recipe
    if arm.final:
        yield setup.make(arm, rule, "refit", record.key.seed, data=arm.final).key.recipe
