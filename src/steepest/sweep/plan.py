"""Equal tuning as a pure function: from the runs so far to the runs that come next.

The trials of an arm are those of the planner (:mod:`steepest.sweep.planner`); unless another one is named, every arm
gets seven learning rates √10 apart around its optimizer's documented centre on a quarter of the steps; a
best rate at the edge of the grid extends it, with the same allowance for everyone; the best three run at full
length. The best of them runs with every seed, in every fold. Where an arm consists of several runs, each stage is
tuned like an arm of its own, from the weights of the chosen run of the stage before; a reported run starts from the
run of the stage before with the same seed, in the same fold. Where the arms differ in their optimizer alone, each
also runs at its library default, and the winner without a schedule. Tuning has a run seed of its own, so that the
seeds that are reported have not been selected on, and uses the first fold only.

Where further hyperparameters are tuned, everyone gets twice as many trials: a Sobol design for those with several
axes, a finer grid over the same range for those with one. Grids are then not extended, because designs are not. Where
strengths of regularizers are tuned, all trials have the full length.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from steepest.data.variants import ALL
from steepest.optim.spec import MethodSpec
from steepest.record.schema import Phase, Record
from steepest.sweep.arms import PlannedArm
from steepest.sweep.contract import check_tuning
from steepest.sweep.planned import History, PlannedRun, identity
from steepest.sweep.planner import Tuning, planner_of
from steepest.sweep.setup import Setup
from steepest.sweep.stages import uses_of


def tuning(setup: Setup, arm: PlannedArm, history: History) -> Tuning:
    """Return how far the tuning of an arm is, from the finished runs alone.

    Nothing is missing, and nothing chosen, while that of the stage before it is not complete.
    """
    if not arm.tuned:
        rule = setup.memo.setdefault(("given", arm.id), arm.method.at({}))
        return Tuning(chosen=rule)
    parent = None if arm.parent is None else tuning(setup, arm.parent, history).run
    if arm.parent is not None and parent is None:
        return Tuning()
    known = setup.memo.get(("tuning", arm.id))
    if known is not None and known.holds(parent, history):
        return known.tuning
    planner = planner_of(setup)
    found = planner.tuning(setup, arm, history, parent)
    check_tuning(planner, setup, arm, history, parent, found)
    setup.memo["tuning", arm.id] = _Known.of(found, parent, history)
    return found


@dataclass(frozen=True)
class _Known:
    """How far the tuning of an arm was, and what that was computed from.

    Attributes:
        parent: the run of the stage before.
        records: of the finished runs.
        missing: which runs were not finished.
        tuning: the result.
    """

    parent: PlannedRun | None
    records: Mapping[tuple[str, int], Record]
    missing: tuple[tuple[str, int], ...]
    tuning: Tuning

    @classmethod
    def of(cls, found: Tuning, parent: PlannedRun | None, history: History) -> _Known:
        runs = {identity(run) for run in found.runs}
        return cls(
            parent,
            {each: history[each] for each in runs if each in history},
            tuple(map(identity, found.missing)),
            found,
        )

    def holds(self, parent: PlannedRun | None, history: History) -> bool:
        """Return whether it would be the same with a history."""
        if (parent and identity(parent)) != (self.parent and identity(self.parent)):
            return False
        if any(each in history for each in self.missing):
            return False
        return all(history.get(each) is record for each, record in self.records.items())


Chosen = Mapping[str, MethodSpec[Any]]
"""The tuned rule of each arm and of each stage, by its id."""


def at_seed(
    setup: Setup,
    arm: PlannedArm,
    chosen: Chosen,
    phase: Phase,
    seed: int,
    *,
    fold: int = 0,
    rule: MethodSpec[Any] | None = None,
) -> PlannedRun:
    """Return the run of ``arm`` with one of the seeds that are reported; the stages before it have the same seed.

    Args:
        setup: the comparison's setup.
        arm: the arm.
        chosen: the tuned rules.
        phase: its purpose; with ``refit``, the data are the rows of all folds.
        seed: the run seed.
        fold: its test set.
        rule: its rule where it is not the tuned one.
    """
    refit = phase == "refit"
    parent = None
    if arm.parent is not None:
        parent = at_seed(setup, arm.parent, chosen, "refit" if refit else "final", seed, fold=fold)
    changes: dict[str, Any] = {"data": arm.final} if refit else {}
    return setup.make(arm, rule or chosen[arm.id], phase, seed, fold=fold, parent=parent, **changes)


def finals(setup: Setup, arm: PlannedArm, chosen: Chosen) -> list[PlannedRun]:
    """Return the reported runs of ``arm``: one for each fold and seed."""

    def made() -> list[PlannedRun]:
        return [
            at_seed(setup, arm, chosen, "final", seed, fold=fold)
            for fold in range(setup.folds)
            for seed in setup.seeds
        ]

    return _kept(setup, ("finals", arm.id, arm.inner), [chosen[stage.id] for stage in arm.chain], made)


def _kept(
    setup: Setup, name: tuple[str, str, bool], of: list[Any], made: Callable[[], list[PlannedRun]]
) -> list[PlannedRun]:
    """Return a list of runs that is made once for the objects that it follows from."""
    known = setup.memo.get(name)
    if (
        known is None
        or len(known[0]) != len(of)
        or any(a is not b for a, b in zip(known[0], of, strict=True))
    ):
        known = setup.memo[name] = (of, made())
    return list(known[1])


def sweeps(setup: Setup, arm: PlannedArm, found: Tuning, chosen: Chosen) -> list[PlannedRun]:
    """Return the runs of every rate with every seed, where they are wanted; those at the chosen rate are the finals."""
    if not setup.sweep or arm.inner:
        return []
    of = [*(chosen[stage.id] for stage in arm.chain[:-1]), *(run.rule for run in found.scan)]

    def made() -> list[PlannedRun]:
        return [
            at_seed(setup, arm, chosen, "sweep", seed, rule=run.rule)
            for run in found.scan
            for seed in setup.seeds
        ]

    return _kept(setup, ("sweeps", arm.id, arm.inner), of, made)


def defaults(setup: Setup, arm: PlannedArm) -> list[PlannedRun]:
    """Return the runs of ``arm`` at its library's default rate, one for each seed; none if more than that differs."""
    if not setup.has_references:
        return []

    def made() -> list[PlannedRun]:
        rule = arm.rule.with_lr(arm.rule.default_rate)
        return [
            setup.make(arm, rule, "default", seed, fold=fold)
            for fold in range(setup.folds)
            for seed in setup.seeds
        ]

    return _kept(setup, ("defaults", arm.id, arm.inner), [], made)


