"""An experiment's folder belongs to one experiment: checked before it goes on, written at the end."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from steepest.compare.result import Comparison
from steepest.components.identity import Code
from steepest.data.catalog import is_name
from steepest.data.dataset import Dataset
from steepest.data.dates import DAY_OF_YEAR
from steepest.data.options import TableOptions
from steepest.data.sources.contract import Source
from steepest.errors import FolderError
from steepest.experiment.cells import TimedCell
from steepest.experiment.devices import device_is_there
from steepest.models import with_whole_models, with_whole_path
from steepest.prediction.about import built_from
from steepest.recipe import (
    EXECUTION_OPTIONS,
    ArmOptions,
    ExecutionPlan,
    Experiment,
    flag_of,
    load_tree,
    validate_experiment,
)
from steepest.record.current import outdated
from steepest.record.schema import Record
from steepest.record.store import TEST_PREDICTIONS, Folder, command, curves_frame
from steepest.report.text import to_csv
from steepest.report.usage import usage
from steepest.sweep.codes import WEIGHTS, is_optional, weights_of
from steepest.sweep.wanted import whole_path
from steepest.version import version_if_installed


def check_folder(
    folder: Folder,
    experiment: Experiment,
    dataset: Dataset,
    cells: Mapping[str, TimedCell] = MappingProxyType({}),
    libraries: Collection[str] | None = None,
) -> ExecutionPlan | None:
    """Return the execution plan of a folder that was begun, None for a new one.

    Args:
        folder: where.
        experiment: what is to be done in it.
        dataset: on which data.
        cells: what its execution plan will belong to; options of the plan may change together with these.
        libraries: those that only some arms need which these need; another version of others is no matter. All of them
            where it is not known.

    Raises:
        FolderError: the folder belongs to other data or to another preparation, or is not an experiment's.
    """
    path = folder.path / "experiment.toml"
    if not path.is_file():
        if not folder.untouched:
            raise FolderError(
                f"{folder.path.as_posix()!r} is not empty and contains no experiment",
                hint="give --out another folder.",
            )
        return None
    began = validate_experiment(load_tree(path), where=str(path))
    if _has_other_data(folder, dataset):
        _check_encoding(folder, dataset)
        raise FolderError(
            f"{folder.path.as_posix()!r} was started with other data: {_changed(began.data, experiment.data)}",
            hint="restore the original data, or use another --out folder.",
        )
    if began.plan is None:
        return None
    _check_plan(began.plan, folder, libraries)
    asked = experiment.execution.model_dump(exclude_unset=True)
    used = [
        began.plan.cells[key]
        for key, cell in cells.items()
        if key in began.plan.cells and not began.plan.cells[key].changed(cell.of)
    ]
    for option in (each for each in EXECUTION_OPTIONS if each not in ("workers", "track")):
        wanted = asked.get(option)
        before = [began.plan.device] if option == "device" else [getattr(each, option) for each in used]
        other = next((each for each in before if wanted not in (None, "auto", each)), None)
        if option in ("rows", "compile"):
            other = next((each for each in before if wanted not in (None, each)), None)
        if other is not None:
            raise FolderError(
                f"{folder.path.as_posix()!r} was started with {flag_of(option)} {other}, not {wanted}",
                hint=f"leave {flag_of(option)} out, or give --out another folder.",
            )
    return began.plan


def check_unchanged(folder: Folder, source: Source) -> None:
    """Complain about data that is not what a comparison was begun with.

    Args:
        folder: of the comparison.
        source: its data, opened by the options in its file.

    Raises:
        FolderError: the data has changed.
    """
    kept = [each.removeprefix(WEIGHTS) for each in folder.codes() if each.startswith(WEIGHTS)]
    check_weights(folder, weights_of(kept))
    dataset = source.make(0)[0]
    if not _has_other_data(folder, dataset):
        return
    _check_encoding(folder, dataset)
    name = folder.path.as_posix()
    raise FolderError(
        f"the data of {name!r} is not what its networks were trained on: the file has changed since",
        hint="bring the old file back, or compare on the new one: "
        f"`{command('compare', folder.path / 'experiment.toml', '--out', f'{name}-again')}`.",
    )


def check_weights(folder: Folder, weights: Mapping[str, Code]) -> None:
    """Complain about files of weights whose content is not what a folder's runs began from.

    Args:
        folder: of the comparison.
        weights: the identity of what is in the files now, by the models that begin from them.

    Raises:
        FolderError: they have changed.
    """
    kept = folder.codes()
    for text, code in weights.items():
        if kept.get(f"{WEIGHTS}{text}", code.digest) != code.digest:
            name = folder.path.as_posix()
            raise FolderError(
                f"the model in {code.name!r} is not the one that the runs in {name!r} began from: its files have "
                "changed since",
                hint="bring the old files back, or give --out another folder.",
            )


def _has_other_data(folder: Folder, dataset: Dataset) -> bool:
    """Return whether a folder was begun with other data."""
    return folder.data not in ("", dataset.fingerprint)


def _check_encoding(folder: Folder, dataset: Dataset) -> None:
    """Complain about a folder whose data an earlier version made other numbers of.

    Raises:
        FolderError: it used dates without their day of the year, or split by time in another way.
    """
    dated = any(each.endswith(f" {DAY_OF_YEAR}") for each in dataset.shape.continuous)
    by_time = str(dataset.provenance.get("split")).startswith("time:")
    if folder.encoding <= 1 and dated:
        why = f"used dates without their {DAY_OF_YEAR}"
    elif folder.encoding <= 2 and by_time:
        why = "split by time inside a moment, or used that time as an input"
    else:
        return
    name = folder.path.as_posix()
    raise FolderError(
        f"{name!r} was started by an earlier version, which {why}: it opens, predicts and "
        "exports, but its data cannot be made again",
        hint="start a new folder with another --out: "
        f"`{command('compare', folder.path / 'experiment.toml', '--out', f'{name}-again')}`.",
    )


def _check_plan(plan: ExecutionPlan, folder: Folder, libraries: Collection[str] | None) -> None:
    """Complain where this process cannot compute the same bits as the runs in the folder."""
    path = folder.path
    fresh = command("compare", path / "experiment.toml", "--out", path.with_name(f"{path.name}-again"))
    for name, version in {"torch": plan.torch, **plan.libraries}.items():
        if libraries is not None and name not in libraries and is_optional(name):
            continue
        now = torch.__version__ if name == "torch" else version_if_installed(name)
        if version and now not in ("", version):  # that a library is lacking is said where it is used
            raise FolderError(
                f"{path.as_posix()!r} was started with {name} {version} and this is {name} {now}: "
                "the same runs may give other numbers",
                hint=f"install {name} {version}, or start a new folder: `{fresh}`.",
            )
    if not device_is_there(plan.device):
        raise FolderError(
            f"{path.as_posix()!r} was started on the device {plan.device!r}, which is not available",
            hint="continue where it is available, or start again here: the same command with another --out.",
        )


def with_whole_paths(experiment: Experiment) -> Experiment:
    """Return the experiment with the paths of its files from the root on, so that it can go on from any folder."""
    data = experiment.data
    named = {
        name: getattr(data, name) for name in ("source", "validation", "test", "prepare", "titles", "also")
    }
    if data.tokenizer is not None and Path(data.tokenizer).expanduser().exists():
        named["tokenizer"] = data.tokenizer
    whole = {
        name: str(Path(value).expanduser().absolute())
        for name, value in named.items()
        if isinstance(value, str) and not (name == "source" and is_name(value))
    }
    factors, arms, model = experiment.factors, experiment.arms, experiment.model
    model = model.model_copy(update={"model": with_whole_path(model.model)})
    several = {
        "prepare": tuple(map(whole_path, factors.prepare)),
        "model": tuple(with_whole_path(each) for each in factors.model),
        "procedure": tuple(map(with_whole_models, factors.procedure)),
    }
    update = {
        "data": data.model_copy(update=whole),
        "model": model,
        "factors": factors.model_copy(update=several),
        "arms": tuple(_whole(arm) for arm in arms),
    }
    return experiment.model_copy(update=update)


def _whole(arm: ArmOptions) -> ArmOptions:
    prepare = None if arm.prepare is None else whole_path(arm.prepare)
    model = arm.model and with_whole_path(arm.model)
    procedure = arm.procedure and with_whole_models(arm.procedure)
    return arm.model_copy(update={"prepare": prepare, "model": model, "procedure": procedure})


def write_results(folder: Folder, comparison: Comparison) -> None:
    """Write the curves, the results and the report of a finished comparison."""
    buffer = io.BytesIO()
    part = set(comparison.runs)
    names = {run: arm.title for arm in comparison.arms for run in arm.runs}
    records = [each for each in folder.records() if f"{each.key.recipe}-{each.key.seed}" in part]
    records = [_named(each, names) for each in records]
    curves_frame(records).write_ipc(buffer, compression="zstd")
    folder.write("curves.arrow", buffer.getvalue())
    folder.write("results.csv", to_csv(comparison))
    store_results(folder, comparison)
    from steepest.report.html import render_html  # slow to import

    folder.write("report.html", render_html(comparison))
    if comparison.rated is not None:
        table = io.StringIO(newline="")
        csv.writer(table, lineterminator="\n").writerows(comparison.rated.crosstab.csv)
        folder.write("crosstab.csv", table.getvalue())


def store_results(folder: Folder, comparison: Comparison) -> None:
    """Write a comparison to ``results.json``, from which :func:`load_comparison` reads it."""
    folder.write("results.json", comparison.model_dump_json(indent=1) + "\n")


def _named(record: Record, names: Mapping[str, str]) -> Record:
    """Return a record under the name that its arm has now."""
    name = names.get(f"{record.key.recipe}-{record.key.seed}", record.key.name)
    return record.model_copy(update={"key": record.key.model_copy(update={"name": name})})


def load_comparison(folder: Folder) -> Comparison:
    """Return the stored comparison of a folder, which may have another name by now.

    Where something else was asked for in the folder since then, it says so in ``outdated``.

    Raises:
        FolderError: it has none yet, or the file is damaged.
    """
    path = folder.path / "results.json"
    try:
        found = Comparison.model_validate_json(path.read_text(encoding="utf-8"))
        found = found.model_copy(update={"outdated": outdated(folder, found.experiment)})
        if not found.use:
            return found
        predicted = (folder.path / TEST_PREDICTIONS).is_file()
        use = usage(folder.path, found, built_from(folder.path), predicted=predicted)
        return found.model_copy(update={"use": use})
    except FileNotFoundError:
        raise FolderError(
            f"the comparison in {folder.path.as_posix()!r} is not finished",
            hint=f"run `{command('resume', folder.path)}`.",
        ) from None
    except (OSError, ValueError) as error:
        raise FolderError(
            f"cannot read {str(path)!r}: {error}",
            hint=f"run `{command('resume', folder.path)}` to write it again.",
        ) from None


def _changed(before: TableOptions, now: TableOptions) -> str:
    names = [
        name
        for name in TableOptions.model_fields
        if getattr(before, name) != getattr(now, name)
        and not _same_path(getattr(before, name), getattr(now, name))
    ]
    if not names:
        return "the file's content has changed"
    told = [f"{name} was {getattr(before, name)!r} and is {getattr(now, name)!r}" for name in names[:3]]
    return "; ".join(told)


def _same_path(before: Any, now: Any) -> bool:
    return (
        isinstance(before, str) and isinstance(now, str) and Path(before).absolute() == Path(now).absolute()
    )
