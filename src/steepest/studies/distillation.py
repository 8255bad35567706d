"""Does a big network teach a small one more than its labels do?

The published experiment trains 3072-124-64-3 and then 3072-32-3 on its answers, each for 200 epochs by SGD (rate 5e-3,
momentum 0.9), with α = 1, T = 40 and `kl_div` at its default reduction, which divides by the classes, too. Its curve of
the small network alone is of another length. Here the student is compared with the small network alone, as long as the
student and as long as both, and with its teacher, over α × T, and with both reductions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from steepest.compare.studied import Beside, Check, Drawing, FigureLine
from steepest.studies.base.data import StudyData
from steepest.studies.base.found import Found, StudyColumn, gaps, mean
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
    raised_note,
    watched,
)
from steepest.studies.base.study import MAIN, Answer, Comparing, Size, Study, by_size
from steepest.studies.base.watching import FITTED

COMPONENTS = {
    "distillation": {
        "object": "Distillation",
        "what": "does a big network teach a small one?",
        "minutes": {"quick": 0.5, "default": 5.0, "full": 60.0},
        "tflop": {"quick": 1.0, "default": 10.0, "full": 60.0},
        "yours": (
            "compare data.csv --target y -o adam --model 'mlp(hidden=[16])' --procedure train "
            "--procedure \"distil('mlp(hidden=[256])')\""
        ),
    }
}

STUDENT = "mlp(hidden=[32], activation=relu)"
SMALL, LONG, BIG = "small", "small, twice as long", "big, the teacher"
MEAN = "mean, α 1, T 40"
ALPHAS = (0.5, 0.9, 1.0)
HEATS = (1.0, 4.0, 40.0)
ROWS, EPOCHS = 100, 200
RAISED = 4
"""With ``--quick``; by 10, a student at α = 1, T = 40 diverges, as its gradients grow with T²."""


class Distillation(Study):
    """A small network alone, taught at three α × three T, and its teacher."""

    name = "distillation"
    question = "Does a small network learn more from a big one than from the labels alone?"
    source = SOURCE
    headlines: ClassVar = {
        "more": "A big network teaches a small one: at {chosen}, chosen on validation, {taught} on new images against "
        "the small one alone; the teacher itself is {big} better than the small one; as published (mean) {mean}.",
        "same": "A taught small network is not told apart from the same one alone: {taught} on new images at {chosen}, "
        "chosen on validation; the teacher itself is {big} better than the small one; as published (mean) {mean}.",
        "less": "A taught small network does worse than the same one alone: {taught} on new images at {chosen}, chosen "
        "on validation; the teacher itself is {big} better than the small one; as published (mean) {mean}.",
    }

    def comparisons(self, size: Size, data: StudyData) -> Mapping[str, Comparing]:
        """Return the small network alone, as long as the student and as both; the teacher; and the students."""
        del data
        published = f"distil({WIDE!r}, 1.0, temperature=40.0, reduction=mean, point=last)"
        arms: dict[str, dict[str, str]] = {
            SMALL: {"procedure": "train-for(0.5)"},
            LONG: {"procedure": "train"},
            BIG: {"procedure": "train-for(0.5)", "model": WIDE},
            MEAN: {"procedure": published},
        }
        for alpha, heat in _tried(size):
            text = f"distil({WIDE!r}, {alpha}, temperature={heat}, point=last)"
            arms[_name(alpha, heat)] = {"procedure": text}
        arms = {name: {"model": STUDENT, **values} for name, values in arms.items()}
        every = both_ways(size, arms, rate=0.005, published=[MEAN, BIG, SMALL], raised=RAISED)
        options = protocol(size, ROWS, 2 * EPOCHS, (3, 10, 20))  # of teacher and student together
        return {MAIN: Comparing(every, options, watched("InSample"))}

    def columns(self) -> Sequence[StudyColumn]:
        """Return in-sample beside out-of-sample."""
        return [IN_SAMPLE, NEW_LAST, NEW_BEST]

    def answer(self, found: Found) -> Answer:
        """Return what the teaching that validation chooses is worth, and the published one."""
        tried = _there(found)
        losses = {name: mean(found.validation("log_loss", name, "last")) for name in tried}
        chosen = min(losses, key=lambda name: losses[name])
        accuracy = {arm.title: found.values("accuracy", arm.title, "last") for arm in found.arms()}
        taught, longer, big, published, same = gaps(
            [
                (accuracy[chosen], accuracy[SMALL]),
                (accuracy[chosen], accuracy[LONG]),
                (accuracy[BIG], accuracy[SMALL]),
                (accuracy[MEAN], accuracy[SMALL]),
                (accuracy[MEAN], accuracy[_name(1.0, 40.0)]),
            ]
        )
        fitted = mean(found.last_logged(FITTED, BIG))
        learned = {name: mean(found.last_logged(FITTED, name)) for name in [*tried, MEAN]}
        return Answer(
            taught.verdict,
            {
                "chosen": chosen,
                "taught": taught.text(),
                "big": big.text(),
                "mean": published.text(),
            },
            [
                Beside(
                    what="taught − small alone, as long as the student",
                    published="the student is better, as a curve (one start, α 1, T 40, mean)",
                    measured=f"{chosen}: {taught.text()}; as published: {published.text()}",
                    reason="one start there, and the small network's curve is of another length",
                ),
                Beside(
                    what="taught − small alone, as long as teacher and student",
                    published="not shown",
                    measured=longer.text(),
                ),
                Beside(
                    what="mean − batchmean, α 1, T 40",
                    published="mean, which divides the divergence by the classes, too",
                    measured=f"{same.text()}; {100 * learned[MEAN]:.1f} % of its training images are learned",
                ),
                Beside(what="teacher − small alone", published="not said", measured=big.text()),
            ],
            [
                Check(
                    what="the teacher learns its training images",
                    passed=fitted > 0.95,
                    found=f"{100 * fitted:.1f} %",
                ),
                Check(
                    what="every student that is taught by the divergence itself learns its training images",
                    passed=min(learned[name] for name in tried) > 0.95,
                    found="; ".join(f"{name}: {100 * learned[name]:.1f} %" for name in tried),
                ),
            ],
            [_drawing(found)],
            [
                "Teacher and student have half of the epochs each; α and T are chosen by the validation log loss of "
                "the last weights.",
                *([raised_note(RAISED)] if found.size == "quick" else []),
            ],
        )


def _name(alpha: float, heat: float) -> str:
    return f"taught, α {alpha:g}, T {heat:g}"


def _tried(size: Size) -> list[tuple[float, float]]:
    """Return α and T of the students."""
    few = [(0.9, 4.0), (1.0, 40.0)]
    every = [(alpha, heat) for alpha in ALPHAS for heat in HEATS]
    return by_size(size, few, every, every)


def _there(found: Found) -> list[str]:
    """Return the students at the published rate."""
    names = {arm.title for arm in found.arms()}
    return [name for each in _tried("full") if (name := _name(*each)) in names]


def _drawing(found: Found) -> Drawing:
    there = _there(found)
    lines: list[FigureLine] = []
    for alpha in ALPHAS:
        points = [(heat, _name(alpha, heat), MAIN) for heat in HEATS if _name(alpha, heat) in there]
        if points:
            lines.append(line(found, f"α {alpha:g}", points))
    ends = (HEATS[0], HEATS[-1])
    lines += [line(found, name, [(each, name, MAIN) for each in ends]) for name in (SMALL, BIG)]
    return accuracy_by("temperature", lines, ticks={f"{each:g}": each for each in HEATS})
