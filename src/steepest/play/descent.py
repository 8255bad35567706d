"""An optimizer on a problem of a few numbers: the path that it takes, and what came of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from steepest.errors import OptionError
from steepest.optim import registry as optimizers
from steepest.play.choices import numbers, rates, registered
from steepest.play.curve_fit import CurveFit, CurvePoints, read_points
from steepest.tracing.problem import Parameters, SmallProblem, make_problem
from steepest.tracing.table import trace

CURVES = {"a line": 1, "a parabola": 2, "a cubic": 3}
"""Polynomials that are fitted to points, by degree."""
STARTS = {
    "quadratic": "1, 1",
    "rosenbrock": "-1.2, 1",
    "line, all points a step": "1, 1",
    "line, one point a step": "1, 1",
    **{f"{name} through points": ", ".join("0" * (degree + 1)) for name, degree in CURVES.items()},
}
"""The problems, each with a start."""
MOST_STEPS = 1000


class Setting(BaseModel):
    """What is run.

    Attributes:
        problem: one of ``STARTS``.
        points: the data of a curve; empty for the other problems.
        start: the parameters before the first step.
        optimizer: its specification, with its learning rate.
        steps: how many.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    problem: str
    points: str = ""
    start: tuple[float, ...]
    optimizer: str
    steps: int = Field(ge=1, le=MOST_STEPS)


@dataclass(frozen=True)
class DescentPath:
    """The path of an optimizer.

    Attributes:
        problem: the problem, whose loss is that of all points.
        names: of the parameters.
        places: the parameters at the start and after each step, of shape [steps + 1, parameters].
        losses: the loss there.
        points: the points, where a curve is fitted.
    """

    problem: SmallProblem
    names: tuple[str, ...]
    places: Tensor
    losses: list[float]
    points: CurvePoints | None = None

    def loss(self, place: Tensor) -> float:
        """Return the loss at a place."""
        return _loss(self.problem, place)


def rules() -> list[str]:
    """Return the optimizers that can be chosen: those that take one gradient a step.

    Example:
        >>> "adam" in rules(), "hessian-free" in rules()
        (True, False)
    """
    return [each.name for each in optimizers.entries.values() if ".rules." in each.module]


def setting(
    problem: str, points: str, start: str, optimizer: str, rate: str, options: str, steps: int
) -> Setting:
    """Return what is to be run, from what was typed.

    Args:
        problem: one of ``STARTS``.
        points: the data of a curve.
        start: numbers.
        optimizer: a rule.
        rate: its learning rate.
        options: further options of it, such as ``betas=(0.9, 0.99)``.
        steps: how many, from 1 to ``MOST_STEPS``.

    Raises:
        OptionError: one of them is not allowed.

    Example:
        >>> setting("quadratic", "", "1, 2", "momentum", "0.1", "momentum=0.5", 20).optimizer
        'momentum(lr=0.1, momentum=0.5)'
    """
    if problem not in STARTS or optimizer not in rules():
        raise OptionError(f"{problem!r} by {optimizer!r} is not offered here", hint="choose from the lists.")
    given = rates(rate)
    if len(given) != 1:
        raise OptionError(f"the learning rate is {rate!r}", hint="write one positive number, such as 0.01.")
    if not 1 <= steps <= MOST_STEPS:
        raise OptionError(f"{steps} steps are asked for", hint=f"give from 1 to {MOST_STEPS}.")
    more = f", {options.strip()}" if options.strip() else ""
    made = Setting(
        problem=problem,
        points=points if problem.endswith("through points") else "",
        start=tuple(numbers(start, STARTS[problem].count(",") + 1, "the start")),
        optimizer=registered(f"{optimizer}(lr={given[0]!r}{more})"),
        steps=steps,
    )
    from steepest.optim import make_spec

    make_spec(made.optimizer)  # an option that does not exist is said before anything is written down
    return made


def descend(chosen: Setting) -> DescentPath:
    """Run an optimizer and return its path.

    Raises:
        SteepestError: an option of the optimizer is not allowed, or the points cannot be read.

    Example:
        >>> path = descend(setting("quadratic", "", "1, 1", "sgd", "0.1", "", 2))
        >>> path.names, path.places.tolist()
        (('w1', 'w2'), [[1.0, 1.0], [0.9, 0.0], [0.81, 0.0]])
    """
    taken, judged, points = _problems(chosen)
    frame = trace(chosen.optimizer, taken, steps=chosen.steps)
    names = tuple(name.removeprefix("new ") for name in frame.columns if name.startswith("new "))
    before = frame.select(names).to_torch(dtype=None)
    after = frame.select([f"new {name}" for name in names]).to_torch(dtype=None)
    places = torch.cat([before, after[-1:]]).double()
    return DescentPath(judged, names, places, [_loss(judged, place) for place in places], points)


def _problems(chosen: Setting) -> tuple[SmallProblem, SmallProblem, CurvePoints | None]:
    """Return the problem that steps are taken on, that by which they are judged, and points."""
    if chosen.points:
        points = read_points(chosen.points)
        fit = CurveFit(start=chosen.start).through(points)
        return fit, fit, points
    at = f"start={chosen.start!r}"
    if not chosen.problem.startswith("line"):
        problem = make_problem(f"{chosen.problem}({at})")
        return problem, problem, None
    whole = make_problem(f"line({at}, batch_size=all)")
    one = make_problem(f"line({at}, batch_size=1)")
    return (whole if "all" in chosen.problem else one), whole, None


def _loss(problem: SmallProblem, place: Tensor) -> float:
    parameters: Parameters = {}
    used = 0
    for name, each in problem.begin().items():
        parameters[name] = place[used : used + each.numel()].reshape(each.shape)
        used += each.numel()
    value = float(problem.loss(parameters, 0))
    return value if math.isfinite(value) else math.inf
