r"""Adafactor.

Shazeer & Stern, *Adafactor: Adaptive Learning Rates with Sublinear Memory Cost*, ICML 2018.

Only the row means :math:`R` and column means :math:`C` of a matrix's squared gradients are stored, with
:math:`\hat\beta_t = 1 - t^{\gamma}`:

.. math::
    R_t &= \hat\beta_t R_{t-1} + (1-\hat\beta_t)\, \overline{G_t^2}^{\text{row}}, \qquad
    C_t = \hat\beta_t C_{t-1} + (1-\hat\beta_t)\, \overline{G_t^2}^{\text{col}} \\
    V_t &= \frac{R_t C_t}{\max(\overline{R_t}, \epsilon_1)}, \qquad
    U_t = \frac{G_t}{\max(\sqrt{V_t}, \epsilon_1)} \\
    W_t &= W_{t-1} - m\, \min(\eta, t^{-1/2})\, \max(\epsilon_2, \operatorname{RMS}(W_{t-1}))\,
    \frac{U_t}{\max(1, \operatorname{RMS}(U_t)/d)}

A vector stores all its averages. Weight decay is decoupled.
"""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import Field

from steepest.optim.rule import Carry, Coefficients, Hyper, Idle, Rule, Slots, Start

COMPONENTS = {"adafactor": {"object": "Adafactor", "what": "Adam with factored moments, for little memory"}}


class AdafactorHyper(Hyper):
    """Hyperparameters of Adafactor."""

    lr: float = Field(default=1e-2, ge=0.0, description="largest relative rate η")
    beta2_decay: float = Field(default=-0.8, le=0.0, description="γ, how fast the averages lengthen")
    eps: tuple[Annotated[float, Field(ge=0.0)] | None, Annotated[float, Field(ge=0.0)]] = Field(
        default=(None, 1e-3),
        description="floor ε₁ of the root (None: the dtype's precision) and ε₂ of the parameter's size",
    )
    d: float = Field(default=1.0, ge=1.0, description="a step's root mean square is clipped to d")
    weight_decay: float = Field(default=0.0, ge=0.0, description="decoupled decay λ, scaled by the rate η")


class Adafactor(Rule[AdafactorHyper]):
    """Adafactor."""

    name = "adafactor"
    title = "Adafactor"
    citation = "Shazeer & Stern, ICML 2018"
    bibtex = """
@inproceedings{shazeer2018adafactor,
  author = {Shazeer, Noam and Stern, Mitchell},
  title = {{Adafactor}: Adaptive Learning Rates with Sublinear Memory Cost},
  booktitle = {International Conference on Machine Learning},
  pages = {4596--4604},
  year = {2018},
}
"""
    divergences = (
        "As in torch, there is no first moment and ε₁ is a floor, while the paper adds it. A torch lr_scheduler "
        "scales the applied step here; in torch it scales η inside the minimum."
    )
    Hyper = AdafactorHyper
    grid_centre = 1e-2
    couples = "tensor"
    lr_is_a_factor = False

    def slots(self) -> dict[str, Start]:
        """Row and column means of a matrix; the average square of a vector."""
        return {
            "row_var": lambda p: p.new_zeros((*p.shape[:-1], 1)) if p.dim() > 1 else None,
            "col_var": lambda p: p.new_zeros((*p.shape[:-2], 1, p.shape[-1])) if p.dim() > 1 else None,
            "variance": lambda p: torch.zeros_like(p) if p.dim() <= 1 else None,
        }

    @property
    def idle(self) -> Idle:
        """Averages decay; the parameter moves by decay only."""
        return "moves" if self.hyper.weight_decay else "param_still"

    def coefficients(self, step: int, multiplier: float, carry: Carry) -> tuple[Coefficients, Carry]:
        """Relative rate, averages, floors and decay."""
        h = self.hyper
        fresh = float(step) ** h.beta2_decay
        c: Coefficients = {
            "fresh": fresh,
            "keep_average": 1.0 - fresh,
            "lr": multiplier * min(h.lr, 1.0 / math.sqrt(step)),
            "eps2": h.eps[1],
            "d": h.d,
            "keep": 1.0 - multiplier * h.lr * h.weight_decay,
        }
        return (c if h.eps[0] is None else {**c, "eps1": h.eps[0]}), carry

    def update(
        self, grad: torch.Tensor, param: torch.Tensor, slots: Slots, c: Coefficients
    ) -> tuple[torch.Tensor, Slots]:
        """One step of Adafactor."""
        floor = c.get("eps1", torch.finfo(param.dtype).eps)
        rate = root_mean_square(param).clamp(min=c["eps2"]) * c["lr"]
        if self.hyper.weight_decay:
            param = param * c["keep"]
        square = grad * grad
        new: Slots = {}
        for name, mean in (
            ("row_var", lambda: square.mean(-1, keepdim=True)),
            ("col_var", lambda: square.mean(-2, keepdim=True)),
            ("variance", lambda: square),
        ):
            if name in slots:
                new[name] = slots[name] * c["keep_average"] + mean() * c["fresh"]
        if "variance" in new:
            estimate = new["variance"]
        else:
            middle = new["row_var"].mean(-2, keepdim=True).clamp(min=floor)
            estimate = (new["row_var"] @ new["col_var"]) / middle
        step = grad / torch.sqrt(estimate).clamp(min=floor)
        clip = (root_mean_square(step) / c["d"]).clamp(min=1.0)
        return param - step * (rate / clip), new


def root_mean_square(tensor: torch.Tensor) -> torch.Tensor:
    """Return √mean(x²), 0 for an empty tensor."""
    return tensor.norm() / math.sqrt(max(tensor.numel(), 1))
