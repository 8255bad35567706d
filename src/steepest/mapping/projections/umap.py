"""Uniform manifold approximation and projection."""

from __future__ import annotations

import importlib
from typing import Any, ClassVar

from pydantic import Field

from steepest.errors import MissingExtraError, OptionError
from steepest.mapping.projection import Distance, Projected, Projection, Vectors, quiet

COMPONENTS = {"umap": {"object": "UMAP", "what": "UMAP: neighbours stay together; needs the extra umap"}}

NEIGHBOURS = 15


class UMAP(Projection):
    """Places whose graph of neighbours is like that of the vectors.

    Which points are together means something; how far groups are apart means little. It needs the package umap-learn:
    ``pip install '.[umap]'``. With a seed it uses one processor.

    Source: McInnes, Healy & Melville, UMAP: Uniform Manifold Approximation and Projection for Dimension Reduction,
    2018; computed by umap-learn.
    """

    name: ClassVar[str] = "umap"
    title: ClassVar[str] = "UMAP"
    by_name: ClassVar[tuple[str, ...]] = ("metric",)

    neighbours: int | None = Field(
        None, ge=2, description="how many neighbours count, from 2 to below the number of points; 15, or all others"
    )  # fmt: skip
    min_dist: float = Field(0.1, ge=0, le=1, description="how close points may come, from 0 to 1")
    metric: Distance = Field("euclidean", description="distance between vectors: euclidean or cosine")

    def project(self, vectors: Vectors, seed: int) -> Projected:
        """Return places found with one processor, so that a seed gives the same ones again."""
        rows = len(vectors)
        if self.neighbours is not None and self.neighbours >= rows:
            raise OptionError(
                f"{self.neighbours} neighbours are not below the number of points, {rows}",
                hint=f"give fewer, such as 'umap(neighbours={max(2, (rows - 1) // 3)})', or more points.",
            )
        neighbours = self.neighbours or min(NEIGHBOURS, rows - 1)
        with quiet():
            made: Any = _library().UMAP(
                n_neighbors=neighbours, min_dist=self.min_dist, metric=self.metric, random_state=seed, n_jobs=1,
                init="spectral" if rows > NEIGHBOURS else "random",
            )  # fmt: skip
            places = made.fit_transform(vectors).astype(float)
        options = f"{neighbours} neighbours, min_dist {self.min_dist:g}, {self.metric} distances, seed {seed}"
        return Projected(places, f"UMAP ({options})", self.metric)


def _library() -> Any:
    try:
        return importlib.import_module("umap")
    except ImportError:
        raise MissingExtraError(
            "UMAP needs the package umap-learn, which is not installed",
            hint="pip install '.[umap]', or choose --projection tsne.",
        ) from None
