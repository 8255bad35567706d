"""Do shortcuts help deep networks, do they keep gradients from vanishing, and do they regularise?

The published experiment trains blocks (linear, batch norm, ReLU, linear, batch norm, + shortcut, ReLU) of 128, 64 and
10 units on MNIST by four optimizers, all at rate 0.01, and has neither a net without shortcuts nor an axis of depth.
Here both are there, with and without batch norm, and the gradient is measured by block.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import product
from typing import ClassVar

from steepest.compare.studied import Beside, Check, Drawing, FigureLine
from steepest.experiment.given import Arm
from steepest.studies.base.data import StudyData
from steepest.studies.base.found import Found, Gap, StudyColumn, ends, gaps, mean, times
from steepest.studies.base.gradients import END, START, norm_of
from steepest.studies.base.lecture import LECTURE, MODULE, RATE, LectureStudy, known, lecture_protocol, right
from steepest.studies.base.shapes import IN_SAMPLE, NEW_LAST
from steepest.studies.base.study import MAIN, Answer, Comparing, Size, StudyArm, by_size
from steepest.studies.base.watching import FITTED

COMPONENTS = {
    "residual": {
        "object": "Residual",
        "what": "do shortcuts help, by depth, and keep gradients from vanishing?",
        "minutes": {"quick": 0.5, "default": 5.0, "full": 240.0},
        "tflop": {"quick": 1.0, "default": 12.0, "full": 400.0},
        "yours": (
            "compare data.csv --target y -o momentum --model 'residual-mlp(shortcut=true)' --model "
            "'residual-mlp(shortcut=false)'"
        ),
    }
}

DEPTHS = (2, 4, 8, 16)
WIDTH = 64
BARE, TUNED, PUBLISHED = "no-batch-norm", "tuned-rates", "published-net"
WITH, WITHOUT = "shortcuts", "no shortcuts"
VANISHED = -1.0
"""A gradient has vanished where it is shown to be less than a tenth, in decadic logarithms."""
FIT = 0.9
"""In-sample accuracy from which a net counts as one that fits its training images."""
OPTIMIZERS = {"SGD": "momentum", "Adam": "adam", "RMSprop": "rmsprop", "Adagrad": "adagrad"}
NETS = {MAIN: "with batch norm", BARE: "without batch norm"}


class Residual(LectureStudy):
    """Two to sixteen blocks with and without shortcuts and batch norm, and the published net."""

    name = "residual"
    question = "Do shortcuts help deep networks, keep gradients from vanishing, and regularise?"
    source = f"{LECTURE}, its part on residual networks; it draws curves and prints no numbers"
    headlines: ClassVar = {
        "more": "With batch norm, shortcuts help at {depth} blocks: {normed} on new images; without batch norm {bare}; "
        "{tuned}. {gradient} {gap}",
        "same": "With batch norm, that shortcuts help at {depth} blocks is not shown: {normed} on new images; without "
        "batch norm {bare}; {tuned}. {gradient} {gap}",
        "less": "With batch norm, shortcuts harm at {depth} blocks: {normed} on new images; without batch norm {bare}; "
        "{tuned}. {gradient} {gap}",
    }

    def comparisons(self, size: Size, data: StudyData) -> Mapping[str, Comparing]:
        """Return all depths at the published rate, the deepest at tuned ones, and the published net."""
        del data
        options = lecture_protocol(size, (3, 4, 5), epochs=by_size(size, 10, 3, 10))
        watching = [f"{MODULE}:FittedAtEnd", "steepest.studies.base.gradients:GradientByBlock"]
        fixed = f"momentum(lr={RATE:g})"
        found = {
            of: Comparing(
                [
                    StudyArm(
                        Arm(
                            optimizer=fixed,
                            model=_model([WIDTH] * depth, shortcut, of == MAIN),
                            name=_name(depth, shortcut),
                        ),
                        "corrected",
                    )
                    for depth, shortcut in product(depths_of(size), (True, False))
                ],
                options,
                watching,
            )
            for of in NETS
        }
        deepest = depths_of(size)[-1]
        found[TUNED] = Comparing(
            [
                StudyArm(
                    Arm(
                        optimizer="momentum",
                        model=_model([WIDTH] * deepest, shortcut, norm),
                        name=f"{_name(deepest, shortcut)}{_normed(norm)}",
                    ),
                    "tuned",
                )
                for norm, shortcut in product((True, False), (True, False))
            ],
            {**options, "full_rates": 1, "scan_rates": by_size(size, 5, 5, 7)},
            watching[:1],
        )
        found[PUBLISHED] = Comparing(
            [
                StudyArm(
                    Arm(
                        optimizer=f"{rule}(lr={RATE:g})",
                        model=_model([128, 64, 10], shortcut, norm=True),
                        name=f"{name}, {WITH if shortcut else WITHOUT}",
                    ),
                    "published" if shortcut else "corrected",
                )
                for (name, rule), shortcut in product(OPTIMIZERS.items(), (True, False))
            ],
            options,
            watching[:1],
        )
        return found

    def columns(self) -> Sequence[StudyColumn]:
        """Return accuracy, and how much smaller the gradient is at the first block than at the last."""
        return [
            IN_SAMPLE,
            NEW_LAST,
            StudyColumn("log10 gradient first / last, start", _at_start, percent=False, digits=2),
            StudyColumn("at the end", _at_end, percent=False, digits=2),
        ]

    def answer(self, found: Found) -> Answer:
        """Return what shortcuts are worth at the largest depth, to gradients, and to the gap to new images."""
        depths = depths_of(found.size)
        deepest = depths[-1]
        pair = (_name(deepest, True), _name(deepest, False))

        def new(of: str, norm: bool = True) -> tuple[list[float], list[float]]:
            first, second = (name + (_normed(norm) if of == TUNED else "") for name in pair)
            return right(found, first, of), right(found, second, of)

        normed, bare, tuned, tuned_bare = gaps([new(MAIN), new(BARE), new(TUNED), new(TUNED, False)])
        by_depth = {
            of: gaps([(right(found, _name(d, True), of), right(found, _name(d, False), of)) for d in depths])
            for of in NETS
        }
        ratios = {(of, name): _ratio(found, name, of, START) for of in NETS for name in pair}
        flow = dict(
            zip(ratios, gaps([known(each, [0.0] * len(each)) for each in ratios.values()]), strict=True)
        )
        optimism = dict(
            zip(
                depths,
                gaps(
                    [known(*(_optimism(found, _name(d, way), MAIN) for way in (True, False))) for d in depths]
                ),
                strict=True,
            )
        )
        fits = max((d for d in depths if _fits(found, d)), default=deepest)
        both = [[right(found, f"{name}, {way}", PUBLISHED) for way in (WITH, WITHOUT)] for name in OPTIMIZERS]
        lecture = dict(zip(OPTIMIZERS, gaps([(one, other) for one, other in both]), strict=True))
        rates = [each.lr for arm in found.arms(TUNED) for each in found.records(arm.title, TUNED)]
        shallow = {of: right(found, _name(depths[0], True), of) for of in NETS}
        return Answer(
            normed.verdict,
            {
                "depth": str(deepest),
                "normed": normed.text(),
                "bare": bare.text(),
                "tuned": f"tuned rates are {RATE:g}, too"
                if all(math.isclose(each, RATE) for each in rates)
                else f"with tuned rates {tuned.text()}, without batch norm {tuned_bare.text()}",
                "gradient": _vanishing({(of, name.split(", ")[1]): gap for (of, name), gap in flow.items()}),
                "gap": f"That they regularise {_REGULARISES[optimism[fits].verdict]}: in-sample minus new images "
                f"{optimism[fits].text()} at {fits} blocks with batch norm.",
            },
            [
                Beside(
                    what="shortcuts − none on new images, by blocks",
                    published="shortcuts help; neither a net without nor depth",
                    measured="; ".join(
                        f"{text}: {_by_depth(depths, by_depth[of])}" for of, text in NETS.items()
                    ),
                ),
                Beside(
                    what="the published net of 3 blocks at rate 0.01, shortcuts − none",
                    published="shortcuts alone are shown",
                    measured=", ".join(f"{name} {gap.text()}" for name, gap in lecture.items()),
                ),
                Beside(
                    what=f"gradient at the first of {deepest} blocks over that at the last, before the first step",
                    published="shortcuts help against vanishing gradients",
                    measured="; ".join(
                        f"{text}: {times(flow[of, pair[0]])} with shortcuts, {times(flow[of, pair[1]])} without"
                        for of, text in NETS.items()
                    ),
                ),
                Beside(
                    what="in-sample minus new images with batch norm, shortcuts − none, by blocks",
                    published="shortcuts regularise",
                    measured=_by_depth(depths, [*optimism.values()]),
                ),
            ],
            [
                Check(
                    what=f"{depths[0]} blocks with shortcuts learn",
                    passed=all(min(each) > 0.8 for each in shallow.values()),
                    found=", ".join(
                        f"at least {100 * min(each):.1f} % {NETS[of]}" for of, each in shallow.items()
                    ),
                )
            ],
            [_accuracy(found, depths), _gradients(found, deepest)],
            [
                f"Blocks have {WIDTH} units and two layers. Gradients are of the second weight of a block on the same "
                "images, with batch norm as in training. Intervals of a row hold together; a failed run counts as "
                "guessing.",
            ],
        )


_REGULARISES = {"less": "is shown", "same": "is not shown", "more": "is not so"}


def _vanishing(flow: Mapping[tuple[str, str], Gap]) -> str:
    """Return where gradients vanish on their way to the first block.

    Example:
        >>> gone = _vanishing({(MAIN, WITH): Gap(0.1, 0.0, 0.2, 5), (BARE, WITHOUT): Gap(-3.0, -4.0, -2.0, 5)})
        >>> gone[:86]
        'Before the first step, gradients vanish without batch norm and without shortcuts (at t'
    """
    gone = [each for each, gap in flow.items() if gap.high < VANISHED]
    if not gone:
        return "Before the first step, no gradient is shown to vanish."
    told = ", ".join(
        f"{NETS[of]} and {'with' if way == WITH else 'without'} shortcuts (at the first block {times(flow[of, way])} "
        "that at the last)"
        for of, way in gone
    )
    return f"Before the first step, gradients vanish {told}; elsewhere none is shown to."


def depths_of(size: str) -> Sequence[int]:
    """Return the numbers of blocks of a size of the study.

    Example:
        >>> depths_of("quick")
        (2, 8)
    """
    return (2, 8) if size == "quick" else DEPTHS


def _model(hidden: Sequence[int], shortcut: bool, norm: bool) -> str:
    more = ("" if shortcut else ", shortcut=false") + (", norm=batch" if norm else "")
    return f"residual-mlp(hidden=[{','.join(map(str, hidden))}]{more})"


def _name(depth: int, shortcut: bool) -> str:
    return f"{depth} blocks, {WITH if shortcut else WITHOUT}"


def _normed(norm: bool) -> str:
    return ", batch norm" if norm else ""


def _ratio(found: Found, arm: str, of: str, when: str) -> list[float]:
    """Return the decadic logarithm of the gradient's norm at the first block over that at the last."""
    blocks = int(arm.split()[0]) if arm[0].isdigit() else 0
    first, last = (found.last_logged(norm_of(each, when), arm, of) for each in (1, blocks))
    return [math.log10(a / b) if a > 0 and b > 0 else math.nan for a, b in zip(first, last, strict=True)]


