"""From the runs of a tuning to its trials as data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue

from steepest.compare.budgets import best_after
from steepest.compare.evidence import Evidence, mean_of
from steepest.compare.search import ArmSearch, SearchTrial, TrialResult
from steepest.evaluate.metrics import metric_info
from steepest.sweep.arms import PlannedArm
from steepest.sweep.plan import sweeps, tuning
from steepest.sweep.planned import PlannedRun, identity


def arm_search(evidence: Evidence, arm: PlannedArm) -> ArmSearch:
    """Return the tuning of an arm, of its last stage where it is a procedure."""
    setup = evidence.setup
    found = tuning(setup, arm, evidence.history)

    def value(run: PlannedRun) -> float:
        record = evidence.history[identity(run)]
        return math.nan if record.failed else record.best.get(evidence.metric, math.nan)

    trials: list[SearchTrial] = []
    for trial in found.trials:
        by_length = {run.length: run for run in trial.runs}
        rule = trial.runs[0].rule
        trials.append(
            SearchTrial(
                lr=float(rule.hyper.lr),
                at=plain_values(arm.method.beside_rate(rule)),
                results=[TrialResult(length=length, value=value(run)) for length, run in by_length.items()],
                cut=trial.cut and max(by_length) < 1.0,
                chosen=found.run is not None and identity(found.run) in map(identity, trial.runs),
            )
        )
    values, length = [trial.results[0].value for trial in trials], trials[0].results[0].length
    swept: dict[float, list[float]] = {}
    for run in sweeps(setup, arm, found, evidence.chosen):
        swept.setdefault(float(run.rule.hyper.lr), []).append(value(run))
    if swept:
        values, length = [mean_of(each) for each in swept.values()], 1.0
    higher = metric_info(evidence.metric).higher_is_better
    known = best_after(values, length, setup.seeds[0], higher=higher)
    return ArmSearch(name=arm.title, trials=trials, best_after=known)


def plain_values(values: Mapping[str, Any]) -> dict[str, JsonValue]:
    """Return values of hyperparameters as JSON has them: a tuple is a list."""
    return {name: list(each) if isinstance(each, tuple) else each for name, each in values.items()}
