r"""Intervals of a mean difference when the run seeds and the test rows are both samples.

The difference of two models on a row, for each seed s and row r, is a crossed layout with random effects,

.. math:: D_{sr} = \mu + A_s + B_r + C_{sr}, \qquad
          \operatorname{Var} \bar D = \frac{\sigma_A^2}{S} + \frac{\sigma_B^2}{N} + \frac{\sigma_C^2}{SN} .

The variance of the S means by seed, over S, estimates the first and the last term: that is the seeds' part, with
S − 1 degrees of freedom. The variance of the N means by row, over N, estimates the second and the last; less
the last, which the residuals give, and with two further rows as far out as the farthest, it is the rows' part. The
two parts are independent, and their t intervals are joined in quadrature (Banerjee, 1960): the joined interval covers
with *at least* its nominal probability whatever the share of the two, and is exactly the paired t interval over seeds
where the rows add nothing.

Three seeds tell their own variance badly, and corrected for many comparisons their t quantile hides everything.
Where several differences are computed at once, the seeds' parts of all of them are pooled, and a difference uses the
pooled one the more, the less of its variance comes from the seeds (:func:`pool`, :func:`half_width`). What that
covers, and what other ways would, ``python -m benchmarks coverage`` prints.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steepest.errors import OptionError

Numbers = NDArray[np.float64]

_SMALLEST_P = 1e-60
_NODES = 512


@functools.cache
def _nodes() -> tuple[Numbers, Numbers]:
    """Return nodes and weights; finding them costs a quarter of a second, so once is enough."""
    return np.polynomial.legendre.leggauss(_NODES)


class Parts(NamedTuple):
    """A mean and where its variance comes from; each entry of the leading shape of the table.

    Attributes:
        mean: the mean over seeds and rows.
        seeds: variance of the mean due to the seeds, their interaction with the rows included; NaN for one seed.
        rows: variance of the mean due to the rows alone, not below 0; NaN for one row.
        shared: how much of ``seeds`` is interaction; the mean over these seeds varies by ``rows + shared``
            if only the rows are drawn again.
        tail: what two further rows as far from the mean as the farthest, one on each side, would add to ``rows``.
        n_seeds, n_rows: how many there are.
        pooled: the seeds' part as all differences of a family give it, or None for a difference alone.
        degrees: degrees of freedom of ``pooled``.
    """

    mean: Numbers
    seeds: Numbers
    rows: Numbers
    shared: Numbers
    tail: Numbers
    n_seeds: int
    n_rows: int
    pooled: Numbers | None = None
    degrees: float = 0.0

    @property
    def share(self) -> Numbers:
        """The seeds' share of the variance, from 0 to 1; NaN where there is none."""
        whole = self.seeds + self.rows
        return np.divide(self.seeds, whole, out=np.full_like(whole, math.nan), where=whole > 0)


def parts(table: ArrayLike) -> Parts:
    r"""Return the mean of a crossed table and the two parts of its variance.

    With the mean squares of a two-way layout, the seeds' part is :math:`MS_A/(SN)` and the rows' part
    :math:`\max(0, MS_B - MS_C)/(SN)`.

    Args:
        table: differences ``[…, S, N]`` by seed and row, finite; leading axes are separate tables.

    Returns:
        arrays of the leading shape. With one seed everything is the rows' part, and ``seeds`` is NaN; with one
        row everything is the seeds'.

    Raises:
        OptionError: the table has fewer than two axes or is empty.

    Losses have long tails, and accuracies differ in few rows: the variance of so many rows is then more often too
    small than too large. Two further rows as far out as the farthest, one on each side, make up for it; for two
    classifiers these are two more rows that only one of them gets right.

    Source: Searle, Casella & McCulloch, Variance Components, 1992, chapter 4; for the further rows Bonett & Price,
    Adjusted Wald confidence interval for a difference of binomial proportions based on paired data, Journal of
    Educational and Behavioral Statistics 37, 2012.

    Example:
        >>> found = parts([[1.0, 2.0, 3.0], [3.0, 4.0, 5.0]])
        >>> float(found.mean), float(found.seeds), round(float(found.rows), 4)
        (3.0, 1.0, 0.3333)
    """
    given = np.asarray(table, dtype=np.float64)
    if given.ndim < 2 or 0 in given.shape[-2:]:
        raise OptionError(
            f"a table of shape {given.shape}", hint="give differences by seed and row, such as [5, 1000]."
        )
    seeds, rows = given.shape[-2:]
    by_seed, by_row = given.mean(-1), given.mean(-2)
    mean = by_seed.mean(-1)
    square_seed = ((by_seed - mean[..., None]) ** 2).sum(-1)
    square_row = ((by_row - mean[..., None]) ** 2).sum(-1)
    square = ((given - mean[..., None, None]) ** 2).sum((-1, -2))
    unknown = np.full_like(mean, math.nan)
    of_seeds = square_seed / (seeds * (seeds - 1)) if seeds > 1 else unknown
    of_rows = square_row / (rows * (rows - 1)) if rows > 1 else unknown
    shared = np.zeros_like(mean)
    if seeds > 1 and rows > 1:
        left = np.maximum(square - rows * square_seed - seeds * square_row, 0.0)
        shared = left / ((seeds - 1) * (rows - 1) * seeds * rows)
    if seeds == 2:
        # Two seeds often agree by chance. Their part holds the shared one, which the rows tell well, so it is not less.
        of_seeds = np.maximum(of_seeds, shared)
    tail = 2.0 * ((by_row - mean[..., None]) ** 2).max(-1) / (rows * (rows - 1)) if rows > 1 else unknown
    return Parts(mean, of_seeds, np.maximum(of_rows - shared, 0.0), shared, tail, seeds, rows)


