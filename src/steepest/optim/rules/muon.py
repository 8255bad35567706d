r"""Muon for matrices, AdamW for the rest.

Jordan et al., *Muon: An optimizer for hidden layers in neural networks*, 2024; Liu et al., *Muon is Scalable
for LLM Training*, arXiv:2502.16982, 2025 (the scaling that lets both share one rate).

.. math::
    B_t &= \mu B_{t-1} + (1-\mu)\, G_t, \qquad \tilde B_t = (1-\mu)\, G_t + \mu B_t \\
    W_t &= (1-\eta_t\lambda)\, W_{t-1} - \eta_t\, s\, \operatorname{NS}(\tilde B_t)

NS is a few steps of :math:`X \leftarrow aX + (b\,XX^\top + c\,(XX^\top)^2)X` from
:math:`X = \tilde B/\lVert \tilde B\rVert_F`, which pushes every singular value towards 1. The scale :math:`s` is
:math:`0.2\sqrt{\max(r, c)}` (``match_rms_adamw``) or :math:`\sqrt{\max(1, r/c)}` (``original``) for r rows and c
columns.

Parameters that are not matrices are updated by AdamW with the same rate and decay. Embedding tables and output
layers are matrices by shape but not by role: put them into a group with ``matrices=False``. Given a module,
``rule.optimizer(module)`` does so for every ``nn.Embedding``, for the last ``nn.Linear``, and for what the module
declares as biases or norms (``roles``).
"""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from pydantic import Field
from torch import nn

from steepest.optim.roles import roles_of
from steepest.optim.rule import Beta, Carry, Coefficients, Hyper, Rule, Slots, Start, average, average_square

COMPONENTS = {"muon": {"object": "Muon", "what": "orthogonalised momentum for matrices"}}


class MuonHyper(Hyper):
    """Hyperparameters of Muon."""

    lr: float = Field(default=1e-3, ge=0.0, description="learning rate")
    weight_decay: float = Field(
        default=0.1, ge=0.0, description="decoupled decay λ, scaled by the learning rate"
    )
    momentum: Beta = Field(default=0.95, description="share μ kept of the average gradient")
    nesterov: bool = Field(default=True, description="look ahead along the average")
    ns_coefficients: tuple[float, float, float] = Field(
        default=(3.4445, -4.775, 2.0315), description="a, b and c of the Newton-Schulz steps"
    )
    eps: float = Field(default=1e-7, gt=0.0, description="floor of the matrix's norm, or ε of AdamW")
    ns_steps: int = Field(default=5, ge=1, lt=100, description="Newton-Schulz steps")
    adjust_lr_fn: Literal["original", "match_rms_adamw"] = Field(
        default="match_rms_adamw", description="how the rate depends on a matrix's shape"
    )
    dtype: Literal["bfloat16", "float32", "float64"] = Field(
        default="bfloat16", description="precision of the Newton-Schulz steps"
    )
    betas: tuple[Beta, Beta] = Field(default=(0.9, 0.999), description="AdamW's averages for the rest")
    matrices: bool = Field(default=True, description="False: AdamW for this group's matrices too")


