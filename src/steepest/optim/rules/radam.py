r"""RAdam.

Liu et al., *On the Variance of the Adaptive Learning Rate and Beyond*, ICLR 2020.

With Adam's averages :math:`m_t, v_t`, :math:`\rho_\infty = 2/(1-\beta_2) - 1` and
:math:`\rho_t = \rho_\infty - 2t\beta_2^t/(1-\beta_2^t)`:

.. math::
    w_t = w_{t-1} - \eta_t \frac{m_t}{1-\beta_1^t} \cdot
    \begin{cases} \sqrt{\dfrac{(\rho_t-4)(\rho_t-2)\rho_\infty}{(\rho_\infty-4)(\rho_\infty-2)\rho_t}}\,
    \dfrac{\sqrt{1-\beta_2^t}}{\sqrt{v_t} + \epsilon} & \rho_t > 5 \\ 1 & \text{otherwise} \end{cases}

Weight decay is coupled (:math:`\lambda w_{t-1}` is added to :math:`g_t`) or, with ``decoupled_weight_decay``,
decoupled (:math:`w_{t-1}` is first multiplied by :math:`1 - \eta_t \lambda`).
"""

from __future__ import annotations

import math

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

COMPONENTS = {"radam": {"object": "RAdam", "what": "Adam with a rectified warm-up of its divisor"}}


class RAdamHyper(Hyper):
    """Hyperparameters of RAdam."""

    lr: float = Field(default=1e-3, ge=0.0, description="learning rate")
    betas: tuple[Beta, Beta] = Field(
        default=(0.9, 0.999), description="shares kept of the averages of gradient and squared gradient"
    )
    eps: float = Field(default=1e-8, ge=0.0, description="ε, added to the root")
    weight_decay: float = Field(default=0.0, ge=0.0, description="decay λ, coupled by default")
    decoupled_weight_decay: bool = Field(default=False, description="decay as in AdamW")


class RAdam(Rule[RAdamHyper]):
    """RAdam."""

    name = "radam"
    title = "RAdam"
    citation = "Liu et al., ICLR 2020"
    bibtex = """
@inproceedings{liu2020variance,
  author = {Liu, Liyuan and Jiang, Haoming and He, Pengcheng and Chen, Weizhu and Liu, Xiaodong and Gao, Jianfeng and
    Han, Jiawei},
  title = {On the Variance of the Adaptive Learning Rate and Beyond},
  booktitle = {International Conference on Learning Representations},
  year = {2020},
}
"""
    divergences = (
        "The paper starts to adapt at ρ > 4; its authors' code and torch, as here, at ρ > 5. "
        "ε is added to the root before the bias correction, as torch does."
    )
    Hyper = RAdamHyper
    grid_centre = 1e-3

    def slots(self) -> dict[str, Start]:
        """Both averages."""
        return {"exp_avg": zeros, "exp_avg_sq": zeros}

    def coefficients(self, step: int, multiplier: float, carry: Carry) -> tuple[Coefficients, Carry]:
        """Bias corrections, rectification, rate and decay; one of the two rates is 0."""
        h = self.hyper
        beta1, beta2 = h.betas
        lr = h.lr * multiplier
        plain, adapted = lr / (1.0 - beta1**step), 0.0
        left = 1.0 - beta2**step
        limit = 2.0 / (1.0 - beta2) - 1.0
        length = limit - 2.0 * step * beta2**step / left
        if length > 5.0:
            top = (length - 4.0) * (length - 2.0) * limit
            rectified = math.sqrt(top / ((limit - 4.0) * (limit - 2.0) * length))
            plain, adapted = 0.0, plain * rectified * math.sqrt(left)
        return {
            "beta1": beta1,
            "rest1": 1.0 - beta1,
            "beta2": beta2,
            "rest2": 1.0 - beta2,
            "lr_plain": plain,
            "lr_adapted": adapted,
            "eps": h.eps,
            "weight_decay": h.weight_decay,
            "keep": 1.0 - lr * h.weight_decay,
        }, carry

    def update(
        self, grad: torch.Tensor, param: torch.Tensor, slots: Slots, c: Coefficients
    ) -> tuple[torch.Tensor, Slots]:
        """One step of RAdam."""
        h = self.hyper
        grad, param = decay(grad, param, c, h.weight_decay, h.decoupled_weight_decay)
        mean = average(slots["exp_avg"], grad, c["beta1"], c["rest1"])
        square = average_square(slots["exp_avg_sq"], grad, c["beta2"], c["rest2"])
        step = (mean * c["lr_adapted"]).div_(torch.sqrt(square).add_(c["eps"])).add_(mean * c["lr_plain"])
        return param - step, {"exp_avg": mean, "exp_avg_sq": square}
