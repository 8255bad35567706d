r"""One step of Hessian-free optimization on vectors, whatever they are the coordinates of.

Martens, *Deep learning via Hessian-free optimization*, ICML 2010; Martens & Sutskever, *Training Deep and Recurrent
Networks with Hessian-Free Optimization*, in Neural Networks: Tricks of the Trade, 2012.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from steepest.curvature.cg import Product, conjugate_gradients

Loss = Callable[[Tensor], float]
"""The loss with penalties after a step from the present parameters."""
Ratio = Literal["undamped", "damped"]
SHORTER = 0.8
"""What a length that does not do is multiplied with."""
DECREASE = 0.01
"""The share of the slope's decrease that a length has to reach."""
LENGTHS = 60
"""Lengths that are tried."""
BROKEN = "a product with the Gauss-Newton matrix holds NaN or infinite values"
"""Why there can be no step where conjugate gradients cannot make one iteration."""


@dataclass(frozen=True)
class StepOptions:
    """What is chosen for a step.

    Attributes:
        rate: the first length that is tried, as a share of the step that conjugate gradients propose.
        iterations: of conjugate gradients, at most.
        decay: the share of the last proposal that they start from.
        ratio: whether the decrease that damping is judged by is that of the quadratic without damping.
    """

    rate: float
    iterations: int
    decay: float
    ratio: Ratio


@dataclass
class CarriedState:
    """What goes from step to step.

    Attributes:
        damping: λ, which is added to the diagonal.
        direction: the last proposal, or None.
    """

    damping: float
    direction: Tensor | None = None


@dataclass(frozen=True)
class HessianFreeStep:
    """What a step does, and what it cost.

    Attributes:
        move: what is added to the parameters.
        value: the loss after it, with penalties.
        products, forwards: products with the curvature, and losses that were computed without a gradient.
        iterations: of conjugate gradients, to the iterate that is taken.
        ratio: the decrease over the one that the quadratic promised.
        broken: why there was no step and can be none; empty otherwise.
    """

    move: Tensor
    value: float
    products: int
    forwards: int
    iterations: int
    ratio: float
    broken: str = ""

    @classmethod
    def none(cls, value: float, gradient: Tensor, products: int) -> HessianFreeStep:
        """Return that there was no step, since the curvature is not finite."""
        return cls(torch.zeros_like(gradient), value, products, 0, 0, math.nan, BROKEN)


def descend(
    value: float,
    gradient: Tensor,
    curvature: Product,
    moved: Loss,
    memory: CarriedState,
    options: StepOptions,
    inverse: Tensor | None = None,
) -> HessianFreeStep:
    """Return the step from a point, and move the memory on.

    Conjugate gradients make the damped quadratic small. Of their iterates the earliest is taken from which on the loss
    only rises; damping follows from how much of the promised decrease there is; then the step is made shorter until
    the loss falls by a share of what its slope promises. All losses are those of the step that is taken.

    Args:
        value: of the loss with penalties.
        gradient: there.
        curvature: products with the matrix without damping.
        moved: the loss after a step.
        memory: of the steps before; it changes.
        options: what is chosen.
        inverse: of the diagonal of a preconditioner.

    Example:
        >>> import torch
        >>> bend, memory = torch.tensor([1.0, 4.0]), CarriedState(damping=0.0)
        >>> step = descend(
        ...     8.5, torch.tensor([1.0, 8.0]), lambda v: bend * v,
        ...     lambda s: float((bend * (s + torch.tensor([1.0, 2.0])) ** 2).sum() / 2),
        ...     memory, StepOptions(rate=1.0, iterations=9, decay=0.95, ratio="undamped"),
        ... )
        >>> step.move.round(decimals=5).tolist(), step.forwards
        ([-1.0, -2.0], 2)
    """
    damping, rate = memory.damping, options.rate
    start = None if memory.direction is None else options.decay * memory.direction
    path = conjugate_gradients(
        lambda v: curvature(v) + damping * v, gradient, start, most=options.iterations, inverse=inverse
    )
    if path.broken:
        return HessianFreeStep.none(value, gradient, path.products)
    memory.direction = path.iterates[-1]

    place, after, forwards = len(path.iterates) - 1, _number(moved(rate * path.iterates[-1])), 1
    while place > 0:
        earlier = _number(moved(rate * path.iterates[place - 1]))
        forwards += 1
        if earlier > after or (earlier == after and math.isfinite(after)):
            break
        place, after = place - 1, earlier
    taken = path.iterates[place]

    slope, promised = float(gradient @ taken), path.values[place]
    if options.ratio == "undamped":
        promised -= 0.5 * damping * float(taken @ taken)
    promised = rate**2 * (promised - slope) + rate * slope
    ratio = (after - value) / promised if promised < 0 else -math.inf if after > value else math.inf
    if ratio < 0.25:
        memory.damping *= 3 / 2
    elif ratio > 0.75:
        memory.damping *= 2 / 3

    length = rate
    for _ in range(LENGTHS):
        if after <= value + DECREASE * length * min(slope, 0.0):
            break
        length *= SHORTER
        after = _number(moved(length * taken))
        forwards += 1
    else:
        length, after = 0.0, value
    return HessianFreeStep(length * taken, after, path.products, forwards, path.places[place], ratio)


def _number(value: float) -> float:
    """Return a loss; one that is no number is as bad as can be."""
    return math.inf if math.isnan(value) else value
