r"""Principal components of training paths: the plane in which the points of one or several paths vary most.

With the n points of all paths, less their mean, as the rows of :math:`X \in \mathbb{R}^{n \times P}`, the eigenvectors
:math:`u_k` and eigenvalues :math:`\lambda_k` of the small matrix :math:`X X^\top` give the directions
:math:`d_k = X^\top u_k / \sqrt{\lambda_k}`, the places :math:`\sqrt{\lambda_k}\, u_k` of the points along them, and the
share :math:`\lambda_k / \sum_j \lambda_j` of the variance that a direction explains.

Lorch, *Visualizing deep network training trajectories with PCA*, ICML workshop 2016; Li, Xu, Taylor, Studer &
Goldstein, *Visualizing the loss landscape of neural nets*, NeurIPS 2018, who take the last point for the mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from steepest.errors import OptionError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PrincipalComponents:
    """The components of some paths.

    Attributes:
        mean: of all points, ``[P]``.
        shares: of the variance that each component explains, the largest first, ``[n]``.
        places: of the points of each path along the components, ``[n_i, n]``.
        points: of all paths less their mean, ``[n, P]``.
    """

    mean: Tensor
    shares: Array
    places: tuple[Array, ...]
    points: Tensor

    def direction(self, component: int) -> Tensor:
        """Return the unit vector of a component, counted from 0, ``[P]``."""
        along = np.concatenate(self.places)[:, component]
        found = self.points.T @ torch.from_numpy(along)
        return found / found.norm()

    def off(self, components: int = 2) -> tuple[Array, ...]:
        """Return how far the points of each path lie from the plane of the first components, ``[n_i]``."""
        return tuple(np.sqrt((each[:, components:] ** 2).sum(1)) for each in self.places)

    def explained(self, components: int = 2) -> float:
        """Return the share of the variance that the first components explain together."""
        return float(self.shares[:components].sum())


def principal_components(paths: Sequence[Tensor]) -> PrincipalComponents:
    """Return the principal components of the points of all paths together.

    The sign of a component is that in which the first path ends above its start.

    Args:
        paths: points ``[n_i, P]`` in 64 bits, of the same P numbers.

    Raises:
        OptionError: there are fewer than 3 points, they are no finite numbers, or they do not differ.

    Example:
        >>> line = torch.tensor([[0.0, 0.0], [1.0, 2.0], [2.0, 4.0], [3.0, 6.1]], dtype=torch.float64)
        >>> found = principal_components([line])
        >>> found.shares.round(3).tolist()[:2], found.direction(0).numpy().round(2).tolist()
        ([1.0, 0.0], [0.44, 0.9])
    """
    together = torch.cat(list(paths))
    if len(together) < 3:
        raise OptionError(f"a path of {len(together)} points has no plane", hint="keep more: --keep-path 50.")
    if not together.isfinite().all():
        raise OptionError(
            "a path has weights that are no finite numbers: its run diverged",
            hint="choose another arm or seed.",
        )
    mean = together.mean(0)
    points = together - mean
    values, vectors = np.linalg.eigh((points @ points.T).numpy())
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    if not values[0]:
        raise OptionError("the points of the path do not differ", hint="look at the learning rate.")
    last = len(paths[0]) - 1
    vectors = vectors * np.where(vectors[last] < vectors[0], -1.0, 1.0)
    places = vectors * np.sqrt(values)
    ends = np.cumsum([len(each) for each in paths])[:-1]
    return PrincipalComponents(mean, values / values.sum(), tuple(np.split(places, ends)), points)
