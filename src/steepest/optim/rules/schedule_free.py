r"""Schedule-Free SGD and AdamW.

Defazio, Yang, Mehta, Mishchenko, Khaled & Cutkosky, *The Road Less Scheduled*, NeurIPS 2024.

There are three sequences: gradients are taken at :math:`y`, the base step moves :math:`z`, and the average :math:`x`
is evaluated and saved:

.. math::
    y_t &= (1-\beta)\, z_t + \beta\, x_t, \qquad
    z_{t+1} = z_t - \eta_t\, d(y_t) \\
    x_{t+1} &= (1-c_{t+1})\, x_t + c_{t+1} z_{t+1}, \qquad
    c_{t+1} = \frac{t^r\, \eta_{\max,t}^p}{\sum_{i \le t} i^r\, \eta_{\max,i}^p}

with :math:`d = g + \lambda y` for SGD and :math:`d = g / (\sqrt{v_t/(1-\beta_2^t)} + \epsilon) + \lambda y` for
AdamW, :math:`\eta_t` the rate with its linear warm-up, and :math:`\eta_{\max,t}` the largest rate so far.

The parameter holds :math:`y`, the slot ``z`` holds :math:`z`; :math:`x = y + (z - y)(1 - 1/\beta)` comes from
``evaluation_parameters``, so the optimizer has no modes to switch: within ``with
optimizer.evaluating():`` the model has :math:`x`.

**Learning rate.** The authors recommend a constant rate after a warm-up (``warmup_steps``); no schedule is needed,
though one may be used. They start from rates 10 to 50 times those of plain SGD, and 1 to 10 times those of AdamW under
a schedule. They note that rate and decay need tuning, and that the method is more sensitive to :math:`\beta` than
standard momentum methods are: 0.95 or 0.98 may be better in very long runs.

**Batch norm.** The running statistics are collected at :math:`y` and do not fit :math:`x`. The authors therefore
recompute them right before an evaluation: with :math:`x` in place and the model in training mode, about 50 training
batches are passed forward without gradients; then the model is switched to evaluation mode. The same lines work inside
``evaluating()``.

In a comparison, both variants run under the common schedule, and batch-norm statistics are not recomputed; the plan
and the report say so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, ClassVar, TypeVar

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
    average_square,
    copied,
    zeros,
)

COMPONENTS = {
    "schedule-free-sgd": {
        "object": "ScheduleFreeSGD",
        "what": "SGD with averaging instead of a schedule",
    },
    "schedule-free-adamw": {
        "object": "ScheduleFreeAdamW",
        "what": "AdamW with averaging instead of a schedule",
    },
}

MODES = (
    "The authors' code has the modes `train()` and `eval()`; here `evaluating()` puts the average into the model. The "
    "running statistics of batch norm do not fit the average: before an evaluation, pass about 50 training batches "
    "through the model inside the block, as the authors do."
)

Share = Annotated[float, Field(gt=0.0, lt=1.0)]


class AveragedHyper(Hyper):
    """What both variants share."""

    warmup_steps: int = Field(default=0, ge=0, description="steps of linear warm-up")
    r: float = Field(default=0.0, ge=0.0, description="power of the step in the average's weights")
    weight_lr_power: float = Field(
        default=2.0, ge=0.0, description="power p of the largest rate so far in the average's weights"
    )


class ScheduleFreeSGDHyper(AveragedHyper):
    """Hyperparameters of Schedule-Free SGD."""

    lr: float = Field(default=1.0, ge=0.0, description="learning rate")
    momentum: Share = Field(default=0.9, description="β, where gradients are taken between z and x")
    weight_decay: float = Field(default=0.0, ge=0.0, description="decay λ at y, added to the gradient")


class ScheduleFreeAdamWHyper(AveragedHyper):
    """Hyperparameters of Schedule-Free AdamW."""

    lr: float = Field(default=2.5e-3, ge=0.0, description="learning rate")
    betas: tuple[Share, Beta] = Field(
        default=(0.9, 0.999), description="β, where gradients are taken, and the share kept of squares"
    )
    eps: float = Field(default=1e-8, ge=0.0, description="ε, added to the root")
    weight_decay: float = Field(default=0.0, ge=0.0, description="decoupled decay λ at y")


A = TypeVar("A", bound=AveragedHyper, covariant=True)


class Averaged(Rule[A]):
    """What both variants share: the warm-up, the weights of the average, and the three sequences."""

    citation = "Defazio et al., NeurIPS 2024"
    bibtex = """
