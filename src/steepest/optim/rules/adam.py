r"""Adam, AMSGrad and AdamW.

Kingma & Ba, *Adam: A Method for Stochastic Optimization*, ICLR 2015; Reddi, Kale & Kumar, *On the
Convergence of Adam and Beyond*, ICLR 2018 (AMSGrad); Loshchilov & Hutter, *Decoupled Weight Decay
Regularization*, ICLR 2019 (AdamW).

.. math::
    m_t &= \beta_1 m_{t-1} + (1-\beta_1)\, g_t, \qquad v_t = \beta_2 v_{t-1} + (1-\beta_2)\, g_t^2 \\
    w_t &= w_{t-1} - \eta_t\, \frac{m_t / (1-\beta_1^t)}{\sqrt{v_t / (1-\beta_2^t)} + \epsilon}

AMSGrad replaces :math:`v_t` by :math:`\max_{s \le t} v_s`. Adam's decay is coupled
(:math:`\lambda w_{t-1}` is added to :math:`g_t`); AdamW's is decoupled
(:math:`w_{t-1}` is first multiplied by :math:`1 - \eta_t \lambda`).
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from pydantic import Field

from steepest.optim.idle import ClosedForm
from steepest.optim.idle_adam import LARGEST_DECAY, SMALLEST_EPS, AdamIdle
from steepest.optim.interpolation import sizes_for
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
from steepest.optim.stability import Stability

COMPONENTS = {
    "adam": {
        "object": "Adam",
        "what": "momentum over the root of mean squared gradients",
        "groups": ["default", "classic"],
    },
    "adamw": {
        "object": "AdamW",
        "what": "Adam with decoupled weight decay",
        "groups": ["default", "classic"],
    },
    "amsgrad": {"object": "AMSGrad", "what": "Adam whose divisor never shrinks"},
}


class AdamHyper(Hyper):
    """Hyperparameters of Adam."""

    lr: float = Field(default=1e-3, ge=0.0, description="learning rate")
    betas: tuple[Beta, Beta] = Field(
        default=(0.9, 0.999), description="shares kept of the averages of gradient and squared gradient"
    )
    eps: float = Field(default=1e-8, ge=0.0, description="ε, added to the root")
    weight_decay: float = Field(default=0.0, ge=0.0, description="coupled decay λ, added to the gradient")
    amsgrad: bool = Field(default=False, description="divide by the largest average so far")


class AdamWHyper(AdamHyper):
    """Hyperparameters of AdamW."""

    weight_decay: float = Field(
        default=1e-2, ge=0.0, description="decoupled decay λ, scaled by the learning rate"
    )


class Adam(Rule[AdamHyper]):
    """Adam."""

    name = "adam"
    title = "Adam"
    citation = "Kingma & Ba, ICLR 2015; Reddi, Kale & Kumar, ICLR 2018 (AMSGrad)"
    bibtex = """
