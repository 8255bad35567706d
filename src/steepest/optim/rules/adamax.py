r"""Adamax.

Kingma & Ba, *Adam: A Method for Stochastic Optimization*, ICLR 2015, section 7.1.

.. math::
    m_t &= \beta_1 m_{t-1} + (1-\beta_1)\, g_t, \qquad u_t = \max(\beta_2 u_{t-1},\ |g_t| + \epsilon) \\
    w_t &= w_{t-1} - \frac{\eta_t}{1-\beta_1^t}\, \frac{m_t}{u_t}

Weight decay is coupled: :math:`\lambda w_{t-1}` is first added to :math:`g_t`.
"""

from __future__ import annotations

import torch
from pydantic import Field

from steepest.optim.rule import Beta, Carry, Coefficients, Hyper, Rule, Slots, Start, average, zeros

COMPONENTS = {"adamax": {"object": "Adamax", "what": "Adam divided by the largest recent gradient"}}


class AdamaxHyper(Hyper):
    """Hyperparameters of Adamax."""

    lr: float = Field(default=2e-3, ge=0.0, description="learning rate")
    betas: tuple[Beta, Beta] = Field(
        default=(0.9, 0.999), description="shares kept of the average gradient and of the largest one"
    )
    eps: float = Field(default=1e-8, ge=0.0, description="ε, added to the gradient's size")
    weight_decay: float = Field(default=0.0, ge=0.0, description="coupled decay λ, added to the gradient")


class Adamax(Rule[AdamaxHyper]):
    """Adamax."""

    name = "adamax"
    title = "Adamax"
    citation = "Kingma & Ba, ICLR 2015, section 7.1"
    bibtex = """
@inproceedings{kingma2015adam,
  author = {Kingma, Diederik P. and Ba, Jimmy},
  title = {{Adam}: A Method for Stochastic Optimization},
  booktitle = {International Conference on Learning Representations},
  year = {2015},
}
"""
    divergences = "The paper has no ε; as in torch it keeps u above 0."
    Hyper = AdamaxHyper
    grid_centre = 2e-3

    def slots(self) -> dict[str, Start]:
        """The average gradient and the decaying maximum."""
        return {"exp_avg": zeros, "exp_inf": zeros}

    def coefficients(self, step: int, multiplier: float, carry: Carry) -> tuple[Coefficients, Carry]:
        """Bias correction, rate and decay."""
        h = self.hyper
        beta1, beta2 = h.betas
        return {
            "beta1": beta1,
            "rest1": 1.0 - beta1,
            "beta2": beta2,
            "lr": h.lr * multiplier / (1.0 - beta1**step),
            "eps": h.eps,
            "weight_decay": h.weight_decay,
        }, carry

    def update(
        self, grad: torch.Tensor, param: torch.Tensor, slots: Slots, c: Coefficients
    ) -> tuple[torch.Tensor, Slots]:
        """One step of Adamax."""
        if self.hyper.weight_decay:
            grad = grad + param * c["weight_decay"]
        mean = average(slots["exp_avg"], grad, c["beta1"], c["rest1"])
        largest = torch.maximum(slots["exp_inf"] * c["beta2"], grad.abs().add_(c["eps"]))
        return param - (mean * c["lr"]).div_(largest), {"exp_avg": mean, "exp_inf": largest}
