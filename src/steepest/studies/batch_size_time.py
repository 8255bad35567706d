"""Which batch size trains fastest, and how noisy are its gradients?

The published experiment trains 784-128-10 on MNIST for 3 epochs by SGD (rate 0.01, momentum 0.9) with batches of 8 to
1024, and draws the last accuracy over the size; it records the time and never draws it. One rate for all sizes favours
small ones, which make more steps; here rates are also in proportion to the size, and tuned for each.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from steepest.compare.studied import Beside, Check, Drawing
from steepest.experiment.given import Arm
from steepest.studies.base.data import StudyData
from steepest.studies.base.found import Found, StudyColumn, gaps, mean, mean_text
from steepest.studies.base.gradients import bias_of, variance_of
from steepest.studies.base.lecture import (
    BATCH,
    LECTURE,
    RATE,
    SHALLOW,
    LectureStudy,
    lecture_protocol,
    net_text,
    right,
)
from steepest.studies.base.shapes import NEW_LAST, accuracy_by, line
from steepest.studies.base.study import MAIN, Answer, Comparing, Size, StudyArm

COMPONENTS = {
    "batch-size": {
        "object": "BatchSizeTime",
        "what": "which batch size trains fastest, and how noisy is it?",
        "minutes": {"quick": 0.5, "default": 5.0, "full": 60.0},
        "tflop": {"quick": 0.2, "default": 4.0, "full": 100.0},
        "yours": "compare data.csv --target y -o momentum --batch-size 8 --batch-size 64 --batch-size 512",
    }
}

SIZES = (8, 16, 32, 64, 256, 512, 1024)
SCALED, TUNED, NOISE = "rate-by-size", "tuned-rates", "gradients"
WAYS = {MAIN: "one rate", SCALED: "rate ∝ size", TUNED: "tuned"}
PLAIN, NORMED = "without batch norm", "with batch norm"
PUBLISHED = 0.9546
"""The published accuracy with batches of 8 after 3 epochs on 60,000 images."""


class BatchSizeTime(LectureStudy):
    """Batches of 8 to 1024 at one rate, at a rate in proportion to the size, and at tuned rates."""

    name = "batch-size"
    question = "Which batch size trains fastest, in steps and in seconds, and how noisy are its gradients?"
    source = f"{LECTURE}, its part on batch sizes; accuracies are drawn, and printed for batches of 8 alone"
    headlines: ClassVar = {
        "less": "Batches of {large} end behind those of {small} in as many epochs even at tuned rates: {tuned} on new "
        "images ({one} at one rate, {scaled} at a rate in proportion to the size). {time} {noise}",
        "same": "At tuned rates batches of {large} are not told apart from those of {small} in as many epochs: "
        "{tuned} on new images ({one} at one rate, {scaled} at a rate in proportion to the size). {time} {noise}",
        "more": "At tuned rates batches of {large} end ahead of those of {small} in as many epochs: {tuned} on new "
        "images ({one} at one rate, {scaled} at a rate in proportion to the size). {time} {noise}",
    }

    def comparisons(self, size: Size, data: StudyData) -> Mapping[str, Comparing]:
        """Return a comparison of all sizes for each way to choose rates, and one of gradients."""
        del data
        options = lecture_protocol(size, (3, 5, 5), model=net_text(SHALLOW))
        del options["batch_size"]  # every arm has its own
        found = {
            of: Comparing(
                [
                    StudyArm(
                        Arm(optimizer=_optimizer(of, batch), batch_size=batch, name=_name(batch)),
                        "published" if of == MAIN else "tuned" if of == TUNED else "corrected",
                    )
                    for batch in sizes_of(size)
                ],
                {**options, **({"full_rates": 2} if of == TUNED else {})},
            )
            for of in WAYS
        }
        nets = [
            StudyArm(
                Arm(
                    optimizer=f"momentum(lr={RATE:g})",
                    batch_size=BATCH,
                    model=net_text(SHALLOW, norm=norm),
                    name=name,
                ),
                "corrected",
            )
            for norm, name in ((False, PLAIN), (True, NORMED))
        ]
        of_nets = {name: value for name, value in options.items() if name != "model"}
        listed = list(sizes_of(size))
        found[NOISE] = Comparing(nets, of_nets, [f"steepest.studies.base.gradients:BatchScatter({listed})"])
        return found

    def columns(self) -> Sequence[StudyColumn]:
        """Return accuracy, and the steps and seconds to an accuracy."""
        return [
            StudyColumn("rate", _rate, percent=False, digits=4),
            NEW_LAST,
            StudyColumn("steps to the accuracy", _steps, False, 0),
            StudyColumn("seconds to it", _seconds, False, 2),
        ]

    def answer(self, found: Found) -> Answer:
        """Return what the largest batch costs, which size is fastest, and how gradients scatter."""
        sizes = sizes_of(found.size)
        small, large = sizes[0], sizes[-1]
        new = {of: (right(found, _name(large), of), right(found, _name(small), of)) for of in WAYS}
        one, scaled, tuned = gaps([*new.values()])
        exponent, bias, normed = _noise(found, sizes)
        published = right(found, _name(small))
        return Answer(
            tuned.verdict,
            {
                "small": f"{small:,}",
                "large": f"{large:,}",
                "one": one.text(),
                "scaled": scaled.text(),
                "tuned": tuned.text(),
                "time": _fastest(found, sizes),
                "noise": f"The variance of a batch's gradient goes with its size to the power of {exponent}, and the "
                f"mean of many {_unbiased(bias)}; with batch norm, that of batches of {small} {_unbiased(normed)}.",
            },
            [
                Beside(
                    what=f"batches of {small}, right on new images",
                    published=f"{100 * PUBLISHED:.2f} % after 3 epochs on 60,000 images",
                    measured=f"{mean_text(published, digits=2)} % in {_seen(found)}",
                ),
                Beside(
                    what=f"{large:,} − {small} on new images",
                    published="drawn: accuracy falls with the size, at one rate",
                    measured="; ".join(
                        f"{text}: {gap.text()}"
                        for text, gap in zip(WAYS.values(), (one, scaled, tuned), strict=True)
                    ),
                ),
                Beside(
                    what="time by batch size",
                    published="recorded, never drawn",
                    measured=_fastest(found, sizes),
                ),
                Beside(
                    what="exponent of the gradient's variance by batch size",
                    published="minibatch gradients are noisy",
                    measured=f"{exponent} (−1: the variance goes with 1/size)",
                ),
                Beside(
                    what="squared distance of many gradients' mean from that of all images, over what scatter gives",
                    published="minibatch gradients are unbiased (1 here)",
                    measured=f"{mean_text(bias, percent=False, digits=2)} over all sizes; with batch norm and batches "
                    f"of {small} {mean_text(normed, percent=False, digits=2)}",
                ),
            ],
            [
                Check(
                    what="all gradients are finite, and the smallest batch learns at the published rate",
                    passed=min(published) > 0.85 and all(map(math.isfinite, (*bias, *normed))),
                    found=f"at least {100 * min(published):.1f} % right on new images",
                )
            ],
            [_drawing(found, sizes)],
            [
                f"The accuracy that time is taken to is {100 * goal(found):.0f} % of the validation images, between "
                "evaluations by a straight line; – stands where some seed does not reach it. Seconds are steps times "
                "those of a step in a run that was made alone.",
                "Images of a batch are drawn without replacement; the factor that this gives is divided out of "
                "variances.",
            ],
        )


def sizes_of(size: str) -> Sequence[int]:
    """Return the batch sizes of a size of the study.

    Example:
        >>> sizes_of("quick")
        (8, 32, 128)
    """
    return (8, 32, 128) if size == "quick" else SIZES


def _optimizer(of: str, batch: int) -> str:
    rate = {MAIN: RATE, SCALED: RATE * batch / BATCH}
    return f"momentum(lr={rate[of]:g})" if of in rate else "momentum"


def _name(batch: int) -> str:
    return f"batch {batch}"


def goal(found: Found) -> float:
    """Return the accuracy that time is taken to."""
    return 0.88 if found.size == "quick" else 0.9


def crossing(points: Sequence[tuple[float, float]], value: float) -> float:
    """Return where a curve first reaches a value, by straight lines between its points; NaN where it does not.

    Example:
        >>> crossing([(0, 0.0), (10, 0.5), (20, 1.0)], 0.75), crossing([(0, 0.1)], 0.7)
        (15.0, nan)
    """
    before: tuple[float, float] | None = None
    for x, y in points:
        if y >= value:
            if before is None:
                return float(x)
            return before[0] + (x - before[0]) * (value - before[1]) / (y - before[1])
        before = (float(x), y)
    return math.nan


def steps_to(found: Found, arm: str, of: str) -> list[float]:
    """Return the steps of every seed until the accuracy is reached."""
    return [
        crossing([(each.step, each.validation["accuracy"]) for each in record.curve], goal(found))
        for record in found.records(arm, of)
    ]


def seconds_to(found: Found, arm: str, of: str) -> list[float]:
    """Return the seconds of every seed until the accuracy is reached, at the pace of a run that was made alone."""
    records = found.records(arm, of)
    alone = [each for each in records if not each.shared] or records
    pace = mean([each.clocks.train / each.steps for each in alone])
    return [pace * each for each in steps_to(found, arm, of)]


def _steps(found: Found, of: str, arm: str) -> list[float]:
    return _all_or_none(steps_to(found, arm, of))


def _seconds(found: Found, of: str, arm: str) -> list[float]:
    return _all_or_none(seconds_to(found, arm, of))


def _all_or_none(values: list[float]) -> list[float]:
    """Return numbers if all are known; a mean of only the runs that get there would flatter the slow.

    Example:
        >>> _all_or_none([1.0, 2.0]), _all_or_none([1.0, math.nan])
        ([1.0, 2.0], [nan, nan])
    """
    return values if all(map(math.isfinite, values)) else [math.nan] * len(values)


def _rate(found: Found, of: str, arm: str) -> list[float]:
    return [each.lr for each in found.records(arm, of)]


def _fastest(found: Found, sizes: Sequence[int]) -> str:
    """Return which sizes reach the accuracy first at tuned rates."""
    names = [_name(each) for each in sizes]
    told: list[str] = []
    for unit, taken, digits in (("steps", steps_to, 0), ("seconds", seconds_to, 2)):
        means = {name: mean(taken(found, name, TUNED)) for name in names}
        there = {name: each for name, each in means.items() if math.isfinite(each)}
        if not there:
            return f"No size reaches {100 * goal(found):.0f} % with every seed at tuned rates."
        best = min(there, key=lambda name: there[name])
        told.append(f"{best} in {unit} ({there[best]:,.{digits}f})")
    return f"At tuned rates, first at {100 * goal(found):.0f} % are {' and '.join(told)}."


def _noise(found: Found, sizes: Sequence[int]) -> tuple[str, list[float], list[float]]:
    """Return the exponent of the variance by size, and by seed the ratio of the bias.

    It is a mean over all sizes; with batch norm it is that of the smallest, whose statistics are farthest from those of
    all images.
    """
    least = [each for each in sizes if found.last_logged(variance_of(each), PLAIN, NOISE)[0] > 0]
    logs = np.log([found.last_logged(variance_of(each), PLAIN, NOISE) for each in least])
    slopes = np.polyfit(np.log(least), logs, 1)[0].tolist()

    every = [found.last_logged(bias_of(each), PLAIN, NOISE) for each in sizes]
    bias = [mean(each) for each in zip(*every, strict=True)]
    return (
        mean_text(slopes, percent=False, digits=3),
        bias,
        found.last_logged(bias_of(sizes[0]), NORMED, NOISE),
    )


def _unbiased(ratios: Sequence[float]) -> str:
    """Return whether a mean gradient is that of all images as far as scatter lets one see.

    Example:
        >>> _unbiased([0.9, 1.0, 1.1]), _unbiased([3.0, 3.1, 3.2])
        ('is that of all images as far as scatter shows', 'is not that of all images')
    """
    [gap] = gaps([(list(ratios), [1.0] * len(ratios))])
    return (
        "is not that of all images"
        if gap.verdict == "more"
        else "is that of all images as far as scatter shows"
    )


def _seen(found: Found) -> str:
    record = found.records(found.arms()[0].title)[0]
    return f"{record.curve[-1].epoch:.0f} epochs on {found.arms()[0].factors['train_rows'].removeprefix('run:')} images"


def _drawing(found: Found, sizes: Sequence[int]) -> Drawing:
    lines = [
        line(found, text, [(float(each), _name(each), of) for each in sizes]) for of, text in WAYS.items()
    ]
    return accuracy_by(
        "images in a batch", lines, by="batch size", ticks={str(each): float(each) for each in sizes}
    )
