r"""The time of one gradient by autograd and by finite differences, against the number of parameters.

Autograd needs one pass forward and one backward whatever the number of parameters P; central differences need two
evaluations for each parameter. If an evaluation takes a time in proportion to :math:`P^a`, the first takes
:math:`P^a` and the second :math:`P^{a+1}`: one power more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import torch
from torch import nn

from steepest.checking.gradients import CheckedPoint, by_autograd
from steepest.checking.subject import CheckedFunction, open_subject
from steepest.checking.telling import aligned
from steepest.rng import torch_stream

WIDTHS = (4, 16, 64, 256)
INPUTS, ROWS = 64, 64
REPEATS = 5
ELEMENTS = 40
"""Parameters that are moved for the time of one; the others take as long."""


@dataclass(frozen=True)
class Timing:
    """The time of one gradient, both ways.

    Attributes:
        name: the network.
        parameters: how many numbers it is differentiated by.
        evaluations: of the function, by central differences.
        autograd, differences: seconds.
    """

    name: str
    parameters: int
    evaluations: int
    autograd: float
    differences: float


@dataclass(frozen=True)
class CheckTimings:
    """Times of networks of several sizes.

    Attributes:
        rows: smallest first; the function that is checked is the last.
        autograd, differences: the powers of the number of parameters with which the times of the networks grow.
    """

    rows: tuple[Timing, ...]
    autograd: float
    differences: float

    def lines(self) -> list[str]:
        """Return it as lines for a terminal."""
        head = ("one gradient", "parameters", "autograd", "finite differences", "evaluations", "ratio")
        table = [
            (
                each.name,
                f"{each.parameters:,}",
                f"{each.autograd:.2g} s",
                f"{each.differences:.2g} s",
                f"{each.evaluations:,}",
                f"{each.differences / each.autograd:,.0f}",
            )
            for each in self.rows
        ]
        return [
            *aligned([head, *table]),
            f"of the networks, autograd grows like P^{self.autograd:.2f} and finite differences like "
            f"P^{self.differences:.2f}: {self.differences - self.autograd:.2f} powers more",
        ]


def timings(subject: CheckedFunction) -> CheckTimings:
    """Return the time of one gradient of networks of several sizes, and of the function that is checked.

    Args:
        subject: the function.
    """
    rows: list[Timing] = []
    for width in WIDTHS:
        with torch_stream(0, "init"):
            net = nn.Sequential(nn.Linear(INPUTS, width), nn.Tanh(), nn.Linear(width, 1))
        made = open_subject(net, [torch.ones(ROWS, INPUTS)])
        made.inputs = {name: each.float() for name, each in made.inputs.items()}
        rows.append(_timed(f"network of width {width}", made, list(made.parameters)))
    autograd, differences = (_power(rows, kind) for kind in ("autograd", "differences"))
    rows.append(_timed(subject.title, subject, list(subject.parameters) or list(subject.tensors)))
    return CheckTimings(tuple(rows), autograd, differences)


def _timed(title: str, subject: CheckedFunction, names: Sequence[str]) -> Timing:
    point = CheckedPoint.of(subject)
    total = sum(point.base[name].numel() for name in names)
    largest = max(names, key=lambda name: point.base[name].numel())
    moved = point.element(largest, 0)

    def some() -> None:
        for _ in range(ELEMENTS):
            moved(1e-6)
            moved(-1e-6)

    one = _seconds(some) / ELEMENTS
    return Timing(title, total, 2 * total, _seconds(lambda: by_autograd(point)), one * total)


def _seconds(run: Callable[[], object]) -> float:
    """Return the median of some repetitions, after a first one that does not count."""
    run()
    found: list[float] = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        run()
        found.append(time.perf_counter() - begin)
    return median(found)


def _power(rows: Sequence[Timing], kind: str) -> float:
    """Return the slope of the logarithm of a time over that of the number of parameters."""
    sizes = np.log([each.parameters for each in rows])
    return float(np.polyfit(sizes, np.log([getattr(each, kind) for each in rows]), 1)[0])
