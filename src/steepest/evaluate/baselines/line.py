"""The baselines of a curve: the straight lines of least squares and of least absolute deviations."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from steepest.data.dataset import Dataset
from steepest.evaluate.baselines._contract import (
    Array,
    Baseline,
    BaselineModel,
    FittedBaseline,
    require,
    train_weights,
)
from steepest.objectives.exact import least_quantile, least_squares

COMPONENTS = {
    "least-squares": {
        "object": "LEAST_SQUARES",
        "what": "a curve's line of least squares, exact",
        "groups": ["regression"],
    },
    "least-absolute": {
        "object": "LEAST_ABSOLUTE",
        "what": "a curve's line of least absolute deviations",
        "groups": ["regression"],
    },
}


class StraightLine(BaselineModel):
    """A straight line: intercept and slope of the value that it runs along."""

    arrays: ClassVar = {"coefficients": torch.float64}

    def check(self) -> None:
        """Raise a ``ValueError`` if there are not two coefficients."""
        require(self.array("coefficients").shape == (2,), "coefficients", self)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the values of the line, ``[N, 1]``."""
        intercept, slope = self.array("coefficients")
        return intercept + slope * inputs[0].double()


def fit_line(
    exact: Callable[[Array, Array, Array | None], Array | None],
    dataset: Dataset,
    *,
    seed: int,
    metric: str,
    class_weights: Tensor | None,
    budget: float,
) -> FittedBaseline:
    """Return the line that one of the functions of :mod:`steepest.objectives.exact` finds.

    Where that is not unique or too large to find, it is the constant line through the mean.
    """
    del seed, metric, budget
    train = dataset.wide().train
    x, y = train.inputs[0][:, 0].numpy(), train.target.numpy()
    weights = train_weights(dataset, class_weights)
    found = exact(np.stack([np.ones(len(x)), x], 1), y, weights)
    if found is None:
        found = np.array([np.average(y, weights=weights), 0.0])
    intercept, slope = found.tolist()
    settings = f"{intercept:.8g} {'-' if slope < 0 else '+'} {abs(slope):.8g} {dataset.shape.fields[0].name}"
    return FittedBaseline(StraightLine(dataset.shape, {"coefficients": torch.from_numpy(found)}), settings)


def is_curve(dataset: Dataset) -> bool:
    """Whether a model is called with one number of each row."""
    return [(each.kind, each.size) for each in dataset.shape.fields] == [("values", (1,))]


LEAST_SQUARES = Baseline(
    "least-squares line", partial(fit_line, least_squares), StraightLine, serves=is_curve
)
LEAST_ABSOLUTE = Baseline(
    "least-absolute line", partial(fit_line, least_quantile), StraightLine, serves=is_curve
)