def constants(setup: Setup, arm: PlannedArm, rule: MethodSpec[Any]) -> list[PlannedRun]:
    """Return the runs of the winner without a schedule, one for each seed; none if there was no schedule."""
    if not setup.has_references or arm.recipe.schedule == "constant":
        return []
    return [
        setup.make(arm, rule, "constant", seed, fold=fold, schedule="constant")
        for fold in range(setup.folds)
        for seed in setup.seeds
    ]


def refits(setup: Setup, arm: PlannedArm, chosen: Chosen) -> list[PlannedRun]:
    """Return the run of the winner on the training rows of all folds, whose model is saved; none without folds."""
    if not arm.final:
        return []
    return [at_seed(setup, arm, chosen, "refit", setup.seeds[0])]


def winner(setup: Setup, chosen: Chosen, history: History) -> PlannedArm:
    """Return the arm whose network is for use: the first on validation of those trained on the data as given.

    Arms with altered labels or fewer training rows show what these cost. One of them is for use only where no run of
    the others finished; then true labels come before all rows.
    """

    def place(arm: PlannedArm) -> tuple[bool, bool, bool, tuple[int, float]]:
        found, data = on_validation(setup, arm, chosen, history), arm.variant
        return math.isinf(found[1]), bool(data.labels), data.train_rows != ALL, found

    return min(setup.arms, key=place)


def on_validation(setup: Setup, arm: PlannedArm, chosen: Chosen, history: History) -> tuple[int, float]:
    """Return by what arms are ranked: the number of failed runs, then the mean validation loss of the others."""
    losses = [setup.loss(_of(run, history)) for run in finals(setup, arm, chosen)]
    finished = [each for each in losses if math.isfinite(each)]
    return len(losses) - len(finished), sum(finished) / len(finished) if finished else math.inf


def next_runs(setup: Setup, history: History, *, ahead: bool = False) -> list[PlannedRun]:
    """Return the runs that can be made now; an empty list when the comparison is complete.

    The answer depends on the setup and on the finished runs alone, so a comparison that was interrupted, or
    that gets more arms or seeds, goes on with exactly what is missing.

    Args:
        setup: the comparison's setup.
        history: the finished runs.
        ahead: go on to the reported runs of arms whose tuning is complete while that of others is not.
    """
    found = {arm.id: tuning(setup, arm, history) for arm in setup.stages}
    missing = missing_runs((run for each in found.values() for run in each.missing), history)
    if missing and not ahead:
        return missing
    chosen = complete_of(found)
    reported = [run for run in _reported(setup, found, chosen) if run.arm.id in chosen]
    missing = missing_runs([*missing, *reported], history)
    if not missing:
        missing = missing_runs(last_runs(setup, chosen, history), history)
    return [run for run in missing if run.parent is None or _is_in(run.parent, history)]


