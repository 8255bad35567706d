"""Does early stopping help, or harm?

The published experiment trains 3072-128-32-3 on 100 images for up to 200 epochs by SGD (rate 5e-4, momentum 0.99),
stops after 20 epochs without a better validation accuracy, and keeps the best weights. Here the same runs are also
made to their end, and to five times of it, where training goes on long after the best weights: what stopping is worth
is its best weights against those of the whole run, and what keeping the best weights is worth is these against the
last ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import ClassVar

from steepest.compare.studied import Beside, Check, Drawing
from steepest.studies.base.data import StudyData
from steepest.studies.base.found import Found, StudyColumn, Weights, gaps, mean
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
from steepest.studies.base.study import MAIN, Answer, Comparing, Size, Study, StudyArm
from steepest.studies.base.watching import FITTED

COMPONENTS = {
    "early-stopping": {
        "object": "EarlyStoppingStudy",
        "what": "does early stopping help or harm, by patience and metric?",
        "minutes": {"quick": 0.5, "default": 5.0, "full": 15.0},
        "tflop": {"quick": 1.0, "default": 5.0, "full": 30.0},
        "yours": (
            "compare data.csv --target y -o momentum --regularizer none --regularizer "
            "'early-stopping(5)' --regularizer 'early-stopping(20)'"
        ),
    }
}

WHOLE, LOSS, LONG = "whole run", "log-loss", "long"
PATIENCES = (1, 2, 5, 10)
ROWS, EPOCHS, LONGER, PUBLISHED = 100, 200, 1000, 2
BOTH: tuple[Weights, ...] = ("best", "last")
EVALUATIONS = 20
"""A run is evaluated so many times."""
WAYS = {MAIN: "validation accuracy", LOSS: "validation log loss", LONG: "log loss, 1,000 epochs"}
"""What each comparison stops by."""


class EarlyStoppingStudy(Study):
    """Patience of 1 to 10 evaluations on validation accuracy and on validation log loss, in 200 and 1,000 epochs."""

    name = "early-stopping"
    question = "Does early stopping help on new images, or does it harm?"
    source = SOURCE
    headlines: ClassVar = {
        "less": "Early stopping harms: {stopped} on new images against the best weights of all {epochs} epochs, with a "
        "patience of {patience} epochs on validation accuracy. {more}",
        "same": "Early stopping is not told apart from the best weights of all {epochs} epochs: {stopped} on new "
        "images, with a patience of {patience} epochs on validation accuracy. {more}",
        "more": "Early stopping helps: {stopped} on new images against the best weights of all {epochs} epochs, with a "
        "patience of {patience} epochs on validation accuracy. {more}",
    }

    def comparisons(self, size: Size, data: StudyData) -> Mapping[str, Comparing]:
        """Return the comparisons on validation accuracy, on validation log loss, and on that in longer runs."""
        del data
        texts = {WHOLE: "none"} | {_name(each): f"early-stopping({each})" for each in PATIENCES}

        def arms(*published: str) -> list[StudyArm]:
            values = {name: {"regularizer": text} for name, text in texts.items()}
            return both_ways(size, values, rate=0.0005, momentum=0.99, published=published)

        options = protocol(size, ROWS, EPOCHS, (3, 10, 20), model="mlp(hidden=[128,32], activation=relu)")
        longer = {**options, "epochs": LONGER, "metric": "log_loss"}
        watching = watched("InSample")
        return {
            MAIN: Comparing(arms(_name(PUBLISHED)), {**options, "metric": "accuracy"}, watching),
            LOSS: Comparing(arms(), {**options, "metric": "log_loss"}, watching),
            LONG: Comparing(arms(), longer, watching),
        }

    def columns(self) -> Sequence[StudyColumn]:
        """Return epochs, and in-sample beside out-of-sample."""
        return [
            StudyColumn("epochs", _epochs, percent=False, digits=0),
            IN_SAMPLE,
            NEW_LAST,
            NEW_BEST,
            StudyColumn(
                "log loss, best", lambda found, of, arm: found.values("log_loss", arm, "best", of), False, 2
            ),
        ]

    def answer(self, found: Found) -> Answer:
        """Return what stopping is worth against the best weights of the whole run, and those against the last ones."""
        stopped = _name(PUBLISHED)
        best = {
            (of, name): found.values("accuracy", name, "best", of) for of in WAYS for name in (stopped, WHOLE)
        }
        last = {of: found.values("accuracy", WHOLE, "last", of) for of in (MAIN, LONG)}
        own, other, over, kept, much = gaps(
            [(best[of, stopped], best[of, WHOLE]) for of in WAYS]
            + [(best[of, WHOLE], last[of]) for of in (MAIN, LONG)]
        )
        first, end = (found.values("log_loss", WHOLE, weights, LONG) for weights in BOTH)
        [loss] = gaps([(first, end)])
        saved = {of: 1 - mean(_epochs(found, of, stopped)) / mean(_epochs(found, of, WHOLE)) for of in WAYS}
        from_ = {of: mean([each.best_step for each in found.records(WHOLE, of)]) for of in (MAIN, LONG)}
        waits = {of: [mean(_epochs(found, of, _name(each))) for each in PATIENCES] for of in WAYS}
        return Answer(
            own.verdict,
            {
                "epochs": str(EPOCHS),
                "patience": str(PUBLISHED * EPOCHS // EVALUATIONS),
                "stopped": own.text(),
                "more": f"It saves {100 * saved[MAIN]:.0f} % of them, and the best weights are from epoch "
                f"{from_[MAIN]:.0f} on average. In {LONGER:,} epochs these are from epoch {from_[LONG]:.0f}, by "
                f"validation log loss: stopping changes {over.text()} and saves {100 * saved[LONG]:.0f} % of the "
                f"epochs; the best weights have {much.text()} and {loss.text(percent=False, digits=2)} of log loss "
                "against the last ones.",
            },
            [
                Beside(
                    what="is early stopping harmful?",
                    published="asked, not answered",
                    measured="; ".join(
                        f"{text}: {gap.text()}, {100 * saved[of]:.0f} % of the epochs saved"
                        for (of, text), gap in zip(WAYS.items(), (own, other, over), strict=True)
                    ),
                ),
                Beside(
                    what="best − last weights of the whole run",
                    published="best weights kept",
                    measured=f"{EPOCHS} epochs: {kept.text()}; {LONGER:,} epochs: {much.text()}, log loss "
                    f"{loss.text(percent=False, digits=2)}",
                ),
            ],
            [
                Check(
                    what=f"in {LONGER:,} epochs, the whole run learns its training images: there is something to stop",
                    passed=min(found.last_logged(FITTED, WHOLE, LONG)) > 0.99,
                    found=f"at least {100 * min(found.last_logged(FITTED, WHOLE, LONG)):.1f} %",
                ),
                Check(
                    what="more patience never ends earlier",
                    passed=all(one <= more for each in waits.values() for one, more in pairwise(each)),
                    found="; ".join(", ".join(f"{one:.0f}" for one in each) for each in waits.values())
                    + " epochs",
                ),
                Check(
                    what="a run that is stopped is the whole run up to there: its best weights never come later",
                    passed=all(
                        one.best_step <= whole.best_step
                        for of in WAYS
                        for each in PATIENCES
                        for one, whole in zip(
                            found.records(_name(each), of), found.records(WHOLE, of), strict=True
                        )
                    ),
                    found="by seed and patience",
                ),
            ],
            [_drawing(found)],
            [
                f"Patience is a number of evaluations, of which every run has {EVALUATIONS}: one every "
                f"{EPOCHS // EVALUATIONS} epochs, or every {LONGER // EVALUATIONS} in {LONGER:,} epochs. The published "
                "code looks at 100 validation images after every epoch. All differences in accuracy hold together."
            ],
        )


def _name(patience: int) -> str:
    return f"patience {patience}"


def _epochs(found: Found, of: str, arm: str) -> list[float]:
    """Return how many epochs every seed was trained."""
    return [each.curve[-1].epoch for each in found.records(arm, of)]


def _drawing(found: Found) -> Drawing:
    names = [*(_name(each) for each in PATIENCES), WHOLE]
    lines = [
        line(found, text, [(float(place), name, of) for place, name in enumerate(names)], "best")
        for of, text in WAYS.items()
    ]
    ticks = {str(each): float(place) for place, each in enumerate(PATIENCES)}
    return accuracy_by(
        "patience in evaluations",
        lines,
        by="patience",
        ticks={**ticks, WHOLE: float(len(PATIENCES))},
        logarithmic=False,
        weights="best",
    )
