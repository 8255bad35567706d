"""An experiment's folder belongs to one experiment: checked before it goes on, written at the end."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from steepest.compare.result import Comparison
from steepest.data.catalog import is_name
from steepest.data.dataset import Dataset
from steepest.data.options import TableOptions
from steepest.errors import FolderError, SteepestError
from steepest.evaluate.metrics import default_metric, meant, metric_info
from steepest.experiment.settings import device_is_there
from steepest.models import ModelBuilder
from steepest.prediction.about import built_from
from steepest.recipe import (
    EXECUTION_OPTIONS,
    Execution,
    Experiment,
    Protocol,
    flag_of,
    load_tree,
    validate_experiment,
)
from steepest.record.store import TEST_PREDICTIONS, Folder, command, curves_frame
from steepest.report.html import render_html
from steepest.report.text import to_csv
from steepest.report.usage import usage
from steepest.sweep.codes import codes_of
from steepest.sweep.contestants import contestants
from steepest.sweep.observer import Observer
from steepest.sweep.space import Axis


def check_folder(
    folder: Folder, experiment: Experiment, dataset: Dataset, of: Mapping[str, str] = MappingProxyType({})
) -> Execution | None:
    """Return the execution plan of a folder that was begun, None for a new one.

    Args:
        folder: where.
        experiment: what is to be done in it.
        dataset: on which data.
        of: what its execution plan will belong to; options of the plan may change together with these.

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
    known = next(
        (e.get("data") for e in folder.journal.read() if e.get("event") == "data"), dataset.fingerprint
    )
    if known != dataset.fingerprint:
        raise FolderError(
            f"{folder.path.as_posix()!r} was started with other data: {_changed(began.data, experiment.data)}",
            hint="restore the original data, or use another --out folder.",
        )
    if began.execution is not None:
        _check_execution(began.execution, folder)
        asked = {} if experiment.execution is None else experiment.execution.model_dump(exclude_unset=True)
        if asked.get("device") == "auto":
            del asked["device"]
        for option in () if began.execution.changed(of) else EXECUTION_OPTIONS:
            before = getattr(began.execution, option)
            if asked.get(option, before) != before:
                raise FolderError(
                    f"{folder.path.as_posix()!r} was started with {flag_of(option)} {before}, not {asked[option]}",
                    hint=f"leave {flag_of(option)} out, or give --out another folder.",
                )
    return began.execution


def joined(
    folder: Folder,
    experiment: Experiment,
    optimizers: Sequence[Any] | None,
    observer: Observer,
    model: ModelBuilder | None = None,
) -> tuple[Experiment, Sequence[Any] | None]:
    """Return an experiment, and its optimizers that are no texts, with those that the folder has already."""
    before = _trained_before(folder, experiment, optimizers, observer, model)
    if not before:
        return experiment, optimizers
    whole = experiment.model_copy(update={"optimizers": (*before, *experiment.optimizers)})
    return whole, [*before, *optimizers] if optimizers else None


def _trained_before(
    folder: Folder,
    experiment: Experiment,
    optimizers: Sequence[Any] | None,
    observer: Observer,
    model: ModelBuilder | None,
) -> list[str]:
    """Return the optimizers of an earlier comparison in the folder that stay in it beside those that are asked for.

    They stay where the rest of the comparison is the same (but for seeds, minutes, and what is tuned of others);
    otherwise, and where one cannot be made from its text, that is said.
    """
    path = folder.path / "experiment.toml"
    if not path.is_file():
        return []
    began = validate_experiment(load_tree(path), where=str(path))
    who = contestants(optimizers or experiment.optimizers, experiment.protocol.tune)
    asked, kept = {each.name for each in who}, folder.codes()
    built, schedule = model or str(experiment.model.spec), experiment.protocol.schedule
    now = {of: code.digest for of, code in codes_of(who, built, schedule)}
    edited = [of for of, digest in now.items() if kept.get(of, digest) != digest]
    if edited:
        observer.say(f"       the code has changed since it was trained in this folder: {', '.join(edited)}")
    stay: list[str] = []
    lost: list[str] = []
    for text in began.optimizers:
        try:
            found = contestants([text])
        except SteepestError:
            lost.append(text)
            continue
        of = codes_of(found, "linear", "constant").optimizers
        for each in found:
            as_trained = kept.get(f"optimizer {each.name}", "") == of[each.name].digest
            (stay if as_trained else lost).append(each.name)
    stay = [each for each in stay if each not in asked]
    both = [*stay, *(optimizers or experiment.optimizers)]
    before, after = (_axes(both, each.protocol.tune) for each in (began, experiment))
    lost += [each for each in stay if before.get(each, ()) != after.get(each, ())]
    stay = [each for each in stay if each not in lost]
    free = {"seeds", "minutes", "metric", "positive", "tune", "sweep"}
    protocols = [each.protocol.model_dump(exclude=free) for each in (began, experiment)]
    same = protocols[0] == protocols[1] and began.model == experiment.model
    same = same and all(kept.get(of, "") == now.get(of, "") for of in ("model", "schedule"))
    lost = [each for each in lost if each not in asked]
    if stay and not (same and _same_judging(folder, began.protocol, experiment.protocol)):
        lost, stay = [*stay, *lost], []
    if stay:
        observer.say(f"       {', '.join(stay)}: already in this folder, kept in the comparison")
    if lost:
        observer.say(
            f"warning: {', '.join(lost)}: in this folder, but trained with other settings and not in this report"
        )
    return stay


