"""How much of a network can be pruned, and what is the rest worth beside a small dense network?

The published experiment prunes the smallest 50 % of each layer's weights and trains on for 200 epochs; it has no
network that trains as long without pruning, and asks the reader about a small dense one with as many parameters as
are left. Here both are controls, and pruning goes on to 99 %, where it breaks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise, takewhile
from typing import ClassVar

from steepest.compare.studied import Beside, Check, Drawing, FigureLine
from steepest.data.dataset import InputField, Shape
from steepest.experiment.given import Arm
from steepest.studies.base.data import StudyData
from steepest.studies.base.found import Found, Gap, StudyColumn, ends, gaps, mean_text
from steepest.studies.base.shapes import SOURCE
from steepest.studies.base.study import MAIN, Answer, Comparing, Size, Study, StudyArm, by_size
from steepest.train.smaller import narrower

COMPONENTS = {
    "pruning": {
        "object": "PruningStudy",
        "what": "how much of a network can be pruned, and where does it break?",
        "minutes": {"quick": 0.5, "default": 5.0, "full": 60.0},
        "tflop": {"quick": 1.0, "default": 15.0, "full": 400.0},
        "yours": (
            "compare data.csv --target y -o adam --procedure train --procedure 'prune(0.5)' "
            "--procedure 'prune(0.9)'"
        ),
    }
}

PLAIN, PUBLISHED = "not pruned", 0.5
SPARSITIES = (PUBLISHED, 0.8, 0.9, 0.95, 0.98, 0.99)
MODEL = "mlp(hidden=[124,64], activation=leaky-relu)"
CLASSES = 3
MARGIN = 0.05
"""Only where the interval excludes a loss of so much is it said to be excluded."""


class PruningStudy(Study):
    """Sparsities from 50 to 99 %, beside as long a training without pruning and small dense networks."""

    name = "pruning"
    question = (
        "How much of a network can be pruned before it predicts worse, and is a small dense one as good?"
    )
    source = SOURCE
    headlines: ClassVar = {
        "breaks": "Pruning breaks at {first}: {gap} against as long a training without pruning{before}. A small dense "
        "network with as many parameters as are left there is {small}.",
        "open": "Where pruning breaks cannot be told from so few runs: at {last} it changes {gap} against as long a "
        "training without pruning{before}; a small dense network with as many parameters as are left there is {small}.",
        "holds": "Up to {last} a loss of {margin} points is excluded: {gap} against as long a training without "
        "pruning. A small dense network with as many parameters as are left there is {small}.",
    }

    def comparisons(self, size: Size, data: StudyData) -> Mapping[str, Comparing]:
        """Return one comparison of every sparsity with its controls."""
        pixels, rate = data.pixels, "momentum(lr=0.005)"
        small = _small_models(pixels)
        arms = [StudyArm(Arm(optimizer=rate, model=MODEL, name=PLAIN), "corrected")]
        for share in SPARSITIES:
            pruned = Arm(optimizer=rate, model=MODEL, procedure=f"prune({share})", name=_pruned(share))
            arms += [
                StudyArm(pruned, "published" if share == PUBLISHED else "corrected"),
                StudyArm(Arm(optimizer=rate, model=small[share], name=_small(share)), "corrected"),
            ]
        if size == "full":
            arms += [
                StudyArm(
                    Arm(
                        optimizer="momentum",
                        model=MODEL,
                        procedure="train" if share is None else f"prune({share})",
                        name=f"{PLAIN if share is None else _pruned(share)}, tuned",
                    ),
                    "tuned",
                )
                for share in (None, *SPARSITIES)
            ]
        options = {
            "train_rows": f"run:{by_size(size, 200, 1000, 4000)}",
            "batch_size": 128,
            "epochs": by_size(size, 100, 100, 200),
            "seeds": by_size(size, 5, 10, 20),
        }
        return {MAIN: Comparing(arms, options)}

    def columns(self) -> Sequence[StudyColumn]:
        """Return accuracy beside the size of the file and the time of a prediction."""
        return [
            StudyColumn("new images", lambda found, of, arm: found.values("accuracy", arm, "last", of)),
            StudyColumn(
                "new images, best weights", lambda found, of, arm: found.values("accuracy", arm, "best", of)
            ),
            StudyColumn("weights that are 0", lambda found, of, arm: [found.network_size(arm, of).sparsity]),
            StudyColumn("file, kB", lambda found, of, arm: [found.network_size(arm, of).size / 1000], False),
            StudyColumn(
                "compressed, kB", lambda found, of, arm: [found.network_size(arm, of).packed / 1000], False
            ),
            StudyColumn(
                "1,000 images, ms",
                lambda found, of, arm: [found.network_size(arm, of).milliseconds],
                False,
                2,
            ),
        ]

    def answer(self, found: Found) -> Answer:
        """Return where pruning begins to cost accuracy, and what a small network is worth there."""
        accuracy = {arm.title: found.values("accuracy", arm.title, "last") for arm in found.arms()}
        costs = dict(
            zip(
                SPARSITIES,
                gaps([(accuracy[_pruned(each)], accuracy[PLAIN]) for each in SPARSITIES]),
                strict=True,
            )
        )
        against = dict(
            zip(
                SPARSITIES,
                gaps([(accuracy[_small(each)], accuracy[_pruned(each)]) for each in SPARSITIES]),
                strict=True,
            )
        )
        broken = [each for each in SPARSITIES if costs[each].verdict == "less"]
        at = broken[0] if broken else SPARSITIES[-1]
        excluded = _excluded(costs)
        words = {"more": "better", "less": "worse", "same": "not told apart from it"}
        sizes = {each: found.network_size(_pruned(each)) for each in SPARSITIES}
        farthest = max(abs(sizes[each].sparsity - each) for each in SPARSITIES)
        packed = [found.network_size(PLAIN).packed, *(sizes[each].packed for each in SPARSITIES)]
        return Answer(
            "breaks" if broken else "holds" if len(excluded) == len(SPARSITIES) else "open",
            {
                "first": _percent(at),
                "last": _percent(at),
                "gap": costs[at].text(),
                "before": _before(at, excluded),
                "margin": f"{100 * MARGIN:.0f}",
                "small": f"{words[against[at].verdict]}, {against[at].text()}",
            },
            [
                Beside(
                    what="50 % of each layer's weights pruned",
                    published="drawn without a network that trains as long unpruned",
                    measured=f"{costs[PUBLISHED].text()} against one",
                ),
                Beside(
                    what="a small dense network with as many parameters",
                    published="asked, not answered",
                    measured="minus the pruned one: "
                    + ", ".join(f"{against[each].text()} at {_percent(each)}" for each in SPARSITIES),
                ),
            ],
            [
                Check(
                    what="as many weights of the saved networks are 0 as were to be pruned, to 0.5 points",
                    passed=farthest < 0.005,
                    found=f"at most {100 * farthest:.2f} points apart",
                ),
                Check(
                    what="the more is pruned, the smaller is the compressed file",
                    passed=all(one > other for one, other in pairwise(packed)),
                    found=", ".join(f"{each / 1000:,.0f}" for each in packed) + " kB",
                ),
            ],
            [_drawing(found)],
            [
                "All train equally long; the pruned ones half of it before they are pruned. Accuracy is that of the "
                f"weights after the last step: {mean_text(accuracy[PLAIN])} % without pruning. Differences hold "
                "together in each column of differences.",
                "Sizes and times are of the network of one seed. Single weights that are 0 make the compressed file "
                "smaller, but not the prediction faster.",
            ],
        )


def _excluded(costs: Mapping[float, Gap]) -> list[float]:
    """Return the sparsities from the smallest on whose intervals exclude a loss of the margin.

    Example:
        >>> _excluded({0.5: Gap(0.0, -0.01, 0.01, 5), 0.8: Gap(0.0, -0.3, 0.3, 5), 0.9: Gap(0.0, -0.01, 0.01, 5)})
        [0.5]
    """
    return list(takewhile(lambda share: costs[share].low > -MARGIN, costs))


def _before(at: float, excluded: Sequence[float]) -> str:
    """Return what is said of the sparsities below one: where a loss is excluded, and where so few runs cannot tell.

    Example:
        >>> _before(0.9, [0.5])
        '; up to 50 % a loss of 5 points is excluded, and up to 80 % so few runs cannot tell'
        >>> _before(0.8, []), _before(0.8, [0.5, 0.8]), _before(0.5, [])
        ('; below that, so few runs cannot tell', '; up to 50 % a loss of 5 points is excluded', '')
    """
    below = [each for each in SPARSITIES if each < at]
    safe = [each for each in below if each in excluded]
    if not below:
        return ""
    if not safe:
        return "; below that, so few runs cannot tell"
    said = f"; up to {_percent(safe[-1])} a loss of {100 * MARGIN:.0f} points is excluded"
    return said if safe == below else f"{said}, and up to {_percent(below[-1])} so few runs cannot tell"


def _small_models(pixels: int) -> dict[float, str]:
    """Return for each sparsity the model with about as many parameters as are left."""
    shape = Shape("classification", {}, ("x",), CLASSES, (InputField("x", "values", (pixels,)),))
    return {each: narrower(MODEL, shape, each) for each in SPARSITIES}


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _pruned(share: float) -> str:
    return f"{_percent(share)} pruned"


def _small(share: float) -> str:
    return f"small, like {_percent(share)} pruned"


def _drawing(found: Found) -> Drawing:
    left = [100 * (1 - each) for each in SPARSITIES]
    plain = ends(found.values("accuracy", PLAIN, "last"), 100)
    lines = [
        FigureLine(
            name=PLAIN, x=[left[0], left[-1]], y=[plain[0]] * 2, low=[plain[1]] * 2, high=[plain[2]] * 2
        )
    ]
    for text, name in (("pruned", _pruned), ("small dense network", _small)):
        points = [ends(found.values("accuracy", name(each), "last"), 100) for each in SPARSITIES]
        y, low, high = (list(each) for each in zip(*points, strict=True))
        lines.append(FigureLine(name=text, x=left, y=y, low=low, high=high))
    return Drawing(
        title="Accuracy on new images by what is left",
        x="weights that are left, %",
        y="right on new images, %",
        lines=lines,
        logarithmic=True,
        ticks={f"{each:g}": each for each in left},
        caption="Means over seeds with 95 % intervals; weights after the last step. The small networks have as many "
        "parameters as are left.",
    )
