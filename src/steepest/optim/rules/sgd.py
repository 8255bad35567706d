r"""Stochastic gradient descent, with momentum and Nesterov's look-ahead.

Robbins & Monro, *A Stochastic Approximation Method*, 1951; Polyak, *Some methods of speeding up the
convergence of iteration methods*, 1964 (momentum); Nesterov 1983 in the form of Sutskever, Martens, Dahl &
Hinton, *On the importance of initialization and momentum in deep learning*, ICML 2013.

With gradient :math:`g_t`, momentum :math:`\mu` and dampening :math:`\tau`:

.. math::
    b_1 = g_1,\quad b_t = \mu\, b_{t-1} + (1 - \tau)\, g_t,\qquad
    w_t = w_{t-1} - \eta_t\, b_t
    \quad\text{or, with Nesterov,}\quad w_t = w_{t-1} - \eta_t\,(g_t + \mu\, b_t).

Weight decay is coupled: :math:`\lambda w_{t-1}` is first added to :math:`g_t`.
"""

from __future__ import annotations

from typing import Self

import torch
from pydantic import Field, model_validator

from steepest.optim.idle import ClosedForm, Coasting, Shrinking, Still, can_fade
from steepest.optim.rule import Carry, Coefficients, Hyper, Idle, Rule, Slots, Start, zeros
from steepest.optim.stability import Stability

COMPONENTS = {
    "sgd": {
        "object": "SGD",
        "what": "the gradient times the learning rate",
        "groups": ["default", "classic"],
    },
    "momentum": {
        "object": "SGD",
        "what": "SGD with momentum 0.9",
        "preset": {"momentum": 0.9},
        "groups": ["default", "classic"],
    },
    "nesterov": {
        "object": "SGD",
        "what": "SGD with Nesterov momentum 0.9",
        "preset": {"momentum": 0.9, "nesterov": True},
        "groups": ["classic"],
    },
}


class SGDHyper(Hyper):
    """Hyperparameters of SGD."""

    lr: float = Field(default=1e-3, ge=0.0, description="learning rate")
    momentum: float = Field(default=0.0, ge=0.0, description="share μ of the last step that is kept")
    dampening: float = Field(default=0.0, description="share τ of a new gradient that is damped")
    weight_decay: float = Field(default=0.0, ge=0.0, description="coupled decay λ, added to the gradient")
    nesterov: bool = Field(default=False, description="look ahead along the momentum")

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> Self:
        if self.nesterov and (self.momentum <= 0 or self.dampening != 0):
            raise ValueError("nesterov needs a momentum above 0 and a dampening of 0")
        return self


class SGD(Rule[SGDHyper]):
    """Stochastic gradient descent."""

    name = "sgd"
    title = "SGD"
    citation = "Robbins & Monro 1951; Polyak 1964; Sutskever et al., ICML 2013"
    bibtex = """
@article{robbins1951stochastic,
  author = {Robbins, Herbert and Monro, Sutton},
  title = {A Stochastic Approximation Method},
  journal = {The Annals of Mathematical Statistics},
  volume = {22},
  number = {3},
  pages = {400--407},
  year = {1951},
}
@article{polyak1964methods,
  author = {Polyak, Boris T.},
  title = {Some Methods of Speeding up the Convergence of Iteration Methods},
  journal = {USSR Computational Mathematics and Mathematical Physics},
  volume = {4},
  number = {5},
  pages = {1--17},
  year = {1964},
}
@inproceedings{sutskever2013importance,
  author = {Sutskever, Ilya and Martens, James and Dahl, George and Hinton, Geoffrey},
  title = {On the Importance of Initialization and Momentum in Deep Learning},
  booktitle = {International Conference on Machine Learning},
  pages = {1139--1147},
  year = {2013},
}
"""
    divergences = (
        "Momentum is in torch's form (the learning rate multiplies the momentum when it is applied), so a "
        "schedule scales the complete step. The first step takes the gradient undampened, as torch does."
    )
    Hyper = SGDHyper
    grid_centre = 0.1

    @property
    def centre(self) -> float:
        """0.1 × (1 − μ): the same length of step in the long run, whatever the momentum (below 0.99)."""
        return round(self.grid_centre * max(1.0 - self.hyper.momentum, 0.01), 12)

    @property
    def cited(self) -> list[str]:
        """The source of the momentum only where there is one."""
        memory = "sutskever2013importance" if self.hyper.nesterov else "polyak1964methods"
        return ["robbins1951stochastic", *([memory] if self.hyper.momentum else [])]

    @property
    def idle(self) -> Idle:
        """Without memory and decay a zero gradient changes nothing."""
        return "moves" if self.hyper.momentum or self.hyper.weight_decay else "still"

    def closed_form(self) -> ClosedForm | None:
        """A product with decay alone, a geometric sum with momentum alone."""
        h = self.hyper
        if not h.momentum:
            return Shrinking() if h.weight_decay else Still()
        if h.weight_decay or not can_fade(h.momentum):
            return None
        return Coasting("momentum_buffer", h.momentum, ahead=h.momentum if h.nesterov else 1.0)

    def slots(self) -> dict[str, Start]:
        """A velocity where there is a momentum."""
        return {"momentum_buffer": zeros} if self.hyper.momentum else {}

    def coefficients(self, step: int, multiplier: float, carry: Carry) -> tuple[Coefficients, Carry]:
        """Rate, momentum and decay."""
        h = self.hyper
        fresh = 1.0 if step == 1 else 1.0 - h.dampening
        return {
            "lr": h.lr * multiplier,
            "momentum": h.momentum,
            "fresh": fresh,
            "weight_decay": h.weight_decay,
        }, carry

    def stability(self, multiplier: float = 1.0) -> Stability | None:
        """2/η; with momentum 2(1 + μ)/((1 − τ)η), with Nesterov's 2(1 + μ)/((1 + 2μ)η); less the decay λ."""
        h = self.hyper
        lr, mu = h.lr * multiplier, h.momentum
        if not lr or (mu and h.dampening >= 1):
            return None
        share, formula = (1.0 - h.dampening, "2(1+μ)/η") if mu else (1.0, "2/η")
        if h.nesterov:
            share, formula = 1.0 + 2.0 * mu, "2(1+μ)/((1+2μ)η)"
        elif mu and h.dampening:
            formula = "2(1+μ)/((1−τ)η)"
        formula += " − λ" if h.weight_decay else ""
        return Stability(2.0 * (1.0 + mu) / (share * lr) - h.weight_decay, formula)

    def update(
        self, grad: torch.Tensor, param: torch.Tensor, slots: Slots, c: Coefficients
    ) -> tuple[torch.Tensor, Slots]:
        """One step of gradient descent."""
        if self.hyper.weight_decay:
            grad = grad + param * c["weight_decay"]
        if not self.hyper.momentum:
            return param - grad * c["lr"], {}
        velocity = (slots["momentum_buffer"] * c["momentum"]).add_(grad * c["fresh"])
        direction = (velocity * c["momentum"]).add_(grad) if self.hyper.nesterov else velocity
        return param - direction * c["lr"], {"momentum_buffer": velocity}