class Muon(Rule[MuonHyper]):
    """Muon."""

    name = "muon"
    title = "Muon"
    citation = "Jordan et al. 2024; Liu et al., arXiv:2502.16982, 2025"
    bibtex = """
@misc{jordan2024muon,
  author = {Jordan, Keller and Jin, Yuchen and Boza, Vlado and You, Jiacheng and Cesista, Franz and
    Newhouse, Laker and Bernstein, Jeremy},
  title = {{Muon}: An Optimizer for Hidden Layers in Neural Networks},
  howpublished = {https://kellerjordan.github.io/posts/muon/},
  year = {2024},
}
@misc{liu2025muon,
  author = {Liu, Jingyuan and Su, Jianlin and Yao, Xingcheng and others},
  title = {{Muon} is Scalable for {LLM} Training},
  howpublished = {arXiv:2502.16982},
  year = {2025},
}
"""
    divergences = (
        "torch's Muon takes matrices only and scales the rate as `original`; here AdamW updates all other "
        "parameters, and `match_rms_adamw` lets both share one rate."
    )
    Hyper = MuonHyper
    grid_centre = 1e-3
    couples = "tensor"

    def slots(self) -> dict[str, Start]:
        """The average gradient; for the rest also the average square."""
        return {
            "momentum_buffer": torch.zeros_like,
            "exp_avg_sq": lambda p: None if self._orthogonal(p) else torch.zeros_like(p),
        }

    def _orthogonal(self, param: torch.Tensor) -> bool:
        return self.hyper.matrices and param.dim() == 2

    def groups(self, module: nn.Module) -> list[dict[str, Any]]:
        """Return two groups: embeddings, the output layer, biases and norms go to AdamW, the rest by shape."""
        tables = [
            each.weight for each in module.modules() if isinstance(each, nn.Embedding | nn.EmbeddingBag)
        ]
        layers = [each.weight for each in module.modules() if isinstance(each, nn.Linear)]
        roles = roles_of(module)
        stacked = [
            each
            for name, each in module.named_parameters()
            if each.dim() == 2 and roles[name] in ("biases", "norms")
        ]
        plain = {id(each) for each in [*tables, *layers[-1:], *stacked]}
        params = [each for each in module.parameters() if each.requires_grad]
        return [
            {"params": [each for each in params if id(each) not in plain]},
            {"params": [each for each in params if id(each) in plain], "matrices": False},
        ]

    def coefficients(self, step: int, multiplier: float, carry: Carry) -> tuple[Coefficients, Carry]:
        """Rate, averages and decay of both rules."""
        h = self.hyper
        lr = h.lr * multiplier
        beta1, beta2 = h.betas
        a, b, c = h.ns_coefficients
        root = math.sqrt(1.0 - beta2**step)
        return {
            "lr": lr,
            "keep": 1.0 - lr * h.weight_decay,
            "momentum": h.momentum,
            "rest": 1.0 - h.momentum,
            "a": a,
            "b": b,
            "c": c,
            "eps": h.eps,
            "beta1": beta1,
            "rest1": 1.0 - beta1,
            "beta2": beta2,
            "rest2": 1.0 - beta2,
            "lr_adam": lr * root / (1.0 - beta1**step),
            "eps_adam": h.eps * root,
        }, carry

    def update(
        self, grad: torch.Tensor, param: torch.Tensor, slots: Slots, c: Coefficients
    ) -> tuple[torch.Tensor, Slots]:
        """One step of Muon, or of AdamW for what is no matrix."""
        h = self.hyper
        kept = param * c["keep"]
        if not self._orthogonal(param):
            mean = average(slots["momentum_buffer"], grad, c["beta1"], c["rest1"])
            square = average_square(slots["exp_avg_sq"], grad, c["beta2"], c["rest2"])
            step = (mean * c["lr_adam"]).div_(torch.sqrt(square).add_(c["eps_adam"]))
            return kept - step, {"momentum_buffer": mean, "exp_avg_sq": square}
        mean = average(slots["momentum_buffer"], grad, c["momentum"], c["rest"])
        direction = average(mean, grad, c["momentum"], c["rest"]) if h.nesterov else mean
        step = newton_schulz(direction.to(getattr(torch, h.dtype)), h.ns_steps, c).to(param.dtype)
        rows, columns = param.shape
        scale = math.sqrt(max(1.0, rows / columns))
        if h.adjust_lr_fn == "match_rms_adamw":
            scale = 0.2 * math.sqrt(max(rows, columns))
        return kept - step * (c["lr"] * scale), {"momentum_buffer": mean}


def newton_schulz(matrix: torch.Tensor, steps: int, c: Coefficients) -> torch.Tensor:
    """Return a matrix with the same singular vectors whose singular values are near 1.

    Example:
        >>> c = {"a": 3.4445, "b": -4.775, "c": 2.0315, "eps": 1e-7}
        >>> values = torch.linalg.svdvals(newton_schulz(torch.diag(torch.tensor([1.0, 0.5])), 5, c))
        >>> bool(((values > 0.6) & (values < 1.3)).all())
        True
    """
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / x.norm().clamp(min=c["eps"])
    for _ in range(steps):
        gram = x @ x.T
        x = x * c["a"] + (gram * c["b"] + (gram @ gram) * c["c"]) @ x
    return x.T if tall else x