def _at_start(found: Found, of: str, arm: str) -> list[float]:
    return _ratio(found, arm, of, START)


def _at_end(found: Found, of: str, arm: str) -> list[float]:
    return _ratio(found, arm, of, END)


def _optimism(found: Found, arm: str, of: str) -> list[float]:
    """Return how much better a network is on its training images than on new ones."""
    new = found.values("accuracy", arm, "last", of)
    return [one - other for one, other in zip(found.last_logged(FITTED, arm, of), new, strict=True)]


def _fits(found: Found, depth: int) -> bool:
    """Return whether both nets of a depth fit their training images: what does not fit cannot show what regularises."""
    return all(mean(found.last_logged(FITTED, _name(depth, way))) > FIT for way in (True, False))


def _by_depth(depths: Sequence[int], measured: Sequence[Gap]) -> str:
    return ", ".join(f"{depth}: {gap.text()}" for depth, gap in zip(depths, measured, strict=True))


def _accuracy(found: Found, depths: Sequence[int]) -> Drawing:
    lines: list[FigureLine] = []
    for (of, text), shortcut in product(NETS.items(), (True, False)):
        at = [ends(right(found, _name(depth, shortcut), of), 100) for depth in depths]
        y, low, high = ([each[i] for each in at] for i in range(3))
        name = f"{WITH if shortcut else WITHOUT}, {text}"
        lines.append(FigureLine(name=name, x=[float(each) for each in depths], y=y, low=low, high=high))
    return Drawing(
        title="Accuracy on new images by depth",
        x="blocks",
        y="right on new images, %",
        lines=lines,
        logarithmic=True,
        ticks={str(each): float(each) for each in depths},
        caption="Means over seeds with 95 % intervals; weights after the last step, at rate 0.01.",
    )


def _gradients(found: Found, deepest: int) -> Drawing:
    lines: list[FigureLine] = []
    for (of, text), shortcut in product(NETS.items(), (True, False)):
        name = _name(deepest, shortcut)
        norms = [found.last_logged(norm_of(each, START), name, of) for each in range(1, deepest + 1)]
        y = [10 ** (sum(map(_log, each)) / len(each)) for each in norms]
        lines.append(
            FigureLine(
                name=f"{WITH if shortcut else WITHOUT}, {text}",
                x=[float(i) for i in range(1, deepest + 1)],
                y=y,
            )
        )
    return Drawing(
        title=f"Gradient by block before the first step, {deepest} blocks",
        x="block, from the inputs",
        y="norm of the gradient",
        lines=lines,
        logarithmic_y=True,
        caption="Geometric means over seeds, of each block's second weight.",
    )


def _log(value: float) -> float:
    return math.log10(max(value, 1e-30))
