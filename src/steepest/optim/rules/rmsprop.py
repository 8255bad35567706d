r"""RMSprop, plain, centred, and with momentum.

Tieleman & Hinton, *Lecture 6.5: rmsprop*, Coursera, Neural Networks for Machine Learning, 2012; Graves,
*Generating Sequences With Recurrent Neural Networks*, 2013 (centred).

.. math::
    v_t = \alpha v_{t-1} + (1-\alpha)\, g_t^2, \qquad
    w_t = w_{t-1} - \eta_t \frac{g_t}{\sqrt{v_t} + \epsilon}

Centred, :math:`v_t - \bar g_t^2` takes the place of :math:`v_t`, with
:math:`\bar g_t = \alpha \bar g_{t-1} + (1-\alpha) g_t`. With momentum, the quotient :math:`q_t` is accumulated,
:math:`b_t = \mu b_{t-1} + q_t`, and :math:`w_t = w_{t-1} - \eta_t b_t`. With ``eps_inside_root`` the
denominator is :math:`\sqrt{v_t + \epsilon}`, as some lectures write it.

Weight decay is coupled: :math:`\lambda w_{t-1}` is first added to :math:`g_t`.
"""

from __future__ import annotations

import torch
from pydantic import Field

from steepest.optim.idle import ClosedForm, Fading
from steepest.optim.rule import (
    Carry,
    Coefficients,
    Hyper,
    Idle,
    Rule,
    Slots,
    Start,
    average,
    average_square,
    zeros,
)

COMPONENTS = {
    "rmsprop": {
        "object": "RMSprop",
        "what": "divides by the root of mean squared gradients",
        "groups": ["classic"],
    }
}


class RMSpropHyper(Hyper):
    """Hyperparameters of RMSprop."""

    lr: float = Field(default=1e-2, ge=0.0, description="learning rate")
    alpha: float = Field(default=0.99, ge=0.0, lt=1.0, description="share α kept of the average square")
    eps: float = Field(default=1e-8, ge=0.0, description="ε in the denominator")
    weight_decay: float = Field(default=0.0, ge=0.0, description="coupled decay λ, added to the gradient")
    momentum: float = Field(default=0.0, ge=0.0, description="share μ of the last step that is kept")
    centered: bool = Field(default=False, description="divide by the standard deviation of the gradient")
    eps_inside_root: bool = Field(default=False, description="√(v + ε) instead of √v + ε")


class RMSprop(Rule[RMSpropHyper]):
    """RMSprop."""

    name = "rmsprop"
    title = "RMSprop"
    citation = "Tieleman & Hinton, Coursera lecture 6.5, 2012; Graves 2013 (centred)"
    bibtex = """
@misc{tieleman2012rmsprop,
  author = {Tieleman, Tijmen and Hinton, Geoffrey},
  title = {Lecture 6.5: {rmsprop}: Divide the Gradient by a Running Average of Its Recent Magnitude},
  howpublished = {Coursera, Neural Networks for Machine Learning},
  year = {2012},
}
@misc{graves2013generating,
  author = {Graves, Alex},
  title = {Generating Sequences With Recurrent Neural Networks},
  howpublished = {arXiv:1308.0850},
  year = {2013},
}
"""
    divergences = (
        "Defaults are torch's; the lecture suggests α = 0.9. In the centred form, a variance that rounding makes "
        "negative counts as 0 here and gives NaN in torch."
    )
    Hyper = RMSpropHyper
    grid_centre = 1e-3

    @property
    def cited(self) -> list[str]:
        """The source of the centred form only where it is used."""
        return ["tieleman2012rmsprop", *(["graves2013generating"] if self.hyper.centered else [])]

    @property
    def idle(self) -> Idle:
        """Averages decay; the parameter moves only by momentum or decay."""
        return "moves" if self.hyper.weight_decay or self.hyper.momentum else "param_still"

    def closed_form(self) -> ClosedForm | None:
        """The averages fade; with momentum the step depends on all of them."""
        h = self.hyper
        if h.weight_decay or h.momentum:
            return None
        names = ["square_avg", "grad_avg"] if h.centered else ["square_avg"]
        return Fading(dict.fromkeys(names, h.alpha))

    def slots(self) -> dict[str, Start]:
        """The average square, and what the options need."""
        found: dict[str, Start] = {"square_avg": zeros}
        if self.hyper.momentum:
            found["momentum_buffer"] = zeros
        if self.hyper.centered:
            found["grad_avg"] = zeros
        return found

    def coefficients(self, step: int, multiplier: float, carry: Carry) -> tuple[Coefficients, Carry]:
        """Rate, averages and decay."""
        del step
        h = self.hyper
        return {
            "lr": h.lr * multiplier,
            "alpha": h.alpha,
            "rest": 1.0 - h.alpha,
            "eps": h.eps,
            "momentum": h.momentum,
            "weight_decay": h.weight_decay,
        }, carry

    def update(
        self, grad: torch.Tensor, param: torch.Tensor, slots: Slots, c: Coefficients
    ) -> tuple[torch.Tensor, Slots]:
        """One step of RMSprop."""
        h = self.hyper
        if h.weight_decay:
            grad = grad + param * c["weight_decay"]
        square = average_square(slots["square_avg"], grad, c["alpha"], c["rest"])
        new = {"square_avg": square}
        if h.centered:
            new["grad_avg"] = mean = average(slots["grad_avg"], grad, c["alpha"], c["rest"])
            square = (square - mean * mean).clamp_(min=0.0)
        bottom = torch.sqrt(square + c["eps"]) if h.eps_inside_root else torch.sqrt(square).add_(c["eps"])
        if not h.momentum:
            return param - (grad * c["lr"]).div_(bottom), new
        new["momentum_buffer"] = step = (slots["momentum_buffer"] * c["momentum"]).add_(grad / bottom)
        return param - step * c["lr"], new
