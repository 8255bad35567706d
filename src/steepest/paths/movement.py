r"""How the weights of a run moved between the kept points of its path.

With the points :math:`w_0, w_1, \dots` at the steps :math:`t_0, t_1, \dots`,

.. math:: r_i = \frac{\|w_{i+1} - w_i\|}{(t_{i+1} - t_i)\,\|w_i\|}, \qquad
          \cos\varphi_i = \frac{\langle w_i - w_{i-1},\, w_{i+1} - w_i\rangle}{\|w_i - w_{i-1}\|\,\|w_{i+1} - w_i\|}.

The ratio of a step alone is at least as large as r on average, because steps that undo one another are not in it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from steepest.paths.kept import KeptPath


def turn_cosines(points: Tensor) -> list[float]:
    """Return the cosine between the ways to and from every point of a path, NaN at its ends.

    1 is straight on, 0 a right angle, and −1 back.

    Args:
        points: ``[n, P]``.

    Example:
        >>> turn_cosines(torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [1.0, 2.0]]))
        [nan, 0.0, 1.0, nan]
    """
    ways = points.diff(dim=0)
    cosines = torch.nn.functional.cosine_similarity(ways[:-1], ways[1:], dim=1)
    return [math.nan, *cosines.tolist(), math.nan][: len(points)]


def degrees(cosine: float) -> float:
    """Return the angle of a cosine, which rounding may have put a little beyond 1.

    Example:
        >>> degrees(0.0), degrees(1.0000001)
        (90.0, 0.0)
    """
    return math.degrees(math.acos(min(max(cosine, -1.0), 1.0)))


def distances(points: Tensor) -> list[float]:
    """Return how far every point of a path is from the first one.

    Args:
        points: ``[n, P]``.

    Example:
        >>> distances(torch.tensor([[1.0, 1.0], [4.0, 5.0]]))
        [0.0, 5.0]
    """
    return (points - points[0]).norm(dim=1).tolist()


def update_ratios(path: KeptPath) -> dict[str, list[float]]:
    """Return the movement a step as a share of the weights' norm, by parameter, from every point to the next.

    Args:
        path: an exact one; of a projected one there is nothing, because its parameters cannot be told apart.

    Returns:
        ``n - 1`` ratios of every parameter, NaN where its norm is 0.

    Example:
        >>> path = KeptPath((0, 10), ("w",), ((2,),), {"w": torch.tensor([[3.0, 4.0], [3.0, 4.5]])})
        >>> update_ratios(path)
        {'w': [0.01]}
    """
    if not path.exact:
        return {}
    spans = torch.tensor(path.steps, dtype=torch.float64).diff()
    found: dict[str, list[float]] = {}
    for name in path.names:
        points = path.weights[name].flatten(1).to(torch.float64)
        norms = points[:-1].norm(dim=1)
        ratios = points.diff(dim=0).norm(dim=1) / (spans * norms)
        found[name] = torch.where(norms > 0, ratios, math.nan).tolist()
    return found
