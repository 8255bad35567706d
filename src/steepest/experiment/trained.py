"""What a saved network says of the run that it is from."""

from __future__ import annotations

from typing import Any

from steepest.compare.evidence import Evidence
from steepest.record.schema import Record
from steepest.sweep.planned import PlannedRun


def _temperature(record: Record) -> dict[str, Any]:
    """Return the temperature that was fitted to a run's network, or why there is none."""
    found = record.calibration
    if found is None or found.temperature is not None:
        return {} if found is None else {"temperature": found.temperature}
    return {"no_temperature": found.reason}


def trained(evidence: Evidence, run: PlannedRun) -> dict[str, Any]:
    """Return what a saved network says of its training."""
    [record] = evidence.of([run])
    return {
        "arm": run.arm.title,
        "factors": dict(run.arm.factors),
        "optimizer": run.arm.method.name,
        "lr": record.lr,
        "rule": run.recipe.optimizer,
        "regularizer": run.recipe.regularizer,
        "seed": run.key.seed,
        "steps": record.steps,
        "best_step": record.best_step,
        "recipe": record.key.recipe,
        "validation": record.best,
        "test": record.test,
        **_temperature(record),
        **({} if run.arm and evidence.held_out else {"held_out": False}),
        "positive": run.arm.recipe.positive,
    }
