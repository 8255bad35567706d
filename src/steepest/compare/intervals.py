r"""Intervals of means and of paired differences, the smallest detectable difference, and Holm's correction.

There are two uncertainties. Over run seeds there are few values, about normal: Student's t. Over test rows
there are many, far from normal (losses have long tails): the paired bootstrap. A value that is not finite
is a diverged run; it is dropped with its pair, and n counts what is left.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from steepest import rng
from steepest.compare.pairing import Values, finite, pairs
from steepest.errors import OptionError

RESAMPLES = 2000
ROUNDING = 1e-12
"""Numbers that lie nearer than this fraction of their size differ by rounding."""
_GROUPS = 20_000
_BLOCK = 1 << 20  # draws held in memory at a time


class MeanInterval(NamedTuple):
    """A mean with the ends of its interval; NaN where there is no finite value, or no spread to make one of."""

    mean: float
    low: float
    high: float


class PairedT(NamedTuple):
    """A paired t test.

    Attributes:
        mean: mean of ``a - b``.
        low, high: its interval; NaN where no spread is known: fewer than two pairs, or all with the same difference.
        p: two-sided p-value for a difference of zero; NaN where there is no interval.
        n: pairs in which both values are finite.
    """

    mean: float
    low: float
    high: float
    p: float
    n: int


def t_interval(values: Sequence[float] | ArrayLike, level: float = 0.95) -> MeanInterval:
    r"""Return the mean of a few values with Student's t interval.

    .. math:: \bar x \pm t_{n-1,\,(1+\text{level})/2}\; s / \sqrt n

    Args:
        values: one for each seed; those that are not finite are dropped.
        level: probability that the interval covers the true mean, above 0 and below 1.

    Returns:
        mean, low, high. With one value, or where all are the same, the ends are NaN; with none all three are.

    Raises:
        OptionError: ``level`` is out of range.

    Source: Student, The probable error of a mean, 1908.

    Example:
        >>> [round(each, 3) for each in t_interval([1.0, 2.0, 3.0])]
        [2.0, -0.484, 4.484]
    """
    _check_level(level)
    array = finite(values)
    n = len(array)
    if n == 0:
        return MeanInterval(math.nan, math.nan, math.nan)
    mean, error = float(array.mean()), _error(array, float(np.abs(array).max()))
    half = _t_quantile(n, level) * error if n > 1 else math.nan
    return MeanInterval(mean, mean - half, mean + half)


def paired_t(a: Sequence[float] | ArrayLike, b: Sequence[float] | ArrayLike, level: float = 0.95) -> PairedT:
    """Return the mean of ``a - b`` over seeds with its t interval and two-sided p-value.

    Pairing by seed removes what the two share: initialisation, order of the rows, dropout masks.

    Args:
        a: one value for each seed.
        b: values of the same seeds, in the same order.
        level: coverage, above 0 and below 1.

    Raises:
        OptionError: the lengths differ, or ``level`` is out of range.

    Example:
        >>> found = paired_t([1.0, 2.0, 3.5], [0.5, 1.0, 2.0])
        >>> round(found.mean, 3), round(found.p, 3), found.n
        (1.0, 0.074, 3)
    """
    first, second = pairs(a, b)
    difference = first - second
    n = len(difference)
    mean = float(difference.mean()) if n else math.nan
    error = _error(difference, float(np.abs([first, second]).max())) if n else math.nan
    if math.isnan(error):
        return PairedT(mean, math.nan, math.nan, math.nan, n)
    half = _t_quantile(n, level) * error
    from scipy import special  # slow to import

    return PairedT(mean, mean - half, mean + half, float(2.0 * special.stdtr(n - 1, -abs(mean) / error)), n)


def paired_bootstrap(
    row_losses_a: ArrayLike,
    row_losses_b: ArrayLike,
    seed: int,
    resamples: int = RESAMPLES,
    level: float = 0.95,
) -> MeanInterval:
    r"""Return the mean of ``a - b`` over rows with its percentile bootstrap interval.

    The rows' differences :math:`d_i` are drawn N at a time with replacement, ``resamples`` times; the ends
    are quantiles of the means. Both models are measured on the same drawn rows, so what makes a row hard for
    both cancels. Above 20,000 rows, the rows are first put into 20,000 groups at random and groups are drawn:
    the mean of a group has the variance of a row divided by the group's size, so for a mean the
    interval is the same, and time and memory stay bounded however many rows there are.

    Args:
        row_losses_a: loss of each row ``[N]``.
        row_losses_b: losses of the same rows under the other model ``[N]``.
        seed: of the stream ``bootstrap``.
        resamples: how many means, at least 100.
        level: coverage, above 0 and below 1.

    Returns:
        mean, low, high; rows where a loss is not finite are dropped with their pair.

    Raises:
        OptionError: the lengths differ, or ``resamples`` or ``level`` is out of range.

    Source: Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.

    Example:
        >>> import numpy as np
        >>> a, b = np.array([1.0, 0.5, 0.9, 0.4] * 50), np.array([0.9, 0.5, 0.7, 0.4] * 50)
        >>> [round(each, 3) for each in paired_bootstrap(a, b, seed=0)]
        [0.075, 0.064, 0.087]
    """
    _check_level(level)
    _check_resamples(resamples)
    first, second = pairs(row_losses_a, row_losses_b)
    return MeanInterval(*_bootstrap(first - second, seed, resamples, level))


def row_bootstrap(columns: ArrayLike, seed: int, resamples: int = RESAMPLES, level: float = 0.95) -> Values:
    """Return the ends of the percentile bootstrap intervals of several means over the same rows ``[K, 2]``.

    As :func:`paired_bootstrap`, with the same rows drawn for all K.

    Args:
        columns: a value for each row ``[K, N]``, finite.
        seed: of the stream ``bootstrap``.
        resamples: how many means, at least 100.
        level: coverage, above 0 and below 1.

    Raises:
        OptionError: ``resamples`` or ``level`` is out of range.

    Example:
        >>> row_bootstrap([[1.0, 0.5, 0.9, 0.4] * 50], seed=0).round(2).tolist()
        [[0.66, 0.74]]
    """
    _check_level(level)
    _check_resamples(resamples)
    values = np.asarray(columns, dtype=np.float64)
    generator = rng.stream(seed, "bootstrap")
    rows = values.shape[1]
    means = np.empty((resamples, len(values)))
    step = max(1, _BLOCK // rows)
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        drawn = generator.integers(0, rows, size=(size, rows))
        drawn += np.arange(size)[:, None] * rows
        times = np.bincount(drawn.reshape(-1), minlength=size * rows).reshape(size, rows)
        means[start : start + size] = times @ values.T / rows
    return np.quantile(means, [(1.0 - level) / 2.0, (1.0 + level) / 2.0], axis=0).T


def smallest_visible(
    values: float | Sequence[float] | ArrayLike,
    n: int | None = None,
    level: float = 0.95,
    power: float = 0.8,
) -> float:
    r"""Return the smallest true difference that a paired comparison of this size would probably have seen.

    The :math:`\delta` at which the paired t test on n pairs, whose differences have standard deviation
    s, tells the two apart in the right direction with probability ``power``; exact, from the
    noncentral t distribution.

    Args:
        values: paired differences (those that are not finite are dropped), or their standard deviation.
        n: number of pairs; needed with a standard deviation, else the number of finite differences.
        level: coverage of the interval that tells apart, above 0 and below 1.
        power: probability of seeing it, above ``1 - level`` and below 1.

    Returns:
        the difference, in the units of the values; infinity where fewer than two pairs are left.

    Raises:
        OptionError: an argument is out of range, or a standard deviation comes without ``n``.

    Source: Cohen, Statistical Power Analysis for the Behavioral Sciences, 1988, chapter 2.

    Example:
        >>> round(smallest_visible(0.002, n=5), 4)
        0.0034
    """
    _check_level(level)
    if not 1.0 - level < power < 1.0:
        raise OptionError(f"a power of {power}", hint=f"use a power between {1.0 - level:.3g} and 1.")
    if isinstance(values, int | float):
        sd = float(values)
        if n is None:
            raise OptionError(
                "a standard deviation without the number of pairs", hint="pass n=, such as n=5."
            )
    else:
        differences = finite(values)
        n = len(differences) if n is None else n
        sd = float(differences.std(ddof=1)) if len(differences) > 1 else math.nan
    if n < 2 or not math.isfinite(sd):
        return math.inf
    if sd == 0.0:
        return 0.0
    bound = _t_quantile(n, level)
    from scipy import optimize, stats  # slow to import

    def missing(shift: float) -> float:
        return float(stats.nct.sf(bound, n - 1, shift)) - power

    upper = bound
    while missing(upper) < 0.0:
        upper *= 2.0
    shift: Any = optimize.brentq(missing, 0.0, upper)
    return float(shift) * sd / math.sqrt(n)


def holm(p_values: Sequence[float] | ArrayLike) -> list[float]:
    """Return p-values corrected for their number by Holm's step-down procedure, in the order given.

    A difference is told apart at level 0.95, all comparisons together, where its corrected value is below
    0.05. NaN (no runs to compare) stays NaN and is not counted.

    Args:
        p_values: from 0 to 1, or NaN.

    Source: Holm, A simple sequentially rejective multiple test procedure, 1979.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    given = np.asarray(p_values, dtype=np.float64).reshape(-1)
    corrected = np.full(len(given), math.nan)
    known = np.flatnonzero(~np.isnan(given))
    order = known[np.argsort(given[known], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(given[order] * factors))
    return [float(each) for each in corrected]


def _bootstrap(differences: Values, seed: int, resamples: int, level: float) -> tuple[float, float, float]:
    if len(differences) == 0:
        return math.nan, math.nan, math.nan
    generator = rng.stream(seed, "bootstrap")
    mean = float(differences.mean())
    sums, counts = differences, None
    if len(differences) > _GROUPS:
        starts = np.linspace(0, len(differences), _GROUPS, endpoint=False).astype(np.int64)
        sums = np.add.reduceat(generator.permutation(differences), starts)
        counts = np.diff(starts, append=len(differences)).astype(np.float64)
    n = len(sums)
    means = np.empty(resamples)
    step = max(1, _BLOCK // n)
    for start in range(0, resamples, step):
        drawn = generator.integers(0, n, size=(min(step, resamples - start), n), dtype=np.int32)
        if counts is None:
            means[start : start + step] = sums[drawn].mean(axis=1)
        else:
            means[start : start + step] = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return mean, float(low), float(high)


def _error(values: Values, scale: float) -> float:
    """Return the standard error of the mean, NaN where no spread is known; rounding of numbers of a scale is none."""
    if len(values) < 2 or float(np.ptp(values)) <= ROUNDING * scale:
        return math.nan
    return float(values.std(ddof=1)) / math.sqrt(len(values))


def _t_quantile(n: int, level: float) -> float:
    from scipy import special  # slow to import

    return float(special.stdtrit(n - 1, (1.0 + level) / 2.0))


def _check_level(level: float) -> None:
    if not 0.0 < level < 1.0:
        raise OptionError(f"a level of {level}", hint="use a level between 0 and 1, such as 0.95.")


def _check_resamples(resamples: int) -> None:
    if resamples < 100:
        raise OptionError(f"{resamples} resamples", hint="use at least 100; 2000 is the default.")
