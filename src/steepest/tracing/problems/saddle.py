"""A saddle between two minima: the gradient nearly vanishes where the way down begins."""

from __future__ import annotations

from pydantic import Field, FiniteFloat
from torch import Tensor

from steepest.tracing.problem import Parameters, SmallProblem, numbers

COMPONENTS = {"saddle": {"object": "Saddle", "what": "½x² − ½y² + ¼y⁴, a saddle between two minima"}}


class Saddle(SmallProblem):
    """Find a minimum of ½x² − ½y² + ¼y⁴: they are at x = 0, y = ±1, with the value −¼; the saddle is at 0.

    Args:
        start: x and y before the first step.

    Example:
        >>> problem = Saddle()
        >>> problem.loss({"x": numbers(0)[0], "y": numbers(-1)[0]}, step=0).item()
        -0.25
    """

    name = "saddle"

    start: tuple[FiniteFloat, FiniteFloat] = Field((-1.5, 0.01), description="two numbers, x and y")

    def begin(self) -> Parameters:
        """Return x and y."""
        x, y = numbers(*self.start)
        return {"x": x, "y": y}

    def loss(self, parameters: Parameters, step: int) -> Tensor:
        """Return the height; it is 0 at the saddle."""
        del step
        x, y = parameters["x"], parameters["y"]
        return 0.5 * x**2 - 0.5 * y**2 + 0.25 * y**4
