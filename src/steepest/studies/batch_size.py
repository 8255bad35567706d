"""Do small batches regularise?

The published experiment trains on 250 images for 60 epochs by SGD (rate 5e-3, momentum 0.99) with batches of 32, 64
and 128, and says that small batches find broader minima. In as many epochs a small batch makes more steps; here the
sizes are also compared at equal steps, and how broad a minimum is, is measured: the largest eigenvalue of the Hessian
there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from steepest.compare.studied import Beside, Check, Drawing
from steepest.studies.base.data import StudyData
from steepest.studies.base.found import Found, Gap, StudyColumn, gaps, times
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
from steepest.studies.base.watching import CURVATURE, FITTED, LOSS

COMPONENTS = {
    "batch-size-regularisation": {
        "object": "BatchSizeStudy",
        "what": "do small batches regularise, also at equal steps?",
        "minutes": {"quick": 0.5, "default": 5.0, "full": 30.0},
        "tflop": {"quick": 1.0, "default": 5.0, "full": 60.0},
        "yours": "compare data.csv --target y -o momentum --batch-size 32 --batch-size 256 --equal steps",
    }
}

SIZES = (32, 64, 128, 250)
ROWS, EPOCHS, STEPS = 250, 60, "equal-steps"
WAYS = {MAIN: "at equal epochs", STEPS: "at equal steps"}


class BatchSizeStudy(Study):
    """Batches of 32, 64, 128 and all of 250 images, at equal epochs and at equal steps."""

    name = "batch-size-regularisation"
    question = "Do small batches regularise, and do they find broader minima?"
    source = SOURCE
    headlines: ClassVar = {
        "more": "Batches of 32 images do better on new images than all 250 at once: {accuracy}. {minima}",
        "same": "Batches of 32 images are not told apart from all 250 at once on new images: {accuracy}. {minima}",
        "less": "Batches of 32 images do worse on new images than all 250 at once: {accuracy}. {minima}",
    }
    short: ClassVar = {
        "more": "Batches of 32 images do better on new images than all 250 at once: {accuracy}; {broader}.",
        "same": "Batches of 32 images are not told apart from all 250 at once on new images: {accuracy}; {broader}.",
        "less": "Batches of 32 images do worse on new images than all 250 at once: {accuracy}; {broader}.",
    }

    def comparisons(self, size: Size, data: StudyData) -> Mapping[str, Comparing]:
        """Return the comparison at equal epochs, and that at equal steps."""
        del data
        names = [_name(each) for each in SIZES]
        arms = {name: {"batch_size": each} for name, each in zip(names, SIZES, strict=True)}
        every = both_ways(size, arms, rate=0.005, momentum=0.99, published=names)
        options = protocol(size, ROWS, by_size(size, 15, EPOCHS, EPOCHS), (3, 10, 20), model=WIDE)
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
            StudyColumn("log10 training loss", _loss, percent=False, digits=2),
        ]

    def answer(self, found: Found) -> Answer:
        """Return whether a small batch does better on new images, and whether its minimum is broader."""
        small, large = _name(SIZES[0]), _name(SIZES[-1])

        def both(values: Callable[[Found, str, str], list[float]]) -> list[Gap]:
            return gaps([(values(found, of, small), values(found, of, large)) for of in WAYS])

        accuracy = both(lambda found, of, arm: found.values("accuracy", arm, "last", of))
        broad, loss = both(_curvature), both(_loss)
        fitted = [min(found.last_logged(FITTED, small, of)) for of in WAYS]
        return Answer(
            accuracy[1].verdict,
            {
                "accuracy": _said([each.text() for each in accuracy]),
                "minima": "The largest eigenvalue of their Hessian is "
                f"{_said([f'{times(each)} that of all 250' for each in broad])}; "
                f"{_cause(broad, loss)}",
                "broader": _broader(broad, loss),
            },
            [
                Beside(
                    what="32 − 250 on new images",
                    published="small batches generalise better",
                    measured=_said([each.text() for each in accuracy]),
                    reason="in as many epochs a small batch makes more steps; one start there",
                ),
                Beside(
                    what="log10 of the largest eigenvalue, 32 − 250",
                    published="small batches find broader minima",
                    measured=_said([each.text(percent=False, digits=2) for each in broad]),
                    reason="cross-entropy's curvature falls with the loss, which differs, too",
                ),
                Beside(
                    what="log10 of the training loss, 32 − 250",
                    published="not shown",
                    measured=_said([each.text(percent=False, digits=2) for each in loss]),
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


def _said(texts: Sequence[str]) -> str:
    return ", ".join(f"{text} {how}" for text, how in zip(texts, WAYS.values(), strict=True))


def _cause(broad: Sequence[Gap], loss: Sequence[Gap]) -> str:
    """Return whether the eigenvalues are of one training loss: that of cross-entropy falls with the loss.

    Example:
        >>> _cause([Gap(1.0, 0.5, 1.5, 5)] * 2, [Gap(1.0, 0.5, 1.5, 5), Gap(-1.0, -2.5, 0.5, 5)])[:58]
        'training losses differ, too (10 [3.2, 32] times at equal e'
    """
    apart = [each.verdict != "same" for each in loss]
    texts = _said([times(each) for each in loss])
    if not any(apart):
        return f"training losses are not told apart ({texts})."
    with_it = all(one.verdict in ("same", other.verdict) for one, other in zip(broad, loss, strict=True))
    so = "as cross-entropy's curvature falls with the loss, this" if with_it else "this"
    return (
        f"training losses differ, too ({texts}), and {so} does not show which minima are broader at one loss."
    )


def _broader(broad: Sequence[Gap], loss: Sequence[Gap]) -> str:
    """Return whether small batches find broader minima, in short.

    Example:
        >>> _broader([Gap(-1.0, -1.5, -0.5, 5)] * 2, [Gap(1.0, 0.5, 1.5, 5)] * 2)
        'broader minima are not shown, as the training losses differ, too'
    """
    if any(each.verdict != "same" for each in loss):
        return "broader minima are not shown, as the training losses differ, too"
    return f"the largest eigenvalue of their Hessian is {_said([f'{times(each)} that of all 250' for each in broad])}"


def _curvature(found: Found, of: str, arm: str) -> list[float]:
    """Return the decadic logarithm of the largest eigenvalue."""
    values = found.last_logged(CURVATURE, arm, of)
    return [math.log10(each) if each > 0 else math.nan for each in values]


def _loss(found: Found, of: str, arm: str) -> list[float]:
    """Return the decadic logarithm of the last training loss."""
    return [math.log10(each) if each > 0 else math.nan for each in found.last_logged(LOSS, arm, of)]


def _drawing(found: Found) -> Drawing:
    lines = [
        line(found, text, [(float(each), _name(each), of) for each in SIZES])
        for of, text in ((MAIN, "equal epochs"), (STEPS, "equal steps"))
    ]
    return accuracy_by(
        "images in a batch", lines, by="batch size", ticks={str(each): float(each) for each in SIZES}
    )
