"""MLflow: one MLflow run for each run, in an experiment for each comparison."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Generator
from typing import Any

from steepest.components.quiet import quiet
from steepest.errors import MissingExtraError, OptionError
from steepest.record.schema import Record
from steepest.sweep.tracking import Tracker, imported, run_name, shortened

COMPONENTS = {
    "mlflow": {"object": "MLflow", "what": "an MLflow server or database, as mlflow:URI; extra mlflow"}
}

AT_ONCE = 500
"""Values that are sent in one request."""
LONGEST_VALUE = 500
"""Bytes of a parameter's value, which MLflow bounds."""
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
BRIEF = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
"""How long a server is waited for, where the environment does not say it; by MLflow's defaults it is minutes."""
SAID = 200
"""Letters of MLflow's own messages that are repeated."""


class MLflow(Tracker):
    """Sends curves and test results to an MLflow server, or to a database that MLflow keeps: ``mlflow:URI``.

    A server is ``mlflow:http://localhost:5000``, a database in one file ``mlflow:sqlite:///runs.db``. Folders are for
    versions of MLflow before 3.17 alone. The place is asked once, before the first run.

    A run has the parameters arm, learning rate, seed, phase and steps, the metrics ``train_loss``,
    ``validation_METRIC`` and ``test_METRIC`` by step, and the recipe as a tag; it lasts as long as its training and
    evaluation took, up to when it was sent. It needs the package:
    ``pip install '.[mlflow]'``.

    Raises:
        OptionError: the server does not answer, or MLflow cannot use the place.
        MissingExtraError: MLflow, or a library that its client needs for the place, is not installed.
    """

    def __init__(self, place: str) -> None:
        super().__init__(place)
        module = imported("mlflow.tracking", "mlflow", "mlflow")
        self._entities: Any = imported("mlflow.entities", "mlflow", "mlflow")
        for each in ("sqlalchemy", "alembic") if place.startswith(DATABASES) else ():
            imported(each, each, "mlflow")
        self._ids: dict[str, str] = {}
        try:
            with _brief():
                self._client: Any = module.MlflowClient(tracking_uri=place)
                self._client.search_experiments(max_results=1)
        except ImportError as error:
            raise MissingExtraError(
                f"MLflow cannot use {place!r}, as a library that it needs cannot be imported: {error}",
                hint="pip install '.[mlflow]', or leave --track out.",
            ) from None
        except Exception as error:  # whatever the client raises, of its own, of requests or of a database
            said = " ".join(str(error).split())
            said = f"{said[:SAID]}…" if len(said) > SAID else said
            if place.startswith("http"):
                raise OptionError(
                    f"no MLflow server answers at {place!r}: {said}",
                    hint="start it, correct the address, or take a file: --track mlflow:sqlite:///runs.db",
                ) from None
            raise OptionError(
                f"MLflow cannot use {place!r}: {said}",
                hint="name a file, mlflow:sqlite:///runs.db, or a server, mlflow:http://localhost:5000.",
            ) from None

    def run(self, experiment: str, record: Record) -> None:
        """Send a run."""
        with _brief():
            self._send(experiment, record)

    def _send(self, experiment: str, record: Record) -> None:
        if experiment not in self._ids:
            known = self._client.get_experiment_by_name(experiment)
            self._ids[experiment] = (
                known.experiment_id if known else self._client.create_experiment(experiment)
            )
        now, clocks = int(1000 * time.time()), record.clocks
        began = now - int(1000 * (clocks.train + clocks.evaluate + clocks.io + clocks.compile))
        tags = {"steepest.recipe": record.key.recipe, "steepest.outcome": record.outcome}
        made = self._client.create_run(
            self._ids[experiment], run_name=run_name(record), tags=tags, start_time=began
        )
        values: list[Any] = []
        for point in record.curve:
            named = {"train_loss": point.train_loss}
            named |= {f"validation_{key}": value for key, value in point.validation.items()}
            values += [
                self._value(key, value, min(now, began + int(1000 * point.seconds)), point.step)
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
        parameters = [
            self._entities.Param(key, shortened(str(value), LONGEST_VALUE)) for key, value in about.items()
        ]
        self._client.log_batch(made.info.run_id, params=parameters)
        for first in range(0, len(values), AT_ONCE):
            self._client.log_batch(made.info.run_id, metrics=values[first : first + AT_ONCE])
        self._client.set_terminated(made.info.run_id, "FAILED" if record.failed else "FINISHED", end_time=now)

    def _value(self, key: str, value: float, now: int, step: int) -> Any:
        return self._entities.Metric(key, value, now, step)


@contextlib.contextmanager
def _brief() -> Generator[None]:
    """Wait for a server no longer than ``BRIEF`` says, and hold back what MLflow logs."""
    added = [name for name in BRIEF if name not in os.environ]
    os.environ.update({name: BRIEF[name] for name in added})
    try:
        with quiet("mlflow", "alembic"):
            yield
    finally:
        for name in added:
            os.environ.pop(name, None)
