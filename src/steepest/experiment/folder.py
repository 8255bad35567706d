"""An experiment's folder belongs to one experiment: checked before it goes on, written at the end."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
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
from steepest.experiment.settings import Cell, device_is_there
from steepest.prediction.about import built_from
from steepest.recipe import (
    EXECUTION_OPTIONS,
    FACTORS,
    ExecutionPlan,
    Experiment,
    Factors,
    Protocol,
    flag_of,
    load_tree,
    stable_hash,
    validate_experiment,
)
from steepest.record.schema import Record
from steepest.record.store import TEST_PREDICTIONS, Folder, command, curves_frame
from steepest.report.html import render_html
from steepest.report.text import to_csv
from steepest.report.usage import usage
from steepest.sweep.arms import (
    Given,
    Wanted,
    axes_of_text,
    labels_of,
    texts_of,
    varying,
    wanted_arms,
    whole_path,
)
from steepest.sweep.codes import codes_of
from steepest.sweep.observer import Observer


def check_folder(
    folder: Folder, experiment: Experiment, dataset: Dataset, cells: Mapping[str, Cell] = MappingProxyType({})
) -> ExecutionPlan | None:
    """Return the execution plan of a folder that was begun, None for a new one.

    Args:
        folder: where.
        experiment: what is to be done in it.
        dataset: on which data.
        cells: what its execution plan will belong to; options of the plan may change together with these.

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
    if began.plan is None:
        return None
    _check_plan(began.plan, folder)
    asked = experiment.execution.model_dump(exclude_unset=True)
    used = [
        began.plan.cells[key]
        for key, cell in cells.items()
        if key in began.plan.cells and not began.plan.cells[key].changed(cell.of)
    ]
    for option in EXECUTION_OPTIONS:
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


def joined(
    folder: Folder, experiment: Experiment, given: Given, observer: Observer
) -> tuple[Experiment, Given]:
    """Return an experiment with the arms that the folder has already, where they can stay beside those asked for."""
    asked = wanted_arms(experiment, given)
    before = _trained_before(folder, experiment, given, asked, observer)
    if not before:
        return experiment, given
    every = [*before, *asked]
    optimizers = list(dict.fromkeys(arm.optimizer.name for arm in every))
    combined = len(every) == len(optimizers) * len(asked) // max(
        len({arm.optimizer.name for arm in asked}), 1
    )
    same = {stable_hash(_besides_optimizer(arm)) for arm in asked}
    if not experiment.arms and combined and same >= {stable_hash(_besides_optimizer(arm)) for arm in before}:
        names = list(dict.fromkeys(arm.optimizer.name for arm in before))
        names = [each for each in names if each not in {arm.optimizer.name for arm in asked}]
        grown = experiment.model_copy(update={"optimizers": (*names, *experiment.optimizers)})
        objects = (*names, *given.optimizers) if given.optimizers else None
        return grown, replace(given, optimizers=objects)
    named = dict(given.named)
    for arm in asked:
        if not isinstance(arm.optimizer.origin, str):
            named[arm.optimizer.name] = arm.optimizer.origin
        if not isinstance(arm.model, str):
            named[arm.model_text] = arm.model
    grown = experiment.model_copy(
        update={"arms": tuple(arm.options() for arm in every), "factors": Factors.model_validate({})}
    )
    return grown, replace(given, named=named, optimizers=None)


def _besides_optimizer(arm: Wanted) -> dict[str, str]:
    return {name: value for name, value in texts_of(arm).items() if name != "optimizer"}


def _arms_of(began: Experiment, given: Given) -> tuple[list[Wanted], list[str]]:
    """Return the arms of a folder, and the names of those that cannot be made from their texts."""
    found: list[Wanted] = []
    lost: list[str] = []
    parts = (
        [began.model_copy(update={"arms": (each,)}) for each in began.arms]
        if began.arms
        else [began.model_copy(update={"optimizers": (each,)}) for each in began.optimizers]
    )
    for part in parts:
        try:
            found += wanted_arms(part, replace(given, optimizers=None))
        except SteepestError:
            lost += [each.name or each.optimizer or "" for each in part.arms] or list(part.optimizers)
    return found, lost


