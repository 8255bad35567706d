"""Three losses and one outlier: exact fits, and the path of gradient descent to one of them."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from steepest.objectives.exact import least_quantile, least_squares
from steepest.optim import make_rule
from steepest.pages.content import Choice, Content, Exercise, PageControl
from steepest.pages.page import Shown, stored_numbers, text
from steepest.schedules import make_schedule
from steepest.tracing.walks import walks

COMPONENTS = {
    "losses": {
        "object": "LossesPage",
        "what": "least squares, L1, Huber on points to drag, an outlier",
    }
}

Array = NDArray[np.float64]

LINE, CURVE = (6.0, 50), (10.0, 500)
"""The first learning rate and the steps of the lecture: for a line, and for a quadratic."""
DELTA = 1.0
RULES = {"sgd": "gradient descent", "momentum": "momentum", "adam": "Adam"}
RATES = {
    "sgd": {"squares": 0.5, "absolute": LINE[0], "huber": 2.0},
    "momentum": {"squares": 0.1, "absolute": 0.6, "huber": 0.2},
    "adam": {"squares": 0.5, "absolute": 0.5, "huber": 0.5},
}
"""Where the slider of the rate is set when a rule or a loss is chosen, because their scales differ."""
MOST_DEGREE = 12


@functools.cache
def points() -> tuple[Array, Array]:
    """Return x and y of the 100 points, the first of which is the outlier."""
    data = stored_numbers("losses")
    return np.array(data["x"]), np.array(data["y"])


def design(degree: int) -> Array:
    """Return the powers of x from 0 to the degree, [100, degree + 1]."""
    return np.vander(points()[0], degree + 1, increasing=True)


def losses(kind: str, degree: int, coefficients: Tensor, delta: float = DELTA) -> Tensor:
    """Return the mean loss of polynomials [R, degree + 1], as [R]; ``kind`` is squares, absolute or huber."""
    fitted = coefficients @ torch.from_numpy(design(degree)).T
    target = torch.from_numpy(points()[1]).expand_as(fitted)
    of: dict[str, Any] = {"squares": functional.mse_loss, "absolute": functional.l1_loss}
    if kind == "huber":
        return functional.huber_loss(fitted, target, reduction="none", delta=delta).mean(1)
    return of[kind](fitted, target, reduction="none").mean(1)


def descent(
    kind: str, degree: int, rate: float, steps: int, *, falls: bool = True, rule: str = "sgd"
) -> Tensor:
    """Return the path of a rule from zero, [steps + 1, degree + 1]; the rate of step i, from 0, is rate/(i + 1)."""
    schedule = make_schedule("inverse-time(period=1)", steps) if falls else None
    made = make_rule(f"{rule}(lr={rate!r})")
    return walks([made], lambda w: losses(kind, degree, w), [0.0] * (degree + 1), steps, schedule)[0]


def exact(kind: str, degree: int) -> Array:
    """Return the exact coefficients of least squares, or of the least L1 loss by linear programming."""
    solve = least_squares if kind == "squares" else least_quantile
    found = solve(design(degree), points()[1])
    if found is None:
        raise ArithmeticError(f"the coefficients of {kind} at degree {degree} are not unique")
    return found


def _loss(kind: str, degree: int, coefficients: Any) -> float:
    made = torch.as_tensor(coefficients, dtype=torch.float64)
    return float(losses(kind, degree, made[None])[0])


class LossesPage(Shown):
    """A polynomial through points with an outlier: three losses, their exact fits, and the descent to one of them."""

    def content(self) -> Content:
        """Return the page; the answers are computed by the package's rule and its exact solvers."""
        x, y = points()
        return Content(
            title="Losses and outliers",
            question="What does one outlier do to a fit, and how near to the best fit does gradient descent come?",
            about=(
                "99 points lie about 1 + 3x − 4x², with noise; one was moved to (−1.5, 10). Least squares is the mean "
                "of squared residuals, L1 of absolute ones; Huber’s loss is quadratic up to δ and linear beyond it. "
                "Drag any point, or press the arrow keys where the points are in focus (Page Up and Page Down choose "
                "another point).",
                "Crosses and dashed lines are exact optima, computed in this page. Gradient descent uses all points in "
                "every step and begins at zero.",
            ),
            controls=(
                PageControl(
                    name="loss", label="loss", kind="choice", default="absolute",
                    options=(
                        Choice(value="squares", label="least squares"), Choice(value="absolute", label="L1"),
                        Choice(value="huber", label="Huber"),
                    ),
                ),
                PageControl(name="delta", label="δ of Huber’s loss", low=0.1, high=5, step=0.1, default=DELTA),
                PageControl(name="degree", label="degree", low=1, high=MOST_DEGREE, default=1),
                PageControl(
                    name="rule", label="optimizer", kind="choice", default="sgd",
                    options=tuple(Choice(value=each, label=label) for each, label in RULES.items()),
                ),
                PageControl(name="lr", label="learning rate", low=0.1, high=12, step=0.1, default=LINE[0]),
                PageControl(
                    name="falls", label="rate of step i = 0, 1, …", kind="choice", default="yes",
                    options=(Choice(value="yes", label="rate / (i + 1)"), Choice(value="no", label="constant")),
                ),
                PageControl(name="steps", label="steps", low=10, high=500, step=10, default=LINE[1]),
                PageControl(name="point", label="point in focus", low=1, high=len(x), default=1),
                PageControl(name="moved", label="moved points", kind="hidden", default=""),
            ),
            view="losses",
            data={
                "rates": RATES, "x": x.tolist(), "y": y.tolist(), "rules": {
                    name: {"rule": made.name, "hyper": made.hyper.model_dump(mode="json")}
                    for name, made in ((each, make_rule(each)) for each in RULES)
                },
            },
            exercises=self.exercises(),
            source="Made numbers: NumPy’s legacy generator with the seed 42.",
        )  # fmt: skip

    def exercises(self) -> tuple[Exercise, ...]:
        """Return the exercises, with what solvers and optimizer answer."""
        squares, absolute = exact("squares", 1), exact("absolute", 1)
        line, curve = descent("absolute", 1, *LINE)[-1], descent("absolute", 2, *CURVE)[-1]
        quadratic = _loss("absolute", 2, exact("absolute", 2))
        gaps = [
            _loss("absolute", 1, line) - _loss("absolute", 1, absolute),
            _loss("absolute", 2, curve) - quadratic,
        ]
        adam = (
            _loss("absolute", 2, descent("absolute", 2, 0.1, 500, falls=False, rule="adam")[-1]) - quadratic
        )
        high = _loss("absolute", MOST_DEGREE, exact("absolute", MOST_DEGREE))
        return (
            Exercise(
                question="The best line by L1 has the slope "
                f"{text(absolute[1])}. What is the slope by least squares, which feels the outlier more?",
                answer=f"Its intercept is {text(squares[0])}, by L1 {text(absolute[0])}. Drag the outlier up: only "
                "least squares follows it.",
                value=float(squares[1]),
                within=0.05,
                show={"loss": "squares", "lr": 0.3},
            ),
            Exercise(
                question=f"Gradient descent on the L1 loss of a line, rate {LINE[0]:g}/(i + 1), {LINE[1]} steps from "
                "zero: how far above the exact optimum does its loss end?",
                answer=f"The loss is {_loss('absolute', 1, line):.5f} at ({text(line[0].item(), 5)}, "
                f"{text(line[1].item(), 6)}), the optimum {_loss('absolute', 1, absolute):.7f}. For a quadratic, with "
                f"rate {CURVE[0]:g} and {CURVE[1]} steps, the gap is {text(gaps[1])}.",
                value=gaps[0],
                within=1.0,
                show={},
            ),
            Exercise(
                question="On a quadratic, with 500 steps: does Adam with a constant rate of 0.1 end nearer to the "
                f"optimum of the L1 loss than gradient descent with {CURVE[0]:g}/(i + 1)?",
                answer=f"Above the optimum: Adam {text(adam)}, gradient descent {text(gaps[1])}.",
                options=(Choice(value="yes", label="yes"), Choice(value="no", label="no")),
                right="yes" if adam < gaps[1] else "no",
                show={"degree": 2, "rule": "adam", "falls": "no", "lr": 0.1, "steps": 500},
            ),
            Exercise(
                question=f"The best quadratic has an L1 loss of {text(quadratic)}. How low is that of the best "
                f"polynomial of degree {MOST_DEGREE}?",
                answer="It is lower because the curve turns to the outlier and follows the noise, not because it "
                "describes the points better.",
                value=high,
                show={"degree": MOST_DEGREE, "steps": 500, "lr": 10},
            ),
        )
