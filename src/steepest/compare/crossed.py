r"""Intervals of a mean difference when the run seeds and the test rows are both samples.

The difference of two models on a row, for each seed s and row r, is a crossed layout with random effects,

.. math:: D_{sr} = \mu + A_s + B_r + C_{sr}, \qquad
          \operatorname{Var} \bar D = \frac{\sigma_A^2}{S} + \frac{\sigma_B^2}{N} + \frac{\sigma_C^2}{SN} .

The variance of the S means by seed, over S, estimates the first and the last term: that is the seeds' part, with
S − 1 degrees of freedom. The variance of the N means by row, over N, estimates the second and the last; less
the last, which the residuals give, it is the rows' part. The two parts are independent. Their t intervals are
joined in quadrature (Banerjee, 1960): the joined interval covers with *at least* its nominal probability
whatever the share of the two, and is exactly the paired t interval over seeds where the rows add nothing.
A Welch–Satterthwaite interval is narrower but covers less than it says when there are three seeds, and a bootstrap
of few seeds covers much less: ``python -m benchmarks coverage`` prints all of them.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special

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
        n_seeds, n_rows: how many there are.
    """

    mean: Numbers
    seeds: Numbers
    rows: Numbers
    shared: Numbers
    n_seeds: int
    n_rows: int

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

    Source: Searle, Casella & McCulloch, Variance Components, 1992, chapter 4.

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
    return Parts(mean, of_seeds, np.maximum(of_rows - shared, 0.0), shared, seeds, rows)


def half_width(found: Parts, level: float = 0.95) -> Numbers:
    r"""Return half the width of the interval of the mean.

    .. math:: h^2 = t_{S-1}^2\, v_\text{seeds} + t_{N-1}^2\, v_\text{rows}

    Args:
        found: of :func:`parts`; a part that is NaN (one seed, or one row) is left out.
        level: coverage, above 0 and below 1.

    Raises:
        OptionError: ``level`` is out of range.

    Source: Banerjee, Approximate confidence interval for linear functions of means of k populations when the
    population variances are not equal, Sankhyā 22, 1960.

    Example:
        >>> round(float(half_width(parts([[1.0, 2.0, 3.0], [3.0, 4.0, 5.0]]))), 2)
        12.95
    """
    if not 0.0 < level < 1.0:
        raise OptionError(f"a level of {level}", hint="use a level between 0 and 1, such as 0.95.")
    return np.sqrt(_square(found, np.asarray(1.0 - level)))


def p_value(found: Parts) -> Numbers:
    """Return the two-sided p-value of a mean of zero: 1 less the level of the interval that just reaches zero.

    Where the rows add nothing it is that of the paired t test over seeds. It is never below 1e-60, except 0
    where there is no spread at all.

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
    spread = np.nan_to_num(found.seeds) + np.nan_to_num(found.rows)
    p = np.where(target == 0.0, 1.0, np.where(spread == 0.0, 0.0, p))
    return np.where(np.isnan(found.mean), math.nan, p)


def smallest_visible(found: Parts, level: float = 0.95, power: float = 0.8) -> float:
    r"""Return the smallest true difference that a comparison with these two parts would probably have seen.

    The :math:`\delta` at which the interval excludes zero on the right side with probability ``power``, taking the
    parts for the true variances: :math:`E\,\Phi\{(\delta - h)/\sqrt v\}` over the chi-square distribution of
    the seeds' part, by quadrature.

    Args:
        found: of :func:`parts`, of one table.
        level: coverage of the interval that tells apart, above 0 and below 1; for m comparisons 1 − 0.05/m.
        power: probability of seeing it, above ``1 - level`` and below 1.

    Returns:
        the difference; infinity where one seed says nothing of the spread.

    Example:
        >>> from steepest.compare import intervals
        >>> seeds_only = Parts(*map(np.asarray, (0.0, 0.002**2 / 5, 0.0, 0.0)), 5, 1000)
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
    error = math.sqrt(seeds + rows)
    if error == 0.0:
        return 0.0
    # Gauss–Legendre over the probabilities of a chi-square, substituted so that its steep ends are resolved
    nodes, weights = _nodes()
    at, degrees = (nodes + 1.0) / 2.0, found.n_seeds - 1
    probability = at**2 * (3.0 - 2.0 * at)
    weight = weights / 2.0 * 6.0 * at * (1.0 - at)
    drawn = special.chdtri(degrees, 1.0 - probability) / degrees * seeds
    half = half_width(found._replace(seeds=drawn), level)

    def missing(size: float) -> float:
        return float((weight * special.ndtr((size - half) / error)).sum()) - power

    upper = 2.0 * error
    while missing(upper) < 0.0:
        upper *= 2.0
    return float(_root(missing, 0.0, upper))


def _root(function: Any, low: float, high: float) -> float:
    found: Any = optimize.brentq(function, low, high)
    return float(found)


def _square(found: Parts, alpha: Numbers) -> Numbers:
    total = np.zeros(np.broadcast_shapes(alpha.shape, np.shape(found.mean), np.shape(found.seeds)))
    if found.n_seeds > 1:
        total = total + special.stdtrit(found.n_seeds - 1, alpha / 2.0) ** 2 * found.seeds
    if found.n_rows > 1:
        total = total + special.stdtrit(found.n_rows - 1, alpha / 2.0) ** 2 * found.rows
    return total
