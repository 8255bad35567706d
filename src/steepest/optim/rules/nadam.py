r"""NAdam.

Dozat, *Incorporating Nesterov Momentum into Adam*, ICLR 2016 workshop.

With :math:`\mu_t = \beta_1 (1 - \tfrac12\, 0.96^{t \psi})` and Adam's averages :math:`m_t, v_t`:

.. math::
    w_t = w_{t-1} - \eta_t\,
    \frac{\dfrac{\mu_{t+1}\, m_t}{1 - \prod_{i \le t+1} \mu_i} + \dfrac{(1-\mu_t)\, g_t}{1 - \prod_{i \le t} \mu_i}}
    {\sqrt{v_t / (1-\beta_2^t)} + \epsilon}

Weight decay is coupled (:math:`\lambda w_{t-1}` is added to :math:`g_t`) or, with ``decoupled_weight_decay``,
decoupled (:math:`w_{t-1}` is first multiplied by :math:`1 - \eta_t \lambda`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from pydantic import Field

from steepest.optim.rule import (
    Beta,
    Carry,
    Coefficients,
    Hyper,
    Rule,
    Slots,
    Start,
    average,
    average_square,
    decay,
    zeros,
)

COMPONENTS = {"nadam": {"object": "NAdam", "what": "Adam with Nesterov momentum"}}


class NAdamHyper(Hyper):
    """Hyperparameters of NAdam."""

    lr: float = Field(default=2e-3, ge=0.0, description="learning rate")
    betas: tuple[Beta, Beta] = Field(
        default=(0.9, 0.999), description="shares kept of the averages of gradient and squared gradient"
    )
    eps: float = Field(default=1e-8, ge=0.0, description="ε, added to the root")
    weight_decay: float = Field(default=0.0, ge=0.0, description="decay λ, coupled by default")
    momentum_decay: float = Field(default=4e-3, ge=0.0, description="ψ, how fast the momentum warms up")
    decoupled_weight_decay: bool = Field(default=False, description="decay as in AdamW")


class NAdam(Rule[NAdamHyper]):
    """NAdam."""

    name = "nadam"
    title = "NAdam"
    citation = "Dozat, ICLR 2016 workshop"
    bibtex = """
@inproceedings{dozat2016incorporating,
  author = {Dozat, Timothy},
  title = {Incorporating {Nesterov} Momentum into {Adam}},
  booktitle = {International Conference on Learning Representations, Workshop Track},
  year = {2016},
}
"""
    divergences = (
        "As in torch, the average m keeps β₁ and only the applied step uses the warmed-up momentum μ."
    )
    Hyper = NAdamHyper
    grid_centre = 2e-3
    carry: ClassVar[Mapping[str, float]] = {"mu_product": 1.0}

    def slots(self) -> dict[str, Start]:
        """Both averages."""
        return {"exp_avg": zeros, "exp_avg_sq": zeros}

    def coefficients(self, step: int, multiplier: float, carry: Carry) -> tuple[Coefficients, Carry]:
        """Momenta, their product, bias corrections, rate and decay."""
        h = self.hyper
        beta1, beta2 = h.betas
        lr = h.lr * multiplier
        now = beta1 * (1.0 - 0.5 * 0.96 ** (step * h.momentum_decay))
        following = beta1 * (1.0 - 0.5 * 0.96 ** ((step + 1) * h.momentum_decay))
        product = carry["mu_product"] * now
        root = math.sqrt(1.0 - beta2**step)
        return {
            "beta1": beta1,
            "rest1": 1.0 - beta1,
            "beta2": beta2,
            "rest2": 1.0 - beta2,
            "lr_grad": lr * root * (1.0 - now) / (1.0 - product),
            "lr_mean": lr * root * following / (1.0 - product * following),
            "eps": h.eps * root,
            "weight_decay": h.weight_decay,
            "keep": 1.0 - lr * h.weight_decay,
        }, {"mu_product": product}

    def update(
        self, grad: torch.Tensor, param: torch.Tensor, slots: Slots, c: Coefficients
    ) -> tuple[torch.Tensor, Slots]:
        """One step of NAdam."""
        h = self.hyper
        grad, param = decay(grad, param, c, h.weight_decay, h.decoupled_weight_decay)
        mean = average(slots["exp_avg"], grad, c["beta1"], c["rest1"])
        square = average_square(slots["exp_avg_sq"], grad, c["beta2"], c["rest2"])
        step = (grad * c["lr_grad"]).add_(mean * c["lr_mean"]).div_(torch.sqrt(square).add_(c["eps"]))
        return param - step, {"exp_avg": mean, "exp_avg_sq": square}
