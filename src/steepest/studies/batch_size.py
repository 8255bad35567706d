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

from steepest.compare.studied import Beside, Check, Drawing
from steepest.studies.base.found import Found, Gap, StudyColumn, gaps
from steepest.studies.base.shapes import (
    IN_SAMPLE,
    NEW_BEST,
    NEW_LAST,
    SOURCE,
    WIDE,
    accuracy_by,
    both_ways,
    line,
    protocol,
    watched,
)
from steepest.studies.base.study import MAIN, Answer, Comparing, Size, Study, by_size
from steepest.studies.base.watching import CURVATURE, FITTED

COMPONENTS = {
    "batch-size-regularisation": {
        "object": "BatchSizeStudy",
        "what": "do small batches regularise, also at equal steps?",
        "minutes": {"quick": 0.5, "default": 5.0, "full": 30.0},
        "tflop": {"quick": 1.0, "default": 5.0, "full": 60.0},
    }
}

SIZES = (32, 64, 128, 250)
ROWS, EPOCHS, STEPS = 250, 60, "equal-steps"


class BatchSizeStudy(Study):
    """Batches of 32, 64, 128 and all of 250 images, at equal epochs and at equal steps."""

    name = "batch-size-regularisation"
    question = "Do small batches regularise, and do they find broader minima?"
    source = SOURCE
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
        names = [_name(each) for each in SIZES]
        arms = {name: {"batch_size": each} for name, each in zip(names, SIZES, strict=True)}
        every = both_ways(size, arms, rate=0.005, momentum=0.99, published=names)
        options = protocol(size, ROWS, by_size(size, 15, EPOCHS, EPOCHS), (3, 5, 20), model=WIDE)
        del options["batch_size"]  # every arm has its own
        watching = watched("TopEigenvalue")
        return {
            MAIN: Comparing(every, options, watching),
            STEPS: Comparing(every, {**options, "equal": "steps"}, watching),
        }

    def columns(self) -> Sequence[StudyColumn]:
        """Return in-sample beside out-of-sample, and the curvature."""
        return [
            IN_SAMPLE,
            NEW_LAST,
            NEW_BEST,
            StudyColumn("log10 eigenvalue", _curvature, percent=False, digits=2),
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
    lines = [
        line(found, text, [(float(each), _name(each), of) for each in SIZES])
        for of, text in ((MAIN, "equal epochs"), (STEPS, "equal steps"))
    ]
    return accuracy_by(
        "images in a batch", lines, by="batch size", ticks={str(each): float(each) for each in SIZES}
    )