@inproceedings{kingma2015adam,
  author = {Kingma, Diederik P. and Ba, Jimmy},
  title = {{Adam}: A Method for Stochastic Optimization},
  booktitle = {International Conference on Learning Representations},
  year = {2015},
}
@inproceedings{reddi2018convergence,
  author = {Reddi, Sashank J. and Kale, Satyen and Kumar, Sanjiv},
  title = {On the Convergence of {Adam} and Beyond},
  booktitle = {International Conference on Learning Representations},
  year = {2018},
}
"""
    divergences = (
        "The root's bias correction is moved into the scalars (√(1−β₂ᵗ) multiplies ε and the rate): the same "
        "formula with one pass over the tensor fewer. AMSGrad takes the maximum before the bias "
        "correction, as torch does and as the paper, which has no correction, leaves open."
    )
    Hyper = AdamHyper
    grid_centre = 1e-3
    decoupled: ClassVar[bool] = False

    @property
    def cited(self) -> list[str] | None:
        """The source of AMSGrad only where it is used."""
        return None if self.hyper.amsgrad else ["kingma2015adam", "loshchilov2019decoupled"]

    def closed_form(self) -> ClosedForm | None:
        """An integral over a measure that all rows share, where the betas let its terms die."""
        h = self.hyper
        coupled = h.weight_decay and not self.decoupled
        if coupled or h.amsgrad or h.eps < SMALLEST_EPS or h.lr * h.weight_decay > LARGEST_DECAY:
            return None
        found = sizes_for(*h.betas)
        return None if found is None else AdamIdle(h.betas, h.eps, found)

    def slots(self) -> dict[str, Start]:
        """Both averages."""
        names = ["exp_avg", "exp_avg_sq"] + (["max_exp_avg_sq"] if self.hyper.amsgrad else [])
        return dict.fromkeys(names, zeros)

    def coefficients(self, step: int, multiplier: float, carry: Carry) -> tuple[Coefficients, Carry]:
        """Bias corrections, rate and decay."""
        h = self.hyper
        beta1, beta2 = h.betas
        lr = h.lr * multiplier
        root = math.sqrt(1.0 - beta2**step)
        return {
            "beta1": beta1,
            "rest1": 1.0 - beta1,
            "beta2": beta2,
            "rest2": 1.0 - beta2,
            "lr": lr * root / (1.0 - beta1**step),
            "eps": h.eps * root,
            "weight_decay": h.weight_decay,
            "keep": 1.0 - lr * h.weight_decay,
        }, carry

    def stability(self, multiplier: float = 1.0) -> Stability | None:
        """2(1 + β₁)/((1 − β₁)η) of the preconditioned Hessian; none is known with decay."""
        h = self.hyper
        lr, beta = h.lr * multiplier, h.betas[0]
        if not lr or h.weight_decay:
            return None
        return Stability(2.0 * (1.0 + beta) / ((1.0 - beta) * lr), "2(1+β₁)/((1−β₁)η)", preconditioned=True)

    def divisor(self, slots: Slots, step: int) -> torch.Tensor | None:
        """The root of the average square plus ε, with the corrections of both averages."""
        beta1, beta2 = self.hyper.betas
        square = slots["max_exp_avg_sq" if self.hyper.amsgrad else "exp_avg_sq"]
        root = torch.sqrt(square / (1.0 - beta2**step)) + self.hyper.eps
        return root * (1.0 - beta1**step)

    def update(
        self, grad: torch.Tensor, param: torch.Tensor, slots: Slots, c: Coefficients
    ) -> tuple[torch.Tensor, Slots]:
        """One step of Adam."""
        grad, param = decay(grad, param, c, self.hyper.weight_decay, self.decoupled)
        mean = average(slots["exp_avg"], grad, c["beta1"], c["rest1"])
        square = average_square(slots["exp_avg_sq"], grad, c["beta2"], c["rest2"])
        new = {"exp_avg": mean, "exp_avg_sq": square}
        if self.hyper.amsgrad:
            new["max_exp_avg_sq"] = square = torch.maximum(slots["max_exp_avg_sq"], square)
        step = (mean * c["lr"]).div_(torch.sqrt(square).add_(c["eps"]))
        return param - step, new


class AdamW(Adam):
    """Adam with decoupled weight decay."""

    name = "adamw"
    title = "AdamW"
    citation = "Loshchilov & Hutter, ICLR 2019"
    bibtex = """
@inproceedings{loshchilov2019decoupled,
  author = {Loshchilov, Ilya and Hutter, Frank},
  title = {Decoupled Weight Decay Regularization},
  booktitle = {International Conference on Learning Representations},
  year = {2019},
}
@inproceedings{reddi2018convergence,
  author = {Reddi, Sashank J. and Kale, Satyen and Kumar, Sanjiv},
  title = {On the Convergence of {Adam} and Beyond},
  booktitle = {International Conference on Learning Representations},
  year = {2018},
}
"""
    divergences = (
        "The decay is η·λ·w, scaled by the learning rate as in torch; "
        "the paper's λ is scaled by the schedule only."
    )
    Hyper = AdamWHyper
    decoupled = True


class AMSGradHyper(AdamHyper):
    """Hyperparameters of AMSGrad."""

    amsgrad: bool = Field(default=True, description="divide by the largest average so far")


class AMSGrad(Adam):
    """Adam that divides by the largest average of squares so far."""

    name = "amsgrad"
    title = "AMSGrad"
    citation = "Reddi, Kale & Kumar, ICLR 2018"
    bibtex = """
@inproceedings{reddi2018convergence,
  author = {Reddi, Sashank J. and Kale, Satyen and Kumar, Sanjiv},
  title = {On the Convergence of {Adam} and Beyond},
  booktitle = {International Conference on Learning Representations},
  year = {2018},
}
"""
    Hyper = AMSGradHyper