def pool(family: Sequence[Parts], independent: int, sizes: Sequence[float] | None = None) -> list[Parts]:
    r"""Return the differences of a family, each with the seeds' part that all of them give together.

    .. math:: s^2 = \frac{\sum_i (S_i - 1)\, s_i^2 / c_i}{\sum_i (S_i - 1)}, \qquad
              \nu = r\, \overline{(S_i - 1)}

    where :math:`s_i^2` is the variance of the means by seed, and :math:`c_i` the sum of the models' squared weights, 2
    for a difference of two; the pooled part is :math:`c_i s^2 / S_i`. Differences that share a model do not tell
    anything new of the seeds: among all pairs of A optimizers A − 1 are independent, of A optimizers with any number of
    baselines A.

    Args:
        family: of :func:`parts`; those with fewer than two seeds are left as they are.
        independent: how many of the differences are linearly independent; below two there is nothing to pool.
        sizes: the sum of squared weights of the models in each difference; None where all are alike.

    Example:
        >>> one, other = parts([[1.0, 2.0, 3.0], [3.0, 4.0, 5.0]]), parts([[0.0, 1.0, 5.0], [4.0, 5.0, 9.0]])
        >>> float(one.seeds), float(other.seeds), [(float(each.pooled), each.degrees) for each in pool([one, other], 2)]
        (1.0, 4.0, [(2.5, 2.0), (2.5, 2.0)])
    """
    weights = [1.0] * len(family) if sizes is None else sizes
    known = [
        (each, size) for each, size in zip(family, weights, strict=True) if each.n_seeds > 1 and size > 0
    ]
    if independent < 2 or len(known) < 2:
        return list(family)
    degrees = sum(each.n_seeds - 1 for each, _ in known)
    variance = sum((each.n_seeds - 1) * each.n_seeds * each.seeds / size for each, size in known) / degrees
    return [
        each._replace(pooled=size * variance / each.n_seeds, degrees=independent * degrees / len(known))
        if each.n_seeds > 1 and size > 0
        else each
        for each, size in zip(family, weights, strict=True)
    ]


def half_width(found: Parts, level: float = 0.95) -> Numbers:
    r"""Return half the width of the interval of the mean.

    .. math:: h^2 = t_{S-1}^2\, v_\text{seeds} + t_{N-1}^2\, v_\text{rows}

    With a pooled seeds' part of :math:`\nu` degrees of freedom, the first term becomes

    .. math:: (1 - w)\; t_\nu^2\; v + w\; t_{S-1}^2\, v_\text{seeds}, \qquad
              v = \max(v_\text{seeds}, v_\text{pooled}), \quad
              w = \left(\frac{v_\text{pooled}}{v_\text{pooled} + v_\text{rows}}\right)^2 :

    where most of the variance comes from the seeds it is the difference's own, which holds whatever the others do;
    where the rows are most of it, the larger of own and pooled.

    Args:
        found: of :func:`parts` or :func:`pool`; a part that is NaN (one seed, or one row) is left out.
        level: coverage, above 0 and below 1.

    Raises:
        OptionError: ``level`` is out of range.

    Source: Banerjee, Approximate confidence interval for linear functions of means of k populations when the
    population variances are not equal, Sankhyā 22, 1960.

    Example:
        >>> round(float(half_width(parts([[1.0, 2.0, 3.0], [3.0, 4.0, 5.0]]))), 2)
        13.18
    """
    if not 0.0 < level < 1.0:
        raise OptionError(f"a level of {level}", hint="use a level between 0 and 1, such as 0.95.")
    return np.sqrt(_square(found, np.asarray(1.0 - level)))


