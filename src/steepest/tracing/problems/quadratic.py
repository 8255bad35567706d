"""A bowl: the problem that every smooth minimum looks like from nearby."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, FiniteFloat
from torch import Tensor

from steepest.errors import OptionError
from steepest.tracing.problem import Parameters, SmallProblem, numbers
from steepest.wording import counted

COMPONENTS = {
    "quadratic": {"object": "Quadratic", "what": "½ Σ h·w², a bowl with a curvature h for each weight"}
}


class Quadratic(SmallProblem):
    """Find the bottom of ½ Σ hᵢ·wᵢ², which is at 0.

    Args:
        curvatures: h of every weight; as many weights as numbers.
        start: the weights before the first step, each 1 if left out.

    Example:
        >>> problem = Quadratic(curvatures=(1, 10))
        >>> problem.loss(problem.begin(), step=0).item()
        5.5
    """

    name = "quadratic"

    curvatures: Annotated[tuple[FiniteFloat, ...], Field(min_length=1)] = Field(
        (1.0, 10.0), description="numbers, one for each weight: (1, 10)"
    )
    start: tuple[FiniteFloat, ...] = Field((), description="as many numbers as curvatures")

    def begin(self) -> Parameters:
        """Return the weights."""
        start = self.start or (1.0,) * len(self.curvatures)
        if len(start) != len(self.curvatures):
            raise OptionError(
                f"quadratic has {counted(len(self.curvatures), 'curvature')} and a start of "
                f"{counted(len(start), 'number')}",
                hint="give as many of one as of the other.",
            )
        return {"w": numbers(*start)}

    def loss(self, parameters: Parameters, step: int) -> Tensor:
        """Return the height above the bottom."""
        del step
        return 0.5 * (numbers(*self.curvatures) * parameters["w"].square()).sum()