@inproceedings{defazio2024road,
  author = {Defazio, Aaron and Yang, Xingyu Alice and Mehta, Harsh and Mishchenko, Konstantin and Khaled, Ahmed and
    Cutkosky, Ashok},
  title = {The Road Less Scheduled},
  booktitle = {Advances in Neural Information Processing Systems},
  year = {2024},
}
"""
    constant_rate = True
    carry: ClassVar[Mapping[str, float]] = {"weight_sum": 0.0, "lr_max": 0.0}

    def _averaging(
        self, step: int, multiplier: float, carry: Carry, beta: float
    ) -> tuple[Coefficients, Carry]:
        h = self.hyper
        warm = min(step / h.warmup_steps, 1.0) if h.warmup_steps else 1.0
        lr = h.lr * multiplier * warm
        lr_max = max(lr, carry["lr_max"])
        weight = step**h.r * lr_max**h.weight_lr_power
        weight_sum = carry["weight_sum"] + weight
        share = weight / weight_sum if weight_sum else 0.0
        c = {
            "lr": lr,
            "share": share,
            "stay": 1.0 - share,
            "near": lr * (1.0 - beta * (1.0 - share)),
            "reach": 1.0 - 1.0 / beta,
        }
        return c, {"weight_sum": weight_sum, "lr_max": lr_max}

    def _move(
        self, direction: torch.Tensor, param: torch.Tensor, slots: Slots, c: Coefficients
    ) -> tuple[torch.Tensor, torch.Tensor]:
        z = slots["z"]
        y = (param * c["stay"]).add_(z * c["share"]).sub_(direction * c["near"])
        return y, z - direction * c["lr"]

    def evaluation_parameters(self, param: torch.Tensor, slots: Slots, c: Coefficients) -> torch.Tensor:
        """Return the average x."""
        return (slots["z"] - param).mul_(c["reach"]).add_(param)


class ScheduleFreeSGD(Averaged[ScheduleFreeSGDHyper]):
    """Schedule-Free SGD."""

    name = "schedule-free-sgd"
    title = "Schedule-Free SGD"
    divergences = MODES
    Hyper = ScheduleFreeSGDHyper
    grid_centre = 1.0

    def slots(self) -> dict[str, Start]:
        """The base sequence."""
        return {"z": copied}

    def coefficients(self, step: int, multiplier: float, carry: Carry) -> tuple[Coefficients, Carry]:
        """Rate and the average's weights."""
        h = self.hyper
        c, carry = self._averaging(step, multiplier, carry, h.momentum)
        return {**c, "weight_decay": h.weight_decay}, carry

    def update(
        self, grad: torch.Tensor, param: torch.Tensor, slots: Slots, c: Coefficients
    ) -> tuple[torch.Tensor, Slots]:
        """One step of Schedule-Free SGD."""
        if self.hyper.weight_decay:
            grad = grad + param * c["weight_decay"]
        y, z = self._move(grad, param, slots, c)
        return y, {"z": z}


class ScheduleFreeAdamW(Averaged[ScheduleFreeAdamWHyper]):
    """Schedule-Free AdamW."""

    name = "schedule-free-adamw"
    title = "Schedule-Free AdamW"
    divergences = MODES
    Hyper = ScheduleFreeAdamWHyper
    grid_centre = 2.5e-3

    def slots(self) -> dict[str, Start]:
        """The base sequence and the average square."""
        return {"z": copied, "exp_avg_sq": zeros}

    def coefficients(self, step: int, multiplier: float, carry: Carry) -> tuple[Coefficients, Carry]:
        """Rate, bias correction and the average's weights."""
        h = self.hyper
        beta1, beta2 = h.betas
        c, carry = self._averaging(step, multiplier, carry, beta1)
        root = math.sqrt(1.0 - beta2**step)
        more = {
            "beta2": beta2,
            "rest2": 1.0 - beta2,
            "root": root,
            "eps": h.eps * root,
            "weight_decay": h.weight_decay,
        }
        return {**c, **more}, carry

    def update(
        self, grad: torch.Tensor, param: torch.Tensor, slots: Slots, c: Coefficients
    ) -> tuple[torch.Tensor, Slots]:
        """One step of Schedule-Free AdamW."""
        square = average_square(slots["exp_avg_sq"], grad, c["beta2"], c["rest2"])
        direction = (grad * c["root"]).div_(torch.sqrt(square).add_(c["eps"]))
        if self.hyper.weight_decay:
            direction = direction.add_(param * c["weight_decay"])
        y, z = self._move(direction, param, slots, c)
        return y, {"z": z, "exp_avg_sq": square}
