"""MLflow: one MLflow run for each run, in an experiment with the name of the comparison's folder."""

from __future__ import annotations

import math
import time
from typing import Any

from steepest.record.schema import Record
from steepest.sweep.tracking import Tracker, imported, run_name

COMPONENTS = {
    "mlflow": {"object": "MLflow", "what": "an MLflow server or folder, as mlflow:URI; extra mlflow"}
}

AT_ONCE = 500
"""Values that are sent in one request."""


class MLflow(Tracker):
    """Sends curves and test results to an MLflow server, or a folder or database that MLflow keeps: ``mlflow:URI``.

    A run has the parameters arm, learning rate, seed, phase and steps, the metrics ``train_loss``,
    ``validation_METRIC`` and ``test_METRIC`` by step, and the recipe as a tag. It needs the package:
    ``pip install '.[mlflow]'``.
    """

    def __init__(self, place: str) -> None:
        super().__init__(place)
        self._client: Any = imported("mlflow.tracking", "mlflow", "mlflow").MlflowClient(tracking_uri=place)
        self._entities: Any = imported("mlflow.entities", "mlflow", "mlflow")
        self._ids: dict[str, str] = {}

    def run(self, experiment: str, record: Record) -> None:
        """Send a run."""
        if experiment not in self._ids:
            known = self._client.get_experiment_by_name(experiment)
            self._ids[experiment] = (
                known.experiment_id if known else self._client.create_experiment(experiment)
            )
        now = int(1000 * time.time())
        tags = {"steepest.recipe": record.key.recipe, "steepest.outcome": record.outcome}
        made = self._client.create_run(self._ids[experiment], run_name=run_name(record), tags=tags)
        values: list[Any] = []
        for point in record.curve:
            named = {"train_loss": point.train_loss}
            named |= {f"validation_{key}": value for key, value in point.validation.items()}
            values += [
                self._value(key, value, now, point.step)
                for key, value in named.items()
                if math.isfinite(value)
            ]
        values += [
            self._value(f"test_{key}", value, now, record.best_step)
            for key, value in record.test.items()
            if math.isfinite(value)
        ]
        about = {
            "arm": record.key.name, "learning_rate": record.lr, "seed": record.key.seed, "phase": record.key.phase,
            "steps": record.steps,
        }  # fmt: skip
        parameters = [self._entities.Param(key, str(value)) for key, value in about.items()]
        self._client.log_batch(made.info.run_id, params=parameters)
        for first in range(0, len(values), AT_ONCE):
            self._client.log_batch(made.info.run_id, metrics=values[first : first + AT_ONCE])
        self._client.set_terminated(made.info.run_id, "FAILED" if record.failed else "FINISHED")

    def _value(self, key: str, value: float, now: int, step: int) -> Any:
        return self._entities.Metric(key, value, now, step)
