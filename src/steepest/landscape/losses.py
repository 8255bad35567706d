r"""Training losses at points of a plane.

The loss at a point is :math:`\sum_i w_i \ell_i / \sum_i w_i` over the rows, of the training objective without
penalties. The network is in evaluation mode: no dropout, and batch norm by statistics that are *held* at those of the
origin, *interpolated* along a line (beyond its ends those of the nearer one), or *estimated* anew at every point.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from steepest.data.dataset import Part
from steepest.errors import OptionError
from steepest.evaluate.outputs import batch_size_for
from steepest.landscape.plane import Plane, Points
from steepest.landscape.stacked import StackedLosses
from steepest.landscape.stored import StoredRun
from steepest.train.problem import SupervisedProblem
from steepest.train.statistics import estimated, has_statistics
from steepest.train.weights import evaluation_weights

Statistics = Literal["held", "interpolated", "estimated"]
STATISTICS: tuple[Statistics, ...] = get_args(Statistics)

CHUNK = 64
"""Points that are computed together."""


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
    losses = PlaneLosses(run.problem, plane, part, statistics)
    return np.concatenate([losses.many(points[at : at + CHUNK]) for at in range(0, len(points), CHUNK)])


class PlaneLosses:
    """The losses of some rows at points of a plane.

    Args:
        problem: the network and its objective.
        plane: the points.
        part: the rows.
        statistics: of batch norm.
    """

    def __init__(self, problem: SupervisedProblem, plane: Plane, part: Part, statistics: Statistics) -> None:
        if statistics == "interpolated" and not plane.shift and has_statistics(problem.model):
            raise OptionError(
                "statistics of batch norm can be interpolated between two runs only",
                hint="name another run with --to, or take --statistics held or estimated.",
            )
        self.problem, self.plane, self.part, self.statistics = problem, plane, part, statistics
        self.buffers = {name: each.detach().clone() for name, each in problem.model.named_buffers()}
        self.batches = list(batches_of(problem, part))
        self._stacked: StackedLosses | Literal[False] | None = None

    def many(self, points: Points) -> NDArray[np.float64]:
        """Return the losses at points ``[c, 2]``, at most a chunk of them, ``[c]``.

        They are computed together where the network can be traced and its losses at two of the points are those of the
        module itself; else one after the other.
        """
        if self._stacked is None:
            self._stacked = self._together(points)
        if isinstance(self._stacked, StackedLosses):
            return self._stacked.many(points)
        return np.array([self.at(float(alpha), float(beta)) for alpha, beta in points])

    def _together(self, points: Points) -> StackedLosses | Literal[False]:
        """Return what computes the losses of a chunk together; False where that is not possible or not right."""
        if self.statistics == "estimated":
            return False
        try:
            found = StackedLosses(
                self.problem, self.plane, self.part, self.statistics == "interpolated", CHUNK
            )
            some = found.many(points)
        except Exception:  # whatever a network of the user's own does that cannot be traced
            return False
        digits = 1e-10 if self.plane.origin.dtype == torch.float64 else 1e-4
        for place in {0, len(points) // 2}:
            alone = self.at(*points[place])
            if not np.allclose(some[place], alone, rtol=digits, atol=digits, equal_nan=True):
                return False
        return found

    def at(self, alpha: float, beta: float = 0.0) -> float:
        """Return the loss at a point."""
        weights = self.plane.by_name(self.plane.at(alpha, beta))
        buffers = dict(self.buffers)
        if self.statistics == "interpolated":
            share = min(max(alpha, 0.0), 1.0)  # beyond the ends a variance may be negative
            buffers |= {name: buffers[name] + share * each for name, each in self.plane.shift.items()}
        elif self.statistics == "estimated":
            with evaluation_weights(self.problem.model, weights):
                buffers |= estimated(self.problem.model, (batch for batch, _ in self.batches))
        with torch.no_grad():
            total = 0.0
            for batch, share in self.batches:
                outputs = torch.func.functional_call(self.problem.model, {**weights, **buffers}, batch.inputs)
                total += share * float(self.problem.batch_loss(outputs, batch))
        return total


def batches_of(problem: SupervisedProblem, part: Part) -> Iterator[tuple[Part, float]]:
    """Yield batches, as large as those of an evaluation, with their shares of the rows' weights."""
    count = -(-len(part) // batch_size_for(problem.model.eval(), part.inputs))
    for batch, _, share in problem.parts(part, count):
        yield batch, share
