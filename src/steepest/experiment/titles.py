"""What the arms of a comparison are called: labels of what differs, which no other arm and no baseline has."""

from __future__ import annotations

from collections.abc import Sequence

from steepest.errors import OptionError
from steepest.evaluate import baselines
from steepest.recipe import varying
from steepest.sweep.arms import PlannedArm
from steepest.sweep.labels import labels_of


def labelled_arms(arms: Sequence[PlannedArm]) -> list[PlannedArm]:
    """Return the arms with labels of what differs, and the levels of the factors in which they differ.

    Raises:
        OptionError: a name is the label of another arm, or a baseline's title.
    """
    shown = [{**arm.factors, "optimizer": arm.method.name} for arm in arms]
    labels = _labels(arms)
    _check_titles([arm.name or label for arm, label in zip(arms, labels, strict=True)], labels)
    levels = {name: labels_of(shown, [name]) for name in varying([arm.factors for arm in arms])}
    return [
        arm.labelled(label, {name: texts[i] for name, texts in levels.items()})
        for i, (arm, label) in enumerate(zip(arms, labels, strict=True))
    ]


def _labels(arms: Sequence[PlannedArm]) -> list[str]:
    """Return a label for each arm: its values of the factors in which arms that were asked for differ.

    A small dense network that was added is called by its size instead of its model and procedure, so that the others
    are called as they are without it.
    """
    shown = [{**arm.factors, "optimizer": arm.method.name} for arm in arms]
    small = [arm.control == "small" for arm in arms]
    asked = [each for each, added in zip(shown, small, strict=True) if not added]
    differing = varying([arm.factors for arm, added in zip(arms, small, strict=True) if not added])
    found = iter(labels_of(asked, differing))
    lengths = {arm.factors["procedure"] for arm in arms if arm.control == "small"}
    beside = [each for each in differing if each != "procedure" or len(lengths) > 1]
    others = labels_of(shown, beside) if beside else [""] * len(shown)
    return [
        ", ".join([*([other] if other else []), f"small dense ({arm.trained} parameters)"])
        if added
        else next(found)
        for arm, other, added in zip(arms, others, small, strict=True)
    ]


def _check_titles(titles: Sequence[str], labels: Sequence[str]) -> None:
    """Refuse names that could be taken for another arm or for a baseline.

    Raises:
        OptionError: a name is the label of another arm, or a baseline's title.
    """
    taken = {entry.load().title for entry in baselines.registry.entries.values()}
    for place, title in enumerate(titles):
        others = {*titles[:place], *titles[place + 1 :], *labels[:place], *labels[place + 1 :]}
        if title in others or title in taken:
            what = "a baseline" if title in taken else "another arm"
            raise OptionError(f"an arm is called {title!r}, as {what} is", hint="give it another name.")