def _axes(optimizers: Sequence[Any], tune: Sequence[str]) -> dict[str, tuple[Axis, ...]]:
    """Return what is tuned of each optimizer, by name; nothing where one of them cannot be made."""
    try:
        return {each.name: each.axes for each in contestants(optimizers, tune)}
    except SteepestError:
        return {}


def _same_judging(folder: Folder, before: Protocol, now: Protocol) -> bool:
    """Whether two protocols judge by the same; what one leaves out is what the folder's comparison was judged by."""
    if (before.metric, before.positive) == (now.metric, now.positive):
        return True
    try:
        found = load_comparison(folder)
    except SteepestError:
        return False
    given = [each.metric or default_metric(found.task) for each in (before, now)]
    names = {(meant(each, 2) if found.positive else metric_info(each)).name for each in given}
    by_default = found.positive if before.positive is None else None
    return len(names) == 1 and now.positive in (before.positive, by_default)


def _check_execution(execution: Execution, folder: Folder) -> None:
    """Complain where this process cannot compute the same bits as the runs in the folder."""
    path = folder.path
    fresh = command("compare", path / "experiment.toml", "--out", path.with_name(f"{path.name}-again"))
    if execution.torch and execution.torch != torch.__version__:
        raise FolderError(
            f"{path.as_posix()!r} was started with torch {execution.torch} and this is torch {torch.__version__}: "
            "their runs may differ in the last digits",
            hint=f"install torch {execution.torch}, or start a new folder: `{fresh}`.",
        )
    if not device_is_there(execution.device):
        raise FolderError(
            f"{path.as_posix()!r} was started on the device {execution.device!r}, which is not available",
            hint="continue where it is available, or start again here: the same command with another --out.",
        )


def with_whole_paths(experiment: Experiment) -> Experiment:
    """Return the experiment with the paths of its data from the root on, so that it can go on from any folder."""
    data = experiment.data
    named = {name: getattr(data, name) for name in ("source", "validation", "test", "prepare")}
    whole = {
        name: str(Path(value).expanduser().absolute())
        for name, value in named.items()
        if isinstance(value, str) and not (name == "source" and is_name(value))
    }
    return experiment.model_copy(update={"data": data.model_copy(update=whole)})


def write_results(folder: Folder, comparison: Comparison) -> None:
    """Write the curves, the results and the report of a finished comparison."""
    buffer = io.BytesIO()
    part = set(comparison.runs)
    records = [each for each in folder.records() if f"{each.key.recipe}-{each.key.seed}" in part]
    curves_frame(records).write_ipc(buffer, compression="zstd")
    folder.write("curves.arrow", buffer.getvalue())
    folder.write("results.csv", to_csv(comparison))
    folder.write("results.json", comparison.model_dump_json(indent=1) + "\n")
    folder.write("report.html", render_html(comparison))


def load_comparison(folder: Folder) -> Comparison:
    """Return the stored comparison of a folder, which may have another name by now.

    Raises:
        FolderError: it has none yet, or the file is damaged.
    """
    path = folder.path / "results.json"
    try:
        found = Comparison.model_validate_json(path.read_text(encoding="utf-8"))
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
