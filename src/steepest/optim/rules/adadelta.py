r"""Adadelta.

Zeiler, *ADADELTA: An Adaptive Learning Rate Method*, arXiv:1212.5701, 2012.

.. math::
    v_t &= \rho v_{t-1} + (1-\rho)\, g_t^2, \qquad
    \Delta_t = \frac{\sqrt{u_{t-1} + \epsilon}}{\sqrt{v_t + \epsilon}}\, g_t \\
    u_t &= \rho u_{t-1} + (1-\rho)\, \Delta_t^2, \qquad w_t = w_{t-1} - \eta_t \Delta_t

Weight decay is coupled: :math:`\lambda w_{t-1}` is first added to :math:`g_t`.
"""

from __future__ import annotations

import torch
from pydantic import Field

from steepest.optim.idle import ClosedForm, Fading
from steepest.optim.rule import Carry, Coefficients, Hyper, Idle, Rule, Slots, Start, average_square, zeros

COMPONENTS = {"adadelta": {"object": "Adadelta", "what": "a running ratio of past steps to gradients"}}


class AdadeltaHyper(Hyper):
    """Hyperparameters of Adadelta."""

    lr: float = Field(default=1.0, ge=0.0, description="learning rate; the paper has none, that is 1")
    rho: float = Field(default=0.9, ge=0.0, lt=1.0, description="share ρ kept of both averages")
    eps: float = Field(default=1e-6, ge=0.0, description="ε, inside both roots")
    weight_decay: float = Field(default=0.0, ge=0.0, description="coupled decay λ, added to the gradient")


class Adadelta(Rule[AdadeltaHyper]):
    """Adadelta."""

    name = "adadelta"
    title = "Adadelta"
    citation = "Zeiler, arXiv:1212.5701, 2012"
    bibtex = """
@misc{zeiler2012adadelta,
  author = {Zeiler, Matthew D.},
  title = {{ADADELTA}: An Adaptive Learning Rate Method},
  howpublished = {arXiv:1212.5701},
  year = {2012},
}
"""
    divergences = "The paper uses ρ = 0.95; the defaults are torch's. The learning rate is torch's addition."
    Hyper = AdadeltaHyper
    grid_centre = 1.0

    @property
    def idle(self) -> Idle:
        """Both averages decay; the parameter stays."""
        return "moves" if self.hyper.weight_decay else "param_still"

    def closed_form(self) -> ClosedForm | None:
        """Both averages fade."""
        return None if self.hyper.weight_decay else Fading(dict.fromkeys(self.slots(), self.hyper.rho))

    def slots(self) -> dict[str, Start]:
        """The average squares of gradients and of steps."""
        return {"square_avg": zeros, "acc_delta": zeros}

    def coefficients(self, step: int, multiplier: float, carry: Carry) -> tuple[Coefficients, Carry]:
        """Rate, averages and decay."""
        del step
        h = self.hyper
        return {
            "lr": h.lr * multiplier,
            "rho": h.rho,
            "rest": 1.0 - h.rho,
            "eps": h.eps,
            "weight_decay": h.weight_decay,
        }, carry

    def update(
        self, grad: torch.Tensor, param: torch.Tensor, slots: Slots, c: Coefficients
    ) -> tuple[torch.Tensor, Slots]:
        """One step of Adadelta."""
        if self.hyper.weight_decay:
            grad = grad + param * c["weight_decay"]
        square = average_square(slots["square_avg"], grad, c["rho"], c["rest"])
        root = torch.sqrt(slots["acc_delta"] + c["eps"])
        move = root.div_(torch.sqrt(square + c["eps"])).mul_(grad)
        new = {
            "square_avg": square,
            "acc_delta": average_square(slots["acc_delta"], move, c["rho"], c["rest"]),
        }
        return param - move * c["lr"], new
