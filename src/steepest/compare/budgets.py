r"""How good the best of k trials is expected to be, and who is ahead with which budget.

Of n trials with results :math:`v_1, \dots, v_n`, the best first, the mean over all sets of k trials of the best one is

.. math:: E_k = \sum_{i=1}^{n} v_i \binom{n - i}{k - 1} \Big/ \binom{n}{k},

which is without bias where the trials are independent draws (Tang et al., *Showing your work doesn't always work*, ACL
2020; Dodge et al., *Show your work*, EMNLP 2019, draw with replacement). Trials of a grid are taken in random order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from steepest.compare.search import BestAfter
from steepest.rng import stream

DRAWS = 1000
"""Bootstrap draws of an interval."""


def expected_best(values: Sequence[float], *, higher: bool) -> list[float]:
    """Return the expected best of 1, 2, … of some results; a failed trial (NaN) counts as the worst that finished.

    Args:
        values: one result a trial, ``[n]``.
        higher: whether higher is better.

    Example:
        >>> expected_best([3.0, 1.0, 2.0], higher=False)
        [2.0, 1.3333333333333333, 1.0]
    """
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return []
    worst = min(known) if higher else max(known)
    filled = np.array([[value if math.isfinite(value) else worst for value in values]])
    return _expected(filled, higher)[0].tolist()


def _expected(values: np.ndarray, higher: bool) -> np.ndarray:
    """Return the expected best of 1 … n of each row, ``[rows, n]``."""
    count = values.shape[1]
    ordered = np.sort(values, axis=1)
    ordered = ordered[:, ::-1] if higher else ordered
    weights = np.array(
        [
            [math.comb(count - i, k - 1) / math.comb(count, k) for k in range(1, count + 1)]
            for i in range(1, count + 1)
        ]
    )
    return ordered @ weights


def best_after(values: Sequence[float], length: float, seed: int, *, higher: bool) -> BestAfter | None:
    """Return the expected best with an interval: percentiles of the same over trials drawn with replacement.

    Args:
        values: one result a trial.
        length: of their runs, in full lengths.
        seed: of the draws.
        higher: whether higher is better.
    """
    mean = expected_best(values, higher=higher)
    if not mean:
        return None
    known = [value for value in values if math.isfinite(value)]
    worst = min(known) if higher else max(known)
    filled = np.array([value if math.isfinite(value) else worst for value in values])
    drawn = stream(seed, "bootstrap").integers(len(filled), size=(DRAWS, len(filled)))
    low, high = np.percentile(_expected(filled[drawn], higher), [2.5, 97.5], axis=0)
    return BestAfter(mean=mean, low=low.tolist(), high=high.tolist(), length=length)


def leaders(arms: Sequence[tuple[str, BestAfter]], *, higher: bool) -> list[tuple[int, int, str]]:
    """Return who is ahead after how many trials: (first, last, name), as long as all arms have as many.

    The name is empty where that is open: where the interval of the best mean and that of another arm overlap.

    Args:
        arms: names, each with its expected best after 1, 2, … trials.
        higher: whether higher is better.

    Example:
        >>> def sharp(*means: float) -> BestAfter:
        ...     return BestAfter(mean=[*means], low=[*means], high=[*means], length=1.0)
        >>> leaders([("sgd", sharp(3.0, 1.0, 0.5)), ("adam", sharp(2.0, 1.5, 1.4))], higher=False)
        [(1, 1, 'adam'), (2, 3, 'sgd')]
    """
    most = min((len(each.mean) for _, each in arms), default=0)
    found: list[tuple[int, int, str]] = []
    for k in range(most):
        name, first = (max if higher else min)(arms, key=lambda arm: arm[1].mean[k])
        if any(
            each.low[k] <= first.high[k] and first.low[k] <= each.high[k] for of, each in arms if of != name
        ):
            name = ""
        if found and found[-1][2] == name:
            found[-1] = (found[-1][0], k + 1, name)
        else:
            found.append((k + 1, k + 1, name))
    return found
