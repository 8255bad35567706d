"""What does a step cost by the number of points?

The published experiment times the forward and the backward pass of three networks for 1 to 50,000 points, five times
each. Here the time of both is fitted by a line, seconds = fixed cost + slope × points, and fixed cost and slope are
given with how much of the times the line explains. Times are of the processor, on one thread, and the lowest of
several, so that a busy machine changes them less.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from steepest.compare.studied import Beside, Check, Drawing, FigureLine, StudyRow
from steepest.rng import stream
from steepest.studies.base.data import StudyData, all_digits
from steepest.studies.base.found import Found, StudyColumn, headed
from steepest.studies.base.plain import network, standardised
from steepest.studies.base.study import Answer, Measurement, Size, Study
from steepest.threads import library_threads

COMPONENTS = {
    "step-cost": {
        "object": "StepCost",
        "what": "what does a step cost by the number of points?",
        "minutes": {"quick": 0.3, "default": 2.0, "full": 5.0},
        "tflop": {"quick": 0.0, "default": 0.0, "full": 0.0},
        "yours": (
            "compare data.csv --target y -o sgd --model linear --model 'mlp(hidden=[100])' --model "
            "'mlp(hidden=[50,50])' --dry-run"
        ),
    }
}

NETS = {"1 unit": (1,), "100 units": (100,), "50, 50 units": (50, 50)}
POINTS = (1, 5, 10, 100, 200, 500, 1000, 5000, 10_000, 20_000, 30_000, 50_000)
TIMES = 5
PASSES = ("forward", "backward")
LEAST = 1e-3
"""Seconds that are timed at least; a pass that takes less is repeated."""


class StepCost(Study):
    """Time of forward and backward passes against the number of points."""

    name = "step-cost"
    question = "What does a step cost by the number of points?"
    source = "tutorial on optimization techniques; means of 5 times, drawn and not printed"
    headlines: ClassVar = {
        "line": "A step costs a fixed time and then in proportion to its points: with {net}, {fixed} and {slope} a "
        "point "
        "(R² {r2}). Below about {even} points the fixed cost is the larger part; the backward pass takes {ratio} "
        "times as "
        "long as the forward pass on {most} points.",
        "bent": "A step does not cost a fixed time and then in proportion to its points: the line leaves {left} % "
        "of the "
        "times with {net} unexplained (R² {r2}); the backward pass takes {ratio} times as long as the forward pass on "
        "{most} points.",
    }

    def data(self, size: Size) -> StudyData:
        """Return the digits: with ``quick`` bundled ones, else those of MNIST; repeated where there are too few."""
        return all_digits(bundled=size == "quick")

    def measurements(self, size: Size) -> Mapping[str, Measurement]:
        """Return the times of each network; with ``quick`` for up to 10,000 points."""
        most = 10_000 if size == "quick" else POINTS[-1]
        return {
            name: _timing(hidden, [each for each in POINTS if each <= most]) for name, hidden in NETS.items()
        }

    def columns(self) -> Sequence[StudyColumn]:
        """Return the line of each network."""
        return headed("parameters", "fixed cost, ms", "a point, µs", "R²", "backward / forward")

    def rows(self, found: Found) -> Sequence[StudyRow]:
        """Return a row for each network."""
        rows: list[StudyRow] = []
        for name, each in found.measured.items():
            fixed, slope, r2 = fitted(each)
            cells = [
                f"{each['parameters']:,}",
                f"{1e3 * fixed:.3f}",
                f"{1e6 * slope:.3f}",
                f"{r2:.3f}",
                f"{_ratio(each):.2f}",
            ]
            rows.append(StudyRow(name=name, way="published", cells=cells))
        return rows

    def answer(self, found: Found) -> Answer:
        """Return whether a step's time is a line in its points."""
        net = "100 units"
        each = found.measured[net]
        fixed, slope, r2 = fitted(each)
        lowest = min(fitted(one)[2] for one in found.measured.values())
        larger = step_seconds(each)[-1] / step_seconds(found.measured["1 unit"])[-1]
        return Answer(
            "line" if lowest >= 0.95 and fixed > 0 else "bent",
            {
                "net": f"a layer of {net}",
                "fixed": f"{1e3 * fixed:.2g} ms",
                "slope": f"{1e6 * slope:.2g} µs",
                "r2": f"{r2:.3f}",
                "even": f"{fixed / slope:,.0f}",
                "ratio": f"{_ratio(each):.1f}",
                "most": f"{each['points'][-1]:,}",
                "left": f"{100 * (1 - lowest):.0f}",
            },
            [
                Beside(
                    what="time of a step by points",
                    published="“linear”, from a figure with 12 numbers of points",
                    measured="; ".join(
                        f"{name}: R² {fitted(one)[2]:.3f}" for name, one in found.measured.items()
                    ),
                ),
                Beside(
                    what="fixed cost",
                    published="not shown: the axes begin at 0",
                    measured="; ".join(
                        f"{name}: that of {max(fitted(one)[0], 0) / fitted(one)[1]:,.0f} points"
                        for name, one in found.measured.items()
                    ),
                ),
            ],
            [
                Check(
                    what="more points take more time, from the fewest to the most",
                    passed=all(
                        step_seconds(one)[-1] > step_seconds(one)[0] for one in found.measured.values()
                    ),
                    found="; ".join(
                        f"{name}: {step_seconds(one)[-1] / step_seconds(one)[0]:,.0f} times"
                        for name, one in found.measured.items()
                    ),
                ),
                Check(
                    what="a larger network takes more time on the most points",
                    passed=larger > 1,
                    found=f"{larger:.1f} times",
                ),
            ],
            [_drawing(found)],
            [
                f"The lowest of {TIMES} times of one thread's processor, in rounds of all points: whatever else a "
                "machine does only adds to a time. The line is fitted to the relative errors, so that few points count "
                "as much as many; R² is of the times themselves.",
            ],
        )


