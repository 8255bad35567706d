"""An experiment's folder that grows: the arms that it has already stay beside those that are asked for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from steepest.data.sources.contract import Source
from steepest.errors import SteepestError
from steepest.evaluate.metrics import default_metric, meant, metric_info
from steepest.experiment.folder import check_weights, load_comparison
from steepest.experiment.meaning import Meaning
from steepest.experiment.recorded import going_on
from steepest.recipe import (
    FACTORS,
    STAYS,
    SUBJECTS,
    Experiment,
    Factors,
    Protocol,
    load_tree,
    stable_hash,
    validate_experiment,
    varying,
)
from steepest.record.store import Folder
from steepest.sweep.codes import WATCHING, WEIGHTS, Codes, codes_of, of_callbacks
from steepest.sweep.labels import labels_of
from steepest.sweep.observer import Observer
from steepest.sweep.wanted import Objects, Wanted, axes_in, parts_of, texts_of, wanted_arms


def joined(
    folder: Folder, experiment: Experiment, given: Objects, observer: Observer, source: Source
) -> tuple[Experiment, Objects]:
    """Return an experiment with the arms that the folder has already, where they can stay beside those asked for.

    They stay where the rest of the comparison is the same (but for seeds, minutes, and what is tuned of others);
    otherwise, and where one cannot be made from its text, that is said. What finished runs watched and kept, those that
    are added do, too. What is asked for in other words than in the
    folder, but means the same, is written as it is there, so that its runs are found.
    """
    path = folder.path / "experiment.toml"
    if not path.is_file():
        return experiment, given
    began = validate_experiment(load_tree(path), where=str(path))
    experiment = going_on(folder, experiment, observer)
    wanted = wanted_arms(experiment, given)
    codes = codes_of(wanted, experiment.protocol.planner)
    check_weights(folder, codes.weights)
    _say_edited(folder, codes, observer)
    before, unmade = _arms_of(began, given)
    asked = _as_begun(wanted, before, source)
    stay, others = _kept(folder, began, experiment, given, before, asked)
    labels = zip(stay, _labels([*stay, *asked]), strict=False)
    if said := [
        arm.name or label for arm, label in labels if not (arm.control and experiment.protocol.controls)
    ]:
        observer.say(f"       {_listed(said)}: already in this folder, kept in the comparison")
    names = {arm.optimizer.name for arm in asked}
    for text in _replaced(before, asked, stay):
        observer.say(f"       {text}")
    lost = [each for each in dict.fromkeys([*unmade, *others]) if each not in names]
    if lost:
        observer.say(
            f"warning: {_listed(lost)}: in this folder, but trained with other settings and not in this report"
        )
    if not stay and list(map(texts_of, asked)) == list(map(texts_of, wanted)):
        return experiment, given
    return written(experiment, [*stay, *asked], given)


def written(experiment: Experiment, arms: Sequence[Wanted], given: Objects) -> tuple[Experiment, Objects]:
    """Return the configuration of some arms: values of factors if these are all combinations, otherwise a list."""
    named = dict(given.named)
    for arm in arms:
        if not isinstance(arm.optimizer.origin, str):
            named.setdefault(arm.optimizer.name, arm.optimizer.origin)
        if not isinstance(arm.model, str):
            named[arm.model_text] = arm.model
    given = replace(given, named=named, optimizers=None)
    listed = [arm.options() for arm in arms]
    values = {name: list(dict.fromkeys(getattr(each, name) for each in listed)) for name in FACTORS}
    several = {name: found for name, found in values.items() if len(found) > 1}
    product = math.prod(map(len, values.values())) == len(arms)
    added = any(arm.control for arm in arms)
    if experiment.arms or added or not product or any(None in found for found in several.values()):
        in_a_list = {"arms": tuple(listed), "factors": Factors.model_validate({})}
        return experiment.model_copy(update=in_a_list), given
    untuned = experiment.protocol.model_copy(update={"tune": ()})
    plain = experiment.model_copy(
        update={
            "optimizers": (listed[0].optimizer,),
            "factors": Factors.model_validate({}),
            "protocol": untuned,
        }
    )
    [shared, *_] = wanted_arms(plain, given)
    single = {
        name: found
        for name, found in values.items()
        if len(found) == 1 and found[0] is not None and found[0] != getattr(shared.options(), name)
    }
    factors = {name: found for name, found in {**single, **several}.items() if name != "optimizer"}
    update: dict[str, object] = {
        "optimizers": tuple(values["optimizer"]),
        "factors": Factors.model_validate(factors),
    }
    if values["batch_size"] == [None]:
        update["protocol"] = experiment.protocol.model_copy(update={"batch_size": None})
    return experiment.model_copy(update=update), given


def arms_in(folder: Folder, given: Objects) -> list[Wanted]:
    """Return the arms of a folder that can be made from their texts; none where nothing can be read from it."""
    try:
        tree = load_tree(folder.path / "experiment.toml")
        with folder.finding_code():
            return _arms_of(validate_experiment(tree), given)[0]
    except SteepestError:  # which is said where the folder is used
        return []


def _arms_of(began: Experiment, given: Objects) -> tuple[list[Wanted], list[str]]:
    """Return the arms of a folder, and the names of those that cannot be made from their texts."""
    given = replace(given, optimizers=None)
    found: list[Wanted] = []
    lost: list[str] = []
    for part in parts_of(began, given):
        try:
            found += wanted_arms(part, given)
        except SteepestError:
            lost += [each.name or each.optimizer or "" for each in part.arms] or list(part.optimizers)
    return found, lost


def _as_begun(asked: Sequence[Wanted], before: Sequence[Wanted], source: Source) -> list[Wanted]:
    """Return arms with the values that mean the same as values of a folder's arms written as they are there."""
    meaning = Meaning(source)
    found = list(asked)
    for factor in meaning.factors:
        known = list(dict.fromkeys(each.value(factor) for each in before))
        for place, arm in enumerate(found):
            value = arm.value(factor)
            if value in known:
                continue
            same = (each for each in known if meaning.same(arm, factor, each))
            found[place] = replace(arm, **{factor: next(same, value)})
    return found


