r"""Newton's method with the exact Hessian, for small problems.

Nocedal & Wright, *Numerical Optimization*, 2nd ed. 2006: the damping is algorithm 3.3, the line search that of Armijo,
chapter 3.

With gradient :math:`g` and Hessian :math:`H` of the batch's loss, penalties included, a step is

.. math:: w \leftarrow w - t\,(H + \lambda I)^{-1} g

:math:`\lambda` is the damping; where :math:`H + \lambda I` is not positive definite it is raised, for this step, until
it is. The length :math:`t` is the learning rate, 1 being Newton's, times the schedule, and is halved until the loss
falls by at least :math:`10^{-4}\, t\, g^\top (H + \lambda I)^{-1} g`. Near a minimum where the Hessian is positive
definite, errors are squared by every undamped step.

The gradient and the Hessian of n numbers cost as much as :math:`1 + 2n` gradients, every loss of the line search a
third of one. Gradient, Hessian and losses are of one function: batch, dropout masks and buffers are held.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from steepest.optim.derivatives import gradient, hessian, moved, size_of
from steepest.optim.held import PRODUCT, HeldLoss
from steepest.optim.hyper import Hyper
from steepest.optim.method import Evaluations, Method, StepInfo
from steepest.optim.problem import BatchSource, Problem
from steepest.optim.small import check_size, trainable
from steepest.optim.spec import MethodSettings, MethodSpec

COMPONENTS = {
    "newton": {
        "object": "Newton",
        "groups": ["second-order"],
        "what": "the exact Hessian, for small problems",
    }
}
FALL = 1e-4
"""The share of the fall expected at a length's slope that is enough."""
HALVINGS = 30
RAISED = 1e-3
"""The first damping where the Hessian is not positive definite, as a share of its mean diagonal element."""


class NewtonHyper(Hyper):
    """Hyperparameters of Newton's method."""

    lr: float = Field(default=1.0, ge=0.0, description="learning rate, the first length that is tried")
    damping: float = Field(default=0.0, ge=0.0, description="what is added to the Hessian's diagonal, λ")
    line_search: bool = Field(default=True, description="halve the length until the loss falls enough")


class Newton(MethodSpec[NewtonHyper]):
    """Newton's method: one step solves a system with the exact Hessian of a batch, then searches along the solution."""

    name = "newton"
    curved = True
    title = "Newton"
    citation = "Nocedal & Wright, Numerical Optimization, 2006"
    bibtex = """
@book{nocedal2006numerical,
  author = {Nocedal, Jorge and Wright, Stephen J.},
  title = {Numerical Optimization},
  publisher = {Springer},
  edition = {2},
  year = {2006},
}
"""
    divergences = (
        "The first damping of an indefinite Hessian is relative: 0.001 of its mean diagonal element."
    )
    Hyper = NewtonHyper
    grid_centre = 1.0  # Newton's length
    constant_rate: ClassVar[bool] = True
    full_batch = True
    eager_because: ClassVar[str] = "a step computes a Hessian and searches along a line"
    cost: ClassVar[str] = (
        "1 + 2n gradients, where n is the number of weights, and a third of one for every loss of the line search"
    )

    @property
    def gradients_a_step(self) -> float:
        """Those of a model of one weight: how many products there are depends on the model."""
        return self.least_gradients(1, 1)

    def least_gradients(self, weights: int, rows: int) -> float:
        """Return those of the gradient and of a product for every weight."""
        del rows
        return 1 + PRODUCT * weights

    @property
    def axes(self) -> dict[str, float]:
        """Nothing: its length is 1."""
        return {}

    @property
    def state_bytes(self) -> float:
        """A row of the Hessian in 64 bits for every weight, of 64 × 32."""
        return 8.0 * 64 * 32

    def for_timing(self) -> Newton:
        """Return it as it is: from a shorter first length, the line search would need other evaluations."""
        return self

    def check(self, problem: Problem) -> None:
        """Raise an ``OptionError`` if the model is too large."""
        check_size(self.called, problem.model, "Hessian")

    def make(self, settings: MethodSettings) -> NewtonMethod:
        """Return the method of one run."""
        return NewtonMethod(self, settings)


