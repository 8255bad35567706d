r"""Heavy ball: momentum in velocity form.

Polyak, *Some methods of speeding up the convergence of iteration methods*, 1964.

.. math:: v_t = \mu\, v_{t-1} - \eta_t\, g_t, \qquad w_t = w_{t-1} + v_t

At a constant rate this equals ``momentum``, which is torch's form. They differ when the rate changes: here the rate
enters with the gradient, so a past gradient keeps the rate of its own step; in torch's form the current rate
multiplies the accumulated momentum. Weight decay is coupled: :math:`\lambda w_{t-1}` is added to :math:`g_t`.
"""

from __future__ import annotations

import torch
from pydantic import Field

from steepest.optim.idle import ClosedForm, Coasting, can_fade
from steepest.optim.rule import Beta, Carry, Coefficients, Hyper, Rule, Slots, Start, zeros
from steepest.optim.stability import Stability

COMPONENTS = {"heavy-ball": {"object": "HeavyBall", "what": "SGD with momentum in velocity form"}}


class HeavyBallHyper(Hyper):
    """Hyperparameters of the heavy ball."""

    lr: float = Field(default=1e-2, ge=0.0, description="learning rate")
    momentum: Beta = Field(default=0.9, description="share μ of the velocity that is kept")
    weight_decay: float = Field(default=0.0, ge=0.0, description="coupled decay λ, added to the gradient")


class HeavyBall(Rule[HeavyBallHyper]):
    """Momentum in velocity form."""

    name = "heavy-ball"
    title = "Heavy ball"
    citation = "Polyak, USSR Computational Mathematics and Mathematical Physics 4(5), 1964"
    bibtex = """
@article{polyak1964methods,
  author = {Polyak, Boris T.},
  title = {Some Methods of Speeding up the Convergence of Iteration Methods},
  journal = {USSR Computational Mathematics and Mathematical Physics},
  volume = {4},
  number = {5},
  pages = {1--17},
  year = {1964},
}
"""
    divergences = (
        "A schedule multiplies the rate with which a gradient enters the velocity, unlike in "
        "torch's form (`momentum`)."
    )
    Hyper = HeavyBallHyper
    grid_centre = 1e-2

    def closed_form(self) -> ClosedForm | None:
        """A geometric sum, whatever the schedule."""
        h = self.hyper
        if h.weight_decay or not can_fade(h.momentum):
            return None
        return Coasting("velocity", h.momentum, sign=1.0, with_rate=False)

    def slots(self) -> dict[str, Start]:
        """The velocity."""
        return {"velocity": zeros}

    def coefficients(self, step: int, multiplier: float, carry: Carry) -> tuple[Coefficients, Carry]:
        """Rate, momentum and decay."""
        del step
        h = self.hyper
        return {"lr": h.lr * multiplier, "momentum": h.momentum, "weight_decay": h.weight_decay}, carry

    def stability(self, multiplier: float = 1.0) -> Stability | None:
        """2(1 + μ)/η, less the decay λ."""
        h = self.hyper
        lr = h.lr * multiplier
        formula = "2(1+μ)/η" + (" − λ" if h.weight_decay else "")
        return Stability(2.0 * (1.0 + h.momentum) / lr - h.weight_decay, formula) if lr else None

    def update(
        self, grad: torch.Tensor, param: torch.Tensor, slots: Slots, c: Coefficients
    ) -> tuple[torch.Tensor, Slots]:
        """One step of the heavy ball."""
        if self.hyper.weight_decay:
            grad = grad + param * c["weight_decay"]
        velocity = (slots["velocity"] * c["momentum"]).sub_(grad * c["lr"])
        return param + velocity, {"velocity": velocity}