def _timing(hidden: Sequence[int], points: Sequence[int]) -> Measurement:
    def timed(data: StudyData) -> dict[str, Any]:
        x, y = standardised(data)
        net = network(x.shape[1], hidden, seed=0)
        order = torch.from_numpy(stream(0, "data").integers(0, len(x), points[-1]))
        with library_threads(1):  # in rounds of all points: a busy moment does not meet one of them alone
            rounds = [
                [_both(net, x[order[:count]], y[order[:count]]) for count in points] for _ in range(TIMES)
            ]
        found = {
            name: [min(each[k] for each in times) for times in zip(*rounds, strict=True)]
            for k, name in enumerate(PASSES)
        }
        return {"points": list(points), **found, "parameters": sum(each.numel() for each in net.parameters())}

    return timed


def _both(net: nn.Module, x: Tensor, y: Tensor) -> tuple[float, float]:
    """Return the seconds of a forward and of a backward pass."""

    def loss() -> Tensor:
        return cross_entropy(net(x), y)

    forward = _seconds(loss)
    both = _seconds(lambda: loss().backward())
    return forward, max(both - forward, 0.0)


def _seconds(call: Callable[[], object]) -> float:
    """Return the seconds of a call, a mean of as many as take long enough, after one that is not counted."""
    started = time.process_time()
    call()
    repeats = max(1, round(LEAST / max(time.process_time() - started, 1e-6)))
    started = time.process_time()
    for _ in range(repeats):
        call()
    return (time.process_time() - started) / repeats


def step_seconds(each: Mapping[str, Any]) -> list[float]:
    """Return the seconds of both passes, by points."""
    return [sum(both) for both in zip(*(each[name] for name in PASSES), strict=True)]


def fitted(each: Mapping[str, Any]) -> tuple[float, float, float]:
    """Return fixed cost and slope of a step's seconds by its points, of least squares of relative errors, and R².

    Example:
        >>> found = fitted({"points": [1, 2, 3], "forward": [1.5, 2.5, 3.5], "backward": [0.5, 0.5, 0.5]})
        >>> [round(each, 6) for each in found]
        [1.0, 1.0, 1.0]
    """
    points, seconds = np.array(each["points"], dtype=float), np.array(step_seconds(each))
    design = np.stack([np.ones_like(points), points], 1) / seconds[:, None]
    fixed, slope = np.linalg.lstsq(design, np.ones_like(points))[0]
    off = seconds - fixed - slope * points
    return float(fixed), float(slope), float(1 - (off**2).sum() / ((seconds - seconds.mean()) ** 2).sum())


def _ratio(each: Mapping[str, Any]) -> float:
    """Return how many times as long the backward pass takes on the most points."""
    return each["backward"][-1] / each["forward"][-1]


def _drawing(found: Found) -> Drawing:
    lines: list[FigureLine] = []
    for name, each in found.measured.items():
        fixed, slope, _ = fitted(each)
        points = [float(count) for count in each["points"]]
        lines.append(
            FigureLine(name=name, x=points, y=[1e3 * second for second in step_seconds(each)], joined=False)
        )
        lines.append(
            FigureLine(name=f"{name}, line", x=points, y=[1e3 * (fixed + slope * count) for count in points])
        )
    return Drawing(
        title="Time of a step by its points",
        x="points",
        y="milliseconds",
        lines=lines,
        logarithmic=True,
        logarithmic_y=True,
        caption="Forward and backward pass, and the fitted lines, which bend on these axes where the fixed cost ends.",
    )
