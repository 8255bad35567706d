"""Do small batches regularise?

The published experiment trains on 250 images for 60 epochs by SGD (rate 5e-3, momentum 0.99) with batches of 32, 64
and 128, and says that small batches find broader minima. In as many epochs a small batch makes more steps; here the
sizes are also compared at equal steps, and how broad a minimum is, is measured: the largest eigenvalue of the Hessian
there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

from steepest.compare.studied import Beside, Check, Drawing, Line
from steepest.experiment.given import Arm
from steepest.studies.base.found import Column, Found, Gap, ends, gaps
from steepest.studies.base.study import MAIN, Answer, Comparing, Size, Study, StudyArm, by_size
from steepest.studies.base.watching import CURVATURE, FITTED

COMPONENTS = {
    "batch-size-regularisation": {
        "object": "BatchSize",
        "what": "do small batches regularise, also at equal steps?",
        "minutes": {"quick": 0.5, "default": 5.0, "full": 30.0},
        "tflop": {"quick": 1.0, "default": 5.0, "full": 60.0},
    }
}

SIZES = (32, 64, 128, 250)
ROWS, EPOCHS, STEPS = 250, 60, "equal-steps"


class BatchSize(Study):
    """Batches of 32, 64, 128 and all of 250 images, at equal epochs and at equal steps."""

    name = "batch-size-regularisation"
    question = "Do small batches regularise, and do they find broader minima?"
    source = (
        "lecture on regularisation, animal faces of 32 × 32 pixels; it shows curves and prints no numbers"
    )
    headlines: ClassVar = {
        "more": "Batches of 32 images do better on new images than all 250 at once: {epochs} at equal epochs, "
        "{steps} at equal steps; their minima are {broad} (largest eigenvalue {ratio} times that of all "
        "250 at equal steps).",
        "same": "Batches of 32 images are not told apart from all 250 at once on new images: {epochs} at equal "
        "epochs, {steps} at equal steps; their minima are {broad} (largest eigenvalue {ratio} times that "
        "of all 250 at equal steps).",
        "less": "Batches of 32 images do worse on new images than all 250 at once: {epochs} at equal epochs, "
        "{steps} at equal steps; their minima are {broad} (largest eigenvalue {ratio} times that of all "
        "250 at equal steps).",
    }

    def comparisons(self, size: Size) -> Mapping[str, Comparing]:
        """Return the comparison at equal epochs, and that at equal steps."""
        arms = [
            StudyArm(
                Arm(optimizer="momentum(lr=0.005, momentum=0.99)", batch_size=each, name=_name(each)),
                "published",
            )
            for each in SIZES
        ]
        tuned = [
            StudyArm(
                Arm(optimizer="momentum(momentum=0.99)", batch_size=each, name=f"{_name(each)}, tuned"),
                "tuned",
            )
            for each in SIZES
        ]
        options = {
            "model": "mlp(hidden=[124,64], activation=leaky-relu)",
            "train_rows": f"run:{ROWS}",
            "epochs": by_size(size, 15, EPOCHS, EPOCHS),
            "seeds": by_size(size, 3, 5, 20),
        }
        watching = ["steepest.studies.base.watching:TopEigenvalue"]
        every = arms + (tuned if size == "full" else [])
        return {
            MAIN: Comparing(every, options, watching),
            STEPS: Comparing(every, {**options, "equal": "steps"}, watching),
        }

    def columns(self) -> Sequence[Column]:
        """Return in-sample beside out-of-sample, and the curvature."""
        return [
            Column("in-sample", lambda found, of, arm: found.last_logged(FITTED, arm, of)),
            Column("new images, last", lambda found, of, arm: found.values("accuracy", arm, "last", of)),
            Column("new images, best", lambda found, of, arm: found.values("accuracy", arm, "best", of)),
            Column("log10 eigenvalue", _curvature, percent=False, digits=2),
        ]

    def answer(self, found: Found) -> Answer:
        """Return whether a small batch does better on new images, and whether its minimum is broader."""
        small, large = _name(SIZES[0]), _name(SIZES[-1])
        accuracy = [
            [found.values("accuracy", name, "last", of) for name in (small, large)] for of in (MAIN, STEPS)
        ]
        epochs, steps = gaps([(one, other) for one, other in accuracy])
        broad = gaps([(_curvature(found, of, small), _curvature(found, of, large)) for of in (MAIN, STEPS)])
        fitted = [min(found.last_logged(FITTED, small, of)) for of in (MAIN, STEPS)]
        return Answer(
            steps.verdict,
            {
                "epochs": epochs.text(),
                "steps": steps.text(),
                "broad": _words(broad[1]),
                "ratio": f"{10 ** broad[1].mean:.2g}",
            },
            [
                Beside(
                    what="32 − 250 on new images",
                    published="small batches generalise better",
                    measured=f"equal epochs: {epochs.text()}; equal steps: {steps.text()}",
                ),
                Beside(
                    what="log10 of the largest eigenvalue, 32 − 250",
                    published="small batches find broader minima",
                    measured="; ".join(
                        f"{how}: {gap.text(percent=False, digits=2)}"
                        for how, gap in zip(("equal epochs", "equal steps"), broad, strict=True)
                    ),
                ),
            ],
            [
                Check(
                    what="every run is finite, and the smallest batch learns its training images",
                    passed=all(each > 0.9 for each in fitted),
                    found=f"at least {100 * min(fitted):.1f} % of them",
                )
            ],
            [_drawing(found)],
            [
                "A verdict on regularising is that at equal steps: in as many epochs, a small batch is trained longer."
            ],
        )


def _name(size: int) -> str:
    return f"batch {size}"


def _words(gap: Gap) -> str:
    return {"same": "not told apart in breadth", "more": "sharper", "less": "broader"}[gap.verdict]


def _curvature(found: Found, of: str, arm: str) -> list[float]:
    """Return the decadic logarithm of the largest eigenvalue."""
    values = found.last_logged(CURVATURE, arm, of)
    return [math.log10(each) if each > 0 else math.nan for each in values]


def _drawing(found: Found) -> Drawing:
    lines: list[Line] = []
    for of, text in ((MAIN, "equal epochs"), (STEPS, "equal steps")):
        points = [ends(found.values("accuracy", _name(each), "last", of), 100) for each in SIZES]
        y, low, high = (list(each) for each in zip(*points, strict=True))
        lines.append(Line(name=text, x=[float(each) for each in SIZES], y=y, low=low, high=high))
    return Drawing(
        title="Accuracy on new images by batch size",
        x="images in a batch",
        y="right on new images, %",
        lines=lines,
        logarithmic=True,
        ticks={str(each): float(each) for each in SIZES},
        caption="Means over seeds with 95 % intervals; weights after the last step.",
    )
