"""Himmelblau's function: four minima of the same depth."""

from __future__ import annotations

from pydantic import Field, FiniteFloat
from torch import Tensor

from steepest.tracing.problem import Parameters, SmallProblem, numbers

COMPONENTS = {
    "himmelblau": {"object": "Himmelblau", "what": "(x² + y − 11)² + (x + y² − 7)², four equal minima"}
}


class Himmelblau(SmallProblem):
    """Find a minimum of (x² + y − 11)² + (x + y² − 7)²: one is at x = 3, y = 2; all four have the value 0.

    Args:
        start: x and y before the first step.

    Source: Himmelblau, *Applied Nonlinear Programming*, McGraw-Hill 1972.

    Example:
        >>> problem = Himmelblau(start=(3, 2))
        >>> problem.loss(problem.begin(), step=0).item()
        0.0
    """

    name = "himmelblau"

    start: tuple[FiniteFloat, FiniteFloat] = Field((0.0, 0.0), description="two numbers, x and y")

    def begin(self) -> Parameters:
        """Return x and y."""
        x, y = numbers(*self.start)
        return {"x": x, "y": y}

    def loss(self, parameters: Parameters, step: int) -> Tensor:
        """Return the height above the minima."""
        del step
        x, y = parameters["x"], parameters["y"]
        return (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2
