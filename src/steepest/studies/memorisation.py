"""Does a network memorise labels that are wrong, and what does that cost on new images?

The published experiment trains 3072-124-64-3 with leaky ReLU on 100 images in full batches for 200 epochs by SGD (rate
5e-3, momentum 0.9), with true, partly shuffled (10 or 15 %) and shuffled labels; its arms have different images and one
start. Here all arms of a seed have the same images and the same start, seeds draw others, and new images are test
images, not those that chose the weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

from steepest.compare.studied import Beside, Check, Drawing, FigureLine
from steepest.studies.base.data import StudyData
from steepest.studies.base.found import Found, Gap, StudyColumn, ends, gaps, mean_text
from steepest.studies.base.shapes import (
    IN_SAMPLE,
    NEW_LAST,
    RAISED_BY,
    SOURCE,
    WIDE,
    both_ways,
    protocol,
    raised_note,
    watched,
)
from steepest.studies.base.study import MAIN, Answer, Comparing, Size, Study
from steepest.studies.base.watching import FITTED, MEMORISED, SPENT, WRONG

COMPONENTS = {
    "memorisation": {
        "object": "Memorisation",
        "what": "are wrong labels memorised, and at what cost?",
        "minutes": {"quick": 0.3, "default": 1.0, "full": 10.0},
        "tflop": {"quick": 0.1, "default": 2.0, "full": 20.0},
        "yours": (
            "compare data.csv --target y -o momentum --labels none --labels 'noise(0.15)' --labels "
            "'shuffle(1.0)'"
        ),
    }
}

LEVELS = {
    "clean": "none",
    "10 % shuffled": "shuffle(0.1, draw=run)",
    "15 % shuffled": "shuffle(0.15, draw=run)",
    "all shuffled": "shuffle(draw=run)",
}
RATE = 0.005
ROWS, EPOCHS, PUBLISHED_EPOCHS = 100, 400, 200
NEARLY, CHANCE = 0.98, 1 / 3


class Memorisation(Study):
    """100 images with true, partly shuffled and shuffled labels."""

    name = "memorisation"
    question = "Does a network memorise labels that are wrong, and what does that cost on new images?"
    source = SOURCE
    tasks: ClassVar = (
        "One draw of 100 images may show that slightly shuffled labels do better. How likely is that by chance?",
    )
    headlines: ClassVar = {
        "less": "Wrong labels are {memorised} and cost accuracy on new images: {all} with all labels shuffled; with "
        "10 % shuffled {few}, {clean}.",
        "same": "Wrong labels are {memorised}; what training on them costs on new images is not told apart from "
        "nothing: {all} with all labels shuffled, {few} with 10 % shuffled, {clean}.",
        "more": "Wrong labels are {memorised}, and networks trained on them do better on new images: {all} with all "
        "labels shuffled, {few} with 10 % shuffled, {clean}.",
    }

    def comparisons(self, size: Size, data: StudyData) -> Mapping[str, Comparing]:
        """Return one comparison of four levels, at the published rate and with ``full`` also at a tuned one."""
        del data
        arms = both_ways(
            size,
            {name: {"labels": labels} for name, labels in LEVELS.items()},
            rate=RATE,
            published=list(LEVELS),
            raised=RAISED_BY,
        )
        options = protocol(size, ROWS, EPOCHS, (3, 10, 20), model=WIDE)
        return {MAIN: Comparing(arms, options, watched("EveryStep"))}

    def columns(self) -> Sequence[StudyColumn]:
        """Return in-sample beside out-of-sample."""
        return [
            StudyColumn("wrong labels", lambda found, of, arm: found.last_logged(WRONG, arm, of)),
            IN_SAMPLE,
            StudyColumn("memorised", lambda found, of, arm: found.last_logged(MEMORISED, arm, of)),
            NEW_LAST,
            StudyColumn(f"epochs to {100 * NEARLY:.0f} %", _epochs, False, 0),
            StudyColumn("seconds to it", _seconds, False, 2),
        ]  # fmt: skip

    def answer(self, found: Found) -> Answer:
        """Return whether the labels were memorised, and what it cost."""
        clean, *others = LEVELS
        accuracy = {name: found.values("accuracy", name, "last") for name in LEVELS}
        cost = dict(zip(others, gaps([(accuracy[name], accuracy[clean]) for name in others]), strict=True))
        few, all_ = cost["10 % shuffled"], cost["all shuffled"]
        memorised = [each for name in others for each in found.last_logged(MEMORISED, name)]
        slower = {name: found.reached(FITTED, name, NEARLY) for name in (clean, "all shuffled")}
        [epochs] = gaps([(slower["all shuffled"], slower[clean])])
        wrong = mean_text(found.last_logged(WRONG, "all shuffled"))
        return Answer(
            all_.verdict,
            {
                "memorised": memorised_text(memorised),
                "all": all_.text(),
                "few": few.text(),
                "clean": _beside_clean(few),
            },
            [
                Beside(
                    what="slightly shuffled labels against clean ones, on new images",
                    published="“slightly better” (one draw of 100 images for each)",
                    measured="; ".join(f"{name}: {cost[name].text()}" for name in others[:2]),
                    reason="each arm has other images there, the same draws here",
                ),
                Beside(
                    what=f"accuracy on the training labels after {PUBLISHED_EPOCHS} epochs",
                    published="not printed",
                    measured="; ".join(
                        f"{name}: {mean_text(found.logged_at(FITTED, name, PUBLISHED_EPOCHS))} %"
                        for name in LEVELS
                    ),
                ),
                Beside(
                    what=f"epochs to {100 * NEARLY:.0f} % on the training labels, all shuffled − clean",
                    published="not printed",
                    measured=epochs.text(percent=False, digits=0),
                ),
                Beside(
                    what="wrong labels with all of them shuffled",
                    published="not said",
                    measured=f"{wrong} %: of three classes a third stays right",
                ),
            ],
            self._checks(found),
            [_curves(found)],
            [
                "Arms of a seed share start and images; intervals hold both and are paired by seed. Weights are the "
                "last ones: the best ones on validation are those before anything is memorised.",
                *([raised_note()] if found.size == "quick" else []),
            ],
        )

    @staticmethod
    def _checks(found: Found) -> list[Check]:
        checks: list[Check] = []
        for least, epochs in ((NEARLY, PUBLISHED_EPOCHS), (1.0, EPOCHS)):
            lowest = {name: min(found.logged_at(FITTED, name, epochs)) for name in LEVELS}
            worst = min(lowest, key=lambda name: lowest[name])
            checks.append(
                Check(
                    what=f"every run is right on {100 * least:.0f} % of its training labels within {epochs} epochs",
                    passed=all(
                        max(value for step, value in curve if step <= epochs) >= least
                        for name in LEVELS
                        for curve in found.logged(FITTED, name)
                    ),
                    found=f"the lowest after {epochs} epochs is {100 * lowest[worst]:.1f} % ({worst})",
                )
            )
        return checks


def memorised_text(shares: Sequence[float]) -> str:
    """Return whether wrong labels are memorised, of their shares that runs predict as they are.

    They are where every run predicts nearly all of them; a run that predicts a wrong label of three no more often than
    by chance, in at most a third of the cases, has memorised none.

    Example:
        >>> memorised_text([1.0, 0.99]), memorised_text([1.0, 0.7]), memorised_text([0.3, 0.2])
        ('memorised (100 % of them)', 'memorised in part (85 % of them)', 'not memorised (25 % of them)')
    """
    known = [each for each in shares if not math.isnan(each)]
    if not known:
        return "not there to be memorised"
    share = f"{100 * sum(known) / len(known):.0f} %"
    if min(known) >= NEARLY:
        return f"memorised ({share} of them)"
    if sum(known) / len(known) > CHANCE:
        return f"memorised in part ({share} of them)"
    return f"not memorised ({share} of them)"


def _beside_clean(few: Gap) -> str:
    """Return what the difference of few shuffled labels is worth, in words."""
    words = {
        "same": "not told apart from clean labels",
        "more": "better than clean labels",
        "less": "worse than clean labels",
    }
    return words[few.verdict]


def _epochs(found: Found, of: str, arm: str) -> list[float]:
    """Return the epochs until nearly all labels were right."""
    return found.reached(FITTED, arm, NEARLY, of)


def _seconds(found: Found, of: str, arm: str) -> list[float]:
    """Return the seconds of training until nearly all labels were right, without those of the watching."""
    taken: list[float] = []
    for record, steps in zip(found.records(arm, of), found.reached(FITTED, arm, NEARLY, of), strict=True):
        watching = sum(value for _, value in record.logged.get(SPENT, []))
        taken.append((record.clocks.train - watching) / record.steps * steps if record.steps else math.nan)
    return taken


def _curves(found: Found) -> Drawing:
    """Return the accuracy on the training labels by epoch, as means over seeds."""
    lines: list[FigureLine] = []
    for name in LEVELS:
        curves = found.logged(FITTED, name)
        steps = sorted({step for curve in curves for step, _ in curve})
        shown = [step for step in steps if step <= 50 or step % 10 == 0]
        at = [ends(found.logged_at(FITTED, name, step), 100)[0] for step in shown]
        lines.append(FigureLine(name=name, x=[float(step) for step in shown], y=at))
    return Drawing(
        title="Accuracy on the training labels by epoch",
        x="epoch",
        y="right on the training labels, %",
        lines=lines,
        caption="Means over seeds. A step is an epoch: every batch has all images.",
    )
