"""One step's loss as a function: the same at every evaluation, however often a method evaluates it.

A line search compares losses at several points; what differs between two of them must be the parameters alone. So
every evaluation of a step sees the same batch, draws the same dropout masks and starts from the same buffers. The
first evaluation moves the buffers (batch norm's running statistics), as the one forward pass of other methods does;
later ones leave them as the first left them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, cast

import torch
from torch import Tensor, nn

from steepest.curvature.function import twice_differentiable
from steepest.optim.problem import LeastSquares, Problem, losses

FORWARD = 1 / 3
"""What a forward pass costs in gradients."""
PRODUCT = 2.0
"""What a product of a curvature matrix with a vector costs in gradients."""
Places = list[tuple[nn.Module, str, Tensor]]
"""Buffers with the modules and names under which they are registered."""


class HeldLoss:
    """The loss of a step's batch at the model's present parameters.

    Args:
        problem: the model and its loss.
        batch: of the step.
        randomness: makes all draws inside its block those of the step, from their beginning.
        twice: whether the loss or residuals are differentiated twice.

    Attributes:
        losses: of the evaluations so far, without penalties.
        forwards: those of them that were forward passes only.
        products: of curvature matrices with vectors, where the method says how many it made.
        broken: why there can be no step, where the method says so.

    Example:
        >>> import contextlib
        >>> import torch
        >>> class Fit:
        ...     model = nn.BatchNorm1d(1)
        ...     def loss(self, batch):
        ...         return self.model(batch).square().mean()
        >>> held = HeldLoss(Fit(), torch.tensor([[1.0], [3.0]]), contextlib.nullcontext)
        >>> moved = []
        >>> for _ in range(3):
        ...     _ = held()
        ...     moved.append(round(float(Fit.model.running_mean), 3))
        >>> moved, held.count
        ([0.2, 0.2, 0.2], 3.0)
    """

    def __init__(
        self,
        problem: Problem,
        batch: Any,
        randomness: Callable[[], AbstractContextManager[None]],
        *,
        twice: bool = False,
    ) -> None:
        self.problem = problem
        self.batch = batch
        self.randomness = randomness
        self.twice = twice
        self.losses: list[float] = []
        self.forwards, self.products = 0, 0.0
        self.broken = ""
        self._moved = False
        self._start = copied(buffers_of(problem.model))

    @property
    def count(self) -> float:
        """What the step costs so far in gradients: 1 for a loss with its gradient, ⅓ for a loss, 2 for a product."""
        return len(self.losses) - self.forwards * (1 - FORWARD) + self.products * PRODUCT

    def __call__(self) -> Tensor:
        """Return the loss, a scalar with a graph."""
        with self.within():
            loss, reported = losses(self.problem, self.batch)
        self.losses.append(float(reported.detach()))
        return loss

    def value(self) -> float:
        """Return the loss with penalties by a forward pass alone."""
        with torch.no_grad():
            loss = self()
        self.forwards += 1
        return float(loss)

    def residuals(self) -> Tensor:
        """Return the residuals whose squares sum to the loss, ``[m]`` with a graph."""
        with self.within():
            found = cast("LeastSquares", self.problem).residuals(self.batch)
        self.losses.append(float(found.detach().double().square().sum()))
        return found

    def squares(self) -> float:
        """Return the sum of the squares of the residuals by a forward pass alone."""
        with torch.no_grad():
            self.residuals()
        self.forwards += 1
        return self.losses[-1]

    def finite(self, what: str, values: Tensor) -> bool:
        """Return whether values of the step are finite; if not, there can be no step."""
        found = bool(torch.isfinite(values).all())
        if not found:
            self.broken = f"{what} NaN or infinite values"
        return found

    @contextmanager
    def within(self) -> Generator[None]:
        """Make the buffers and random draws inside the block those of the step, from their beginning.

        Those that the first block leaves in the buffers are what the step leaves there.
        """
        moved = buffers_of(self.problem.model) if self._moved else None
        if moved is not None:
            put(copied(self._start))
        self._moved = True
        try:
            with self.randomness(), twice_differentiable() if self.twice else nullcontext():
                yield
        finally:
            if moved is not None:
                put(moved)


def buffers_of(model: nn.Module) -> Places:
    """Return a model's buffers with their places."""
    return [
        (module, name, each)
        for module in model.modules()
        for name, each in module.named_buffers(recurse=False, remove_duplicate=False)
    ]


def copied(places: Places) -> Places:
    """Return copies in the same places; a buffer with several names stays one."""
    copies = {id(each): each.clone() for _, _, each in places}
    return [(module, name, copies[id(each)]) for module, name, each in places]


def put(places: Places) -> None:
    """Register buffers in their places."""
    for module, name, each in places:
        setattr(module, name, each)
