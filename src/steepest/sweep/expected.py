"""Which runs are still to come, as far as it can be known now: what a plan tells and a budget counts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from steepest.record.schema import Phase
from steepest.sweep.arms import PlannedArm
from steepest.sweep.plan import (
    chosen_rules,
    complete_of,
    defaults,
    finals,
    last_runs,
    missing_runs,
    sweeps,
    tuning,
)
from steepest.sweep.planned import History, PlannedRun, identity
from steepest.sweep.planner import planner_of
from steepest.sweep.setup import TESTED, Setup


@dataclass(frozen=True)
class Expected:
    """A run that is to come, as far as it can be known now.

    Attributes:
        arm, phase, steps: whose it is, its purpose and its steps.
        timed: whether it is the one of its arm whose seconds are shown, so that no other is made at the same time.
        length: its length in full lengths.
    """

    arm: PlannedArm
    phase: Phase
    steps: int
    timed: bool = False
    length: float = 1.0

    @property
    def read_test(self) -> bool:
        """Whether it will read the test rows."""
        return self.phase in TESTED and not self.arm.inner


def expected_runs(setup: Setup, history: History, *, by_arm: bool = False) -> list[Expected]:
    """Return every run that is still to come: the known ones, and those that will follow from them.

    Args:
        setup: the comparison.
        history: its finished runs.
        by_arm: return a run that serves several arms for each of them.
    """
    coming: list[Expected] = []
    seen: set[tuple[str, int]] = set()

    def new(runs: Iterable[PlannedRun]) -> list[PlannedRun]:
        """Return the runs that serve no earlier arm as well."""
        found = [run for run in runs if by_arm or identity(run) not in seen]
        seen.update(identity(run) for run in found)
        return found

    full_length = {
        arm.id: setup.make(arm, arm.rule, "full", setup.tuning_seed).expected_steps for arm in setup.stages
    }
    reported = len(setup.seeds) * setup.folds
    chosen = chosen_rules(setup, history)
    for arm in setup.stages:
        found = tuning(setup, arm, history)
        coming += [
            Expected(arm, run.key.phase, run.expected_steps, length=run.length) for run in new(found.missing)
        ]
        steps = full_length[arm.id]
        if all(each.id in chosen for each in arm.chain):
            runs = [*finals(setup, arm, chosen), *defaults(setup, arm), *sweeps(setup, arm, found, chosen)]
            runs = new(missing_runs(runs, history))
            coming += [Expected(arm, run.key.phase, run.expected_steps, setup.is_timed(run)) for run in runs]
            continue
        trials = max(len(found.trials), setup.trial_counts.get(arm.method.key, 0))
        if arm.tuned:
            for phase, length in planner_of(setup).to_come(setup, arm, found):
                run = setup.make(arm, arm.rule, phase, setup.tuning_seed, length=length)
                coming.append(Expected(arm, phase, run.expected_steps, length=length))
        if setup.sweep and not arm.inner and found.scan:  # one of its rates will be the chosen one
            runs = new(missing_runs([*defaults(setup, arm), *sweeps(setup, arm, found, chosen)], history))
            coming += [Expected(arm, run.key.phase, steps) for run in runs]
            continue
        each_seed = trials if setup.sweep and not arm.inner else 1
        some = [Expected(arm, "final", steps)] * (each_seed * reported)
        coming += [Expected(arm, "final", steps, timed=True), *some[1:]]
        coming += [Expected(arm, "default", steps) for _ in new(missing_runs(defaults(setup, arm), history))]
    if (has_constants(setup) or setup.folds > 1) and not _last_done(setup, history):
        longest = max(setup.arms, key=lambda arm: full_length[arm.id])  # which arm wins is not known yet
        steps = full_length[longest.id]
        if setup.folds > 1:
            coming += [Expected(each, "refit", full_length[each.id]) for each in longest.chain]
        coming += [Expected(longest, "constant", steps)] * (reported * has_constants(setup))
    return coming


def has_constants(setup: Setup) -> bool:
    """Return whether the winner also runs without its schedule."""
    return setup.has_references and setup.arms[0].recipe.schedule != "constant"


def _last_done(setup: Setup, history: History) -> bool:
    found = {arm.id: tuning(setup, arm, history) for arm in setup.stages}
    chosen = complete_of(found)
    if len(chosen) < len(found):
        return False
    if missing_runs([run for arm in setup.arms for run in finals(setup, arm, chosen)], history):
        return False
    return not missing_runs(last_runs(setup, chosen, history), history)
