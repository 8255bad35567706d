r"""Adagrad.

Duchi, Hazan & Singer, *Adaptive Subgradient Methods for Online Learning and Stochastic Optimization*,
JMLR 12, 2011 (the diagonal form).

.. math::
    s_t = s_{t-1} + g_t^2, \qquad
    w_t = w_{t-1} - \frac{\eta_t}{1 + (t-1)\,\gamma}\; \frac{g_t}{\sqrt{s_t} + \epsilon}

Weight decay is coupled: :math:`\lambda w_{t-1}` is first added to :math:`g_t`.
"""

from __future__ import annotations

import torch
from pydantic import Field

from steepest.optim.rule import Carry, Coefficients, Hyper, Idle, Rule, Slots, Start, filled

COMPONENTS = {
    "adagrad": {
        "object": "Adagrad",
        "what": "divides by the root of all squared gradients",
        "groups": ["classic"],
    }
}


class AdagradHyper(Hyper):
    """Hyperparameters of Adagrad."""

    lr: float = Field(default=1e-2, ge=0.0, description="learning rate")
    lr_decay: float = Field(default=0.0, ge=0.0, description="γ, the rate falls as 1/(1 + (t−1)γ)")
    weight_decay: float = Field(default=0.0, ge=0.0, description="coupled decay λ, added to the gradient")
    initial_accumulator_value: float = Field(default=0.0, ge=0.0, description="start value of the sum s")
    eps: float = Field(default=1e-10, ge=0.0, description="ε, added to the root")


class Adagrad(Rule[AdagradHyper]):
    """Adagrad."""

    name = "adagrad"
    title = "Adagrad"
    citation = "Duchi, Hazan & Singer, JMLR 2011"
    bibtex = """
@article{duchi2011adaptive,
  author = {Duchi, John and Hazan, Elad and Singer, Yoram},
  title = {Adaptive Subgradient Methods for Online Learning and Stochastic Optimization},
  journal = {Journal of Machine Learning Research},
  volume = {12},
  pages = {2121--2159},
  year = {2011},
}
"""
    divergences = "The falling rate (lr_decay) is torch's addition; it is off by default."
    Hyper = AdagradHyper
    grid_centre = 1e-2

    @property
    def idle(self) -> Idle:
        """A zero gradient adds nothing to the sum."""
        return "moves" if self.hyper.weight_decay else "still"

    def slots(self) -> dict[str, Start]:
        """The sum of squared gradients."""
        return {"sum": filled(self.hyper.initial_accumulator_value)}

    def coefficients(self, step: int, multiplier: float, carry: Carry) -> tuple[Coefficients, Carry]:
        """The falling rate."""
        h = self.hyper
        lr = h.lr * multiplier / (1.0 + (step - 1) * h.lr_decay)
        return {"lr": lr, "eps": h.eps, "weight_decay": h.weight_decay}, carry

    def update(
        self, grad: torch.Tensor, param: torch.Tensor, slots: Slots, c: Coefficients
    ) -> tuple[torch.Tensor, Slots]:
        """One step of Adagrad."""
        if self.hyper.weight_decay:
            grad = grad + param * c["weight_decay"]
        total = slots["sum"] + grad * grad
        return param - (grad * c["lr"]).div_(torch.sqrt(total).add_(c["eps"])), {"sum": total}
