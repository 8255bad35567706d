"""The baselines of a folder: fitted once for everything that they depend on, kept, and saved like a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from steepest.data.dataset import Dataset
from steepest.data.sources.rows import Pipeline
from steepest.evaluate.baselines import (
    BUDGET,
    BaselineModel,
    BaselineResult,
    identity,
    restore,
    run_baselines,
)
from steepest.objectives.target import target_of
from steepest.prediction.about import BASELINE, About
from steepest.prediction.model import TrainedModel
from steepest.prediction.seen import SeenRows
from steepest.record.schema import BaselineRecord
from steepest.record.store import Folder
from steepest.sweep.making import Maker

MINUTES_SHARE = 1 / 6
"""The largest share of a time budget that one baseline's work may be."""


def budget_within(minutes: float | None) -> float:
    """Return how much work a baseline may take in a comparison of so many minutes.

    Example:
        >>> budget_within(None), budget_within(1.0)
        (20.0, 10.0)
    """
    return BUDGET if minutes is None else min(BUDGET, 60.0 * minutes * MINUTES_SHARE)


@dataclass(frozen=True)
class Fitting:
    """How some baselines are fitted and judged on a dataset.

    Attributes:
        names: which ones.
        metrics, class_weights, seed, threads, budget, device: as of :func:`~steepest.evaluate.baselines.run_baselines`.
    """

    names: tuple[str, ...]
    metrics: tuple[str, ...]
    class_weights: tuple[float, ...] | None
    seed: int
    threads: int = 1
    budget: float = BUDGET
    device: str = "cpu"

    def lacking(self, folder: Folder, dataset: Dataset) -> list[str]:
        """Return the names of those that the folder lacks.

        A kept fit is used where all that it depends on is the same: data, metrics, positive class, class weights,
        seed, budget, what its settings are chosen from, and the libraries that fit it. Fits of other settings stay
        beside it.
        """
        return [name for name in self.names if self._kept(name, folder, dataset) is None]

    def records(self, folder: Folder, dataset: Dataset, told: Callable[[str], None]) -> list[BaselineRecord]:
        """Fit the baselines that the folder lacks; return the records of all.

        Args:
            folder: where they are kept.
            dataset: the data.
            told: called with the title of each that is fitted.
        """
        for name in self.lacking(folder, dataset):
            self.keep(self.fit(name, dataset, told), folder, dataset)
        found = [self._kept(name, folder, dataset) for name in self.names]
        return [each for each in found if each is not None]

    def fit(self, name: str, dataset: Dataset, told: Callable[[str], None] | None = None) -> BaselineResult:
        """Fit one of them; on one thread its seconds are those of its processor, whatever else runs."""
        weights = self.class_weights
        [found] = run_baselines(
            dataset,
            names=[name],
            seed=self.seed,
            metrics=self.metrics,
            class_weights=None if weights is None else torch.tensor(weights, dtype=torch.float64),
            progress=told,
            threads=self.threads,
            budget=self.budget,
            device=self.device,
        )
        return replace(found, seconds=found.cpu_seconds) if self.threads == 1 else found

    def keep(self, found: BaselineResult, folder: Folder, dataset: Dataset) -> None:
        """Keep a fit in the folder."""
        _keep(folder, self._key(found.name, dataset), found, dataset)

    def _kept(self, name: str, folder: Folder, dataset: Dataset) -> BaselineRecord | None:
        kept = folder.baseline(self._key(name, dataset))
        if kept is None or not folder.has_tensors(_rows(kept)):
            return None
        return kept if not kept.saved or folder.has_tensors(_arrays(kept)) else None

    def _key(self, name: str, dataset: Dataset) -> str:
        return identity(
            name,
            data=dataset.fingerprint,
            metrics=list(self.metrics),
            positive=dataset.positive,
            class_weights=None if self.class_weights is None else list(self.class_weights),
            seed=self.seed,
            budget=self.budget,
        )


@dataclass(frozen=True)
class FitJob:
    """One baseline to be fitted by another process.

    Attributes:
        how: how.
        name: which one.
    """

    how: Fitting
    name: str

    def perform(self, maker: Maker, dataset: Dataset, progress: Callable[[float], None]) -> BaselineResult:
        """Fit it."""
        del maker, progress
        return self.how.fit(self.name, dataset)


def take_over(earlier: Folder, folder: Folder) -> None:
    """Keep the fits of another folder in one that lacks them: they serve where all that they depend on is the same.

    Args:
        earlier: of a finished comparison.
        folder: of the one that is made.
    """
    for record in earlier.baselines():
        files = [_rows(record), *([_arrays(record)] if record.saved else [])]
        if folder.baseline(record.key) is None and all(map(earlier.has_tensors, files)):
            for name in files:
                folder.write_tensors(name, earlier.read_tensors(name))
            folder.append_baseline(record)


def baseline_rows(folder: Folder, record: BaselineRecord) -> dict[str, Tensor]:
    """Return what a baseline gives each test row: its ``loss``, whether it is ``correct``, values of other metrics."""
    return folder.read_tensors(_rows(record))


def baseline_models(
    folder: Folder, records: Sequence[BaselineRecord], dataset: Dataset
) -> dict[str, BaselineModel]:
    """Return the baselines that are kept as models, by their title."""
    return {each.title: _restored(folder, each, dataset) for each in records if each.saved}


def save_baselines(
    folder: Folder, records: Sequence[BaselineRecord], dataset: Dataset, pipeline: Pipeline
) -> None:
    """Write every baseline as a model that predicts from raw rows, where its record says."""
    positive = None if dataset.positive is None else dataset.classes[dataset.positive]
    seen = SeenRows.of(dataset)
    for record in (each for each in records if each.saved):
        made = record.model_dump(mode="json", include={"title", "settings", "validation", "test"})
        about = About(
            model=f"{BASELINE}{record.name}",
            shape=dataset.shape,
            classes=dataset.classes,
            target=dataset.target,
            target_scale=dataset.target_scale,
            trained={**made, "positive": positive},
        )
        TrainedModel(_restored(folder, record, dataset), about, pipeline, seen).save(
            folder.path / record.model
        )


def _keep(folder: Folder, key: str, found: BaselineResult, dataset: Dataset) -> BaselineRecord:
    record = BaselineRecord(
        name=found.name,
        title=found.title,
        key=key,
        settings=found.settings,
        validation=found.validation,
        test=found.test,
        seconds=found.seconds,
        cpu_seconds=found.cpu_seconds,
        peak_memory=found.peak_memory,
        outcome=found.outcome,
        cut=found.cut,
        parameter_bytes=found.parameter_bytes,
        saved=isinstance(found.model, BaselineModel),
    )
    rows = {"loss": found.test_row_losses.cpu(), **found.test_values}
    correct = target_of(dataset).row_correct(found.test_outputs.cpu(), dataset.test.target.cpu())
    if correct is not None:
        rows["correct"] = correct
    if dataset.test.weights is not None:
        rows["weights"] = dataset.test.weights.cpu()
    folder.write_tensors(_rows(record), rows)
    if record.saved:
        folder.write_tensors(_arrays(record), found.model.state_dict())
    folder.append_baseline(record)
    return record


def _restored(folder: Folder, record: BaselineRecord, dataset: Dataset) -> BaselineModel:
    return restore(record.name, dataset.shape, folder.read_tensors(_arrays(record)))


def _rows(record: BaselineRecord) -> str:
    return f"rows/{record.file}-{record.key}"


def _arrays(record: BaselineRecord) -> str:
    return f"checkpoints/{record.file}-{record.key}"