def p_value(found: Parts) -> Numbers:
    """Return the two-sided p-value of a mean of zero: 1 less the level of the interval that just reaches zero.

    Where the rows add nothing it is that of the paired t test over seeds. It is never below 1e-60, and NaN where
    nothing varies.

    Example:
        >>> table = [[1.0, 1.0], [2.0, 2.0], [3.5, 3.5]]
        >>> from scipy import stats
        >>> round(float(p_value(parts(table))), 9) == round(float(stats.ttest_1samp([1, 2, 3.5], 0).pvalue), 9)
        True
    """
    target = found.mean**2
    low = np.full_like(target, math.log(_SMALLEST_P))
    high = np.zeros_like(target)
    for _ in range(60):
        middle = (low + high) / 2.0
        wide = _square(found, np.exp(middle)) > target
        low, high = np.where(wide, middle, low), np.where(wide, high, middle)
    p = np.exp((low + high) / 2.0)
    spread = np.nan_to_num(found.seeds) + np.nan_to_num(found.rows) + np.nan_to_num(found.tail)
    p = np.where(target == 0.0, 1.0, p)
    return np.where(np.isnan(found.mean) | (spread == 0.0), math.nan, p)


def smallest_visible(found: Parts, level: float = 0.95, power: float = 0.8) -> float:
    r"""Return the smallest true difference that a comparison with these two parts would probably have seen.

    The :math:`\delta` at which the interval excludes zero on the right side with probability ``power``, taking the
    parts for the true variances: :math:`E\,\Phi\{(\delta - h)/\sqrt v\}` over the chi-square distribution of
    the seeds' part, by quadrature. Beside a pooled part the true one is the larger of the two, and the pooled stays.

    Args:
        found: of :func:`parts`, of one table.
        level: coverage of the interval that tells apart, above 0 and below 1; for m comparisons 1 − 0.05/m.
        power: probability of seeing it, above ``1 - level`` and below 1.

    Returns:
        the difference; infinity where one seed says nothing of the spread.

    Example:
        >>> from steepest.compare import intervals
        >>> seeds_only = Parts(*map(np.asarray, (0.0, 0.002**2 / 5, 0.0, 0.0, 0.0)), 5, 1000)
        >>> round(smallest_visible(seeds_only), 6) == round(intervals.smallest_visible(0.002, n=5), 6)
        True
    """
    if not 0.0 < level < 1.0 or not 1.0 - level < power < 1.0:
        raise OptionError(
            f"a power of {power} at level {level}", hint="use a level of 0.95 and a power of 0.8."
        )
    seeds, rows = float(found.seeds), float(np.nan_to_num(found.rows))
    if not math.isfinite(seeds):
        return math.inf
    if found.pooled is not None:
        seeds = max(seeds, float(found.pooled))
    error = math.sqrt(seeds + rows)
    if error == 0.0:
        return 0.0
    # Gauss–Legendre over the probabilities of a chi-square, substituted so that its steep ends are resolved
    nodes, weights = _nodes()
    at, degrees = (nodes + 1.0) / 2.0, found.n_seeds - 1
    probability = at**2 * (3.0 - 2.0 * at)
    weight = weights / 2.0 * 6.0 * at * (1.0 - at)
    from scipy import special  # slow to import

    drawn = special.chdtri(degrees, 1.0 - probability) / degrees * seeds
    half = half_width(found._replace(seeds=drawn), level)

    def missing(size: float) -> float:
        return float((weight * special.ndtr((size - half) / error)).sum()) - power

    upper = 2.0 * error
    while missing(upper) < 0.0:
        upper *= 2.0
    return float(_root(missing, 0.0, upper))


def _root(function: Any, low: float, high: float) -> float:
    from scipy import optimize  # slow to import

    found: Any = optimize.brentq(function, low, high)
    return float(found)


def _square(found: Parts, alpha: Numbers) -> Numbers:
    from scipy import special  # slow to import

    def quantile(degrees: float) -> Numbers:
        return special.stdtrit(degrees, alpha / 2.0) ** 2

    rows = found.rows + found.tail if found.n_rows > 1 else np.zeros_like(found.mean)
    total = quantile(found.n_rows - 1) * rows if found.n_rows > 1 else rows
    if found.n_seeds < 2:
        return total
    own = quantile(found.n_seeds - 1) * found.seeds
    if found.pooled is None:
        return total + own
    whole, larger = found.pooled + rows, np.maximum(found.seeds, found.pooled)
    weight = np.divide(found.pooled, whole, out=np.ones_like(whole), where=whole > 0) ** 2
    return total + (1.0 - weight) * quantile(found.degrees) * larger + weight * own
