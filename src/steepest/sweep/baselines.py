"""The baselines of a folder: fitted once for everything that they depend on, kept, and saved like a network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from steepest.data.dataset import Dataset
from steepest.data.sources.rows import Pipeline
from steepest.evaluate.baselines import (
    BUDGET,
    BaselineModel,
    BaselineResult,
    baseline_names,
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
from steepest.sweep.observer import Observer

MINUTES_SHARE = 1 / 6
"""The largest share of a time budget that one baseline's work may be."""


def budget_within(minutes: float | None) -> float:
    """Return how much work a baseline may take in a comparison of so many minutes.

    Example:
        >>> budget_within(None), budget_within(1.0)
        (20.0, 10.0)
    """
    return BUDGET if minutes is None else min(BUDGET, 60.0 * minutes * MINUTES_SHARE)


def complete_baselines(
    folder: Folder,
    dataset: Dataset,
    *,
    metrics: Sequence[str],
    class_weights: Sequence[float] | None,
    seed: int,
    observer: Observer,
    threads: int,
    budget: float = BUDGET,
    announced: bool = False,
    asked: Sequence[str] = (),
) -> list[BaselineRecord]:
    """Fit the baselines that the folder lacks; return the records of all.

    A kept fit is used where all that it depends on is the same: data, metrics, positive class, class weights, seed,
    budget, what its settings are chosen from, and the libraries that fit it. Fits of other settings stay beside it.

    Args:
        folder: where they are kept.
        dataset: the data.
        metrics, class_weights, seed, threads, budget: how they are fitted and judged.
        observer: hears what is fitted.
        announced: whether the observer knows already that baselines are fitted.
        asked: which ones; all that serve the data unless given.
    """
    settings = {
        "data": dataset.fingerprint,
        "metrics": list(metrics),
        "positive": dataset.positive,
        "class_weights": None if class_weights is None else list(class_weights),
        "seed": seed,
        "budget": budget,
    }
    weights = None if class_weights is None else torch.tensor(class_weights, dtype=torch.float64)
    records: list[BaselineRecord] = []
    for name in baseline_names(dataset, asked):
        key = identity(name, **settings)
        kept = folder.baseline(key)
        if kept is None or not (
            folder.has_tensors(_rows(kept)) and (not kept.saved or folder.has_tensors(_arrays(kept)))
        ):
            [found] = run_baselines(
                dataset,
                names=[name],
                seed=seed,
                metrics=metrics,
                class_weights=weights,
                progress=lambda name: None if announced else observer.stage(f"baseline: {name}"),
                threads=threads,
                budget=budget,
            )
            kept = _keep(folder, key, found, dataset)
        records.append(kept)
    return records


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
