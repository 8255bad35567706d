r"""Derivatives by finite differences, each with an estimate of its own error.

Central differences :math:`D(h) = (f(h) - f(-h)) / 2h` at :math:`h, h/2, h/4` are extrapolated (Richardson), which
removes the errors of order :math:`h^2` and :math:`h^4`:

.. math:: A(h) = \frac{4 D(h/2) - D(h)}{3}, \qquad B = \frac{16 A(h/2) - A(h)}{15}.

The truncation error is taken as :math:`|B - A(h/2)|`, the rounding error as the noise of :math:`f` divided by the
smallest step. The noise is measured: differences of orders 4 and 5 of values at points so close to each other that a
smooth function would give zeros.

Over which distance a function changes is not known: the logarithm of 0.001 beside that of 1000 changes over a millionth
of the distance. The step therefore begins at the size of the numbers and shrinks until the truncation error is no
longer the larger one, and until one more difference at a much smaller step is where these errors have it.

Sources: Ridders, *Accurate computation of F'(x) and F'(x)F''(x)*, 1982; Moré & Wild, *Estimating computational noise*,
2011.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

Function = Callable[[float], float]
"""A function of the distance from the point where its derivative is wanted."""

FIRST = 2.0**-7
"""The largest step, as a multiple of the scale of what is moved: truncation (its 6th power) and rounding (its inverse)
are both about 1e-13 of a smooth function's derivative."""
SMALLER = 2.0**-4
"""The next step as a share of one that is too large: less would repeat half of its evaluations, more would skip a step
at which both errors are small."""
TRIES = 14
"""Steps that are tried at most: the last is 2⁻⁵⁹ of the scale, where no number of its size moves any more."""
KINK_TRIES = 7
"""Steps after which a kink that is still there counts as one: it is within 2⁻³¹ of the scale of the point, nearer than
training ever looks."""
ENOUGH = 30.0
"""The step is made smaller as long as the truncation error is above so many rounding errors: a sixteenth of the step
has sixteen times the rounding error, so that less would make the sum larger."""
WEIGHTS = 5.0
"""Sum of the absolute weights of the six values in the extrapolation, times the smallest step."""
EPS = 2.0**-52
"""The distance of 1 from the next number of 64 bits."""
POINTS = 8
"""Values that the noise is measured by: three of the differences of order 5."""
APART = 0.83 * 2.0**-18
"""Distance between these values, as a share of the scale: its 4th power is below 1e-21, so that a smooth function
vanishes beside its rounding errors, and 32 bits, with 2⁻²³, still show theirs. It is no power of 2, since rounding to a
multiple of one would not show."""
OTHER_SIDE = -1.27
"""Distance on the other side: another one, for the same reason."""
CLOSER = 0.618 * 2.0**-3
"""The next distance as a share of one, again no power of 2."""
DISTANCES = 7
"""Distances that are tried at most; the last is 2⁻⁴⁰ of the scale."""
QUIET = 1e-9
"""Noise up to this share of the values is plausible in 64 bits; more may be a function that changes over less than the
distance, and is measured nearer."""
DROP = 1e-3
"""Noise that falls below this share of itself where the points are closer was none, but the function itself: its 4th
differences fall by a factor of 28,000, and rounding errors stay."""
ORDERS = (4, 5)
"""Of the differences: the first in which a smooth function vanishes at these distances, and one more, since a rounding
error may be one that a single order does not see."""
KINK = 0.5
"""One-sided slopes of a smooth function approach each other like the step, so that a quarter of the step has a quarter
of their gap; at a kink the gap stays."""
SLOW = 0.5
"""Differences at half of the step differ by a quarter where the function is smooth. Where they differ by more, as those
of a power below 2 at 0 do, all of what the last halving changed may be wrong, and not only what extrapolation did."""
CLEAR = 100.0
"""The gap at a kink is more than so many rounding errors."""
RESOLVED = 0.1
"""A derivative beside a kink counts where ten of its errors are below this share of the gap between the slopes."""
ONCE_MORE = 0.0137
"""The step of the difference that a derivative is held against, as a share of the largest of its three: no fraction of
it with a small denominator, so that a wave whose length divides all three steps is not missed."""
SAFETY = 10.0
"""A derivative may lie so many estimated errors from the difference: the estimate of an error may be wrong by as much
where the next order is not much smaller."""


