"""Gradient descent on a curve with two minima: where it gets stuck, and what helps it out."""

from __future__ import annotations

import math

import numpy as np
from torch import Tensor

from steepest.optim import make_rule
from steepest.pages.content import Choice, Content, Exercise, PageControl, TableColumn
from steepest.pages.page import Shown, text
from steepest.schedules import Schedule
from steepest.tracing.problem import make_problem
from steepest.tracing.walks import walks

COMPONENTS = {
    "one-dimension": {
        "object": "OneDimension",
        "what": "a curve with two minima: start, rate, a large first step",
    }
}

START, RATE, STEPS = -1.6, -1.7, 60
FIRST = PageControl(
    name="first", label="rate of the first steps", low=-3, high=0.3, step=0.05, default=RATE, log=True
)
CURVE = (1.0, 1.0, -2.0, -2.0, 0.0)
"""Coefficients of x⁴ + x³ − 2x² − 2x, of the highest power first."""


def losses(points: Tensor) -> Tensor:
    """Return the curve at points [R, 1], as [R]."""
    return make_problem("quartic").loss({"x": points[:, 0]}, 0)


def turning_points() -> tuple[float, float, float]:
    """Return the shallower minimum, the maximum between the two, and the deeper minimum.

    Example:
        >>> [round(each, 3) for each in turning_points()]
        [-1.232, -0.44, 0.922]
    """
    shallow, between, deep = sorted(float(each.real) for each in np.roots(np.polyder(CURVE)))
    return shallow, between, deep


def end(start: float, rate: float, first: float, steps: int) -> float:
    """Return where gradient descent ends that takes its first step with another rate."""
    schedule: Schedule = lambda step: first / rate if step == 0 else 1.0  # noqa: E731
    return float(walks([make_rule(f"sgd(lr={rate!r})")], losses, [start], steps, schedule)[0, -1, 0])


class OneDimension(Shown):
    """Gradient descent on x⁴ + x³ − 2x² − 2x: start, rate, noise, and a first step large enough to leave a minimum."""

    def content(self) -> Content:
        """Return the page; the answers are computed by the package's rule ``sgd``."""
        shallow, between, deep = turning_points()
        return Content(
            title="Two minima on a line",
            question="Which of two minima does gradient descent find, and what makes it find the deeper one?",
            about=(
                f"The curve x⁴ + x³ − 2x² − 2x has a minimum at {text(shallow, 4)} and a deeper one at {deep:.3f}. A "
                "step goes against the slope by the learning rate times the slope; noise is added to every slope, as "
                "small batches do. The first steps may have a rate of their own.",
            ),
            controls=(
                PageControl(name="start", label="start x", low=-2, high=1.6, step=0.01, default=START),
                PageControl(
                    name="lr", label="learning rate", low=-3, high=-0.4, step=0.05, default=RATE, log=True
                ),
                FIRST,
                PageControl(name="count", label="number of first steps", low=0, high=10, default=1),
                PageControl(
                    name="noise", label="standard deviation of the noise", low=0, high=20, step=0.5, default=0
                ),
                PageControl(name="seed", label="seed of the noise", low=1, high=50, default=1),
                PageControl(name="steps", label="steps", low=10, high=300, step=10, default=STEPS),
            ),
            view="one-dimension",
            data={"minima": [shallow, deep], "between": between, "lowest": float(np.polyval(CURVE, deep))},
            columns=(
                TableColumn(key="step", title="step"),
                TableColumn(key="x", title="x", digits=5),
                TableColumn(key="height", title="loss", digits=5),
                TableColumn(key="slope", title="slope at x", digits=4),
                TableColumn(key="noise", title="noise", digits=3),
            ),
            exercises=self.exercises(),
        )

    def exercises(self) -> tuple[Exercise, ...]:
        """Return the exercises, with what the optimizer answers."""
        shallow, between, deep = turning_points()
        rate = 10**RATE
        stops = [FIRST.low + i * FIRST.step for i in range(round((FIRST.high - FIRST.low) / FIRST.step) + 1)]
        escaped = [each for each in stops if end(START, rate, 10**each, STEPS) > between]
        bends = [float(np.polyval(np.polyder(CURVE, 2), each)) for each in (shallow, deep)]
        steep = 0.2
        at = [end(each + 0.05, steep, steep, 300) for each in (shallow, deep)]
        kept = ["shallow" if each < between else "deep" for each in at]
        holds = {
            "both": kept == ["shallow", "deep"] and abs(at[1] - deep) < 0.01,
            "shallow": abs(at[0] - shallow) < 0.01 and not abs(at[1] - deep) < 0.01,
        }
        right = next(name for name, each in holds.items() if each)
        return (
            Exercise(
                question=f"From x = {text(START)}, with the learning rate {rate:.2g}, descent ends in the shallower "
                "minimum. How large must the rate of the first step alone be, at least, for the deeper one?",
                answer=f"That is the smallest stop of the slider that does it: the step has to pass the hill at "
                f"{text(between, 2)}. A step that is too large lands on the far side and may come back.",
                value=10 ** escaped[0],
                within=0.2,
                show={"first": round(escaped[0], 9)},
            ),
            Exercise(
                question="At how large a constant rate does a path just not settle in the deeper minimum any more?",
                answer=f"The limit is 2 / curvature, and the curvature there is {bends[1]:.1f}. The shallower minimum, "
                f"with {bends[0]:.1f}, bears {2 / bends[0]:.2f}.",
                value=2 / bends[1],
                show={"start": 1, "lr": round(math.floor(math.log10(2 / bends[1]) / 0.05 + 1) * 0.05, 9), "count": 0,
                      "steps": 100},
            ),
            Exercise(
                question=f"At the constant rate {steep}, which minimum can a path settle in that begins beside it?",
                answer="Large rates cannot stay in sharp minima: here it is the deeper one that is sharp.",
                options=(
                    Choice(value="both", label="both"),
                    Choice(value="shallow", label="only the shallower"),
                    Choice(value="deep", label="only the deeper"),
                ),
                right=right,
                show={"start": round(deep + 0.05, 2), "lr": -0.7, "count": 0, "steps": 100},
            ),
        )  # fmt: skip
