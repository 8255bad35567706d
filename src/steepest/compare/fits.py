"""What an arm's network is as a function: its curve, and how far its training loss is above the exact optimum."""

from __future__ import annotations

from pydantic import Field

from steepest.record.schema import Frozen


class Optimum(Frozen):
    """The training loss of an arm's saved network, and the least that its model can have.

    Attributes:
        arm: the arm's title.
        loss: the training loss, as a specification.
        value: it, on all training rows.
        least: the exact optimum.
        solved: how the optimum was computed.
        coefficients: of the network, in the order of its design (ascending powers of a polynomial).
        exact: those of the optimum.
    """

    arm: str
    loss: str
    value: float
    least: float
    solved: str
    coefficients: list[float]
    exact: list[float]

    @property
    def gap(self) -> float:
        """How far the training loss is above the exact optimum."""
        return self.value - self.least


class FittedCurve(Frozen):
    """A curve through the points.

    Attributes:
        name: the arm's title; or that of an exact optimum.
        exact: whether it is an exact optimum.
        values: on the grid.
        at_points: at the points.
    """

    name: str
    exact: bool = False
    values: list[float]
    at_points: list[float]


class Fits(Frozen):
    """The points of a curve and what was fitted to them.

    Attributes:
        x_title, y_title: the names of the columns.
        x, y: the points, in rising order of x; of very many a part of them, evenly.
        held: whether each of them was held out for validation or test.
        grid: where the fits are drawn.
        fits: what was fitted.
    """

    x_title: str
    y_title: str
    x: list[float]
    y: list[float]
    held: list[bool]
    grid: list[float]
    fits: list[FittedCurve] = Field(default_factory=list)
