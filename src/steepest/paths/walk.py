r"""Random walks, with which paths are compared: their first principal components explain much, too.

A walk of n steps with independent directions in P dimensions has, for large n and P, components that explain

.. math:: \frac{6}{\pi^2 k^2} = 60.8\,\%,\ 15.2\,\%,\ 6.8\,\%,\ \dots

of the variance, and its places along them are cosines of the step: a smooth curve in the plane is no sign of structure.

Antognini & Sohl-Dickstein, *PCA of high dimensional random walks with comparison to neural network training*, NeurIPS
2018.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from steepest.paths.components import Array, PrincipalComponents, principal_components
from steepest.rng import stream

MANY = 1_000
"""Dimensions from which on those of a walk are as if there were infinitely many."""

DRAWS = 50
"""Walks in fewer dimensions whose shares are averaged."""


def random_walk(lengths: Sequence[int], dimensions: int, seed: int = 0, draw: int = 0) -> PrincipalComponents:
    """Return the components of walks from one start, with as many points as ``lengths`` says for each.

    Args:
        lengths: points of every walk, the start included.
        dimensions: P; more than ``MANY`` are drawn as so many.
        seed: of the steps.
        draw: which of several.

    Example:
        >>> random_walk([4, 4], 1000).places[1].shape
        (4, 8)
    """
    numbers = stream(seed, "path", 1, draw)
    walks = [
        np.concatenate([np.zeros((1, width)), numbers.standard_normal((points - 1, width)).cumsum(0)])
        for points in lengths
        for width in [min(dimensions, MANY)]
    ]
    return principal_components([torch.from_numpy(each) for each in walks])


def expected_shares(lengths: Sequence[int], dimensions: int) -> Array:
    """Return the shares of the variance that components of random walks from one start explain.

    In many dimensions they are those of the mean of the inner products, min(i, j) of points i and j of one walk and 0
    of two; in few, means over drawn walks.

    Args:
        lengths: points of every walk, the start included.
        dimensions: P.

    Example:
        >>> expected_shares([1001], 100_000)[:3].round(3).tolist()
        [0.608, 0.152, 0.068]
    """
    if dimensions < MANY:
        return np.mean([random_walk(lengths, dimensions, draw=i).shares for i in range(DRAWS)], axis=0)
    places = [np.arange(points, dtype=np.float64) for points in lengths]
    inner = np.zeros((sum(lengths), sum(lengths)))
    first = 0
    for each in places:
        inner[first : first + len(each), first : first + len(each)] = np.minimum.outer(each, each)
        first += len(each)
    centred = inner - inner.mean(0) - inner.mean(1)[:, None] + inner.mean()
    values = np.maximum(np.linalg.eigvalsh(centred)[::-1], 0.0)
    return values / values.sum()
