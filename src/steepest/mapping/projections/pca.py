"""Principal components."""

from __future__ import annotations

from typing import ClassVar

from steepest.mapping.projection import Projected, Projection, Vectors

COMPONENTS = {"pca": {"object": "PCA", "what": "principal components: the plane with the largest variance"}}

EXACT = 2000
"""Of more dimensions and rows than this, the components are found by random projections."""


class PCA(Projection):
    """The plane through the mean along which the vectors vary most.

    Linear: distances in the map are never larger than between the vectors, and the shares of the variance say how much
    of it is seen.

    Source: Pearson, On Lines and Planes of Closest Fit to Systems of Points in Space, 1901; computed by scikit-learn.
    """

    name: ClassVar[str] = "pca"
    title: ClassVar[str] = "principal components"

    def project(self, vectors: Vectors, seed: int) -> Projected:
        """Return the first two components of the centred vectors."""
        from sklearn.decomposition import PCA as Components  # noqa: N811

        rows, width = vectors.shape
        small = min(rows, width) <= EXACT
        solver = "covariance_eigh" if small and width <= rows else "full" if small else "randomized"
        fitted = Components(2, svd_solver=solver, random_state=seed)
        places = fitted.fit_transform(vectors)
        shares = tuple(map(float, fitted.explained_variance_ratio_))
        how = "" if small else f" (by random projections, seed {seed})"
        return Projected(places, f"principal components{how}", explained=shares)