@dataclass(frozen=True)
class FiniteDifference:
    """A derivative by finite differences.

    Attributes:
        value: the derivative.
        truncation: estimated error by the terms that were left out.
        rounding: estimated error by the noise of the function.
        step: the largest step that it was computed with.
        left, right: slopes on one side alone, between a quarter and half of the step.
        kink: whether these two stay apart as the step shrinks: the point is at a kink, or beside one that is too near.
        edge: whether the function has no value on one side however small the step, or on both.
    """

    value: float
    truncation: float
    rounding: float
    step: float
    left: float
    right: float
    kink: bool = False
    edge: bool = False

    @property
    def error(self) -> float:
        """Estimated error of the value."""
        return self.truncation + self.rounding


def derivative(function: Function, scale: float = 1.0, noise: float | None = None) -> FiniteDifference:
    """Return the derivative of a function at distance 0.

    Args:
        function: of the distance.
        scale: the largest distance over which the function is expected to change markedly, above 0; where it changes
            over less, smaller steps are found.
        noise: standard deviation of the function's rounding errors; measured if left out.

    Returns:
        the estimate with the least error among the steps that were tried.

    Example:
        >>> found = derivative(lambda s: math.exp(1.0 + s))
        >>> abs(found.value - math.e) < 10 * found.error < 1e-10, found.kink
        (True, False)
        >>> derivative(abs).kink, derivative(abs).left, derivative(abs).right
        (True, -1.0, 1.0)
        >>> found = derivative(lambda s: math.log(max(1e-6 + s, 1e-300)))
        >>> abs(found.value - 1e6) < 10 * found.error < 1e-2
        True
    """
    if noise is None:
        noise = noise_of(function, scale)
    middle = function(0.0)
    kinks: list[tuple[FiniteDifference, float]] = []
    others: list[FiniteDifference] = []
    best: FiniteDifference | None = None
    for i in range(TRIES):
        found, spread = _extrapolated(function, middle, FIRST * scale * SMALLER**i, noise)
        if found.kink:
            kinks.append((found, spread.gap))
            if i + 1 >= KINK_TRIES and len(kinks) > 1 and best is None:
                break
            continue
        if not math.isfinite(found.error):
            others.append(found)
            continue
        if best is None or found.error < best.error:
            missed = _missed(function, middle, found, spread, noise)
            if missed > 0:
                others.append(replace(found, truncation=found.truncation + missed))
            else:
                best = found
                if found.truncation <= ENOUGH * found.rounding:
                    break
        if best is not None and found.rounding / SMALLER > best.error:
            break
    return _chosen(best, kinks, others)


def _chosen(
    best: FiniteDifference | None, kinks: list[tuple[FiniteDifference, float]], others: list[FiniteDifference]
) -> FiniteDifference:
    if kinks:
        kink, gap = kinks[-1]
        if best is None or SAFETY * best.error > RESOLVED * gap:
            return kink
    if best is not None:
        return best
    finite = [each for each in others if math.isfinite(each.error)]
    if finite:
        return min(finite, key=lambda each: each.error)
    return replace(others[-1], edge=True)


