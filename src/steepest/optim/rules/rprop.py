r"""Rprop.

Riedmiller & Braun, *A Direct Adaptive Method for Faster Backpropagation Learning: The RPROP Algorithm*,
ICNN 1993; in the form iRprop− of Igel & Hüsken, *Empirical Evaluation of the Improved Rprop Learning
Algorithms*, Neurocomputing 50, 2003.

Only the sign of the gradient counts. Every weight has its own step size :math:`\Delta`, which starts at ``lr``:

.. math::
    \Delta_t &= \begin{cases}
        \min(\eta^+ \Delta_{t-1}, \Delta_{\max}) & g_{t-1} g_t > 0 \\
        \max(\eta^- \Delta_{t-1}, \Delta_{\min}),\ g_t := 0 & g_{t-1} g_t < 0 \\
        \Delta_{t-1} & \text{otherwise} \end{cases} \\
    w_t &= w_{t-1} - m\,\operatorname{sign}(g_t)\, \Delta_t

The schedule's multiplier :math:`m` scales the applied step and never enters the step sizes. The rule is
meant for full batches: with small ones, the noise of the sign shrinks every step size.
"""

from __future__ import annotations

from typing import Annotated, Self

import torch
from pydantic import Field, model_validator

from steepest.optim.idle import ClosedForm, Forgetting
from steepest.optim.rule import Carry, Coefficients, Hyper, Idle, Rule, Slots, Start, filled, zeros

COMPONENTS = {"rprop": {"object": "Rprop", "what": "a step size per weight, from signs alone"}}


class RpropHyper(Hyper):
    """Hyperparameters of Rprop."""

    lr: float = Field(default=1e-2, ge=0.0, description="start value of every weight's step size")
    etas: tuple[Annotated[float, Field(gt=0.0, lt=1.0)], Annotated[float, Field(gt=1.0)]] = Field(
        default=(0.5, 1.2), description="factors of a step size on disagreement and on agreement"
    )
    step_sizes: tuple[Annotated[float, Field(ge=0.0)], Annotated[float, Field(gt=0.0)]] = Field(
        default=(1e-6, 50.0), description="smallest and largest step size"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.step_sizes[0] > self.step_sizes[1]:
            raise ValueError("the smallest of step_sizes is above the largest")
        return self


class Rprop(Rule[RpropHyper]):
    """Rprop."""

    name = "rprop"
    title = "Rprop"
    citation = "Riedmiller & Braun, ICNN 1993; Igel & Hüsken, Neurocomputing 2003"
    bibtex = r"""
@inproceedings{riedmiller1993direct,
  author = {Riedmiller, Martin and Braun, Heinrich},
  title = {A Direct Adaptive Method for Faster Backpropagation Learning: The {RPROP} Algorithm},
  booktitle = {IEEE International Conference on Neural Networks},
  pages = {586--591},
  year = {1993},
}
@article{igel2003empirical,
  author = {Igel, Christian and H{\"u}sken, Michael},
  title = {Empirical Evaluation of the Improved {Rprop} Learning Algorithms},
  journal = {Neurocomputing},
  volume = {50},
  pages = {105--123},
  year = {2003},
}
"""
    divergences = (
        "On a change of sign the gradient is set to zero (iRprop−, as in torch), while the first paper reverts the "
        "last step. A torch lr_scheduler scales the applied step here and has no effect in torch."
    )
    Hyper = RpropHyper
    grid_centre = 1e-2
    lr_is_a_factor = False

    @property
    def idle(self) -> Idle:
        """The last gradient is forgotten; the parameter stays."""
        return "param_still"

    def closed_form(self) -> ClosedForm | None:
        """The first idle step forgets the last gradient."""
        return Forgetting(("prev",), {"step_size": self.hyper.step_sizes})

    def slots(self) -> dict[str, Start]:
        """The last gradient and each weight's step size."""
        return {"prev": zeros, "step_size": filled(self.hyper.lr)}

    def coefficients(self, step: int, multiplier: float, carry: Carry) -> tuple[Coefficients, Carry]:
        """Factors, bounds and the multiplier."""
        del step
        h = self.hyper
        return {
            "cut": 1.0 - h.etas[0],
            "gain": h.etas[1] - 1.0,
            "smallest": h.step_sizes[0],
            "largest": h.step_sizes[1],
            "multiplier": multiplier,
        }, carry

    def update(
        self, grad: torch.Tensor, param: torch.Tensor, slots: Slots, c: Coefficients
    ) -> tuple[torch.Tensor, Slots]:
        """One step of Rprop."""
        sign = torch.sign(slots["prev"]).mul_(torch.sign(grad))
        agrees, differs = sign.clamp(min=0.0), (-sign).clamp_(min=0.0)
        factor = (agrees * c["gain"]).sub_(differs * c["cut"]).add_(1.0)
        size = (slots["step_size"] * factor).clamp_(min=c["smallest"], max=c["largest"])
        grad = grad * (1.0 - differs)
        return param - torch.sign(grad).mul_(size).mul_(c["multiplier"]), {"prev": grad, "step_size": size}
