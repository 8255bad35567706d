"""What the studies of a lecture on training share: its nets and protocol, what is watched, and ranges of good rates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from steepest.data.dataset import Shape
from steepest.models.mlp import MLP
from steepest.studies.base.data import StudyData, all_digits
from steepest.studies.base.found import Found, Gap
from steepest.studies.base.rates import GUESS, at_most_guessing, by_seed, good_range
from steepest.studies.base.study import MAIN, Size, Study, by_size
from steepest.studies.base.watching import FITTED, LOSS
from steepest.train.callback import Callback, View

LECTURE = "a course notebook of 2025 (tutorial on Covertype and MNIST)"
"""Where the published experiments are from."""
SHALLOW, DEEP = (128,), (128, 64, 32, 32)
"""Widths of its two networks."""
BATCH, RATE, MOMENTUM = 64, 0.01, 0.9
GOOD = 1.5
"""A rate is good where its loss is at most so many times the lowest one."""
MODULE = "steepest.studies.base.lecture"
SEVEN = (0.00316, 0.01, 0.0316, 0.1, 0.316, 1.0, 3.16)


class LectureStudy(Study):
    """A study on the digits of MNIST, with ``quick`` on bundled ones."""

    def data(self, size: Size) -> StudyData:
        """Return handwritten digits."""
        return all_digits(bundled=size == "quick")


def lecture_protocol(size: Size, seeds: tuple[int, int, int], **more: Any) -> dict[str, Any]:
    """Return the options of a comparison: 10,000 images for 3 epochs; the published 55,000 for 10 with ``full``.

    Args:
        size: of the study; ``quick`` has 500 images for 20 epochs.
        seeds: with ``quick``, by default and with ``full``.
        more: further options, or others in their place.
    """
    return {
        "train_rows": f"run:{by_size(size, 500, 10_000, 55_000)}",
        "epochs": by_size(size, 20, 3, 10),
        "batch_size": BATCH,
        "seeds": by_size(size, *seeds),
        "validation": by_size(size, 0.2, 1 / 30, 1 / 12),  # 2,000 images by default: runs are many and short
        **more,
    }


class ScaledMLP(MLP):
    """The network ``mlp`` with ReLU, whose weights begin so many times as large.

    Args:
        shape: the dataset's shape.
        hidden: widths of the hidden layers.
        norm: of each hidden layer: batch or none.
        dropout: share of the units of the last hidden layer that a step leaves out.
        scale: of the weights at the start; 1 is torch's, uniform in ±1/√inputs.

    Example:
        >>> from steepest.data.dataset import InputField
        >>> image = Shape("classification", {}, (), 10, (InputField("image", "image", (1, 4, 4)),))
        >>> net = ScaledMLP(image, hidden=(8,), scale=3)
        >>> 0.5 < float(net.layers[1].weight.detach().abs().max()) <= 3 / 4
        True
    """

    def __init__(
        self,
        shape: Shape,
        *,
        hidden: Sequence[int] = DEEP,
        norm: str = "none",
        dropout: float = 0.0,
        scale: float = 1.0,
    ) -> None:
        shares = [0.0] * (len(hidden) - 1) + [dropout]
        super().__init__(shape, hidden=hidden, activation="relu", norm=norm, dropout=shares)
        with torch.no_grad():
            for each in self.modules():
                if isinstance(each, nn.Linear):
                    each.weight.mul_(scale)


def net_text(hidden: Sequence[int], *, norm: bool = False, dropout: float = 0.0, scale: float = 1.0) -> str:
    """Return the text of one of the lecture's networks.

    Example:
        >>> net_text((128,), norm=True)
        'steepest.studies.base.lecture:ScaledMLP(hidden=[128], norm=batch)'
    """
    more = f"hidden=[{','.join(map(str, hidden))}]"
    more += ", norm=batch" if norm else ""
    more += f", dropout={dropout:g}" if dropout else ""
    more += f", scale={scale:g}" if scale != 1 else ""
    return f"{MODULE}:ScaledMLP({more})"


class FittedAtEnd(Callback):
    """Logs accuracy and loss on the training rows at the end of the reported runs."""

    only_watches = by_run = True

    def at_end(self, view: View) -> None:
        """Log them."""
        if view.key.phase == "final":
            outputs, target = view.training_outputs(), view.training_rows().target
            view.log(FITTED, float((outputs.argmax(-1) == target).double().mean()))
            view.log(LOSS, float(cross_entropy(outputs, target)))


def ranges(
    found: Found, arm: str, others: Sequence[str] = (), of: str = MAIN
) -> list[tuple[float, float] | None]:
    """Return the good range of an arm by seed, which is none where it has not learned at any rate.

    Args:
        found: the numbers.
        arm: whose rates.
        others: arms whose lowest loss with the same seed counts, too, as the standard; by default its own alone.
        of: the comparison.
    """
    best = zip(*(lowest(found, each, of) for each in dict.fromkeys((arm, *others))), strict=True)
    return [
        good_range(losses, GOOD * min(each))
        if min(map(at_most_guessing, losses.values())) < GUESS / 2  # else it has not learned
        else None
        for losses, each in zip(by_seed(found, arm, of), best, strict=True)
    ]


def decades(found: Found, arm: str, others: Sequence[str] = (), of: str = MAIN) -> list[float]:
    """Return over how many decades the good rates of an arm reach, by seed: 0 where none is good."""
    return [0.0 if each is None else each[1] - each[0] for each in ranges(found, arm, others, of)]


def highest(found: Found, arm: str, of: str = MAIN) -> list[float]:
    """Return the decadic logarithm of the highest good rate of an arm, by seed; NaN where none is good."""
    return [math.nan if each is None else each[1] for each in ranges(found, arm, (), of)]


def cut_off(found: Found, arm: str, of: str = MAIN) -> bool:
    """Return whether good rates of an arm reach an end of the grid with some seed, so that the range is wider still."""
    grids = [[math.log10(each) for each in losses] for losses in by_seed(found, arm, of)]
    return any(
        ends is not None and (ends[0] <= grid[0] or ends[1] >= grid[-1])
        for ends, grid in zip(ranges(found, arm, (), of), grids, strict=True)
    )


def lowest(found: Found, arm: str, of: str = MAIN) -> list[float]:
    """Return the lowest validation loss of an arm over its rates, by seed."""
    return [min(map(at_most_guessing, losses.values())) for losses in by_seed(found, arm, of)]


Pair = tuple[Sequence[float], Sequence[float]]


def known(first: Sequence[float], second: Sequence[float]) -> Pair:
    """Return the pairs of numbers of which both are known.

    Example:
        >>> known([1.0, math.nan, 3.0], [4.0, 5.0, 6.0])
        ([1.0, 3.0], [4.0, 6.0])
    """
    both = [(a, b) for a, b in zip(first, second, strict=True) if math.isfinite(a) and math.isfinite(b)]
    return [a for a, _ in both], [b for _, b in both]


def right(found: Found, arm: str, of: str = MAIN) -> list[float]:
    """Return the accuracy on new images of every seed, with the last weights; a failed run counts as guessing."""
    return [0.1 if math.isnan(each) else each for each in found.values("accuracy", arm, "last", of)]


def plain(gap: Gap, digits: int = 2, unit: str = "") -> str:
    """Return a difference that is no share, with its unit.

    Example:
        >>> plain(Gap(0.5, 0.25, 0.75, 5), 2, "decades")
        '0.50 [0.25, 0.75] decades'
    """
    text = gap.text(percent=False, digits=digits)
    return f"{text} {unit}" if unit else text
