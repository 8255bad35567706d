"""Rosenbrock's curved valley."""

from __future__ import annotations

from pydantic import Field, FiniteFloat
from torch import Tensor

from steepest.tracing.problem import Parameters, SmallProblem, numbers

COMPONENTS = {
    "rosenbrock": {"object": "Rosenbrock", "what": "(a − x)² + b·(y − x²)², a narrow curved valley"}
}


class Rosenbrock(SmallProblem):
    """Find the minimum of (a − x)² + b·(y − x²)², which is at x = a, y = a².

    Args:
        start: x and y before the first step.
        a: where the minimum is.
        b: how steep the sides of the valley are.

    Source: Rosenbrock, The Computer Journal, 1960.

    Example:
        >>> problem = Rosenbrock()
        >>> round(problem.loss(problem.begin(), step=0).item(), 1)
        24.2
    """

    name = "rosenbrock"

    start: tuple[FiniteFloat, FiniteFloat] = Field((-1.2, 1.0), description="two numbers, x and y")
    a: FiniteFloat = Field(1.0, description="a number, where the minimum is")
    b: FiniteFloat = Field(100.0, description="a number, how steep the sides of the valley are")

    def begin(self) -> Parameters:
        """Return x and y."""
        x, y = numbers(*self.start)
        return {"x": x, "y": y}

    def loss(self, parameters: Parameters, step: int) -> Tensor:
        """Return the height above the minimum."""
        del step
        x, y = parameters["x"], parameters["y"]
        return (self.a - x) ** 2 + self.b * (y - x**2) ** 2
