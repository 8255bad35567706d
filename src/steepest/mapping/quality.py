"""How much of the vectors a map shows: trustworthiness, and what the nearest neighbours of a point say of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steepest.mapping.projection import Distance, Projected, Vectors

K = 5
"""Neighbours that are looked at."""
FEWEST = 2 * K + 2
"""With fewer points nothing is measured."""
MOST = 5000
"""Trustworthiness is measured on so many points at most, because it needs all distances between them."""

Labels = NDArray[Any]


@dataclass(frozen=True)
class Neighbours:
    """What the five nearest other points say of a point.

    Attributes:
        original: of the vectors: accuracy of a majority vote for labels, R² of the mean for numbers.
        map: the same of the map.
        chance: of the most frequent label, or of the mean: 0.
    """

    original: float
    map: float
    chance: float


@dataclass(frozen=True)
class Quality:
    """How much of the vectors a map shows.

    Attributes:
        explained: shares of the variance along the axes, where the map is linear.
        trustworthiness: 1 if all neighbours in the map are neighbours of the vectors; None for fewer than 12 points.
        measured: the points that it was measured on.
        neighbours: what neighbours say; None for fewer than 12 points with a label or number.
        numeric: whether they say a number.
    """

    explained: tuple[float, ...] = ()
    trustworthiness: float | None = None
    measured: int = 0
    neighbours: Neighbours | None = None
    numeric: bool = False


def quality_of(
    vectors: Vectors, projected: Projected, values: Labels | None, numeric: bool, draws: np.random.Generator
) -> Quality:
    """Return how much a map shows.

    Args:
        vectors: ``[N, d]``.
        projected: their places.
        values: a label or number of each point; missing ones are None or NaN.
        numeric: whether they are numbers.
        draws: chooses the points that trustworthiness is measured on, where there are many.
    """
    from sklearn.manifold import trustworthiness

    rows = len(vectors)
    if rows < FEWEST:
        return Quality(projected.explained)
    some = np.sort(draws.permutation(rows)[:MOST]) if rows > MOST else np.arange(rows)
    trusted = trustworthiness(vectors[some], projected.places[some], n_neighbors=K, metric=projected.metric)
    neighbours = None
    if values is not None:
        known = np.isfinite(values) if numeric else np.array([each is not None for each in values], bool)
        if known.sum() >= FEWEST:
            neighbours = neighbours_of(
                vectors[known], projected.places[known], values[known], numeric, projected.metric
            )
    return Quality(projected.explained, float(trusted), len(some), neighbours, numeric)


def neighbours_of(
    vectors: Vectors, places: Vectors, values: Labels, numeric: bool, metric: Distance
) -> Neighbours:
    """Return what the nearest other points say of each point, among the vectors and in the map.

    Example:
        >>> places = np.array([[i // 6 * 9.0, i % 6] for i in range(12)])
        >>> neighbours_of(places, places, np.repeat(["a", "b"], 6), False, "euclidean")
        Neighbours(original=1.0, map=1.0, chance=0.5)
    """
    among, inside = nearest(vectors, metric), nearest(places, "euclidean")
    if numeric:
        numbers = values.astype(np.float64)
        return Neighbours(explained(among, numbers), explained(inside, numbers), 0.0)
    codes = np.unique(values.astype(str), return_inverse=True)[1].astype(np.int64)
    return Neighbours(voted(among, codes), voted(inside, codes), float(np.bincount(codes).max() / len(codes)))


def nearest(points: Vectors, metric: Distance) -> NDArray[np.int64]:
    """Return the five nearest other points of each point, the nearest first, ``[N, 5]``."""
    from sklearn.neighbors import NearestNeighbors

    return NearestNeighbors(n_neighbors=K, metric=metric).fit(points).kneighbors(return_distance=False)


def voted(neighbours: NDArray[np.int64], codes: NDArray[np.int64]) -> float:
    """Return the share of points whose code is the most frequent of their neighbours'.

    Among codes that are as frequent, the one of the nearest neighbour counts.

    Example:
        >>> codes = np.array([0, 1, 1, 0, 0])
        >>> voted(np.array([[1, 2, 3, 4]] * 5), codes)
        0.4
    """
    theirs = codes[neighbours]
    votes = (theirs[:, :, None] == theirs[:, None, :]).sum(2)
    guess = np.take_along_axis(theirs, votes.argmax(1)[:, None], 1)[:, 0]
    return float((guess == codes).mean())


def explained(neighbours: NDArray[np.int64], values: NDArray[np.float64]) -> float:
    """Return the R² of the mean of the neighbours' values; 0 where all values are the same.

    Example:
        >>> explained(np.array([[1, 1], [0, 0]]), np.array([1.0, 3.0]))
        -3.0
    """
    spread = float(((values - values.mean()) ** 2).sum())
    return 0.0 if spread == 0 else 1.0 - float(((values[neighbours].mean(1) - values) ** 2).sum()) / spread
