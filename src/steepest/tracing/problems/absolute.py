"""A valley with an edge at its bottom: the gradient does not become smaller on the way there."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, FiniteFloat
from torch import Tensor

from steepest.errors import OptionError
from steepest.tracing.problem import Parameters, SmallProblem, numbers
from steepest.wording import counted

COMPONENTS = {"absolute": {"object": "AbsoluteValues", "what": "Σ h·|w|, a valley with a sharp bottom"}}


class AbsoluteValues(SmallProblem):
    """Find the bottom of Σ hᵢ·|wᵢ|, which is at 0; at an edge, wᵢ = 0, the derivative is taken as 0.

    Args:
        slopes: h of every weight; as many weights as numbers.
        start: the weights before the first step, each 1 if left out.

    Example:
        >>> problem = AbsoluteValues(slopes=(1, 4))
        >>> problem.loss(problem.begin(), step=0).item()
        5.0
    """

    name = "absolute"

    slopes: Annotated[tuple[FiniteFloat, ...], Field(min_length=1)] = Field(
        (1.0, 4.0), description="numbers, one for each weight: (1, 4)"
    )
    start: tuple[FiniteFloat, ...] = Field((), description="as many numbers as slopes")

    def begin(self) -> Parameters:
        """Return the weights."""
        start = self.start or (1.0,) * len(self.slopes)
        if len(start) != len(self.slopes):
            raise OptionError(
                f"absolute has {counted(len(self.slopes), 'slope')} and a start of "
                f"{counted(len(start), 'number')}",
                hint="give as many of one as of the other.",
            )
        return {"w": numbers(*start)}

    def loss(self, parameters: Parameters, step: int) -> Tensor:
        """Return the height above the bottom."""
        del step
        return (numbers(*self.slopes) * parameters["w"].abs()).sum()
