r"""Levenberg–Marquardt: damped Gauss-Newton steps for the squared error of small models.

Levenberg, Quarterly of Applied Mathematics 1944; Marquardt, SIAM Journal 1963; the scaling is that of Moré, 1978, the
damping that of Nielsen, 1999.

The loss of a batch is :math:`\lVert r \rVert^2`, the sum of the squares of the weighted residuals, and :math:`J` is
their derivative. A step solves

.. math:: \delta = \arg\min_\delta\ \lVert r + J\delta \rVert^2 + \lambda \lVert D\delta \rVert^2

and takes :math:`t\,\delta` if the loss falls, :math:`t` being the learning rate, 1 by default, times the schedule.
The damping :math:`\lambda` then falls to a third where the fall is as large as that of the linear residuals, and grows
where it is much smaller; where the loss does not fall, it grows and the step is tried again, up to ``tries`` times.
:math:`D` is one number, the largest norm of a column of the first :math:`J`, or with ``scaling`` the largest norm so
far of each column.

The Jacobian of B residuals by n weights is computed by min(B, n) products with vectors, each of which counts as one
gradient; a step that is tried counts a third. Batch, dropout masks and buffers are held within a step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from steepest.errors import OptionError
from steepest.optim.derivatives import jacobian, moved, size_of
from steepest.optim.held import HeldLoss
from steepest.optim.hyper import Hyper
from steepest.optim.least_squares import START, Damping, LinearizedResiduals, widened
from steepest.optim.method import Evaluations, Method, StepInfo
from steepest.optim.problem import BatchSource, LeastSquares, Problem
from steepest.optim.small import check_size, trainable
from steepest.optim.spec import MethodSettings, MethodSpec

COMPONENTS = {
    "levenberg-marquardt": {
        "object": "LevenbergMarquardt",
        "groups": ["second-order"],
        "what": "damped Gauss-Newton, small regressions",
    }
}


class LevenbergMarquardtHyper(Hyper):
    """Hyperparameters of Levenberg–Marquardt."""

    lr: float = Field(default=1.0, ge=0.0, description="learning rate, the share of a step that is taken")
    damping: float = Field(default=START, gt=0.0, description="damping λ of the first step")
    scaling: bool = Field(
        default=False, description="damp every weight by the norm of its column (Marquardt)"
    )
    tries: PositiveInt = Field(default=10, description="dampings that are tried on a batch, at most")


class LevenbergMarquardt(MethodSpec[LevenbergMarquardtHyper]):
    """Levenberg–Marquardt: one step is a damped Gauss-Newton step that makes the squared error of a batch smaller."""

    name = "levenberg-marquardt"
    curved = True
    title = "Levenberg–Marquardt"
    citation = "Levenberg 1944; Marquardt, SIAM Journal 1963; Nielsen 1999"
    bibtex = """
@article{levenberg1944method,
  author = {Levenberg, Kenneth},
  title = {A method for the solution of certain non-linear problems in least squares},
  journal = {Quarterly of Applied Mathematics},
  volume = {2},
  pages = {164--168},
  year = {1944},
}

@article{marquardt1963algorithm,
  author = {Marquardt, Donald W.},
  title = {An algorithm for least-squares estimation of nonlinear parameters},
  journal = {Journal of the Society for Industrial and Applied Mathematics},
  volume = {11},
  pages = {431--441},
  year = {1963},
}

