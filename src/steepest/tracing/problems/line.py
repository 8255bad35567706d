"""A straight line through points, as in the spreadsheets that introduce gradient descent."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat
from torch import Tensor

from steepest.tracing.problem import Parameters, SmallProblem, numbers

COMPONENTS = {"line": {"object": "Line", "what": "y = a·x + b through 29 points, one point a step"}}

POINTS = numbers(
    14, 86, 28, 51, 28, 29, 72, 62, 84, 15, 42, 62, 47, 35, 9, 38, 44, 99, 13, 21, 28, 20, 8, 64, 99, 70, 27, 17, 8
)  # fmt: skip
SLOPE, INTERCEPT = 2, 30


class Line(SmallProblem):
    """Find a and b of y = a·x + b, given 29 points of y = 2·x + 30.

    The loss is the mean of (a·x + b − y)² over the points of a step. Each step takes the next ones in their order;
    after the last point comes the first.

    Args:
        start: a and b before the first step.
        batch_size: points a step, or ``all``.

    Example:
        >>> problem = Line()
        >>> problem.loss(problem.begin(), step=0).item()  # at x = 14 the line has 15, the point 58
        1849.0
    """

    name = "line"

    start: tuple[FiniteFloat, FiniteFloat] = Field((1.0, 1.0), description="two numbers, a and b")
    batch_size: Annotated[int, Field(ge=1, le=len(POINTS))] | Literal["all"] = Field(
        1, description=f"a number of points from 1 to {len(POINTS)}, or all"
    )

    def begin(self) -> Parameters:
        """Return a and b."""
        a, b = numbers(*self.start)
        return {"a": a, "b": b}

    def loss(self, parameters: Parameters, step: int) -> Tensor:
        """Return the mean squared error of the points of a step."""
        x, y = self._points(step)
        return (parameters["a"] * x + parameters["b"] - y).square().mean()

    def shown(self, parameters: Parameters, step: int) -> dict[str, float]:
        """Return the point of a step that has one, and what the line has there."""
        x, y = self._points(step)
        if len(x) > 1:
            return {}
        return {"x": float(x), "y": float(y), "prediction": float(parameters["a"] * x + parameters["b"])}

    def _points(self, step: int) -> tuple[Tensor, Tensor]:
        count = len(POINTS) if self.batch_size == "all" else self.batch_size
        x = POINTS[[(step * count + place) % len(POINTS) for place in range(count)]]
        return x, SLOPE * x + INTERCEPT
