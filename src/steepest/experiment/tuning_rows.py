"""How many validation rows strengths of regularizers are tuned on: the default share grows where it gives too few."""

from __future__ import annotations

import math

from steepest.data.options import TableOptions
from steepest.data.sources.contract import Source
from steepest.experiment.data import Datasets
from steepest.recipe import Experiment, load_tree, validate_experiment
from steepest.record.store import Folder
from steepest.sweep.observer import Observer
from steepest.sweep.wanted import Objects, wanted_arms

FEW = 1000
"""With fewer validation rows, strengths of regularizers are chosen by chance to a good part."""

MOST = 0.2
"""No larger share of the rows is taken for validation unasked."""

DEFAULT = float(TableOptions.model_fields["validation"].default)


def with_tuning_rows(
    folder: Folder, experiment: Experiment, source: Source, given: Objects, observer: Observer
) -> tuple[Experiment, Source]:
    """Return an experiment and its data with more validation rows, where strengths are tuned on too few.

    A share or a split that was given stays, and so does that of a folder that was begun: its runs have it.
    """
    if {"validation", "split"} & source.options.model_fields_set:
        return experiment, source
    before = _share_in(folder)
    tuned = any(arm.optimizer.strengths for arm in wanted_arms(experiment, given))
    if before == DEFAULT or (before is None and not tuned):
        return experiment, source
    observer.stage("reading")
    rows = len(Datasets(source).first.validation)
    share = larger(rows)
    if share is None or before not in (None, share):
        return experiment, source
    found = source.with_validation(share)
    if before is None:
        enough = len(Datasets(found).first.validation)
        if enough <= rows:
            return experiment, source
        observer.say(
            f"       validation: {share:g} of the rows instead of {DEFAULT:g}, so that strengths of regularizers are "
            f"tuned on {enough:,} rows and not on {rows:,}; --validation names another share"
        )
    data = experiment.data.model_copy(update={"validation": share})
    return experiment.model_copy(update={"data": data}), found


def larger(rows: int) -> float | None:
    """Return the share for validation that has enough rows to tune strengths on; None where the default stays.

    Args:
        rows: how many validation rows the default share gives.

    Example:
        >>> larger(600), larger(1000), larger(200)
        (0.167, None, None)
    """
    if not 0 < rows < FEW:
        return None
    share = math.ceil(1000 * DEFAULT * FEW / rows) / 1000
    return share if share <= MOST else None


def _share_in(folder: Folder) -> float | str | None:
    """Return the share for validation of a folder that was begun; None of a new one."""
    path = folder.path / "experiment.toml"
    return validate_experiment(load_tree(path), where=str(path)).data.validation if path.is_file() else None
