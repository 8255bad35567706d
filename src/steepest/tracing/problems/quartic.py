"""A curve with two minima, one of them deeper: the problem of getting stuck, in one dimension."""

from __future__ import annotations

from pydantic import Field, FiniteFloat
from torch import Tensor

from steepest.tracing.problem import Parameters, SmallProblem, numbers

COMPONENTS = {"quartic": {"object": "Quartic", "what": "x⁴ + x³ − 2x² − 2x, a curve with two minima"}}


class Quartic(SmallProblem):
    """Find the deeper minimum of x⁴ + x³ − 2x² − 2x: it is at 0.922, the other one at −1.232.

    Args:
        start: x before the first step.

    Example:
        >>> problem = Quartic()
        >>> round(problem.loss({"x": numbers(0.922)[0]}, step=0).item(), 3)
        -2.038
    """

    name = "quartic"

    start: FiniteFloat = Field(-1.6, description="a number, x")

    def begin(self) -> Parameters:
        """Return x."""
        return {"x": numbers(self.start)[0]}

    def loss(self, parameters: Parameters, step: int) -> Tensor:
        """Return the height of the curve."""
        del step
        x = parameters["x"]
        return x**4 + x**3 - 2 * x**2 - 2 * x
