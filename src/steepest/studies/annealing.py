"""Which schedule of the learning rate is best, at one base rate and each at its own?

The published experiment lowers the rate of SGD (0.01, momentum 0.9) after every one of 10 epochs on MNIST, in four ways
that begin at one rate, so that they also differ in how much is learned in all. Here each has a tuned base rate, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from steepest.compare.studied import Beside, Check, Drawing, FigureLine
from steepest.experiment.given import Arm
from steepest.schedules import make_schedule
from steepest.studies.base.data import StudyData
from steepest.studies.base.found import Found, StudyColumn, ends, gaps, mean
from steepest.studies.base.lecture import (
    LECTURE,
    MODULE,
    RATE,
    SHALLOW,
    LectureStudy,
    lecture_protocol,
    net_text,
    plain,
    right,
)
from steepest.studies.base.shapes import IN_SAMPLE, NEW_LAST
from steepest.studies.base.study import MAIN, Answer, Comparing, Size, StudyArm, by_size

COMPONENTS = {
    "annealing": {
        "object": "Annealing",
        "what": "which schedule of the learning rate is best, at its own rate?",
        "minutes": {"quick": 0.5, "default": 3.0, "full": 45.0},
        "tflop": {"quick": 0.2, "default": 8.0, "full": 120.0},
        "yours": (
            "compare data.csv --target y -o momentum --schedule constant --schedule linear "
            "--schedule inverse-sqrt --schedule cosine"
        ),
    }
}

EPOCHS = 10
CONSTANT = "constant"
_STAIRS = ", ".join(f"scale(constant, {1 - 0.1 * epoch:.1f})" for epoch in range(1, EPOCHS))
_PLACES = ", ".join(f"{epoch / EPOCHS:.1f}" for epoch in range(1, EPOCHS))
SCHEDULES = {
    CONSTANT: "constant",
    "1 − 0.1 e": f"join(constant, {_STAIRS}, at=({_PLACES}))",
    "1/√(e + 1)": "inverse-sqrt(period=0.1, stairs=true)",
    "0.1ᵉ": "step(factor=0.1, period=0.1)",
}
"""Multipliers of the rate in epoch e of 10, counted from 0."""
OWN = "own-rates"
WAYS = {OWN: "own rates", MAIN: "rate 0.01"}


class Annealing(LectureStudy):
    """Four schedules at one base rate, and each at a tuned one."""

    name = "annealing"
    question = "Which schedule of the learning rate is best, at one base rate and each at its own?"
    source = f"{LECTURE}, its part on annealing; it draws curves and prints rates alone"
    headlines: ClassVar = {
        "more": "With rates of their own, {better} a constant rate on new images: {own}; at one rate: {one}.{sum}",
        "same": "With rates of their own, no schedule is told apart from a constant rate on new images: {own}; at one "
        "rate: {one}.{sum}",
        "less": "With rates of their own, no schedule beats a constant rate on new images: {own}; at one rate: "
        "{one}.{sum}",
    }

    def comparisons(self, size: Size, data: StudyData) -> Mapping[str, Comparing]:
        """Return the schedules at the published rate, and at tuned ones."""
        del data
        options = lecture_protocol(
            size, (3, 8, 10), model=net_text(SHALLOW), epochs=by_size(size, 20, EPOCHS, EPOCHS)
        )
        watching = [f"{MODULE}:FittedAtEnd"]

        def arms(optimizer: str, way: str) -> list[StudyArm]:
            return [
                StudyArm(
                    Arm(optimizer=optimizer, schedule=None if name == CONSTANT else text, name=name),
                    way,  # pyright: ignore[reportArgumentType]
                )
                for name, text in SCHEDULES.items()
            ]

        return {
            MAIN: Comparing(arms(f"momentum(lr={RATE:g})", "published"), options, watching),
            OWN: Comparing(arms("momentum", "tuned"), {**options, "full_rates": 2}, watching),
        }

    def columns(self) -> Sequence[StudyColumn]:
        """Return the base rate, the loss and accuracy."""
        return [
            StudyColumn("base rate", _rate, percent=False, digits=4),
            StudyColumn(
                "log loss, new images",
                lambda found, of, arm: found.values("log_loss", arm, "last", of),
                percent=False,
                digits=3,
            ),
            IN_SAMPLE,
            NEW_LAST,
        ]

    def answer(self, found: Found) -> Answer:
        """Return what each schedule is worth against a constant rate."""
        others = [name for name in SCHEDULES if name != CONSTANT]
        pairs = [(of, name) for of in WAYS for name in others]
        accuracy = dict(
            zip(
                pairs,
                gaps([(right(found, name, of), right(found, CONSTANT, of)) for of, name in pairs]),
                strict=True,
            )
        )
        loss = dict(
            zip(
                pairs,
                gaps([(_loss(found, name, of), _loss(found, CONSTANT, of)) for of, name in pairs]),
                strict=True,
            )
        )
        verdicts = {name: accuracy[OWN, name].verdict for name in others}
        better = [name for name in others if verdicts[name] == "more"]
        whole = {name: total(text) for name, text in SCHEDULES.items()}
        rates = {name: mean(_rate(found, OWN, name)) for name in SCHEDULES}
        least = min(whole, key=lambda name: whole[name])

        def said(of: str) -> str:
            return ", ".join(f"{name} {accuracy[of, name].text()}" for name in others)

        return Answer(
            "more" if better else "less" if set(verdicts.values()) == {"less"} else "same",
            {
                "better": f"{' and '.join(better)} {'beat' if len(better) > 1 else 'beats'}",
                "own": said(OWN),
                "one": said(MAIN),
                "sum": f" At one rate, all steps of {least} together equal {whole[least]:.2g} epochs of {EPOCHS} at "
                "the full rate.",
            },
            [
                Beside(
                    what="rate in the last of 10 epochs",
                    published="0.01, 0.001, 0.003162, 1e-11",
                    measured=", ".join(f"{RATE * last(text):.4g}" for text in SCHEDULES.values()),
                ),
                Beside(
                    what="epochs at the full rate that all steps together equal",
                    published="not said",
                    measured=", ".join(f"{name}: {each:.3g}" for name, each in whole.items()),
                ),
                Beside(
                    what="log loss on new images, minus that of a constant rate",
                    published="drawn at one rate",
                    measured="; ".join(
                        f"{text}: " + ", ".join(f"{name} {plain(loss[of, name], 3)}" for name in others)
                        for of, text in WAYS.items()
                    ),
                ),
                Beside(
                    what="base rates that tuning chooses",
                    published="0.01 for all",
                    measured=", ".join(f"{name}: {each:.3g}" for name, each in rates.items()),
                ),
            ],
            [
                Check(
                    what="the schedules are the published ones: 0.01, 0.001, 0.003162 and 1e-11 in the last epoch",
                    passed=[f"{RATE * last(each):.4g}" for each in SCHEDULES.values()]
                    == ["0.01", "0.001", "0.003162", "1e-11"],
                    found=", ".join(f"{RATE * last(each):.4g}" for each in SCHEDULES.values()),
                )
            ],
            [_drawing(found)],
            [
                "The rate falls after every tenth of a run"
                + (", which is two epochs with --quick." if found.size == "quick" else ", an epoch.")
                + " Differences in accuracy hold together, and those in loss."
            ],
        )


def total(schedule: str) -> float:
    """Return the sum of a schedule's multipliers over ten epochs of one step each.

    Example:
        >>> round(total("step(factor=0.1, period=0.1)"), 6), total("constant")
        (1.111111, 10.0)
    """
    made = make_schedule(schedule, EPOCHS)
    return sum(made(epoch) for epoch in range(EPOCHS))


def last(schedule: str) -> float:
    """Return the multiplier of the last of ten epochs.

    Example:
        >>> [float(f"{last(each):.4g}") for each in SCHEDULES.values()]
        [1.0, 0.1, 0.3162, 1e-09]
    """
    return make_schedule(schedule, EPOCHS)(EPOCHS - 1)


def _rate(found: Found, of: str, arm: str) -> list[float]:
    return [each.lr for each in found.records(arm, of)]


def _loss(found: Found, name: str, of: str) -> list[float]:
    return found.values("log_loss", name, "last", of)


def _drawing(found: Found) -> Drawing:
    lines: list[FigureLine] = []
    for of, text in WAYS.items():
        for name in SCHEDULES:
            curves = [record.curve for record in found.records(name, of) if not record.failed]
            points = [
                (each[0].epoch, ends([point.validation["log_loss"] for point in each]))
                for each in list(zip(*curves, strict=False))[1:]
            ]
            lines.append(
                FigureLine(name=f"{name}, {text}", x=[x for x, _ in points], y=[y for _, (y, _, _) in points])
            )
    return Drawing(
        title="Loss by epoch",
        x="epoch",
        y="log loss of validation images",
        lines=lines,
        logarithmic_y=True,
        caption="Means over seeds.",
    )
