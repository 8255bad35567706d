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

from steepest.compare.studied import Beside, Check, Drawing, Line
from steepest.experiment.given import Arm
from steepest.studies.base.found import Column, Found, ends, gaps, mean
from steepest.studies.base.study import MAIN, Answer, Comparing, Size, Study, StudyArm, by_size
from steepest.studies.base.watching import FITTED

COMPONENTS = {
    "early-stopping": {
        "object": "EarlyStopping",
        "what": "does early stopping help or harm, by patience and metric?",
        "minutes": {"quick": 0.5, "default": 3.0, "full": 15.0},
        "tflop": {"quick": 1.0, "default": 3.0, "full": 20.0},
    }
}

WHOLE, LOSS = "whole run", "log-loss"
PATIENCES = (1, 2, 5, 10)
ROWS, EPOCHS, EVERY, PUBLISHED = 100, 200, 10, 2


class EarlyStopping(Study):
    """Patience of 10 to 100 epochs on validation accuracy and on validation log loss."""

    name = "early-stopping"
    question = "Does early stopping help on new images, or does it harm?"
    source = (
        "lecture on regularisation, animal faces of 32 × 32 pixels; it shows curves and prints no numbers"
    )
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
        optimizer = "momentum(lr=0.0005, momentum=0.99)"
        arms = [
            StudyArm(Arm(optimizer=optimizer, regularizer=text, name=name), "published")
            for name, text in texts.items()
        ]
        if size == "full":
            arms += [
                StudyArm(
                    Arm(optimizer="momentum(momentum=0.99)", regularizer=text, name=f"{name}, tuned"), "tuned"
                )
                for name, text in texts.items()
            ]
        options = {
            "model": "mlp(hidden=[128,32], activation=relu)",
            "train_rows": f"run:{ROWS}",
            "batch_size": "all",
            "epochs": EPOCHS,
            "seeds": by_size(size, 3, 10, 20),
        }
        watching = ["steepest.studies.base.watching:InSample"]
        return {
            MAIN: Comparing(arms, {**options, "metric": "accuracy"}, watching),
            LOSS: Comparing(arms, {**options, "metric": "log_loss"}, watching),
        }

    def columns(self) -> Sequence[Column]:
        """Return epochs, and in-sample beside out-of-sample."""
        return [
            Column("epochs", _epochs, percent=False, digits=0),
            Column("in-sample, last", lambda found, of, arm: found.last_logged(FITTED, arm, of)),
            Column("new images, best", lambda found, of, arm: found.values("accuracy", arm, "best", of)),
            Column("new images, last", lambda found, of, arm: found.values("accuracy", arm, "last", of)),
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
    lines: list[Line] = []
    names = [*(_name(each) for each in PATIENCES), WHOLE]
    for of, text in ((MAIN, "on validation accuracy"), (LOSS, "on validation log loss")):
        points = [ends(found.values("accuracy", name, "best", of), 100) for name in names]
        y, low, high = (list(each) for each in zip(*points, strict=True))
        lines.append(
            Line(name=text, x=[float(place) for place in range(len(names))], y=y, low=low, high=high)
        )
    return Drawing(
        title="Accuracy on new images by patience",
        x="patience in epochs",
        y="right on new images, %",
        lines=lines,
        ticks={
            **{str(each * EVERY): float(place) for place, each in enumerate(PATIENCES)},
            WHOLE: float(len(PATIENCES)),
        },
        caption="Means over seeds with 95 % intervals; the best weights on the validation images.",
    )