@techreport{nielsen1999damping,
  author = {Nielsen, Hans Bruun},
  title = {Damping parameter in {M}arquardt's method},
  institution = {Technical University of Denmark},
  number = {IMM-REP-1999-05},
  year = {1999},
}
"""
    divergences = (
        "Every step may have another batch; the damping is carried from one to the next. The gain ratio is of the step "
        "that is taken, learning rate included. Batch norm and dropout couple or change rows; they are held."
    )
    Hyper = LevenbergMarquardtHyper
    grid_centre = 1.0
    constant_rate: ClassVar[bool] = True
    eager_because: ClassVar[str] = "a step solves a least-squares problem and tries its solution"
    cost: ClassVar[str] = (
        "1 + min(B, n) gradients, where B is the number of rows and n that of weights, and a third of one for every "
        "step that is tried"
    )

    @property
    def gradients_a_step(self) -> float:
        """Those of a model of one weight: how many products there are depends on model and batch."""
        return self.least_gradients(1, 1)

    def least_gradients(self, weights: int, rows: int) -> float:
        """Return those of the residuals and of the Jacobian's products."""
        return 1.0 + min(rows, weights)

    @property
    def axes(self) -> dict[str, float]:
        """Nothing: its length is 1, and it finds its damping."""
        return {}

    @property
    def state_bytes(self) -> float:
        """A row of a matrix of all weights in 64 bits, of 64 × 32, and the scale."""
        return 8.0 * (64 * 32 + 1)

    def for_timing(self) -> LevenbergMarquardt:
        """Return it as it is: a shorter step would have to be tried again."""
        return self

    def refuses(self, place: str) -> str:
        """Return why a regularizer cannot act at a place of its steps; empty where it can."""
        return "its loss is the sum of squares alone" if place == "penalty" else super().refuses(place)

    def check(self, problem: Problem) -> None:
        """Raise an ``OptionError`` if the model is too large, or the loss no sum of squares."""
        if not isinstance(problem, LeastSquares):
            raise OptionError(
                f"{self.called} needs residuals, whose squares sum to the loss",
                hint="give the problem the method residuals(batch).",
            )
        problem.check_residuals(self.called)
        check_size(self.called, problem.model, "Gauss-Newton matrix")

    def make(self, settings: MethodSettings) -> LevenbergMarquardtMethod:
        """Return the method of one run."""
        return LevenbergMarquardtMethod(self, settings)


@dataclass
class LevenbergMarquardtState:
    """The state of one run: the trainable parameters, damping and scale, the gradients so far."""

    parameters: list[Tensor]
    damping: Damping
    scale: Tensor | None = None
    gradients: float = 0.0


@dataclass
class LevenbergMarquardtMethod(Method):
    """Levenberg–Marquardt on a problem.

    Args:
        spec: the hyperparameters.
        settings: the schedule, and what it counts.
    """

    spec: LevenbergMarquardt
    settings: MethodSettings

    @property
    def lr(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The learning rate before the schedule."""
        return self.spec.hyper.lr

    def init(self, problem: Problem) -> LevenbergMarquardtState:
        """Return the state of a new run.

        Raises:
            OptionError: the model is too large, or the loss no sum of squares.
        """
        self.spec.check(problem)
        return LevenbergMarquardtState(trainable(problem.model), Damping(self.spec.hyper.damping))

    def steps(
        self, problem: Problem, state: LevenbergMarquardtState, feed: BatchSource, first: int, count: int
    ) -> Iterator[StepInfo]:
        """Make the steps one after the other."""
        for step in range(first, first + count):
            held = HeldLoss(problem, feed.batch(step), partial(feed.randomness, step), twice=True)
            self._step(held, state, self.lr * self.settings.multiplier(step, state.gradients))
            state.gradients += held.count
            yield StepInfo.of(held)

    def evaluations(self, problem: Problem, state: LevenbergMarquardtState, feed: BatchSource) -> Evaluations:
        """Return what makes the products of a Jacobian, and the loss of a step that is tried."""
        held, params = (
            HeldLoss(problem, feed.batch(0), partial(feed.randomness, 0), twice=True),
            state.parameters,
        )
        residuals = held.residuals()
        return {
            "product": (_products(residuals, params), lambda: jacobian(residuals, params)),
            "forward": (1, held.squares),
        }

    def _step(self, held: HeldLoss, state: LevenbergMarquardtState, rate: float) -> None:
        residuals = held.residuals()
        if not rate or not held.finite("the residuals hold", residuals.detach()):
            return
        params = state.parameters
        held.products += _products(residuals, params)
        derivative = jacobian(residuals, params)
        if not held.finite("the derivative of the residuals, the Jacobian, holds", derivative):
            return
        linear = LinearizedResiduals(derivative, residuals)
        state.scale = widened(state.scale, linear, self.spec.hyper.scaling)
        value, start = held.losses[-1], [each.detach().clone() for each in params]
        for _ in range(self.spec.hyper.tries):
            step = rate * linear.step(state.damping.value, state.scale)
            promised = linear.fall(step)
            if not promised > 0:  # at a minimum, or from a rate above 2
                break
            moved(params, start, step)
            ratio = (value - held.squares()) / promised
            state.damping = state.damping.after(ratio)
            if ratio > 0:
                return
        moved(params, start, torch.zeros_like(linear.norms))


def _products(residuals: Tensor, params: Sequence[Tensor]) -> float:
    """Return the products that a Jacobian counts: one with it or its transpose is half of one with JᵀJ."""
    return min(len(residuals), size_of(params)) / 2
