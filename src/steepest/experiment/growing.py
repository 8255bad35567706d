"""An experiment's folder that grows: the arms that it has already stay beside those that are asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from steepest.errors import SteepestError
from steepest.evaluate.metrics import default_metric, meant, metric_info
from steepest.experiment.folder import load_comparison
from steepest.recipe import (
    FACTORS,
    Experiment,
    Factors,
    Protocol,
    load_tree,
    stable_hash,
    validate_experiment,
)
from steepest.record.store import Folder
from steepest.sweep.arms import Given, Wanted, axes_of_text, labels_of, texts_of, varying, wanted_arms
from steepest.sweep.codes import codes_of
from steepest.sweep.observer import Observer


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
