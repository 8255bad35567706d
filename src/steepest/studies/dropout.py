"""Does dropout help, and where?

The published experiment trains 3072-248-210-3 with dropout 0.5 and 0.3 behind the hidden layers on 100 images for 200
epochs by SGD (rate 5e-3, momentum 0.9), and draws it beside a plain curve of another net at another rate. It says
that dropout 0.5 wants twice the hidden neurons. Here the controls are the same net without dropout and one of half
its width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from steepest.compare.studied import Beside, Check, Drawing
from steepest.studies.base.data import StudyData
from steepest.studies.base.found import Found, StudyColumn, gaps, mean
from steepest.studies.base.shapes import (
    IN_SAMPLE,
    NEW_BEST,
    NEW_LAST,
    RAISED_BY,
    SOURCE,
    both_ways,
    by_amount,
    line,
    protocol,
    raised_note,
    watched,
)
from steepest.studies.base.study import MAIN, Answer, Comparing, Size, Study, by_size
from steepest.studies.base.watching import FITTED

COMPONENTS = {
    "dropout": {
        "object": "DropoutStudy",
        "what": "does dropout help, where, and with how much data?",
        "minutes": {"quick": 0.5, "default": 5.0, "full": 60.0},
        "tflop": {"quick": 1.0, "default": 10.0, "full": 200.0},
        "yours": (
            "compare data.csv --target y -o adam --regularizer none --regularizer 'dropout(0.5)' "
            "--train-rows 100 --train-rows all"
        ),
    }
}

BOTH, PLAIN, HALF = "0.5 and 0.3", "no dropout", "half as wide"
FIRST, SECOND = "0.5 behind the first", "0.3 behind the second"
FULL_WIDTH, HALF_WIDTH = "mlp(hidden=[248,210], activation=relu)", "mlp(hidden=[124,105], activation=relu)"
ARMS: dict[str, dict[str, str]] = {
    PLAIN: {"model": FULL_WIDTH},
    HALF: {"model": HALF_WIDTH},
    BOTH: {"model": FULL_WIDTH, "regularizer": "dropout((0.5, 0.3))"},
    FIRST: {"model": FULL_WIDTH, "regularizer": "dropout((0.5, 0.0))"},
    SECOND: {"model": FULL_WIDTH, "regularizer": "dropout((0.0, 0.3))"},
}
ROWS, EPOCHS = 100, 200


class DropoutStudy(Study):
    """Dropout behind both layers, behind one, and none, at full and half the width, by amount of data."""

    name = "dropout"
    question = "Does dropout help on new images, behind which layer, and with how much data?"
    source = SOURCE
    tasks: ClassVar = (
        "Dropout 0.5 is said to want twice the hidden neurons. Which of the arms tests that, and with what result?",
    )
    headlines: ClassVar = {
        "more": "Dropout helps with 100 images: {plain} against the same net without it, {half} against one of "
        "half the width; {data}.",
        "same": "Dropout is not told apart from none with 100 images: {plain} against the same net without it, "
        "{half} against one of half the width; {data}.",
        "less": "Dropout harms with 100 images: {plain} against the same net without it, {half} against one of "
        "half the width; {data}.",
    }

    def comparisons(self, size: Size, data: StudyData) -> Mapping[str, Comparing]:
        """Return every placement with 100 images, and dropout against none with more."""
        del data
        epochs, seeds = by_size(size, 100, EPOCHS, EPOCHS), (3, 5, 10)
        arms = both_ways(size, ARMS, rate=0.005, published=[BOTH], raised=RAISED_BY)
        options, watching = protocol(size, ROWS, epochs, seeds), watched("InSample")
        found = {MAIN: Comparing(arms, options, watching)}
        two = [each for each in arms if each.arm.name in (BOTH, PLAIN)]
        for rows in _more(size):
            found[f"{rows}-images"] = Comparing(two, protocol(size, rows, epochs, seeds), watching)
        return found

    def columns(self) -> Sequence[StudyColumn]:
        """Return in-sample beside out-of-sample."""
        return [
            IN_SAMPLE,
            NEW_LAST,
            NEW_BEST,
        ]

    def answer(self, found: Found) -> Answer:
        """Return what dropout is worth against both controls, and with more images."""
        accuracy = {name: found.values("accuracy", name, "last") for name in ARMS}
        parts = [of for of in found.comparisons if of]
        more = [
            (found.values("accuracy", BOTH, "last", of), found.values("accuracy", PLAIN, "last", of))
            for of in parts
        ]
        plain, half, one, other, *by_data = gaps(
            [
                (accuracy[BOTH], accuracy[PLAIN]),
                (accuracy[BOTH], accuracy[HALF]),
                (accuracy[FIRST], accuracy[PLAIN]),
                (accuracy[SECOND], accuracy[PLAIN]),
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
                    measured=f"{FIRST}: {one.text()}; {SECOND}: {other.text()}",
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
            [
                "The published rate serves all arms; with --full, each also has a tuned one.",
                *([raised_note()] if found.size == "quick" else []),
            ],
        )


def _more(size: Size) -> tuple[int, ...]:
    """Return further amounts of data."""
    return by_size(size, (200,), (1000,), (30, 250, 1000, 4000))


def _drawing(found: Found, parts: Sequence[str]) -> Drawing:
    amounts = sorted([(ROWS, MAIN), *((int(of.removesuffix("-images")), of) for of in parts)])
    return by_amount(
        [
            line(found, text, [(float(rows), name, of) for rows, of in amounts])
            for name, text in ((BOTH, f"dropout {BOTH}"), (PLAIN, PLAIN))
        ]
    )
