"""Which comparisons an answer of a study is of: a hash of their arms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from steepest.recipe import FACTOR, Experiment, load_tree, stable_hash, validate_experiment
from steepest.studies.base.measured import MEASURED, file_name
from steepest.sweep.wanted import NOTHING_GIVEN, Wanted, texts_of, wanted_arms


def arms_hash(experiments: Mapping[str, Experiment], measurements: Sequence[str] = ()) -> str:
    """Return twelve hexadecimal digits that change with any arm of a study, its length, its seeds or what it watches.

    They do not change with words: an answer that is worded otherwise is of the same runs.

    Args:
        experiments: the configurations of its comparisons by name, of a plan or of a folder.
        measurements: the names of what it measures without a run.

    Example:
        >>> from steepest.studies import plan_study
        >>> quick = plan_study("memorisation", "quick")
        >>> same = arms_hash({of: each.experiment for of, each in quick.plans.items()})
        >>> same == quick.arms_hash, len(same)
        (True, 12)
    """
    named = {MEASURED: sorted(map(file_name, measurements))} if measurements else {}
    return stable_hash({of: _described(each) for of, each in experiments.items()} | named)[:12]


def _described(experiment: Experiment) -> dict[str, Any]:
    # arms without pruning that a comparison adds are no part of a study, which names its own
    given = experiment.protocol.model_dump(mode="json", exclude_defaults=True, exclude={"controls"})
    own = {name: getattr(experiment.protocol, name) for name in ("epochs", "seeds", "equal", "metric")}
    return {
        "arms": [_factors(each) for each in wanted_arms(experiment, NOTHING_GIVEN)],
        "protocol": {**given, **own},
    }


def _factors(arm: Wanted) -> dict[str, str]:
    """Return the name of an arm and its factors, without those that have their neutral value."""
    told = {
        name: text
        for name, text in texts_of(arm).items()
        if text not in (FACTOR[name].empty, FACTOR[name].since)
    }
    return {"name": arm.name, **told}


def folder_hash(folder: Path) -> str:
    """Return the hash of the arms that the comparisons of a folder were made of.

    Args:
        folder: of a study, whose further comparisons are in folders below it.

    Raises:
        DataError: a configuration cannot be read.
    """
    measurements = [each.stem for each in folder.glob(f"{MEASURED}/*.json")]
    return arms_hash(folder_experiments(folder), measurements)


def folder_experiments(folder: Path) -> dict[str, Experiment]:
    """Return the configurations of the comparisons of a study's folder, by name.

    Raises:
        DataError: a configuration cannot be read.
    """
    folders = sorted({each.parent for of in ("", "*/") for each in folder.glob(f"{of}experiment.toml")})
    trees = {"" if each == folder else each.name: load_tree(each / "experiment.toml") for each in folders}
    return {of: validate_experiment(tree) for of, tree in trees.items()}