def chosen_rules(setup: Setup, history: History) -> dict[str, MethodSpec[Any]]:
    """Return the tuned rule of every arm and stage whose tuning is complete, by its id."""
    return complete_of({arm.id: tuning(setup, arm, history) for arm in setup.stages})


def starts(setup: Setup, history: History) -> set[tuple[str, int, str]]:
    """Return the weights that runs to come start from, as far as they are there: recipe id, seed and point."""
    if all(arm.parent is None for arm in setup.arms):
        return set()
    found = {arm.id: tuning(setup, arm, history) for arm in setup.stages}
    chosen = complete_of(found)
    needed: list[tuple[PlannedRun, str]] = []
    for arm in setup.stages:
        for place, point in uses_of(arm).values() if found[arm.id].chosen is None else ():
            above = found[arm.chain[place].id]
            needed += [(run, point) for run in ((above.run,) if above.run else above.full)]
    coming = [run for each in found.values() for run in each.missing]
    if len(chosen) == len(found):
        reported = _reported(setup, found, chosen)
        coming += reported if missing_runs(reported, history) else last_runs(setup, chosen, history)
    needed += [source for run in missing_runs(coming, history) for source in run.sources.values()]
    return {(run.recipe.id, run.key.seed, point) for run, point in needed if _is_in(run, history)}


def taking_part(setup: Setup, history: History) -> dict[tuple[str, int], Record]:
    """Return the runs of a history that belong to a comparison, and the pilot; a folder may hold others."""
    found = {arm.id: tuning(setup, arm, history) for arm in setup.stages}
    chosen = complete_of(found)
    runs = [run for each in found.values() for run in each.runs]
    runs += _reported(setup, found, chosen)
    if len(chosen) == len(found) and not missing_runs(_reported(setup, found, chosen), history):
        runs += last_runs(setup, chosen, history)
    pilots = {each: record for each, record in history.items() if record.key.phase == "pilot"}
    known = ((run.key.recipe, run.key.seed) for run in runs)
    return pilots | {each: history[each] for each in known if each in history}


def complete_of(found: Mapping[str, Tuning]) -> dict[str, MethodSpec[Any]]:
    """Return the chosen rules of tunings that are complete."""
    return {name: each.chosen for name, each in found.items() if each.chosen is not None}


def _reported(setup: Setup, found: Mapping[str, Tuning], chosen: Chosen) -> list[PlannedRun]:
    """Return the runs with the reported seeds of all arms and stages, as far as their rules are chosen."""
    known = [arm for arm in setup.stages if all(each.id in chosen for each in arm.chain)]
    runs = [run for arm in known for run in finals(setup, arm, chosen)]
    runs += [run for arm in setup.arms for run in defaults(setup, arm)]
    runs += [run for arm in setup.stages for run in sweeps(setup, arm, found[arm.id], chosen)]
    if not setup.by_seed:
        return runs
    return sorted(runs, key=lambda run: (run.key.phase == "default", run.key.seed))


def last_runs(setup: Setup, chosen: Chosen, history: History) -> list[PlannedRun]:
    """Return the runs that are made of the winner alone."""
    best = winner(setup, chosen, history)
    again = [run for stage in best.chain for run in refits(setup, stage, chosen)]
    return [*again, *constants(setup, best, chosen[best.id])]


def _is_in(run: PlannedRun, history: History) -> bool:
    return (run.key.recipe, run.key.seed) in history


def missing_runs(runs: Iterable[PlannedRun], history: History) -> list[PlannedRun]:
    """Return the runs that a history lacks, or of which it lacks the test rows; each once, for all that it serves."""
    runs = list(runs)
    lacking = {identity(run) for run in runs if _lacks(run, history.get(identity(run)))}
    found: dict[tuple[str, int], PlannedRun] = {}
    for run in runs if lacking else ():
        each = identity(run)
        if each in lacking:
            found[each] = found[each].also(run) if each in found else run
    return list(found.values())


def _lacks(run: PlannedRun, known: Record | None) -> bool:
    return known is None or (run.read_test and not _has_test(known))


def _has_test(record: Record) -> bool:
    return bool(record.test) or record.failed


def _of(run: PlannedRun, history: History) -> Record:
    return history[run.key.recipe, run.key.seed]
