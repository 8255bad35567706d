"""The published notebook's "Quickprop", as its code behaves, kept as a warning.

It means to take a first step by gradient descent with ``sgd_lr`` and Quickprop's steps after it. But the
step counter is read and never advanced, so every step is the first one: it is SGD at 0.01. Behind the door
that never opens its selector is inverted, its clamp limits the gradient's factor instead of the growth over
the last step, and an idle weight is divided 0/0.
"""

from __future__ import annotations

import torch


class NotebookQuickprop(torch.optim.Optimizer):
    """The port: ``lr`` and ``max_growth`` never take effect."""

    def __init__(self, params, lr: float = 1.0, sgd_lr: float = 1e-2, max_growth: float = 1.75) -> None:
        super().__init__(params, {"lr": lr, "sgd_lr": sgd_lr, "max_growth": max_growth})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            shrink = group["max_growth"] / (1 + group["max_growth"])
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state["step"] = 0
                    state["prev_grad"] = torch.zeros_like(p)
                    state["prev_delta"] = torch.zeros_like(p)
                if state["step"] == 0:
                    delta = -group["sgd_lr"] * p.grad
                else:
                    parabola = p.grad / (state["prev_grad"] - p.grad)
                    clamped = parabola.clamp(max=group["max_growth"])
                    inverted = p.grad.abs() < shrink * state["prev_grad"].abs()
                    delta = torch.where(inverted, group["lr"] * clamped, parabola) * state["prev_delta"]
                p.add_(delta)
                state["prev_grad"].copy_(p.grad)
                state["prev_delta"].copy_(delta)
                # `step = state["step"] + 1` is computed by the published code and never stored.
