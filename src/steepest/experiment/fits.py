"""The networks of arms as functions: their curves, and their distance from the exact optimum."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from steepest.compare.fits import Fits, FittedCurve, Optimum
from steepest.data.dataset import Dataset, Part
from steepest.evaluate.outputs import predict
from steepest.models.number_columns import NumberColumns
from steepest.objectives import Objective, make_objective
from steepest.objectives.target import target_of
from steepest.sweep.arms import PlannedArm

POINTS = 1000
"""Points at which a fit is drawn, and the most points of the data that are."""


def optima_and_fits(
    networks: Mapping[str, nn.Module], arms: Mapping[str, PlannedArm], dataset: Dataset, seed: int
) -> tuple[list[Optimum], Fits | None]:
    """Return how far networks are from the exact optimum of their training loss, and their curves.

    Args:
        networks: the saved network of each arm, by its title.
        arms: the arms by title.
        dataset: the data.
        seed: the seed of the runs, on which labels may depend.
    """
    target = target_of(dataset)
    losses = {title: make_objective(arms[title].recipe.loss, target) for title in networks}
    solvable = {
        title for title, net in networks.items() if losses[title].solved and _is_linear(net, dataset.train)
    }
    if not solvable and not _is_curve(dataset):
        return [], None
    wide = dataset.wide()
    train = wide.training(seed)
    optima: list[Optimum] = []
    fits: list[FittedCurve] = []
    grid, points = _places(wide)
    solved: dict[tuple[str, str], NDArray[np.float64] | None] = {}
    for title, net in networks.items():
        double = copy.deepcopy(net).double().cpu().eval()
        objective = losses[title]
        if points is not None:
            fits.append(_fit(title, double, grid, points))
        design = _design(double, train) if title in solvable else None
        if design is None:
            continue
        key = (arms[title].recipe.model, str(objective))
        if key not in solved:
            solved[key] = _solved(objective, design, train)
            exact = solved[key]
            if points is not None and exact is not None:
                name = f"exact optimum of {arms[title].recipe.model}, {objective} loss"
                values, at = (_design(double, Part((each,), each)) for each in (grid, points.inputs[0]))
                assert values is not None
                assert at is not None
                fits.append(
                    FittedCurve(
                        name=name,
                        exact=True,
                        values=(values @ exact).tolist(),
                        at_points=(at @ exact).tolist(),
                    )
                )
        exact = solved[key]
        if exact is not None:
            optima.append(_optimum(title, double, objective, design, train, exact))
    if points is None:
        return optima, None
    [field] = dataset.shape.fields
    held = _held(wide, points)
    return optima, Fits(
        x_title=field.columns[0] if field.columns else field.name,
        y_title=dataset.target,
        x=points.inputs[0][:, 0].tolist(),
        y=points.target.tolist(),
        held=held,
        grid=grid[:, 0].tolist(),
        fits=fits,
    )


MOST_NUMBERS = 20_000_000
"""Numbers of a design up to which an exact optimum is computed."""


def _is_linear(net: nn.Module, train: Part) -> bool:
    """Whether a network is linear in coefficients, and small enough for its exact optimum."""
    few = _design(net, train.take(torch.zeros(1, dtype=torch.int64, device=train.target.device)).to("cpu"))
    return few is not None and few.shape[1] * len(train) <= MOST_NUMBERS


def _is_curve(dataset: Dataset) -> bool:
    """Whether the data is one number along which another one is predicted."""
    fields = dataset.shape.others
    return [(each.kind, each.size) for each in fields] == [("values", (1,))] and not dataset.shape.classes


def _places(wide: Dataset) -> tuple[Tensor, Part | None]:
    """Return where fits are drawn, and the points in rising order, if the data is a curve."""
    if not _is_curve(wide):
        return torch.zeros(0, 1), None
    parts = [wide.train, *([wide.validation, wide.test] if wide.held_out else [])]
    x = torch.cat([part.inputs[0] for part in parts])
    y = torch.cat([part.target for part in parts])
    order = torch.argsort(x[:, 0], stable=True)
    if len(order) > POINTS:
        order = order[torch.linspace(0, len(order) - 1, POINTS).long()]
    grid = torch.linspace(float(x.min()), float(x.max()), POINTS, dtype=torch.float64)[:, None]
    return grid, Part((x[order],), y[order])


def _held(wide: Dataset, points: Part) -> list[bool]:
    if not wide.held_out:
        return [False] * len(points)
    trained = set(zip(wide.train.inputs[0][:, 0].tolist(), wide.train.target.tolist(), strict=True))
    return [
        each not in trained
        for each in zip(points.inputs[0][:, 0].tolist(), points.target.tolist(), strict=True)
    ]


def _fit(title: str, net: nn.Module, grid: Tensor, points: Part) -> FittedCurve:
    values, at = (predict(net, (each,))[:, 0].tolist() for each in (grid, points.inputs[0]))
    return FittedCurve(name=title, values=values, at_points=at)


def _design(net: nn.Module, part: Part) -> NDArray[np.float64] | None:
    make: Any = getattr(net, "design", None)
    if make is None or not hasattr(net, "linear_coefficients"):
        return None
    if any(isinstance(each, NumberColumns) for each in net.children()):
        return None  # pieces add up to their column: coefficients are not unique; waves are trained, too
    found: Tensor | None = make(*part.inputs)
    return None if found is None else found.detach().cpu().double().numpy()


def _weights(part: Part) -> NDArray[np.float64] | None:
    return None if part.weights is None else part.weights.cpu().double().numpy()


def _solved(objective: Objective, design: NDArray[np.float64], train: Part) -> NDArray[np.float64] | None:
    return objective.optimum(design, train.target.cpu().double().numpy(), _weights(train))


def _optimum(
    title: str, net: nn.Module, objective: Objective, design: NDArray[np.float64], train: Part,
    exact: NDArray[np.float64],
) -> Optimum:  # fmt: skip
    own: Any = net
    coefficients: Tensor = own.linear_coefficients().detach()

    def loss(each: Tensor) -> float:
        outputs = torch.from_numpy(design) @ each.double()
        return float(objective.loss(outputs[:, None], train.target.cpu(), train.weights))

    return Optimum(
        arm=title,
        loss=str(objective),
        value=loss(coefficients),
        least=loss(torch.from_numpy(exact)),
        solved=objective.solved,
        coefficients=coefficients.tolist(),
        exact=exact.tolist(),
    )
