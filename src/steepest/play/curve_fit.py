"""A polynomial through the points of a table, as a small problem."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
import torch
from pydantic import PrivateAttr
from torch import Tensor

from steepest.data.catalog import is_name, open_catalog
from steepest.data.read import scan
from steepest.errors import DataError
from steepest.tracing.problem import Parameters, SmallProblem, numbers

MOST_POINTS = 500


@dataclass(frozen=True)
class CurvePoints:
    """The points of a curve.

    Attributes:
        x, y: their places, in float64.
        names: of the two columns.
    """

    x: Tensor
    y: Tensor
    names: tuple[str, str]


def read_points(source: str) -> CurvePoints:
    """Return the points of a table: its first two columns of numbers, or the x and y of a curve in the catalog.

    Raises:
        DataError: it cannot be read, has fewer than two columns of numbers, or fewer than three points.

    Example:
        >>> points = read_points("parabola")
        >>> points.names, len(points.x)
        (('x', 'y'), 100)
    """
    frame = (open_catalog(source, "curve").scan() if is_name(source) else scan(source)).head(MOST_POINTS)
    found = frame.select(pl.selectors.numeric().cast(pl.Float64)).collect()
    if found.width < 2:
        raise DataError(
            f"{source!r} has fewer than two columns of numbers", hint="give a table with x and y."
        )
    found = found[:, :2].drop_nulls().filter(pl.all_horizontal(pl.all().is_finite()))
    if found.height < 3:
        raise DataError(f"{source!r} has {found.height} points", hint="give a curve of at least 3.")
    x, y = (numbers(*column.to_list()) for column in found)
    return CurvePoints(x, y, (found.columns[0], found.columns[1]))


class CurveFit(SmallProblem):
    r"""Find the polynomial :math:`w_0 + w_1 x + \dots + w_d x^d` that is nearest to points.

    The loss is the mean squared error over all points.

    Args:
        start: the coefficients before the first step, from the constant on; one more than the degree.

    Example:
        >>> fit = CurveFit(start=(0.0, 1.0)).through(CurvePoints(numbers(1, 2, 3), numbers(2, 3, 4), ("x", "y")))
        >>> fit.loss(fit.begin(), step=0).item()
        1.0
    """

    name = "curve"

    start: tuple[float, ...]

    def through(self, points: CurvePoints) -> CurveFit:
        """Return the fit to points."""
        made = self.model_copy()
        made._points = points
        return made

    def begin(self) -> Parameters:
        """Return the coefficients."""
        return {"w": numbers(*self.start)}

    def at(self, x: Tensor, w: Tensor) -> Tensor:
        """Return the polynomial at places."""
        powers = torch.stack([x**degree for degree in range(len(self.start))])
        return w @ powers

    def loss(self, parameters: Parameters, step: int) -> Tensor:
        """Return the mean squared error."""
        del step
        return (self.at(self._points.x, parameters["w"]) - self._points.y).square().mean()

    _points: CurvePoints = PrivateAttr()
