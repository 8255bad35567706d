r"""Lion.

Chen et al., *Symbolic Discovery of Optimization Algorithms*, NeurIPS 2023.

.. math::
    w_t = (1 - \eta_t \lambda)\, w_{t-1} - \eta_t\, \operatorname{sign}\big(\beta_1 m_{t-1} + (1-\beta_1)\, g_t\big),
    \qquad m_t = \beta_2 m_{t-1} + (1-\beta_2)\, g_t

Weight decay is decoupled. Every weight moves by the rate, so good rates are three to ten times smaller than Adam's.
"""

from __future__ import annotations

import torch
from pydantic import Field

from steepest.optim.rule import Beta, Carry, Coefficients, Hyper, Rule, Slots, Start, average, zeros

COMPONENTS = {"lion": {"object": "Lion", "what": "steps by the sign of an interpolated momentum"}}


class LionHyper(Hyper):
    """Hyperparameters of Lion."""

    lr: float = Field(default=1e-4, ge=0.0, description="learning rate, the size of every move")
    betas: tuple[Beta, Beta] = Field(
        default=(0.9, 0.99), description="share of the average in the direction, and share of it that is kept"
    )
    weight_decay: float = Field(
        default=0.0, ge=0.0, description="decoupled decay λ, scaled by the learning rate"
    )


class Lion(Rule[LionHyper]):
    """Lion."""

    name = "lion"
    title = "Lion"
    citation = "Chen et al., NeurIPS 2023"
    bibtex = """
@inproceedings{chen2023symbolic,
  author = {Chen, Xiangning and Liang, Chen and Huang, Da and Real, Esteban and Wang, Kaiyuan and Pham, Hieu and
    Dong, Xuanyi and Luong, Thang and Hsieh, Cho-Jui and Lu, Yifeng and Le, Quoc V.},
  title = {Symbolic Discovery of Optimization Algorithms},
  booktitle = {Advances in Neural Information Processing Systems},
  year = {2023},
}
"""
    Hyper = LionHyper
    grid_centre = 3e-4

    def slots(self) -> dict[str, Start]:
        """The average gradient."""
        return {"exp_avg": zeros}

    def coefficients(self, step: int, multiplier: float, carry: Carry) -> tuple[Coefficients, Carry]:
        """Rate, shares and decay."""
        del step
        h = self.hyper
        beta1, beta2 = h.betas
        lr = h.lr * multiplier
        return {
            "lr": lr,
            "beta1": beta1,
            "rest1": 1.0 - beta1,
            "beta2": beta2,
            "rest2": 1.0 - beta2,
            "keep": 1.0 - lr * h.weight_decay,
        }, carry

    def update(
        self, grad: torch.Tensor, param: torch.Tensor, slots: Slots, c: Coefficients
    ) -> tuple[torch.Tensor, Slots]:
        """One step of Lion."""
        if self.hyper.weight_decay:
            param = param * c["keep"]
        mean = slots["exp_avg"]
        side = average(mean, grad, c["beta1"], c["rest1"]).sign_()
        return param - side.mul_(c["lr"]), {"exp_avg": average(mean, grad, c["beta2"], c["rest2"])}