@dataclass
class NewtonState:
    """The state of one run: the trainable parameters, the gradients so far."""

    parameters: list[Tensor]
    gradients: float = 0.0


@dataclass
class NewtonMethod(Method):
    """Newton's method on a problem.

    Args:
        spec: the hyperparameters.
        settings: the schedule, and what it counts.
    """

    spec: Newton
    settings: MethodSettings

    @property
    def lr(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The learning rate before the schedule."""
        return self.spec.hyper.lr

    def init(self, problem: Problem) -> NewtonState:
        """Return the state of a new run.

        Raises:
            OptionError: the model is too large.
        """
        self.spec.check(problem)
        return NewtonState(trainable(problem.model))

    def steps(
        self, problem: Problem, state: NewtonState, feed: BatchSource, first: int, count: int
    ) -> Iterator[StepInfo]:
        """Make the steps one after the other."""
        for step in range(first, first + count):
            held = HeldLoss(problem, feed.batch(step), partial(feed.randomness, step), twice=True)
            self._step(held, state.parameters, self.lr * self.settings.multiplier(step, state.gradients))
            state.gradients += held.count
            yield StepInfo.of(held)

    def evaluations(self, problem: Problem, state: NewtonState, feed: BatchSource) -> Evaluations:
        """Return what makes the products of a Hessian, and a loss of the line search."""
        held = HeldLoss(problem, feed.batch(0), partial(feed.randomness, 0), twice=True)
        params, first = gradient(held(), state.parameters)
        return {"product": (size_of(params), lambda: hessian(first, params)), "forward": (1, held.value)}

    def _step(self, held: HeldLoss, parameters: Sequence[Tensor], rate: float) -> None:
        loss = held()
        params, first = gradient(loss, parameters)
        if not rate or not held.finite("the gradient holds", first):
            return
        held.products += size_of(params)
        slope = first.detach().double()
        second = hessian(first, params).double()
        if not held.finite("the second derivative of the loss, the Hessian, holds", second):
            return
        way = direction(second, slope, self.spec.hyper.damping)
        start = [each.detach().clone() for each in params]
        if not self.spec.hyper.line_search:
            moved(params, start, rate * way)
            return
        before, fall = float(loss.detach()), float(slope @ way)
        noise = 10 * torch.finfo(loss.dtype).eps * abs(before)  # of a difference of two losses
        for halving in range(HALVINGS):
            length = rate * 0.5**halving
            moved(params, start, length * way)
            if held.value() <= before + FALL * length * fall + noise:
                return
        moved(params, start, 0.0 * way)


def direction(matrix: Tensor, slope: Tensor, damping: float) -> Tensor:
    """Return :math:`-(H + \\lambda I)^{-1} g` in float64, λ being the damping or as much more as it takes.

    Numbers that the loss does not depend on at all, to second order, are left out.

    Args:
        matrix: a symmetric matrix H ``[n, n]``.
        slope: g ``[n]``.
        damping: λ.

    Raises:
        ValueError: no damping is enough, as for a matrix with NaN.

    Example:
        >>> direction(torch.tensor([[4.0, 0.0], [0.0, 0.0]]), torch.tensor([2.0, 0.0]), 0.0).tolist()
        [-0.5, 0.0]
        >>> direction(torch.tensor([[-2.0]]), torch.tensor([1.0]), 0.0)[0] < 0
        tensor(True)
    """
    used = (matrix != 0).any(1) | (slope != 0)
    found = torch.zeros_like(slope)
    inner, g = matrix[used][:, used], slope[used]
    if not len(g):
        return found
    diagonal = inner.diagonal()
    first = RAISED * float(diagonal.abs().mean()) or RAISED
    enough = 2 * float(inner.abs().sum(1).max()) + first  # by Gershgorin's circles
    added = damping
    while True:
        factor, failed = torch.linalg.cholesky_ex(inner + added * torch.eye(len(g)).to(inner))
        if not failed:
            found[used] = -torch.cholesky_solve(g[:, None], factor)[:, 0]
            return found
        if not added < enough:
            raise ValueError("no damping makes the Hessian positive definite")
        least = float(diagonal.min())
        added = max(2 * added, first, first - least if added == damping else 0.0)
