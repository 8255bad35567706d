r"""Conjugate gradients as Hessian-free methods use them: stopped by progress, with the iterates on the way.

Hestenes & Stiefel, *Methods of Conjugate Gradients for Solving Linear Systems*, 1952; stopping and storing as in
Martens, *Deep learning via Hessian-free optimization*, ICML 2010, sections 4.4 and 4.6.

What is made small is :math:`\phi(x) = \tfrac12 x^\top A x + g^\top x`, whose minimum solves :math:`A x = -g`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

Product = Callable[[Tensor], Tensor]
PROGRESS = 5e-4
"""It stops where the relative progress of an iteration, over the last k, is below this."""
SPACING = 1.3
"""The stored iterates are those of about its powers."""


@dataclass
class Path:
    """The way of conjugate gradients.

    Attributes:
        iterates: the stored ones, the start and the last always among them.
        values: of the quadratic at them.
        places: the iteration after which each was there; 0 is the start.
        products: that were used.
        broken: whether there was no way, because the first product is not finite.
    """

    iterates: list[Tensor] = field(default_factory=list[Tensor])
    values: list[float] = field(default_factory=list[float])
    places: list[int] = field(default_factory=list[int])
    products: int = 0
    broken: bool = False

    def add(self, iterate: Tensor, value: float, place: int) -> None:
        """Store an iterate."""
        self.iterates.append(iterate)
        self.values.append(value)
        self.places.append(place)


def stored_places(most: int) -> list[int]:
    """Return after which of at most so many iterations the iterate is stored; 0 is the start.

    Example:
        >>> stored_places(10)
        [0, 1, 2, 3, 4, 5, 7, 9, 10]
    """
    places, due = [0], 1.0
    for i in range(1, most + 1):
        if i >= math.ceil(due) or i == most:
            places.append(i)
            while math.ceil(due) <= i:
                due *= SPACING
    return places


def conjugate_gradients(
    product: Product,
    gradient: Tensor,
    start: Tensor | None = None,
    *,
    most: int,
    inverse: Tensor | None = None,
    progress: float = PROGRESS,
) -> Path:
    """Return the way from a start towards the minimum of the quadratic.

    Args:
        product: with the matrix A, symmetric and nowhere negative.
        gradient: g.
        start: of the way; 0 by default, which costs no product.
        most: iterations.
        inverse: the inverse of the diagonal of a preconditioner.
        progress: where it stops: after iteration i, if φ < 0 and φ has fallen by less than this share of itself in each
            of the last k = max(10, i/10) iterations on the mean; 0 to go on.

    Example:
        >>> matrix, gradient = (torch.tensor(each, dtype=torch.float64) for each in ([1.0, 4.0], [-1.0, -8.0]))
        >>> path = conjugate_gradients(lambda v: matrix * v, gradient, most=9)
        >>> path.iterates[-1].round(decimals=5).tolist(), path.places[-1]
        ([1.0, 2.0], 2)
    """
    path = Path()
    if start is None:
        x, r = torch.zeros_like(gradient), gradient.clone()
    else:
        x, r = start, product(start) + gradient
        path.products += 1
    y = r if inverse is None else inverse * r
    p, along = -y, float(r @ y)
    values = [0.5 * float(x @ (r + gradient))]
    path.add(x, values[0], 0)
    enough = (torch.finfo(gradient.dtype).eps * float(gradient.norm())) ** 2
    stored = frozenset(stored_places(most))
    for i in range(1, most + 1):
        if not float(r @ r) > enough:  # solved, or no number
            path.broken = i == 1 and not math.isfinite(float(r @ r))
            break
        moved = product(p)
        path.products += 1
        bend = float(p @ moved)
        if not (bend > 0 and math.isfinite(bend)):
            path.broken = i == 1 and not math.isfinite(bend)
            break
        length = along / bend
        x = x + length * p
        r = r + length * moved
        y = r if inverse is None else inverse * r
        before, along = along, float(r @ y)
        p = (along / before) * p - y
        values.append(0.5 * float(x @ (r + gradient)))
        k = max(10, i // 10)
        stop = i > k and values[i] < 0 and (values[i] - values[i - k]) / values[i] < k * progress
        if stop or i in stored:
            path.add(x, values[i], i)
        if stop:
            break
    if path.places[-1] != len(values) - 1:
        path.add(x, values[-1], len(values) - 1)
    return path
