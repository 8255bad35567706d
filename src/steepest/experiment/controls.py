"""What a pruned network has to beat, added to a comparison: as long a training without pruning, a small dense network.

Without them, nobody can tell whether the pruning cost anything, or whether so few weights would have done from the
start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from steepest.data.dataset import Note, Shape
from steepest.data.sources.contract import Source
from steepest.experiment.data import Datasets
from steepest.experiment.growing import written
from steepest.models import build_model, count_parameters
from steepest.procedures import make_procedure
from steepest.procedures.pruning import Pruning
from steepest.recipe import Experiment, load_tree
from steepest.record.store import Folder
from steepest.sweep.arms import PlannedArm
from steepest.sweep.observer import Observer
from steepest.sweep.wanted import Objects, Wanted, texts_of, wanted_arms
from steepest.train.smaller import like_pruned, parameters_left
from steepest.wording import first_few

NAMED = 2
"""So many arms of a kind are named in a note before the rest is counted."""
AS_MANY = 1.5
"""A smaller dense network of the user's is taken for the control if it has at most so many times the parameters that
are left, and at least as many divided by it."""


def with_controls(
    folder: Folder, experiment: Experiment, source: Source, given: Objects, observer: Observer
) -> tuple[Experiment, Objects]:
    """Return an experiment with the controls that its pruned arms lack.

    They are arms like others from then on: the folder's file lists them. A folder that was begun without, as those of
    versions that added none, goes on with the arms that it has.

    Args:
        folder: where the comparison is made.
        experiment: the configuration.
        source: the data.
        given: what was given as Python objects instead of texts.
        observer: who is told.
    """
    asked = _asked_for(folder, experiment)
    if asked != experiment.protocol.controls:
        protocol = experiment.protocol.model_copy(update={"controls": asked})
        experiment = experiment.model_copy(update={"protocol": protocol})
    if not asked or experiment.plan is not None:
        return experiment, given
    wanted = wanted_arms(experiment, given)
    if not any(_pruned(arm) for arm in wanted):
        return experiment, given
    observer.stage("reading")
    datasets, found = Datasets(source), list(wanted)
    for arm in wanted:
        pruning = _pruned(arm)
        if pruning is None:
            continue
        dense = replace(arm, procedure=make_procedure(arm.procedure).control, name="", control="length")
        if not any(_alike(dense, each) for each in found):
            found.append(dense)
        shape = datasets[datasets.of(arm)[0][0]].shape
        if (model := _smaller(arm, shape, pruning)) and not _has_small(arm, found, shape, pruning):
            found.append(replace(dense, model=model, control="small"))
    return (experiment, given) if len(found) == len(wanted) else written(experiment, found, given)


def _asked_for(folder: Folder, experiment: Experiment) -> bool:
    """Return whether controls are to be added; where it is not said, a folder that was begun without stays so."""
    path = folder.path / "experiment.toml"
    if "controls" in experiment.protocol.model_fields_set or not path.is_file():
        return experiment.protocol.controls
    return bool(load_tree(path).get("protocol", {}).get("controls", False))


def _pruned(arm: Wanted) -> Pruning | None:
    """Return what is held at zero in the end of an arm's training, if anything is."""
    found = make_procedure(arm.procedure).stages[-1].prune
    return found if found is not None and found.sparsity else None


def _smaller(arm: Wanted, shape: Shape, pruning: Pruning) -> str:
    """Return the small dense model beside a pruned arm; nothing where none can be made of its own."""
    model = like_pruned(arm.model, shape, pruning) if isinstance(arm.model, str) else ""
    return "" if model == arm.model else model


def _alike(one: Wanted, other: Wanted, *, but: str = "") -> bool:
    """Return whether two arms have the same values of all factors but one."""
    texts, others = ({**texts_of(each), but: ""} for each in (one, other))
    return texts == others


def _has_small(arm: Wanted, others: Sequence[Wanted], shape: Shape, pruning: Pruning) -> bool:
    """Return whether an arm is what a small dense one is for: trained alike, with about as many parameters."""
    dense = replace(arm, procedure=make_procedure(arm.procedure).control)
    some = [each for each in others if _alike(dense, each, but="model") and each.model != arm.model]
    if not some:
        return False
    model = _smaller(arm, shape, pruning)
    most = (
        count_parameters(build_model(model, shape)) if model else parameters_left(arm.model, shape, pruning)
    )
    counts = [count_parameters(build_model(each.model, shape)) for each in some]
    return any(most / AS_MANY <= count <= most * AS_MANY for count in counts)


def without_small(wanted: Sequence[Wanted], datasets: Datasets) -> list[Note]:
    """Return a note for each model of a pruned arm that is compared with no small dense one.

    Args:
        wanted: all arms.
        datasets: those of the comparison.
    """
    found: dict[str, str] = {}
    for arm in wanted:
        pruning = _pruned(arm)
        shape = datasets[datasets.of(arm)[0][0]].shape if pruning else None
        if pruning is None or shape is None or _has_small(arm, wanted, shape, pruning):
            continue
        left = parameters_left(arm.model, shape, pruning)
        why = (
            "--no-controls is given" if _smaller(arm, shape, pruning) else "no narrower one can be made of it"
        )
        found.setdefault(
            arm.model_text,
            f"{arm.model_text} is pruned without a small dense network beside it ({why}): one with about {left:,} "
            "parameters, trained as long, shows whether pruning is worth it; add it as an arm with --model.",
        )
    return [Note("info", each) for each in found.values()]


def added_controls(arms: Sequence[PlannedArm]) -> list[Note]:
    """Return a note that names the arms that were added, and why."""
    found = {kind: [f"“{arm.title}”" for arm in arms if arm.control == kind] for kind in WHY}
    said = [f"{first_few(titles, NAMED)}, {WHY[kind]}" for kind, titles in found.items() if titles]
    text = f"added beside what is pruned: {'; '.join(said)}. --no-controls leaves them out."
    return [Note("info", text)] if said else []


WHY: Mapping[str, str] = {
    "length": "trained as long without pruning",
    "small": "with about as many parameters as pruning leaves",
}
"""What each kind of control is for."""
