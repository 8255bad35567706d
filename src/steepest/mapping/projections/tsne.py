"""t-distributed stochastic neighbour embedding."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from steepest.errors import OptionError
from steepest.mapping.projection import Distance, Projected, Projection, Vectors, quiet

COMPONENTS = {"tsne": {"object": "TSNE", "what": "t-SNE: neighbours stay together"}}

PERPLEXITY = 30.0


class TSNE(Projection):
    """Places whose neighbours are those of the vectors, as far as that is possible in a plane.

    It starts from the principal components. Which points are together means something; how far groups are apart, and
    how large they are, means little.

    Source: van der Maaten & Hinton, Visualizing Data using t-SNE, JMLR 9, 2008; computed by scikit-learn.
    """

    name: ClassVar[str] = "tsne"
    title: ClassVar[str] = "t-SNE"
    points: ClassVar[int] = 2000  # of 5,000 it takes four times as long
    by_name: ClassVar[tuple[str, ...]] = ("iterations", "metric")

    perplexity: float | None = Field(
        None, gt=0, description="about how many neighbours count, below the number of points; 30, or fewer points / 3"
    )  # fmt: skip
    iterations: int = Field(1000, ge=250, description="iterations, at least 250")
    metric: Distance = Field("euclidean", description="distance between vectors: euclidean or cosine")

    def project(self, vectors: Vectors, seed: int) -> Projected:
        """Return places after all iterations."""
        from sklearn.manifold import TSNE as Embedding  # noqa: N811

        rows = len(vectors)
        if self.perplexity is not None and self.perplexity >= rows:
            raise OptionError(
                f"a perplexity of {self.perplexity:g} is not below the number of points, {rows}",
                hint=f"give a smaller one, such as 'tsne(perplexity={max(1, (rows - 1) // 3)})', or more points.",
            )
        perplexity = self.perplexity or min(PERPLEXITY, max(1.0, float((rows - 1) // 3)))
        made = Embedding(
            perplexity=perplexity, init="pca", learning_rate="auto", max_iter=self.iterations, metric=self.metric,
            random_state=seed,
        )  # fmt: skip
        with quiet():
            places = made.fit_transform(vectors).astype(float)
        options = (
            f"perplexity {perplexity:g}, {self.iterations:,} iterations, {self.metric} distances, seed {seed}"
        )
        return Projected(places, f"t-SNE ({options})", self.metric)
