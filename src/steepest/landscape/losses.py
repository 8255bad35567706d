r"""Training losses at points of a plane.

The loss at a point is :math:`\sum_i w_i \ell_i / \sum_i w_i` over the rows, of the training objective without
penalties. The network is in evaluation mode: no dropout, and batch norm by statistics that are *held* at those of the
origin, *interpolated* along a line, or *estimated* anew at every point.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from steepest.data.dataset import Part
from steepest.errors import OptionError
from steepest.evaluate.outputs import batch_size_for
from steepest.landscape.plane import Plane, Points
from steepest.landscape.stored import StoredRun
from steepest.train.problem import SupervisedProblem

Statistics = Literal["held", "interpolated", "estimated"]


def measure(
    run: StoredRun, plane: Plane, points: Points, part: Part, statistics: Statistics = "held"
) -> NDArray[np.float64]:
    """Return the losses at points.

    Args:
        run: whose network and objective.
        plane: through its trainable parameters.
        points: ``[n, 2]``.
        part: the rows.
        statistics: of batch norm.

    Raises:
        OptionError: statistics are to be interpolated, but the plane has no other end.

    Returns:
        ``[n]``; infinite or NaN where the loss is.
    """
    if statistics == "interpolated" and not plane.shift and run.buffers:
        raise OptionError(
            "statistics of batch norm can be interpolated between two runs only",
            hint="give another run with --to, or take held or estimated statistics.",
        )
    losses = PlaneLosses(run.problem, plane, part, statistics)
    return np.array([losses.at(float(alpha), float(beta)) for alpha, beta in points])


class PlaneLosses:
    """The losses of some rows at points of a plane.

    Args:
        problem: the network and its objective.
        plane: the points.
        part: the rows.
        statistics: of batch norm.
    """

    def __init__(self, problem: SupervisedProblem, plane: Plane, part: Part, statistics: Statistics) -> None:
        self.problem, self.plane, self.statistics = problem, plane, statistics
        self.buffers = {name: each.detach().clone() for name, each in problem.model.named_buffers()}
        size = batch_size_for(problem.model.eval(), part.inputs)
        self.batches = list(_cut(problem, part, size))

    def at(self, alpha: float, beta: float = 0.0) -> float:
        """Return the loss at a point."""
        weights = self.plane.by_name(self.plane.at(alpha, beta))
        buffers = self.buffers
        if self.statistics == "interpolated":
            buffers = {
                name: each + alpha * self.plane.shift[name] if name in self.plane.shift else each
                for name, each in buffers.items()
            }
        with torch.no_grad():
            total = 0.0
            for batch, share in self.batches:
                outputs = self.problem.outputs_at(batch, {**weights, **buffers})
                total += share * float(self.problem.batch_loss(outputs, batch))
        return total


def _cut(problem: SupervisedProblem, part: Part, size: int) -> Iterator[tuple[Part, float]]:
    """Yield batches of at most ``size`` rows with their shares of the weights."""
    count = -(-len(part) // size)
    for batch, _, share in problem.parts(part, count):
        yield batch, share