def _extrapolated(
    function: Function, middle: float, step: float, noise: float
) -> tuple[FiniteDifference, _Spread]:
    steps = [step, step / 2, step / 4]
    above, below = [function(h) for h in steps], [function(-h) for h in steps]
    d = [(up - down) / (2 * h) for up, down, h in zip(above, below, steps, strict=True)]
    first, second = (4 * d[1] - d[0]) / 3, (4 * d[2] - d[1]) / 3
    value = (16 * second - first) / 15
    bends = [(up - 2 * middle + down) / h**2 for up, down, h in zip(above, below, steps, strict=True)]
    rounding = WEIGHTS * max(noise, EPS * max(map(abs, (middle, *above, *below)))) / steps[-1]
    left, right = (below[2] - below[1]) / steps[-1], (above[1] - above[2]) / steps[-1]
    gap = abs(bends[-1]) * steps[-1]
    kink = gap > KINK * abs(bends[0]) * step and gap > CLEAR * rounding
    truncation = abs(value - second)
    if abs(d[1] - d[2]) > SLOW * abs(d[0] - d[1]):  # not like h², which the extrapolation is for
        truncation = max(truncation, abs(d[1] - d[2]))
    if kink:  # the slopes of the two sides change within the step
        outer = (below[1] - below[0]) / steps[1], (above[0] - above[1]) / steps[1]
        truncation = max(truncation, abs(outer[0] - left), abs(outer[1] - right))
    spread = _Spread(abs(d[0] - value), bends[-1], abs(bends[0] - bends[-1]), gap)
    return FiniteDifference(value, truncation, rounding, step, left, right, kink), spread


@dataclass(frozen=True)
class _Spread:
    """How a function differs from its tangent within a step.

    Attributes:
        off: error of the largest step's difference.
        bend: the second derivative, by the smallest step.
        change: how far that by the largest step is from it.
        gap: between the slopes on the two sides, at the smallest step.
    """

    off: float
    bend: float
    change: float
    gap: float


def _missed(
    function: Function, middle: float, found: FiniteDifference, spread: _Spread, noise: float
) -> float:
    """Return what a much smaller step shows that the errors have not; 0 where it has the same slope and no kink."""
    step = found.step * ONCE_MORE
    above, below = function(step), function(-step)
    rounding = max(noise, EPS * max(abs(above), abs(below))) / step
    apart = abs((above - below) / (2 * step) - found.value)
    kink = abs((above - 2 * middle + below) / step - spread.bend * step)
    right = (
        apart <= SAFETY * (found.error + rounding + ONCE_MORE**2 * spread.off)
        and kink <= SAFETY * spread.change * step + CLEAR * rounding
    )
    return 0.0 if right else apart + kink


def noise_of(function: Function, scale: float = 1.0) -> float:
    """Return the standard deviation of a function's rounding errors near distance 0.

    Args:
        function: of the distance.
        scale: the largest distance over which the function is expected to change markedly.

    Example:
        >>> 1e-17 < noise_of(lambda s: math.sin(1.0 + s)) < 1e-15
        True
        >>> 1e-7 < noise_of(lambda s: round(math.sin(1.0 + s), 6)) < 1e-5
        True
        >>> noise_of(lambda s: math.sin(1.0 + 1e6 * s)) < 1e-9
        True
    """
    found: list[float] = []
    size = 0.0
    for place in range(DISTANCES):
        apart = APART * CLOSER**place * scale
        # A kink within the points is on one side of them; rounding errors are on both.
        sides = [_noise(function, apart), _noise(function, OTHER_SIDE * apart)]
        known = [(noise, largest) for noise, largest in sides if math.isfinite(noise)]
        if not known:
            continue
        noise, largest = min(known)
        size = max(size, largest)
        if found and 0 < noise < DROP * found[-1]:
            found.clear()
        found.append(noise)
        if len(found) > 1 and max(found) <= QUIET * size:
            break
    return max([*found, EPS / 4 * size])


def _noise(function: Function, apart: float) -> tuple[float, float]:
    """Return the noise of values on one side, and the largest of them."""
    row = [function(apart * (k + 1)) for k in range(POINTS)]
    largest, found = max(map(abs, row)), 0.0
    for order in range(1, ORDERS[-1] + 1):
        row = [after - before for before, after in itertools.pairwise(row)]
        if order in ORDERS:
            share = math.factorial(order) ** 2 / math.factorial(2 * order)
            found = max(found, math.sqrt(share * sum(each * each for each in row) / len(row)))
    return (found, largest) if math.isfinite(largest) else (math.nan, math.nan)
