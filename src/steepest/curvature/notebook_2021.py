r"""A step of Hessian-free optimization as a published notebook of 2021 makes it, for comparison with its numbers.

It differs from :func:`~steepest.curvature.hessian_free.descend` in that the decrease is compared with the damped
quadratic; iterates are tried two by two from the last; the line search begins with the loss at the whole proposal but
asks for the slope's decrease at the rate, and the rate times the proposal is what is then taken: the loss that it
reports is one of a step that is not made. It goes with a problem whose dropout is drawn anew at every evaluation.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from steepest.curvature.cg import Product
from steepest.curvature.hessian_free import (
    DECREASE,
    LENGTHS,
    SHORTER,
    CarriedState,
    HessianFreeStep,
    Loss,
    StepOptions,
)


def descend(
    value: float,
    gradient: Tensor,
    curvature: Product,
    moved: Loss,
    memory: CarriedState,
    options: StepOptions,
    inverse: Tensor | None = None,
) -> HessianFreeStep:
    """Return the step from a point, and move the memory on; arguments are as for the other, without preconditioner."""
    del inverse
    damping = memory.damping
    iterates, values = _iterates(
        lambda v: curvature(v) + damping * v,
        gradient,
        torch.zeros_like(gradient) if memory.direction is None else options.decay * memory.direction,
        options.iterations,
    )
    if len(iterates) > 1 and not all(map(math.isfinite, values[:2])):
        return HessianFreeStep.none(value, gradient, len(iterates))
    memory.direction = iterates[-1]

    place, after, forwards = len(iterates) - 1, moved(iterates[-1]), 1
    for earlier in range(((len(iterates) - 2) // 2) * 2, -1, -2):
        found = moved(iterates[earlier])
        forwards += 1
        if found > after:
            break
        place, after = earlier, found
    taken, promised = iterates[place], values[place]
    ratio = (after - value) / promised if promised != 0 else 1.0
    if ratio < 0.25:
        memory.damping *= 3 / 2
    elif ratio > 0.75:
        memory.damping *= 2 / 3

    slope, length = min(DECREASE * float(gradient @ taken), 0.0), options.rate
    for _ in range(LENGTHS):
        if after <= value + length * slope:
            break
        length *= SHORTER
        after = moved(length * taken)
        forwards += 1
    else:
        length, after = 0.0, value
    return HessianFreeStep(length * taken, after, len(iterates), forwards, place, ratio)


def _iterates(product: Product, gradient: Tensor, x: Tensor, most: int) -> tuple[list[Tensor], list[float]]:
    """Return all iterates of conjugate gradients with the values of the quadratic at them."""
    eps = torch.finfo(gradient.dtype).eps
    r = product(x) + gradient
    p, squares = -r, float(r @ r)
    iterates, values = [x], [0.5 * float((r + gradient) @ x)]
    for i in range(most):
        moved = product(p)
        length = squares / (float(p @ moved) + eps)
        x, r = x + length * p, r + length * moved
        before, squares = squares, float(r @ r)
        iterates.append(x)
        values.append(0.5 * float((r + gradient) @ x))
        k = max(10, i // 10)
        if i > k and (values[i] - values[i - k]) / (values[i] + eps) < 1e-4:
            break
        if not squares >= 10 * eps:
            break
        p = squares / (before + eps) * p - r
    return iterates, values
