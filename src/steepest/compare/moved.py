"""How the weights of an arm moved while they were trained, from the kept path of one of its runs."""

from __future__ import annotations

import math

from pydantic import Field

from steepest.paths.components import principal_components
from steepest.paths.kept import KeptPath
from steepest.paths.movement import degrees, distances, turn_cosines, update_ratios
from steepest.paths.walk import expected_shares
from steepest.record.schema import Frozen

LEAST = 3
"""Points of a path that has an angle and a plane."""


class LayerMovement(Frozen):
    """The movement of one parameter, a step, as a share of the norm of its weights; NaN where that is 0.

    Attributes:
        size: how many numbers it has.
        ratio: from every kept point to the next, ``[n - 1]``.
    """

    name: str
    size: int
    ratio: list[float]


class ArmPath(Frozen):
    """The path of a run of an arm.

    Attributes:
        seed: of the run.
        step: of the kept points, ``[n]``.
        turn: the angle between the ways to and from every point, in degrees, ``[n]``, NaN at the ends.
        distance: of every point from the first, ``[n]``.
        start: the norm of the first weights.
        explained: the share of the path's variance that its first two principal components have.
        walk: that of a random walk of as many points in as many dimensions.
        layers: by parameter; none of a projected path.
        exact: whether the weights are there.
    """

    name: str
    seed: int
    step: list[int]
    turn: list[float]
    distance: list[float]
    start: float
    explained: float
    walk: float
    layers: list[LayerMovement] = Field(default_factory=list)
    exact: bool = True


def arm_path(name: str, seed: int, path: KeptPath) -> ArmPath | None:
    """Return how the weights moved along a path; None where it has too few points, or weights that are no numbers.

    Args:
        name: of the arm.
        seed: of the run.
        path: the kept one.
    """
    points = path.points()
    if len(points) < LEAST or not points.isfinite().all() or not bool((points != points[0]).any()):
        return None
    sizes = [math.prod(each) for each in path.shapes]
    return ArmPath(
        name=name,
        seed=seed,
        step=list(path.steps),
        turn=[degrees(each) if each == each else math.nan for each in turn_cosines(points)],
        distance=distances(points),
        start=float(points[0].norm()),
        explained=principal_components([points]).explained(),
        walk=float(expected_shares([len(points)], path.numbers)[:2].sum()),
        layers=[
            LayerMovement(name=parameter, size=size, ratio=ratio)
            for (parameter, ratio), size in zip(update_ratios(path).items(), sizes, strict=False)
        ],
        exact=path.exact,
    )
