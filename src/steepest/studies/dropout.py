"""Does dropout help, and where?

The published experiment trains 3072-248-210-3 with dropout 0.5 and 0.3 behind the hidden layers on 100 images for 200
epochs by SGD (rate 5e-3, momentum 0.9), and draws it beside a plain curve of another net at another rate. It says
that dropout 0.5 wants twice the hidden neurons. Here the controls are the same net without dropout and one of half
its width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from steepest.compare.studied import Beside, Check, Drawing, Line
from steepest.experiment.given import Arm
from steepest.studies.base.found import Column, Found, ends, gaps, mean
from steepest.studies.base.study import MAIN, Answer, Comparing, Size, Study, StudyArm, by_size
from steepest.studies.base.watching import FITTED

COMPONENTS = {
    "dropout": {
        "object": "Dropout",
        "what": "does dropout help, where, and with how much data?",
        "minutes": {"quick": 0.5, "default": 5.0, "full": 60.0},
        "tflop": {"quick": 1.0, "default": 10.0, "full": 200.0},
    }
}

BOTH, PLAIN, HALF = "0.5 and 0.3", "no dropout", "half as wide"
MODELS = {
    PLAIN: "mlp(hidden=[248,210], activation=relu)",
    HALF: "mlp(hidden=[124,105], activation=relu)",
    BOTH: "mlp(hidden=[248,210], activation=relu, dropout=[0.5,0.3])",
    "0.5 behind the first": "mlp(hidden=[248,210], activation=relu, dropout=[0.5,0.0])",
    "0.3 behind the second": "mlp(hidden=[248,210], activation=relu, dropout=[0.0,0.3])",
}
ROWS, EPOCHS = 100, 200


class Dropout(Study):
    """Dropout behind both layers, behind one, and none, at full and half the width, by amount of data."""

    name = "dropout"
    question = "Does dropout help on new images, behind which layer, and with how much data?"
    source = (
        "lecture on regularisation, animal faces of 32 × 32 pixels; it shows curves and prints no numbers"
    )
    headlines: ClassVar = {
        "more": "Dropout helps with 100 images: {plain} against the same net without it, {half} against one of "
        "half the width; {data}.",
        "same": "Dropout is not told apart from none with 100 images: {plain} against the same net without it, "
        "{half} against one of half the width; {data}.",
        "less": "Dropout harms with 100 images: {plain} against the same net without it, {half} against one of "
        "half the width; {data}.",
    }

    def comparisons(self, size: Size) -> Mapping[str, Comparing]:
        """Return every placement with 100 images, and dropout against none with more."""
        rate, tuned = "momentum(lr=0.005)", size == "full"
        arms = [
            StudyArm(
                Arm(optimizer=rate, model=model, name=name), "published" if name == BOTH else "corrected"
            )
            for name, model in MODELS.items()
        ]
        if tuned:
            arms += [
                StudyArm(Arm(optimizer="momentum", model=model, name=f"{name}, tuned"), "tuned")
                for name, model in MODELS.items()
            ]
        options = {
            "train_rows": f"run:{ROWS}",
            "batch_size": "all",  # the published 128 is more than there are
            "epochs": by_size(size, 100, EPOCHS, EPOCHS),
            "seeds": by_size(size, 3, 5, 10),
        }
        watching = ["steepest.studies.base.watching:InSample"]
        found = {MAIN: Comparing(arms, options, watching)}
        two = [each for each in arms if each.arm.name in (BOTH, PLAIN)]
        for rows in _more(size):
            found[f"{rows}-images"] = Comparing(
                two, {**options, "train_rows": f"run:{rows}", "batch_size": _batch(rows)}, watching
            )
        return found

    def columns(self) -> Sequence[Column]:
        """Return in-sample beside out-of-sample."""
        return [
            Column("in-sample", lambda found, of, arm: found.last_logged(FITTED, arm, of)),
            Column("new images, last", lambda found, of, arm: found.values("accuracy", arm, "last", of)),
            Column("new images, best", lambda found, of, arm: found.values("accuracy", arm, "best", of)),
        ]

    def answer(self, found: Found) -> Answer:
        """Return what dropout is worth against both controls, and with more images."""
        accuracy = {name: found.values("accuracy", name, "last") for name in MODELS}
        parts = [of for of in found.comparisons if of]
        more = [
            (found.values("accuracy", BOTH, "last", of), found.values("accuracy", PLAIN, "last", of))
            for of in parts
        ]
        first, second = list(MODELS)[3:]
        plain, half, one, other, *by_data = gaps(
            [
                (accuracy[BOTH], accuracy[PLAIN]),
                (accuracy[BOTH], accuracy[HALF]),
                (accuracy[first], accuracy[PLAIN]),
                (accuracy[second], accuracy[PLAIN]),
                *more,
            ]
        )
        amounts = ", ".join(
            f"{gap.text()} with {of.removesuffix('-images')}" for of, gap in zip(parts, by_data, strict=True)
        )
        fits = [mean(found.last_logged(FITTED, name)) for name in (BOTH, PLAIN)]
        return Answer(
            plain.verdict,
            {"plain": plain.text(), "half": half.text(), "data": amounts},
            [
                Beside(
                    what="dropout against none",
                    published="drawn beside another net at another rate",
                    measured=f"{plain.text()}; half the width without dropout: {half.text()}",
                ),
                Beside(
                    what="where dropout goes",
                    published="asked, not answered",
                    measured=f"{first}: {one.text()}; {second}: {other.text()}",
                ),
                Beside(what="more images", published="asked, not answered", measured=amounts),
            ],
            [
                Check(
                    what="without dropout, the training images are learned",
                    passed=fits[1] > 0.95,
                    found=f"{100 * fits[1]:.1f} %, with dropout {100 * fits[0]:.1f} %",
                )
            ],
            [_drawing(found, parts)],
            ["The published rate serves all arms; with --full, each also has a tuned one."],
        )


def _more(size: Size) -> tuple[int, ...]:
    """Return further amounts of data."""
    return by_size(size, (200,), (1000,), (30, 250, 1000, 4000))


def _batch(rows: int) -> int | str:
    """Return the published batch size, or all images where there are no more."""
    return 128 if rows > 128 else "all"


def _drawing(found: Found, parts: Sequence[str]) -> Drawing:
    amounts = sorted([(ROWS, MAIN), *((int(of.removesuffix("-images")), of) for of in parts)])
    lines: list[Line] = []
    for name in (BOTH, PLAIN):
        points = [ends(found.values("accuracy", name, "last", of), 100) for _, of in amounts]
        y, low, high = (list(each) for each in zip(*points, strict=True))
        text = name if name == PLAIN else f"dropout {name}"
        lines.append(Line(name=text, x=[float(rows) for rows, _ in amounts], y=y, low=low, high=high))
    return Drawing(
        title="Accuracy on new images by amount of data",
        x="training images",
        y="right on new images, %",
        lines=lines,
        logarithmic=True,
        ticks={f"{rows:,}": float(rows) for rows, _ in amounts},
        caption="Means over seeds with 95 % intervals; weights after the last step.",
    )
