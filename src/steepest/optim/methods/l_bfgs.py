r"""L-BFGS: a quasi-Newton method with a limited memory, as torch computes it.

Liu & Nocedal, *On the limited memory BFGS method for large scale optimization*, Mathematical Programming 1989; the line
search for the strong Wolfe conditions is that of Nocedal & Wright, *Numerical Optimization*, chapter 3.

An iteration moves by :math:`w \leftarrow w - t H g`, where :math:`g` is the gradient of the batch and :math:`H` an
approximation of the inverse Hessian made of the last ``history_size`` pairs
:math:`s_i = w_{i+1} - w_i,\ y_i = g_{i+1} - g_i`:

.. math:: H_{i+1} = (I - \rho_i s_i y_i^\top) H_i (I - \rho_i y_i s_i^\top) + \rho_i s_i s_i^\top, \qquad
          \rho_i = 1 / y_i^\top s_i

One step of the comparison is up to ``max_iter`` iterations on one batch, each with one gradient or, where the line
search tries several lengths :math:`t`, with several. All of them see one function: batch, dropout masks and buffers
are held. The learning rate is the length that is tried first, 1 being Newton's; a schedule multiplies it. The pairs
are kept from step to step, so they are consistent where every step has the same batch: all training rows, without
dropout.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

import torch
from pydantic import BeforeValidator, Field, PositiveInt
from torch import Tensor

from steepest.optim.held import HeldLoss
from steepest.optim.hyper import Hyper
from steepest.optim.method import Method, StepInfo
from steepest.optim.problem import BatchSource, Problem
from steepest.optim.spec import MethodSettings, MethodSpec

COMPONENTS = {
    "l-bfgs": {"object": "LBFGS", "groups": ["second-order"], "what": "quasi-Newton steps with line search"}
}


def _none(value: Any) -> Any:
    return None if isinstance(value, str) and value.lower() == "none" else value


class LBFGSHyper(Hyper):
    """Hyperparameters of L-BFGS, torch's names and defaults but for the line search."""

    lr: float = Field(default=1.0, ge=0.0, description="learning rate, the first length that is tried")
    max_iter: PositiveInt = Field(default=20, description="iterations a step, at most")
    max_eval: PositiveInt | None = Field(
        default=None, description="gradients a step, at most; None: a quarter more than iterations"
    )
    history_size: PositiveInt = Field(
        default=100, description="pairs of moves and gradient changes that are kept"
    )
    tolerance_grad: float = Field(
        default=1e-7, ge=0.0, description="a step ends where no element of the gradient is larger"
    )
    tolerance_change: float = Field(
        default=1e-9, ge=0.0, description="a step ends where loss and weights change by less"
    )
    line_search_fn: Annotated[Literal["strong_wolfe"] | None, BeforeValidator(_none)] = Field(
        default="strong_wolfe",
        description="strong_wolfe, or none for moves of the learning rate's length (torch's default)",
    )


class LBFGS(MethodSpec[LBFGSHyper]):
    """A quasi-Newton method: one step is up to ``max_iter`` iterations on one batch, with torch's L-BFGS."""

    name = "l-bfgs"
    curved = True
    title = "L-BFGS"
    citation = "Liu & Nocedal, Mathematical Programming 1989"
    bibtex = """
@article{liu1989limited,
  author = {Liu, Dong C. and Nocedal, Jorge},
  title = {On the limited memory {BFGS} method for large scale optimization},
  journal = {Mathematical Programming},
  volume = {45},
  pages = {503--528},
  year = {1989},
}
"""
    divergences = (
        "The update is that of torch.optim.LBFGS, whose first iteration tries the length lr / |g|₁ if that is shorter "
        "than lr. The line search is on by default, which torch's is not: without it a step may end higher than it "
        "began."
    )
    Hyper = LBFGSHyper
    grid_centre = 1.0  # Newton's length
    full_batch = True

    @property
    def gradients_a_step(self) -> float:
        """As many as are allowed: about one for each iteration and some for the line search."""
        h = self.hyper
        return float(h.max_iter * 5 // 4 if h.max_eval is None else h.max_eval)

    @property
    def state_bytes(self) -> float:
        """Every pair has the size of the weights; so have the last gradient and the last direction."""
        return 8.0 * (self.hyper.history_size + 1)

    def for_timing(self) -> LBFGS:
        """Return it as it is: from a shorter first length, the line search would need other evaluations."""
        return self

    def make(self, settings: MethodSettings) -> LBFGSMethod:
        """Return the method of one run."""
        return LBFGSMethod(self, settings)


@dataclass
class LBFGSState:
    """The state of one run: torch's optimizer, the gradients so far."""

    optimizer: torch.optim.LBFGS
    gradients: float = 0.0


@dataclass
class LBFGSMethod(Method):
    """L-BFGS on a problem.

    Args:
        spec: the hyperparameters.
        settings: the schedule, and what it counts.
    """

    spec: LBFGS
    settings: MethodSettings

    @property
    def lr(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The learning rate before the schedule."""
        return self.spec.hyper.lr

    def init(self, problem: Problem) -> LBFGSState:
        """Return torch's optimizer of the model's trainable parameters."""
        parameters = [each for each in problem.model.parameters() if each.requires_grad]
        return LBFGSState(torch.optim.LBFGS(parameters, **self.spec.hyper.model_dump()))

    def steps(
        self, problem: Problem, state: LBFGSState, feed: BatchSource, first: int, count: int
    ) -> Iterator[StepInfo]:
        """Make the steps one after the other."""
        for step in range(first, first + count):
            held = HeldLoss(problem, feed.batch(step), partial(feed.randomness, step))
            rate = self.lr * self.settings.multiplier(step, state.gradients)
            self._step(state.optimizer, held, rate)
            state.gradients += held.count
            yield StepInfo.of(held)

    @staticmethod
    def _step(optimizer: torch.optim.LBFGS, held: HeldLoss, rate: float) -> None:
        """Make the iterations of one step; at a rate of 0, where no length can be tried, evaluate only."""

        def evaluate() -> Tensor:
            optimizer.zero_grad(set_to_none=True)
            loss = held()
            loss.backward()
            return loss

        if not rate:
            evaluate()
            return
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step(evaluate)
