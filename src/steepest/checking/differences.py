r"""Derivatives by finite differences, each with an estimate of its own error.

Central differences :math:`D(h) = (f(h) - f(-h)) / 2h` at :math:`h, h/2, h/4` are extrapolated (Richardson), which
removes the errors of order :math:`h^2` and :math:`h^4`:

.. math:: A(h) = \frac{4 D(h/2) - D(h)}{3}, \qquad B = \frac{16 A(h/2) - A(h)}{15}.

The truncation error is taken as :math:`|B - A(h/2)|`, the rounding error as the noise of :math:`f` divided by the
smallest step. The noise is measured: differences of orders 4 and 5 of values at points so close to each other that a
smooth function would give zeros.

Sources: Ridders, *Accurate computation of F'(x) and F'(x)F''(x)*, 1982; Moré & Wild, *Estimating computational noise*,
2011.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

Function = Callable[[float], float]
"""A function of the distance from the point where its derivative is wanted."""

FIRST = 2.0**-7
"""The largest step, as a multiple of the scale of what is moved: truncation (its 6th power) and rounding (its inverse)
are both about 1e-13 of a smooth function's derivative."""
SMALLER = 2.0**-4
TRIES = 4
ENOUGH = 30.0
"""The step is made smaller as long as the truncation error is above so many rounding errors."""
WEIGHTS = 5.0
"""Sum of the absolute weights of the six values in the extrapolation, times the smallest step."""
EPS = 2.0**-52
POINTS = 8
APART = (2.0**-18, 0.618 * 2.0**-21)
"""Distances between the points at which noise is measured: two, since rounding to a multiple of one would not show."""
ORDERS = (4, 5)
KINK = 0.5
"""One-sided slopes of a smooth function approach each other like the step; at a kink their gap stays."""
CLEAR = 100.0


@dataclass(frozen=True)
class Estimate:
    """A derivative by finite differences.

    Attributes:
        value: the derivative.
        truncation: estimated error by the terms that were left out.
        rounding: estimated error by the noise of the function.
        step: the largest step that it was computed with.
        left, right: slopes from one side alone, at a quarter of the step.
        kink: whether these two stay apart as the step shrinks.
    """

    value: float
    truncation: float
    rounding: float
    step: float
    left: float
    right: float
    kink: bool

    @property
    def error(self) -> float:
        """Estimated error of the value."""
        return self.truncation + self.rounding


def derivative(function: Function, scale: float = 1.0, noise: float | None = None) -> Estimate:
    """Return the derivative of a function at distance 0.

    Args:
        function: of the distance.
        scale: size of a distance over which the function changes markedly, above 0.
        noise: standard deviation of the function's rounding errors; measured if left out.

    Returns:
        the estimate with the least error among up to four sizes of the step.

    Example:
        >>> found = derivative(lambda s: math.exp(1.0 + s))
        >>> abs(found.value - math.e) < 10 * found.error < 1e-10, found.kink
        (True, False)
        >>> derivative(abs).kink, derivative(abs).left, derivative(abs).right
        (True, -1.0, 1.0)
    """
    if noise is None:
        noise = noise_of(function, scale)
    middle = function(0.0)
    found: list[Estimate] = []
    for i in range(TRIES):
        found.append(_extrapolated(function, middle, FIRST * scale * SMALLER**i, noise))
        if not found[-1].kink and found[-1].truncation <= ENOUGH * found[-1].rounding:
            break
    if found[-1].kink:  # at the point itself: at the smallest step, too
        return found[-1]
    smooth = [each for each in found if not each.kink]
    return min(smooth, key=lambda each: math.inf if math.isnan(each.error) else each.error)


def _extrapolated(function: Function, middle: float, step: float, noise: float) -> Estimate:
    steps = [step, step / 2, step / 4]
    above, below = [function(h) for h in steps], [function(-h) for h in steps]
    d = [(up - down) / (2 * h) for up, down, h in zip(above, below, steps, strict=True)]
    first, second = (4 * d[1] - d[0]) / 3, (4 * d[2] - d[1]) / 3
    value = (16 * second - first) / 15
    gaps = [(up - 2 * middle + down) / h for up, down, h in zip(above, below, steps, strict=True)]
    rounding = WEIGHTS * max(noise, EPS * abs(middle)) / steps[-1]
    left, right = (middle - below[-1]) / steps[-1], (above[-1] - middle) / steps[-1]
    apart = abs(gaps[-1])
    kink = apart > KINK * abs(gaps[0]) and apart > CLEAR * rounding
    return Estimate(value, abs(value - second), rounding, step, left, right, kink)


def noise_of(function: Function, scale: float = 1.0) -> float:
    """Return the standard deviation of a function's rounding errors near distance 0.

    Args:
        function: of the distance.
        scale: size of a distance over which the function changes markedly.

    Example:
        >>> 1e-17 < noise_of(lambda s: math.sin(1.0 + s)) < 1e-15
        True
        >>> 1e-7 < noise_of(lambda s: round(math.sin(1.0 + s), 6)) < 1e-5
        True
    """
    found = 0.0
    for apart in APART:
        row = [function(apart * scale * (k + 1)) for k in range(POINTS)]
        found = max(found, EPS / 4 * max(abs(each) for each in row))
        for order in range(1, ORDERS[-1] + 1):
            row = [after - before for before, after in itertools.pairwise(row)]
            if order in ORDERS:
                share = math.factorial(order) ** 2 / math.factorial(2 * order)
                found = max(found, math.sqrt(share * sum(each * each for each in row) / len(row)))
    return found
