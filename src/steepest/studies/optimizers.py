"""Which optimizer is best on the lecture's net, and does Adagrad suit sparse features?

The published experiment trains on MNIST with batches of 64 for 10 epochs by SGD and Adagrad (rate 0.01), RMSprop and
Adam (1e-3), and draws 100 − loss as an error. Here rates are also tuned, with and without batch norm, and a linear
model on sparse features of the same images is compared with one on their pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding

from steepest.compare.studied import Beside, Check, Drawing, FigureLine
from steepest.data.dataset import Shape
from steepest.experiment.given import Arm
from steepest.studies.base.data import StudyData
from steepest.studies.base.found import Found, Gap, StudyColumn, ends, gaps, mean
from steepest.studies.base.lecture import (
    LECTURE,
    MODULE,
    SHALLOW,
    LectureStudy,
    lecture_protocol,
    net_text,
    plain,
    right,
)
from steepest.studies.base.shapes import IN_SAMPLE, NEW_LAST
from steepest.studies.base.study import MAIN, Answer, Comparing, Size, StudyArm, by_size
from steepest.studies.base.watching import LOSS

COMPONENTS = {
    "optimizers": {
        "object": "Optimizers",
        "what": "which optimizer is best, and does Adagrad suit sparse features?",
        "minutes": {"quick": 0.5, "default": 5.0, "full": 120.0},
        "tflop": {"quick": 0.5, "default": 8.0, "full": 200.0},
        "yours": "compare data.csv --target y -o sgd,adagrad,rmsprop,adam",
    }
}

RATES = {"SGD": 0.01, "Adagrad": 0.01, "RMSprop": 0.001, "Adam": 0.001}
OTHERS = tuple(RATES)[1:]
NORMED = ", batch norm"
TUNED, SPARSE, DENSE = "tuned-rates", "sparse-features", "dense-features"
PATCH = 3
"""Pixels of a side of the patches whose patterns are sparse features."""


class PatchPatterns(nn.Module):
    """A linear model on which pattern each patch of 3 × 3 pixels has, so that one of 512 features at each place is 1.

    A pixel counts as set where it is brighter than the mean of all training pixels. Weights begin at 0.

    Args:
        shape: the dataset's shape, of grey images.
        stride: pixels from one patch to the next.

    Example:
        >>> from steepest.data.dataset import InputField
        >>> image = Shape("classification", {}, (), 10, (InputField("image", "image", (1, 6, 6)),))
        >>> net = PatchPatterns(image, stride=3)
        >>> net(torch.zeros(2, 1, 6, 6)).shape, net.weight.shape
        (torch.Size([2, 10]), torch.Size([2048, 10]))
    """

    powers: Tensor
    first: Tensor

    def __init__(self, shape: Shape, *, stride: int = PATCH) -> None:
        super().__init__()
        self.stride = stride
        height, width = ((side - PATCH) // stride + 1 for side in shape.fields[-1].size[-2:])
        patterns = 2 ** (PATCH * PATCH)
        self.register_buffer("powers", 2.0 ** torch.arange(PATCH * PATCH))
        self.register_buffer("first", torch.arange(height * width) * patterns)
        self.weight = nn.Parameter(torch.zeros(height * width * patterns, shape.outputs))
        self.bias = nn.Parameter(torch.zeros(shape.outputs))

    def forward(self, images: Tensor) -> Tensor:
        """Return outputs ``[B, outputs]`` for images ``[B, 1, H, W]``."""
        patches = images.unfold(-2, PATCH, self.stride).unfold(-2, PATCH, self.stride)
        set_ = (patches.flatten(-2).flatten(1, -2) > 0).to(self.powers.dtype)
        return embedding((set_ @ self.powers).long() + self.first, self.weight).sum(1) + self.bias


class Optimizers(LectureStudy):
    """Four optimizers at the published and at tuned rates, with and without batch norm, and on sparse features."""

    name = "optimizers"
    question = "Which optimizer is best on MNIST at its own rate, and does Adagrad suit sparse features?"
    source = f"{LECTURE}, its part on optimizers; it draws 100 − loss and prints no numbers"
    headlines: ClassVar = {
        "less": "Adagrad gains more over SGD with sparse features than with dense ones: {sparse}. {tuned} {published}",
        "same": "That Adagrad gains more over SGD with sparse features than with dense ones is not shown: {sparse}. "
        "{tuned} {published}",
        "more": "Adagrad gains less over SGD with sparse features than with dense ones: {sparse}. {tuned} {published}",
    }

    def comparisons(self, size: Size, data: StudyData) -> Mapping[str, Comparing]:
        """Return the published rates, tuned ones, and linear models on sparse and on dense features."""
        del data
        options = lecture_protocol(size, (3, 4, 5), epochs=by_size(size, 10, 3, 10))
        tuning = {**options, "full_rates": by_size(size, 1, 2, 2), "scan_rates": by_size(size, 5, 5, 7)}
        nets = {"": net_text(SHALLOW), NORMED: net_text(SHALLOW, norm=True)}
        stride = by_size(size, 1, PATCH, PATCH)
        watching = [f"{MODULE}:FittedAtEnd"]
        fixed = [
            StudyArm(
                Arm(optimizer=f"{name.lower()}(lr={RATES[name]:g})", model=net, name=name + more), "published"
            )
            for (more, net), name in product(nets.items(), RATES)
        ]
        tuned = [
            StudyArm(Arm(optimizer=name.lower(), model=net, name=name + more), "tuned")
            for (more, net), name in product(nets.items(), RATES)
        ]
        linear = {SPARSE: f"steepest.studies.optimizers:PatchPatterns(stride={stride})", DENSE: "linear"}
        by_features = {
            of: Comparing(
                [StudyArm(Arm(optimizer=name.lower(), name=name), "tuned") for name in RATES],
                {**tuning, "model": model},
                watching,
            )
            for of, model in linear.items()
        }
        return {
            MAIN: Comparing(fixed, options, watching),
            TUNED: Comparing(tuned, tuning, watching),
            **by_features,
        }

    def columns(self) -> Sequence[StudyColumn]:
        """Return the rate, the loss and accuracy."""
        return [
            StudyColumn("rate", _rate, percent=False, digits=4),
            StudyColumn("log loss, new images", _loss_of, percent=False, digits=3),
            IN_SAMPLE,
            NEW_LAST,
        ]

    def answer(self, found: Found) -> Answer:
        """Return what each optimizer is worth against SGD, and what Adagrad is with sparse features."""
        sgd = {of: _loss(found, "SGD", of) for of in found.comparisons}
        apart = {
            of: [a - b for a, b in zip(_loss(found, "Adagrad", of), sgd[of], strict=True)]
            for of in (SPARSE, DENSE)
        }
        [sparse] = gaps([(apart[SPARSE], apart[DENSE])])
        against = {
            of: dict(zip(OTHERS, gaps([(_loss(found, name, of), sgd[of]) for name in OTHERS]), strict=True))
            for of in found.comparisons
        }
        normed = dict(
            zip(
                RATES,
                gaps([(right(found, name + NORMED, TUNED), right(found, name, TUNED)) for name in RATES]),
                strict=True,
            )
        )
        new = {name: mean(right(found, name)) for name in RATES}
        loss = {name: mean(_loss(found, name, MAIN)) for name in RATES}
        trained = {name: mean(found.last_logged(LOSS, name)) for name in RATES}
        return Answer(
            sparse.verdict,
            {
                "sparse": f"{plain(sparse, 3)} in log loss, as it is {plain(against[SPARSE]['Adagrad'], 3)} from SGD "
                f"with sparse and {plain(against[DENSE]['Adagrad'], 3)} with dense ones{_also(against[SPARSE])}",
                "tuned": f"With tuned rates, log loss on new images against SGD: {_said(against[TUNED])}.",
                "published": f"At the published rates: {_said(against[MAIN])}.",
            },
            [
                Beside(
                    what="log loss on new images, minus that of SGD",
                    published="drawn as 100 − loss, at one rate each",
                    measured=f"at these rates: {_said(against[MAIN])}; tuned: {_said(against[TUNED])}",
                ),
                Beside(
                    what="“error” on new images: 100 − loss",
                    published="drawn",
                    measured="; ".join(
                        f"{name}: {100 - loss[name]:.2f}, wrong are {100 * (1 - new[name]):.1f} %"
                        for name in RATES
                    )
                    + ": it rises as the loss falls, and is no error",
                ),
                Beside(
                    what="“error” in training: 100 − loss, a mean by batch divided by the number of images",
                    published="drawn, beside the one on new images",
                    measured="; ".join(f"{name}: {100 - trained[name] / 64:.3f}" for name in RATES)
                    + ": a loss that is 64 times too small",
                ),
                Beside(
                    what="Adagrad with sparse features, log loss",
                    published="Adagrad suits sparse data",
                    measured=f"against SGD, sparse: {_said(against[SPARSE])}; dense: {_said(against[DENSE])}",
                ),
                Beside(
                    what="batch norm at tuned rates, on new images",
                    published="not compared",
                    measured=", ".join(f"{name} {gap.text()}" for name, gap in normed.items()),
                ),
            ],
            [
                Check(
                    what="every optimizer learns with a tuned rate",
                    passed=all(mean(right(found, name, TUNED)) > 0.85 for name in RATES),
                    found=", ".join(
                        f"{name} {100 * mean(right(found, name, TUNED)):.1f} %" for name in RATES
                    ),
                )
            ],
            [_drawing(found)],
            [
                "Sparse features of an image are the patterns of its patches of 3 × 3 pixels, of which most are rare; "
                "dense ones are its pixels. Both have a linear model. Differences from SGD hold together within a "
                "comparison; those below 0 are gains."
            ],
        )


def _also(gap: Mapping[str, Gap]) -> str:
    """Return which other optimizers are ahead of SGD with sparse features, so that it is not Adagrad alone.

    Example:
        >>> _also({"RMSprop": Gap(-0.2, -0.3, -0.1, 5), "Adam": Gap(-0.1, -0.3, 0.1, 5)})
        '; there, RMSprop is ahead of SGD, too'
    """
    ahead = [name for name in OTHERS if name != "Adagrad" and gap[name].verdict == "less"]
    return (
        f"; there, {' and '.join(ahead)} {'are' if len(ahead) > 1 else 'is'} ahead of SGD, too"
        if ahead
        else ""
    )


def _said(gap: Mapping[str, Gap], names: Sequence[str] = OTHERS) -> str:
    return ", ".join(f"{name} {plain(gap[name], 3)}" for name in names)


def _loss(found: Found, name: str, of: str) -> list[float]:
    return found.values("log_loss", name, "last", of)


def _loss_of(found: Found, of: str, arm: str) -> list[float]:
    return _loss(found, arm, of)


def _rate(found: Found, of: str, arm: str) -> list[float]:
    return [each.lr for each in found.records(arm, of)]


def _drawing(found: Found) -> Drawing:
    ways = {
        MAIN: "published rates", TUNED: "tuned", f"{TUNED}{NORMED}": "tuned, batch norm",
        DENSE: "linear, pixels", SPARSE: "linear, sparse",
    }  # fmt: skip
    lines: list[FigureLine] = []
    for name in RATES:
        at = [
            ends(_loss(found, name + (NORMED if NORMED in of else ""), of.removesuffix(NORMED)))
            for of in ways
        ]
        y, low, high = ([each[i] for each in at] for i in range(3))
        lines.append(
            FigureLine(
                name=name,
                x=[float(i) for i in range(len(ways))],
                y=y,
                low=low,
                high=high,
                joined=False,
            )
        )
    return Drawing(
        title="Loss on new images",
        x="",
        y="log loss",
        lines=lines,
        ticks={text: float(place) for place, text in enumerate(ways.values())},
        caption="Means over seeds with 95 % intervals; weights after the last step.",
    )
