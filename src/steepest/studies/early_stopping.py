"""Does early stopping help, or harm?

The published experiment trains 3072-128-32-3 on 100 images for up to 200 epochs by SGD (rate 5e-4, momentum 0.99),
stops after 20 epochs without a better validation accuracy, and keeps the best weights. Here the same runs are also
made to their end: what stopping is worth is its best weights against those of the whole run, and against the last
ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import ClassVar

from steepest.compare.studied import Beside, Check, Drawing
from steepest.studies.base.found import Found, StudyColumn, gaps, mean
from steepest.studies.base.shapes import (
    IN_SAMPLE,
    NEW_BEST,
    NEW_LAST,
    SOURCE,
    accuracy_by,
    both_ways,
    line,
    protocol,
    watched,
)
from steepest.studies.base.study import MAIN, Answer, Comparing, Size, Study

COMPONENTS = {
    "early-stopping": {
        "object": "EarlyStoppingStudy",
        "what": "does early stopping help or harm, by patience and metric?",
        "minutes": {"quick": 0.5, "default": 3.0, "full": 15.0},
        "tflop": {"quick": 1.0, "default": 3.0, "full": 20.0},
    }
}

WHOLE, LOSS = "whole run", "log-loss"
PATIENCES = (1, 2, 5, 10)
ROWS, EPOCHS, EVERY, PUBLISHED = 100, 200, 10, 2


class EarlyStoppingStudy(Study):
    """Patience of 10 to 100 epochs on validation accuracy and on validation log loss."""

    name = "early-stopping"
    question = "Does early stopping help on new images, or does it harm?"
    source = SOURCE
    headlines: ClassVar = {
        "less": "Early stopping harms: with a patience of {patience} epochs on validation accuracy, new images "
        "are {stopped} against the best weights of the whole run; these are {best} against the last ones."
        " {loss}",
        "same": "Early stopping is not told apart from the whole run with its best weights: {stopped} on new "
        "images with a patience of {patience} epochs on validation accuracy; the best weights are {best} "
        "against the last ones. {loss}",
        "more": "Early stopping helps: with a patience of {patience} epochs on validation accuracy, new images "
        "are {stopped} against the best weights of the whole run; these are {best} against the last ones."
        " {loss}",
    }

    def comparisons(self, size: Size) -> Mapping[str, Comparing]:
        """Return the comparison on validation accuracy, and that on validation log loss."""
        texts = {WHOLE: "none"} | {_name(each): f"early-stopping({each})" for each in PATIENCES}
        arms = both_ways(
            size,
            {name: {"regularizer": text} for name, text in texts.items()},
            rate=0.0005,
            momentum=0.99,
            published=list(texts),
        )
        options = protocol(size, ROWS, EPOCHS, (3, 10, 20), model="mlp(hidden=[128,32], activation=relu)")
        watching = watched("InSample")
        return {
            MAIN: Comparing(arms, {**options, "metric": "accuracy"}, watching),
            LOSS: Comparing(arms, {**options, "metric": "log_loss"}, watching),
        }

    def columns(self) -> Sequence[StudyColumn]:
        """Return epochs, and in-sample beside out-of-sample."""
        return [
            StudyColumn("epochs", _epochs, percent=False, digits=0),
            IN_SAMPLE,
            NEW_BEST,
            NEW_LAST,
        ]

    def answer(self, found: Found) -> Answer:
        """Return what stopping is worth against the best weights of the whole run, and those against the last ones."""
        best = {
            of: {arm.title: found.values("accuracy", arm.title, "best", of) for arm in found.arms(of)}
            for of in (MAIN, LOSS)
        }
        stopped = _name(PUBLISHED)
        own, other, kept = gaps(
            [
                (best[MAIN][stopped], best[MAIN][WHOLE]),
                (best[LOSS][stopped], best[LOSS][WHOLE]),
                (best[MAIN][WHOLE], found.values("accuracy", WHOLE, "last")),
            ]
        )
        saved = 1 - mean(_epochs(found, MAIN, stopped)) / EPOCHS
        waits = [mean(_epochs(found, MAIN, _name(each))) for each in PATIENCES]
        return Answer(
            own.verdict,
            {
                "patience": str(PUBLISHED * EVERY),
                "stopped": own.text(),
                "best": kept.text(),
                "loss": f"On validation log loss it is {other.text()}. It saves {100 * saved:.0f} % of the epochs.",
            },
            [
                Beside(
                    what="is early stopping harmful?",
                    published="asked, not answered",
                    measured=f"on accuracy: {own.text()}; on log loss: {other.text()}",
                ),
                Beside(
                    what="best − last weights of the whole run",
                    published="best weights kept",
                    measured=kept.text(),
                ),
            ],
            [
                Check(
                    what="more patience never ends earlier",
                    passed=all(one <= more for one, more in pairwise(waits)),
                    found=", ".join(f"{each:.0f}" for each in waits) + " epochs",
                ),
                Check(
                    what="a run that is stopped is the whole run up to there: its best weights never come later",
                    passed=all(
                        one.best_step <= whole.best_step
                        for each in PATIENCES
                        for one, whole in zip(found.records(_name(each)), found.records(WHOLE), strict=True)
                    ),
                    found="by seed and patience",
                ),
            ],
            [_drawing(found)],
            [f"Runs look at the validation images every {EVERY} epochs; patience is a number of such looks."],
        )


def _name(patience: int) -> str:
    return f"patience {patience * EVERY}"


def _epochs(found: Found, of: str, arm: str) -> list[float]:
    """Return how many epochs every seed was trained."""
    return [each.curve[-1].epoch for each in found.records(arm, of)]


def _drawing(found: Found) -> Drawing:
    names = [*(_name(each) for each in PATIENCES), WHOLE]
    lines = [
        line(found, text, [(float(place), name, of) for place, name in enumerate(names)], "best")
        for of, text in ((MAIN, "on validation accuracy"), (LOSS, "on validation log loss"))
    ]
    ticks = {str(each * EVERY): float(place) for place, each in enumerate(PATIENCES)}
    return accuracy_by(
        "patience in epochs",
        lines,
        by="patience",
        ticks={**ticks, WHOLE: float(len(PATIENCES))},
        logarithmic=False,
        weights="best",
    )