def _trained_before(
    folder: Folder, experiment: Experiment, given: Given, asked: Sequence[Wanted], observer: Observer
) -> list[Wanted]:
    """Return the arms of an earlier comparison in the folder that stay in it beside those that are asked for.

    They stay where the rest of the comparison is the same (but for seeds, minutes, and what is tuned of others);
    otherwise, and where one cannot be made from its text, that is said.
    """
    path = folder.path / "experiment.toml"
    if not path.is_file():
        return []
    began = validate_experiment(load_tree(path), where=str(path))
    kept = folder.codes()
    now = {of: code.digest for of, code in codes_of(asked)}
    edited = [of for of, digest in now.items() if kept.get(of, digest) != digest]
    if edited:
        observer.say(f"       the code has changed since it was trained in this folder: {', '.join(edited)}")
    before, lost = _arms_of(began, given)
    mine = {stable_hash(texts_of(arm)) for arm in asked}
    names = {arm.optimizer.name for arm in asked}
    vary = {"optimizer", *began.factors.values(), *experiment.factors.values()}
    vary |= set(FACTORS) if began.arms or experiment.arms else set()
    shared = {name: {texts_of(arm)[name] for arm in asked} for name in FACTORS if name not in vary}
    free = {"seeds", "minutes", "metric", "positive", "tune", "sweep", "schedule", "batch_size", "precision"}
    protocols = [each.protocol.model_dump(exclude=free) for each in (began, experiment)]
    same = protocols[0] == protocols[1] and _same_judging(folder, began.protocol, experiment.protocol)
    differing = ["optimizer", *varying([texts_of(arm) for arm in before])]
    replaced = [_key(arm, differing) for arm in asked]
    stay: list[Wanted] = []
    for arm, label in zip(before, _labels(before), strict=True):
        texts = texts_of(arm)
        if stable_hash(texts) in mine:
            continue
        own = dict(codes_of([arm]))
        as_trained = all(kept.get(of) == code.digest for of, code in own.items()) and not (
            _had_code(kept, arm) and not own
        )
        as_tuned = arm.optimizer.axes == axes_of_text(arm.optimizer.name, experiment)
        if same and as_trained and as_tuned and all(texts[name] in values for name, values in shared.items()):
            stay.append(arm)
        elif _key(arm, differing) not in replaced:
            lost.append(arm.name or label)
    if stay:
        said = [arm.name or label for arm, label in zip(stay, _labels([*stay, *asked]), strict=False)]
        observer.say(f"       {_listed(said)}: already in this folder, kept in the comparison")
    lost = [each for each in dict.fromkeys(lost) if each not in names]
    if lost:
        observer.say(
            f"warning: {_listed(lost)}: in this folder, but trained with other settings and not in this report"
        )
    return stay


def _labels(arms: Sequence[Wanted]) -> list[str]:
    """Return a label for each arm: its optimizer, and what else distinguishes it from the others."""
    shown = [{**texts_of(arm), "optimizer": arm.optimizer.name} for arm in arms]
    return labels_of(shown, [name for name in FACTORS if name == "optimizer" or name in varying(shown)])


def _listed(labels: Sequence[str]) -> str:
    """Return labels as a list; those of several factors have commas of their own."""
    return ("; " if any(", " in each for each in labels) else ", ").join(labels)


def _key(arm: Wanted, factors: Sequence[str]) -> list[str]:
    """Return an arm's values of some factors, by which it replaces another."""
    texts = {**texts_of(arm), "optimizer": arm.optimizer.name}
    return [texts[name] for name in factors]


def _had_code(kept: Mapping[str, str], arm: Wanted) -> bool:
    return f"optimizer {arm.optimizer.name}" in kept


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


def _check_plan(plan: ExecutionPlan, folder: Folder) -> None:
    """Complain where this process cannot compute the same bits as the runs in the folder."""
    path = folder.path
    fresh = command("compare", path / "experiment.toml", "--out", path.with_name(f"{path.name}-again"))
    if plan.torch and plan.torch != torch.__version__:
        raise FolderError(
            f"{path.as_posix()!r} was started with torch {plan.torch} and this is torch {torch.__version__}: "
            "their runs may differ in the last digits",
            hint=f"install torch {plan.torch}, or start a new folder: `{fresh}`.",
        )
    if not device_is_there(plan.device):
        raise FolderError(
            f"{path.as_posix()!r} was started on the device {plan.device!r}, which is not available",
            hint="continue where it is available, or start again here: the same command with another --out.",
        )


def with_whole_paths(experiment: Experiment) -> Experiment:
    """Return the experiment with the paths of its files from the root on, so that it can go on from any folder."""
    data = experiment.data
    named = {name: getattr(data, name) for name in ("source", "validation", "test", "prepare")}
    whole = {
        name: str(Path(value).expanduser().absolute())
        for name, value in named.items()
        if isinstance(value, str) and not (name == "source" and is_name(value))
    }
    factors, arms = experiment.factors, experiment.arms
    prepare = tuple(whole_path(each) for each in factors.prepare)
    update = {
        "data": data.model_copy(update=whole),
        "factors": factors.model_copy(update={"prepare": prepare}),
        "arms": tuple(
            arm if arm.prepare is None else arm.model_copy(update={"prepare": whole_path(arm.prepare)})
            for arm in arms
        ),
    }
    return experiment.model_copy(update=update)


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
    folder.write("results.json", comparison.model_dump_json(indent=1) + "\n")
    folder.write("report.html", render_html(comparison))


def _named(record: Record, names: Mapping[str, str]) -> Record:
    """Return a record under the name that its arm has now."""
    name = names.get(f"{record.key.recipe}-{record.key.seed}", record.key.name)
    return record.model_copy(update={"key": record.key.model_copy(update={"name": name})})


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
