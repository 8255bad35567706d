r"""Intervals of a difference over several test sets: the folds of a cross-validation, or repeated splits.

The interval is for the mean difference on new rows of the same kind, by models trained on such training sets: expected
over rows, run seeds and training sets, and averaged over the test sets. Seeds are nested: seed 1 of one fold and seed 1
of another are two runs. With K test sets of N rows and S seeds each, the difference on a row is

.. math:: D_{ksr} = \mu + T_k + A_{ks} + B_r + C_{ksr}, \qquad
          \operatorname{Var} \bar D \approx \frac{\sigma_T^2}{K} + \frac{\sigma_A^2}{KS} +
          \frac{\varrho\, \sigma_B^2}{N} + \frac{\sigma_C^2}{KSN},

where T is the effect of the training set. The rows' part is found within the test sets, where nothing but the rows
varies. The runs' part (training sets and seeds together) is what the means of the test sets vary by beyond what their
rows explain, with K − 1 degrees of freedom; it is at least what the seeds within the sets vary by. Folds have no row
in common, so :math:`\varrho = 1/K`. Repeated splits with a share p of the rows for testing test a row more than once:

.. math:: \varrho = \frac{1}{K} + \frac{K - 1}{K}\, p .

The two parts are joined in quadrature as those of one test set are (:mod:`steepest.evaluate.crossed`), with the
quantiles of K − 1 and K(N − 1) degrees of freedom.

**What it does not hold.** Training sets overlap, and what they have in common moves all test sets by the same amount.
For k folds no unbiased estimator of that exists (Bengio & Grandvalet, 2004). Where this common effect is as large as
that of the rows, the interval covers about 90 %; ``python -m benchmarks coverage_folds`` prints the figures, also for
models that are trained. A metric without values by row has one value for each test set; its interval is the t
interval over the sets with the variance raised to :math:`1/K + p / (1 - p)` for the overlap (Nadeau & Bengio, 2003).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from steepest.compare.intervals import ROUNDING, PairedT
from steepest.errors import OptionError
from steepest.evaluate import crossed

SetKind = Literal["folds", "repeats"]
"""How several test sets came about: ``folds`` test each row once, ``repeats`` draw their test rows anew."""


def parts(tables: Sequence[ArrayLike], kind: SetKind, test_share: float) -> crossed.Parts:
    """Return the mean over several test sets and where its variance comes from: rows, and runs in the place of seeds.

    Args:
        tables: of each test set, differences by seed and row ``[..., S, N]``; S and N may differ between the sets.
        kind: ``folds`` where each row is tested once, ``repeats`` where every split draws its test rows anew.
        test_share: the share of the rows that a test set has, above 0 and below 1.

    Returns:
        parts as of one table, where ``seeds`` is the runs' part and ``n_seeds`` the number of test sets.

    Raises:
        OptionError: there are fewer than two test sets, or the share is out of range.

    Example:
        >>> found = parts([[[1.0, 2.0, 3.0]], [[3.0, 4.0, 8.0]]], "folds", 0.5)
        >>> float(found.mean), round(float(found.seeds), 3), round(float(found.rows), 3)
        (3.5, 1.583, 0.667)
    """
    check_sets(len(tables), test_share)
    found = [crossed.parts(table) for table in tables]
    sets, repeats = len(found), kind == "repeats"
    means = np.stack([each.mean for each in found])
    rows = np.stack([np.nan_to_num(each.rows) for each in found]).mean(0)
    tail = np.stack([np.nan_to_num(each.tail) for each in found]).max(0) / sets
    counted = 1.0 / sets + (1.0 - 1.0 / sets) * test_share if repeats else 1.0 / sets
    between = (means.var(0, ddof=1) - (1.0 - test_share if repeats else 1.0) * rows) / sets
    within = np.stack([np.nan_to_num(each.seeds) for each in found]).mean(0) / sets
    return crossed.Parts(
        mean=means.mean(0),
        seeds=np.maximum(between, within),
        rows=counted * rows,
        shared=np.zeros_like(rows),
        tail=counted * tail,
        n_seeds=sets,
        n_rows=sum(each.n_rows - 1 for each in found) + 1,
    )


def corrected_t(gaps: Sequence[float] | ArrayLike, test_share: float, level: float = 0.95) -> PairedT:
    r"""Return the mean of a difference over test sets whose training sets overlap, by the corrected resampled t test.

    .. math:: \bar d \pm t_{K-1}\, s \sqrt{\frac{1}{K} + \frac{p}{1 - p}}

    Args:
        gaps: the difference on each test set.
        test_share: p, the share of the rows that a test set has, above 0 and below 1.
        level: coverage, above 0 and below 1.

    Raises:
        OptionError: there are fewer than two test sets, or the share is out of range.

    Source: Nadeau & Bengio, Inference for the Generalization Error, Machine Learning 52, 2003.

    Example:
        >>> found = corrected_t([0.1, 0.2, 0.15, 0.1, 0.2], 0.2)
        >>> round(found.mean, 3), round(found.low, 3), round(found.high, 3)
        (0.15, 0.057, 0.243)
    """
    values = np.asarray(gaps, dtype=np.float64)
    check_sets(len(values), test_share)
    mean, count = float(values.mean()), len(values)
    error = float(values.std(ddof=1)) * math.sqrt((1.0 + overlap(count, test_share)) / count)
    if error <= ROUNDING * float(np.abs(values).max()):
        return PairedT(mean, math.nan, math.nan, math.nan, count)
    from scipy import special  # slow to import

    half = float(special.stdtrit(count - 1, (1.0 + level) / 2.0)) * error
    p = 2.0 * float(special.stdtr(count - 1, -abs(mean) / error))
    return PairedT(mean, mean - half, mean + half, p, count)


def overlap(sets: int, test_share: float) -> float:
    """Return what the overlap of training sets adds to the variance of the mean over test sets, as a share of it."""
    return sets * test_share / (1.0 - test_share)


def check_sets(sets: int, test_share: float) -> None:
    """Raise an error unless there are several test sets with a share of the rows between 0 and 1."""
    if sets < 2:
        raise OptionError(f"{sets} test sets", hint="give two or more; one is compared without this.")
    if not 0.0 < test_share < 1.0:
        raise OptionError(f"a test share of {test_share}", hint="use a share between 0 and 1, such as 0.2.")