def _say_edited(folder: Folder, codes: Codes, observer: Observer) -> None:
    kept = folder.codes()
    edited = [of for of, code in codes if kept.get(of, code.digest) != code.digest]
    if edited:
        observer.say(f"       the code has changed since it was trained in this folder: {', '.join(edited)}")
    edited = [
        text for text, code in codes.watching.items() if kept.get(WATCHING + text, code.digest) != code.digest
    ]
    if edited and folder.history():
        observer.say(
            f"warning: the code of {_listed(edited)} has changed: finished runs keep what the old one logged, so that "
            "an arm may have numbers of both; give --out another folder to watch all runs by the new one"
        )


def _kept(
    folder: Folder,
    began: Experiment,
    experiment: Experiment,
    given: Objects,
    before: Sequence[Wanted],
    asked: Sequence[Wanted],
) -> tuple[list[Wanted], list[str]]:
    """Return the arms of a folder that stay beside those asked for, and the names of those that do not."""
    same = _same_protocol(folder, began.protocol, experiment.protocol)
    changes = of_callbacks(asked[0].callbacks).digest
    same = same and all(of_callbacks(arm.callbacks).digest == changes for arm in before[:1])
    shared = _shared_values(began, experiment, asked)
    mine = {stable_hash(texts_of(arm)) for arm in asked}
    differing = ["optimizer", *varying([texts_of(arm) for arm in before])]
    replaced = [_key(arm, differing) for arm in asked]
    stay: list[Wanted] = []
    lost: list[str] = []
    for arm, label in zip(before, _labels(before), strict=True):
        texts = texts_of(arm)
        if stable_hash(texts) in mine:
            continue
        as_tuned = arm.optimizer.axes == axes_in(experiment, given, arm.optimizer.name)
        alike = as_tuned and all(texts[name] in values for name, values in shared.items())
        if same and alike and _code_unchanged(folder, arm, experiment.protocol.planner):
            stay.append(arm)
        elif _key(arm, differing) not in replaced:
            lost.append(arm.name or label)
    return stay, lost


def _replaced(before: Sequence[Wanted], asked: Sequence[Wanted], stay: Sequence[Wanted]) -> list[str]:
    """Return what arms of a folder are not in the comparison because one asked for has another value of a factor."""
    found: list[str] = []
    for arm in before:
        mine = texts_of(arm)
        alike = [texts_of(each) for each in asked if each.optimizer.name == arm.optimizer.name]
        if arm in stay or not alike or mine in alike:
            continue
        differing = min(([name for name in FACTORS if mine[name] != each[name]] for each in alike), key=len)
        shown = [each for each in differing if each != "optimizer"]
        values = ", ".join(f"{SUBJECTS[name][0]} {mine[name] or 'default'}" for name in shown)
        if values:
            found.append(
                f"{arm.name or arm.optimizer.name} with {values}: in this folder, not in this report"
            )
    return found


def _shared_values(began: Experiment, experiment: Experiment, asked: Sequence[Wanted]) -> dict[str, set[str]]:
    """Return the values of the factors that neither the folder nor the command compares."""
    if began.arms or experiment.arms:
        return {}
    compared = {
        name for each in (began, experiment) for name, some in each.factors.values().items() if len(some) > 1
    }
    return {
        name: {texts_of(arm)[name] for arm in asked}
        for name in FACTORS
        if name != "optimizer" and name not in compared
    }


def _code_unchanged(folder: Folder, arm: Wanted, planner: str) -> bool:
    """Return whether what the user wrote for an arm is what its runs in the folder were trained with."""
    kept, codes = folder.codes(), codes_of([arm], planner)
    own = dict(codes)
    if any(kept.get(f"{WEIGHTS}{text}", each.digest) != each.digest for text, each in codes.weights.items()):
        return False
    if f"optimizer {arm.optimizer.name}" in kept.keys() - own.keys():
        return False
    return all(kept.get(of) == code.digest for of, code in own.items())


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


def _same_protocol(folder: Folder, before: Protocol, now: Protocol) -> bool:
    """Return whether two protocols train and judge alike; what arms have of their own is not compared here."""
    free = {name for name, stays in STAYS.items() if stays}
    alike = before.model_dump(exclude=free) == now.model_dump(exclude=free)
    return alike and _same_judging(folder, before, now)


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
