"""Hessian-free steps as public code of 2021 has them: dense vectors, every derivative by differentiating backwards.

A small version of our own for :mod:`benchmarks.hessian_free`: conjugate gradients on all parameters at once, with two
products an iteration (one for the direction, one for the value of the quadratic), backtracking and line search.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Closure = Callable[[], tuple[Tensor, Tensor]]


class PublishedHessianFree:
    """The steps; parameters are moved in place.

    Args:
        params: all of them.
        lr: what the proposal is multiplied with.
        damping: added to the diagonal.
        decay: of the proposal that the next one starts from.
        iterations: of conjugate gradients.
    """

    def __init__(
        self,
        params: list[Tensor],
        lr: float = 5e-3,
        damping: float = 0.5,
        decay: float = 0.95,
        iterations: int = 3,
    ) -> None:
        self.params, self.lr, self.damping, self.decay, self.iterations = (
            params,
            lr,
            damping,
            decay,
            iterations,
        )
        self.sizes = [each.numel() for each in params]
        self.proposal: Tensor | None = None

    def step(self, closure: Closure) -> float:
        """Make one step."""
        loss, outputs = closure()
        gradient = self._joined(torch.autograd.grad(loss, self.params, create_graph=True)).detach()
        slope = torch.autograd.grad(loss, outputs, create_graph=True)[0]

        def product(vector: Tensor) -> Tensor:
            moved = self._along(outputs, vector)
            bent = torch.autograd.grad(slope, outputs, moved, retain_graph=True)[0]
            back = torch.autograd.grad(outputs, self.params, bent, retain_graph=True)
            return self._joined(back).detach() + self.damping * vector

        x = torch.zeros_like(gradient) if self.proposal is None else self.decay * self.proposal
        residual = product(x) + gradient
        direction, squares = -residual, residual @ residual
        iterates, values = [x], [0.5 * (residual + gradient) @ x]
        for _ in range(self.iterations):
            bend = product(direction)
            length = squares / (direction @ bend)
            x = x + length * direction
            residual = residual + length * bend
            iterates.append(x)
            values.append(0.5 * product(x) @ x + gradient @ x)
            before, squares = squares, residual @ residual
            direction = squares / before * direction - residual
        self.proposal = iterates[-1]

        start = self._joined(self.params).detach()
        before_step = float(loss.detach())
        chosen, after = self.iterations, self._at(start + iterates[-1], closure)
        for place in range(self.iterations - 1, -1, -2):
            found = self._at(start + iterates[place], closure)
            if found > after:
                break
            chosen, after = place, found
        ratio = (after - before_step) / float(values[chosen])
        self.damping *= 1.5 if ratio < 0.25 else 2 / 3 if ratio > 0.75 else 1.0
        length, expected = self.lr, min(0.01 * float(gradient @ iterates[chosen]), 0.0)
        for _ in range(60):
            if after <= before_step + length * expected:
                break
            length *= 0.8
            after = self._at(start + length * iterates[chosen], closure)
        self._put(start + length * iterates[chosen])
        return after

    def _along(self, outputs: Tensor, vector: Tensor) -> Tensor:
        """Return the outputs' derivative along a vector, by differentiating twice."""
        zero = torch.zeros_like(outputs, requires_grad=True)
        back = torch.autograd.grad(outputs, self.params, zero, create_graph=True)
        parts = [
            part.reshape(each.shape) for part, each in zip(vector.split(self.sizes), self.params, strict=True)
        ]
        return torch.autograd.grad(back, zero, parts, retain_graph=True)[0]

    def _at(self, weights: Tensor, closure: Closure) -> float:
        self._put(weights)
        with torch.no_grad():
            return float(closure()[0])

    @torch.no_grad()
    def _put(self, weights: Tensor) -> None:
        for part, each in zip(weights.split(self.sizes), self.params, strict=True):
            each.copy_(part.reshape(each.shape))

    @staticmethod
    def _joined(tensors: Any) -> Tensor:
        return torch.cat([each.reshape(-1) for each in tensors])
