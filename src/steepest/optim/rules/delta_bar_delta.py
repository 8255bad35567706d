r"""Delta-Bar-Delta.

Jacobs, *Increased rates of convergence through learning rate adaptation*, Neural Networks 1(4), 1988.

Each weight has its own rate :math:`\eta`. With :math:`\delta_t` the gradient and :math:`\bar\delta` its
moving average, the average *before* this step is compared with the gradient *of* this step:

.. math::
    \eta_t &= \begin{cases}
        \eta_{t-1} + \kappa & \bar\delta_{t-1}\,\delta_t > 0 \\
        \eta_{t-1}\,(1 - \phi) & \bar\delta_{t-1}\,\delta_t < 0 \\
        \eta_{t-1} & \text{otherwise} \end{cases} \\
    \bar\delta_t &= (1-\theta)\,\delta_t + \theta\,\bar\delta_{t-1}, \qquad
    w_t = w_{t-1} - m\,\eta_t\,\delta_t

The weight moves with the new rate; :math:`m` is the schedule's multiplier, which scales the applied step and
never enters the rates. Rates grow without bound unless ``max_lr`` is given.

Weight decay is coupled: :math:`\lambda w_{t-1}` is first added to :math:`\delta_t`.
"""

from __future__ import annotations

import torch
from pydantic import Field

from steepest.optim.idle import ClosedForm, Fading
from steepest.optim.rule import Carry, Coefficients, Hyper, Idle, Rule, Slots, Start, average, filled, zeros

COMPONENTS = {
    "delta-bar-delta": {
        "object": "DeltaBarDelta",
        "what": "a rate per weight, adapted by gradient signs",
        "groups": ["classic"],
    }
}


class DeltaBarDeltaHyper(Hyper):
    """Hyperparameters of Delta-Bar-Delta."""

    lr: float = Field(default=1e-2, ge=0.0, description="start value of every weight's rate")
    kappa: float = Field(default=1e-4, ge=0.0, description="κ, added to a rate on agreement")
    phi: float = Field(default=0.1, ge=0.0, le=1.0, description="φ, share taken off a rate on disagreement")
    theta: float = Field(default=0.9, ge=0.0, lt=1.0, description="θ, share kept of the average gradient")
    max_lr: float | None = Field(default=None, gt=0.0, description="bound of every weight's rate")
    weight_decay: float = Field(default=0.0, ge=0.0, description="coupled decay λ, added to the gradient")


class DeltaBarDelta(Rule[DeltaBarDeltaHyper]):
    """Delta-Bar-Delta."""

    name = "delta-bar-delta"
    title = "Delta-Bar-Delta"
    citation = "Jacobs, Neural Networks 1(4), 1988"
    bibtex = """
@article{jacobs1988increased,
  author = {Jacobs, Robert A.},
  title = {Increased Rates of Convergence Through Learning Rate Adaptation},
  journal = {Neural Networks},
  volume = {1},
  number = {4},
  pages = {295--307},
  year = {1988},
}
"""
    divergences = (
        "The paper chooses κ, φ and θ per problem and has no defaults, bound or schedule; a multiplier "
        "scales the applied step and never enters the rates."
    )
    Hyper = DeltaBarDeltaHyper
    grid_centre = 1e-2
    lr_is_a_factor = False

    @property
    def idle(self) -> Idle:
        """The average decays; rate and parameter stay."""
        return "moves" if self.hyper.weight_decay else "param_still"

    def closed_form(self) -> ClosedForm | None:
        """The average gradient fades; only its sign matters, so that must not vanish."""
        return None if self.hyper.weight_decay else Fading({"grad_avg": self.hyper.theta}, keep_signs=True)

    def slots(self) -> dict[str, Start]:
        """Each weight's rate and average gradient."""
        return {"rate": filled(self.hyper.lr), "grad_avg": zeros}

    def coefficients(self, step: int, multiplier: float, carry: Carry) -> tuple[Coefficients, Carry]:
        """How rates change, and the multiplier."""
        del step
        h = self.hyper
        c = {
            "kappa": h.kappa,
            "phi": h.phi,
            "theta": h.theta,
            "rest": 1.0 - h.theta,
            "multiplier": multiplier,
            "weight_decay": h.weight_decay,
        }
        return (c if h.max_lr is None else {**c, "max_lr": h.max_lr}), carry

    def update(
        self, grad: torch.Tensor, param: torch.Tensor, slots: Slots, c: Coefficients
    ) -> tuple[torch.Tensor, Slots]:
        """One step of Delta-Bar-Delta."""
        if self.hyper.weight_decay:
            grad = grad + param * c["weight_decay"]
        rate, mean = slots["rate"], slots["grad_avg"]
        sign = torch.sign(mean) * torch.sign(grad)
        kept = 1.0 - (-sign).clamp_(min=0.0).mul_(c["phi"])
        rate = (rate * kept).add_(sign.clamp_(min=0.0).mul_(c["kappa"]))
        if self.hyper.max_lr is not None:
            rate = rate.clamp(max=c["max_lr"])
        new = {"rate": rate, "grad_avg": average(mean, grad, c["theta"], c["rest"])}
        return param - (rate * grad).mul_(c["multiplier"]), new
