"""Which way to a small network keeps most at equal bytes: pruning, low rank, int8, components, or training a small one?

Pruned, small and component networks are trained as long as the dense one; low rank and int8 are made of the dense one
after training, from the weights that its runs end with. Sizes are those of files, of which pruning makes only the
compressed one smaller, so equal bytes are those after compression.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

from steepest.compare.studied import Beside, Check, Drawing, FigureLine
from steepest.components import grammar
from steepest.data.dataset import InputField, Shape
from steepest.experiment.given import Arm
from steepest.models import build_model, count_parameters
from steepest.studies.base.compressing import (
    INT8,
    MILLISECONDS,
    PACKED,
    RIGHT,
    SIZE,
    OnComponents,
    logged_name,
    low_rank_name,
)
from steepest.studies.base.data import StudyData
from steepest.studies.base.found import Found, Gap, StudyColumn, ends, gaps, mean, mean_text, signed
from steepest.studies.base.shapes import WIDE
from steepest.studies.base.study import MAIN, Answer, Comparing, Size, Study, StudyArm, by_size
from steepest.train.smaller import narrower

COMPONENTS = {
    "compression": {
        "object": "Compression",
        "what": "which way to a small network keeps most at equal bytes?",
        "minutes": {"quick": 0.5, "default": 5.0, "full": 60.0},
        "tflop": {"quick": 0.2, "default": 10.0, "full": 400.0},
        "yours": (
            "compare data.csv --target y -o adam --model 'mlp(hidden=[128])' --procedure train "
            "--procedure 'prune(0.75)'"
        ),
    }
}

DENSE = "dense"
SPARSITY = {4: 0.83, 8: 0.925, 16: 0.965}
"""What is pruned, by the part of the compressed bytes that it leaves: what is not 0 needs more than its own bytes."""
PARTS = tuple(SPARSITY)
CLASSES = 3
HIDDEN = (32,)
"""Of the networks on components."""
MARGIN = 0.02
"""A loss is said to be excluded where the interval excludes one of so much."""
TOLERANCE = 0.25
"""Files of one size are equal to such a share."""


class Compression(Study):
    """Five ways to a quarter of the bytes, four of them to a sixteenth, and with --full to an eighth."""

    name = "compression"
    question = "Which way to a small network keeps most of the accuracy at equal bytes?"
    source = (
        "Han, Mao & Dally, Deep Compression, ICLR 2016, on larger networks, and without a small dense network "
        "of equal size"
    )
    headlines: ClassVar = {
        "safe": "With 1/4 of the bytes, less than {margin} points are lost by {safe}{rest}.",
        "open": "With 1/4 of the bytes, no way is shown to lose less than {margin} points{rest}.",
    }

    def comparisons(self, size: Size, data: StudyData) -> Mapping[str, Comparing]:
        """Return one comparison of the networks that are trained; others are made of the dense one."""
        pixels = data.pixels
        shape = Shape("classification", {}, ("x",), CLASSES, (InputField("x", "values", (pixels,)),))
        rate = "adam" if size == "full" else "adam(lr=0.001)"
        arms = [Arm(optimizer=rate, model=WIDE, name=DENSE)]
        for part in by_size(size, PARTS, (PARTS[0], PARTS[-1]), PARTS):
            arms += [
                Arm(
                    optimizer=rate, model=WIDE, procedure=f"prune({SPARSITY[part]})", name=_name(part, PRUNED)
                ),
                Arm(optimizer=rate, model=narrower(WIDE, shape, 1 - 1 / part), name=_name(part, SMALL)),
                Arm(optimizer=rate, model=_on_components(shape, part), name=_name(part, COMPONENTS_OF)),
            ]
        options = {
            "train_rows": f"run:{by_size(size, 200, 1000, 4000)}",
            "batch_size": "all",  # components are those of all training images of a run
            "epochs": by_size(size, 100, 300, 1000),
            "seeds": by_size(size, 5, 8, 20),
        }
        way = "tuned" if size == "full" else "corrected"
        watching = [f"steepest.studies.base.compressing:Compressed({DENSE}, {list(PARTS)})"]
        return {MAIN: Comparing([StudyArm(each, way) for each in arms], options, watching)}

    def made_of(self, arm: str) -> Sequence[str]:
        """Return what is made of the dense network."""
        return [*INT8.values(), *(low_rank_name(part) for part in PARTS)] if arm == DENSE else []

    def columns(self) -> Sequence[StudyColumn]:
        """Return accuracy beside bytes and time."""
        return [
            StudyColumn("new images", lambda found, of, arm: _logged(found, arm, RIGHT, of)),
            StudyColumn("file, kB", lambda found, of, arm: _thousands(found, arm, SIZE, of), False),
            StudyColumn("compressed, kB", lambda found, of, arm: _thousands(found, arm, PACKED, of), False),
            StudyColumn(
                "1,000 images, ms", lambda found, of, arm: _logged(found, arm, MILLISECONDS, of), False, 2
            ),
        ]

    def answer(self, found: Found) -> Answer:
        """Return what each way costs against the dense network, and is worth beside a small one."""
        first, last = PARTS[0], PARTS[-1]
        right = {
            name: _logged(found, name, RIGHT)
            for arm in found.arms()
            for name in (arm.title, *self.made_of(arm.title))
        }
        ways = [*INT8.values(), *(_name(first, kind) for kind in KINDS)]
        others = [_name(last, kind) for kind in KINDS if kind != SMALL]
        pairs = [(right[each], right[DENSE]) for each in ways]
        pairs += [(right[each], right[_name(last, SMALL)]) for each in others]
        measured = dict(zip([*ways, *others], gaps(pairs), strict=True))
        groups: dict[str, list[str]] = {"safe": [], "worse": [], "open": []}
        for each in ways:
            groups[_group(measured[each])].append(each)
        worse, open_ = groups["worse"], groups["open"]

        def said(names: Sequence[str]) -> str:
            return ", ".join(f"{_kind(each)} {_short(measured[each])}" for each in names)

        packed = {name: mean(_logged(found, name, PACKED)) for name in right}
        shares = {
            _name(part, kind): packed[_name(part, kind)] / packed[DENSE] * part
            for part in PARTS
            for kind in KINDS
            if _name(part, kind) in packed
        }
        farthest = max(shares, key=lambda name: abs(shares[name] - 1))
        whole = max(packed[each] for each in INT8.values()) / packed[DENSE]
        return Answer(
            "safe" if groups["safe"] else "open",
            {
                "margin": f"{100 * MARGIN:.0f}",
                "safe": ", ".join(map(_kind, groups["safe"])),
                "rest": (f"; worse: {said(worse)}" if worse else "")
                + (f"; so few seeds cannot tell of {said(open_)}" if open_ else ""),
            },
            [
                Beside(
                    what="pruned, and in 8 bits, minus dense, with 1/4 of the bytes",
                    published="no loss with less than 1/10 of the weights, and none in 8 bits (Han, Mao & Dally)",
                    measured=said([_name(first, PRUNED), *INT8.values()]),
                ),
                Beside(
                    what="the others minus dense, with 1/4 of the bytes",
                    published="not compared there",
                    measured=said([_name(first, kind) for kind in KINDS if kind != PRUNED]),
                ),
                Beside(
                    what="minus a small dense network, with 1/16 of the bytes",
                    published="not compared there",
                    measured=said(others),
                ),
            ],
            [
                Check(
                    what=f"files of one size are equal after compression, to {100 * TOLERANCE:.0f} %",
                    passed=abs(shares[farthest] - 1) <= TOLERANCE,
                    found=f"farthest is {farthest} with {shares[farthest]:.2f} times its size",
                ),
                Check(
                    what="an int8 file is no larger after compression than others of 1/4 may be",
                    passed=whole * first <= 1 + TOLERANCE,
                    found=f"{100 * whole:.1f} % of the dense network's",
                ),
                Check(
                    what="the dense network is better than guessing among three classes",
                    passed=all(each > 0.4 for each in right[DENSE]),
                    found=f"{mean_text(right[DENSE])} %",
                ),
            ],
            [_drawing(right, packed)],
            [
                "All train equally long, with whole batches. Accuracy, bytes and times are of the last weights, means "
                "over seeds, which vary the start and the images drawn; all differences hold together.",
                "Times are taken while other runs may be made. Weights in 8 bits are widened when they are loaded and "
                "zeros are multiplied as other numbers, so neither makes a prediction faster.",
                "A network on components stores them, too: principal components of the images of its run.",
            ],
        )  # fmt: skip


PRUNED, LOW_RANK, COMPONENTS_OF, SMALL = "pruned", "low rank", "on components", "small dense"
KINDS = (PRUNED, LOW_RANK, COMPONENTS_OF, SMALL)


def _group(gap: Gap) -> str:
    """Return whether a loss of the margin is excluded, a loss is shown, or neither; equal seeds have no interval."""
    if (gap.mean if math.isnan(gap.low) else gap.low) > -MARGIN:
        return "safe"
    return "worse" if gap.verdict == "less" else "open"


def _kind(name: str) -> str:
    return name.partition(": ")[2] or name


def _short(gap: Gap) -> str:
    return f"{signed(100 * gap.mean, 1)} points" if math.isnan(gap.low) else gap.text()


def _name(part: int, kind: str) -> str:
    return low_rank_name(part) if kind == LOW_RANK else f"1/{part}: {kind}"


def _logged(found: Found, name: str, what: str, of: str = MAIN) -> list[float]:
    """Return what was logged of an arm, or of what was made of the dense network."""
    there = {each.title for each in found.arms(of)}
    arm, made = (name, "") if name in there else (DENSE, name)
    return found.last_logged(logged_name(made, what), arm, of)


def _thousands(found: Found, name: str, what: str, of: str = MAIN) -> list[float]:
    return [each / 1000 for each in _logged(found, name, what, of)]


def _on_components(shape: Shape, part: int) -> str:
    """Return the network on as many components as one of so many parts of the dense network's numbers allow."""
    most = count_parameters(build_model(WIDE, shape)) / part
    pixels = shape.fields[-1].size[0]

    def numbers(components: int) -> int:
        own = OnComponents(shape, components=components, hidden=HIDDEN)
        return sum(each.numel() for each in own.state_dict().values())

    components = max(1, int((most - numbers(1)) / (numbers(2) - numbers(1)) + 1))
    reference = f"{OnComponents.__module__}:{OnComponents.__name__}"
    return str(grammar.Spec(reference, (), {"components": min(components, pixels), "hidden": HIDDEN}))


def _drawing(right: Mapping[str, Sequence[float]], packed: Mapping[str, float]) -> Drawing:
    def points(name: str, arms: Sequence[str]) -> FigureLine:
        y, low, high = (list(each) for each in zip(*(ends(right[arm], 100) for arm in arms), strict=True))
        return FigureLine(name=name, x=[packed[arm] / 1000 for arm in arms], y=y, low=low, high=high)

    lines = [
        points(kind, [DENSE, *(name for part in PARTS if (name := _name(part, kind)) in right)])
        for kind in KINDS
    ]
    lines.append(points("int8", [DENSE, INT8[True]]))
    ticks = {DENSE: packed[DENSE] / 1000} | {f"1/{part}": packed[DENSE] / part / 1000 for part in PARTS}
    return Drawing(
        title="Accuracy on new images by bytes",
        x="compressed file, parts of the dense network's",
        y="right on new images, %",
        lines=lines,
        logarithmic=True,
        ticks=ticks,
        caption="Means over seeds with 95 % intervals, by the compressed bytes of each file; int8 with a "
        "scale for each neuron.",
    )
