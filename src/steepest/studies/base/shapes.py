"""What the studies of regularisation share: arms at the published and at a tuned rate, columns, lines and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from steepest.compare.studied import Drawing, FigureLine, Way
from steepest.experiment.given import Arm
from steepest.studies.base.found import Found, StudyColumn, Weights, ends
from steepest.studies.base.study import Size, StudyArm, by_size
from steepest.studies.base.watching import FITTED

NOTEBOOK = (
    "a course notebook of 2025 (tutorial on Covertype and MNIST), its part on regularisation, with animal faces of "
    "32 × 32 pixels"
)
"""Where the published experiments of regularisation are from."""
SOURCE = f"{NOTEBOOK}; it shows curves and prints no numbers"
WIDE = "mlp(hidden=[124,64], activation=leaky-relu)"
"""The published network, called big there."""
RAISED_BY = 10
"""How many times the published rate is used with ``--quick``, in most studies that raise it."""


def raised_note(by: float = RAISED_BY) -> str:
    """Return what is said of a rate that is raised with ``--quick``.

    Example:
        >>> raised_note(4)[:49]
        'With --quick the rate is 4 times the published on'
    """
    return (
        f"With --quick the rate is {by:g} times the published one: images of 64 pixels need a higher one than those of "
        "3,072."
    )


IN_SAMPLE = StudyColumn("in-sample", lambda found, of, arm: found.last_logged(FITTED, arm, of))
"""Accuracy on the images that a network was trained on, with its last weights."""
NEW_LAST = StudyColumn("new images", lambda found, of, arm: found.values("accuracy", arm, "last", of))
"""Accuracy on the test images, with the last weights."""
NEW_BEST = StudyColumn(
    "new images, best weights", lambda found, of, arm: found.values("accuracy", arm, "best", of)
)
"""Accuracy on the test images, with the weights that were best on the validation images."""


def both_ways(
    size: Size,
    arms: Mapping[str, Mapping[str, Any]],
    *,
    rate: float,
    momentum: float = 0.9,
    published: Sequence[str] = (),
    raised: float = 1.0,
) -> list[StudyArm]:
    """Return arms by SGD with momentum at the published rate, and with ``full`` each with a tuned rate, too.

    Args:
        size: of the study.
        arms: the further values of each by its name, as for ``Arm``.
        rate: the published rate.
        momentum: of SGD.
        published: names of the arms that are as published; the others are corrected.
        raised: how many times the published rate ``quick`` takes, so that none is as published.

    Example:
        >>> found = both_ways("full", {"none": {}, "l2": {"regularizer": "l2(0.1)"}}, rate=0.005, published=["l2"])
        >>> [(each.arm.name, each.way) for each in found]
        [('none', 'corrected'), ('l2', 'published'), ('none, tuned', 'tuned'), ('l2, tuned', 'tuned')]
    """
    higher = raised != 1.0 and size == "quick"
    lr = rate * raised if higher else rate
    beta = "" if momentum == 0.9 else f"momentum={momentum:g}"
    fixed = f"momentum({', '.join(each for each in (f'lr={lr:g}', beta) if each)})"
    found: list[StudyArm] = []
    for name, values in arms.items():
        way: Way = "published" if name in published and not higher else "corrected"
        found.append(StudyArm(Arm(optimizer=fixed, name=name, **values), way))
    if size == "full":
        open_ = f"momentum({beta})" if beta else "momentum"
        found += [
            StudyArm(Arm(optimizer=open_, name=f"{name}, tuned", **values), "tuned")
            for name, values in arms.items()
        ]
    return found


def protocol(size: Size, rows: int, epochs: int, seeds: tuple[int, int, int], **more: Any) -> dict[str, Any]:
    """Return the options of a comparison of networks on so many images, which the run seed draws.

    Args:
        size: of the study.
        rows: training images; the published loaders take 128 at a time, which is all where there are no more.
        epochs: of every run.
        seeds: with ``quick``, by default and with ``full``.
        more: further options, or others in their place.
    """
    return {
        "train_rows": f"run:{rows}",
        "batch_size": 128 if rows > 128 else "all",
        "epochs": epochs,
        "seeds": by_size(size, *seeds),
        **more,
    }


def watched(*names: str) -> list[str]:
    """Return references of callbacks that only watch.

    Example:
        >>> watched("InSample")
        ['steepest.studies.base.watching:InSample']
    """
    return [f"steepest.studies.base.watching:{each}" for each in names]


def line(
    found: Found, name: str, points: Sequence[tuple[float, str, str]], weights: Weights = "last"
) -> FigureLine:
    """Return a line of accuracies on new images in percent, with their intervals.

    Args:
        found: the numbers.
        name: of the line.
        points: place along x, arm, and comparison of each point.
        weights: the last ones, or those that were best on the validation images.
    """
    values = [ends(found.values("accuracy", arm, weights, of), 100) for _, arm, of in points]
    y, low, high = (list(each) for each in zip(*values, strict=True))
    return FigureLine(name=name, x=[x for x, _, _ in points], y=y, low=low, high=high)


def accuracy_by(
    x: str,
    lines: Sequence[FigureLine],
    *,
    by: str = "",
    ticks: Mapping[str, float] | None = None,
    logarithmic: bool = True,
    weights: Weights = "last",
) -> Drawing:
    """Return a figure of the accuracy on new images.

    Args:
        x: what is along x, with its unit.
        lines: as :func:`line` makes them.
        by: the same in the title, where that is shorter.
        ticks: texts at places along x.
        logarithmic: whether the axis is.
        weights: those of the lines.
    """
    whose = (
        "weights after the last step" if weights == "last" else "the best weights on the validation images"
    )
    return Drawing(
        title=f"Accuracy on new images by {by or x}",
        x=x,
        y="right on new images, %",
        lines=list(lines),
        logarithmic=logarithmic,
        ticks=dict(ticks or {}),
        caption=f"Means over seeds with 95 % intervals; {whose}.",
    )


def by_amount(lines: Sequence[FigureLine], weights: Weights = "last") -> Drawing:
    """Return a figure of the accuracy on new images by the number of training images."""
    amounts = sorted({x for each in lines for x in each.x})
    return accuracy_by(
        "training images",
        lines,
        by="amount of data",
        ticks={f"{each:,.0f}": each for each in amounts},
        weights=weights,
    )
