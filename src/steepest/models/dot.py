r"""The factorisation of a matrix of ratings: the product of what a user likes and what an item is.

.. math::
    \hat r_{ui} = \mu + u_u \cdot v_i

Source: Koren, Bell & Volinsky, Matrix Factorization Techniques for Recommender Systems, Computer 42, 2009.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from steepest.data.dataset import Shape
from steepest.models.looked_up import MATRIX_FACTORIZATION, LookedUp, check_positive, pair_of

COMPONENTS = {
    "dot": {
        "object": "Dot",
        "what": "ratings: the product of a user's and an item's factors",
        "ratings": True,
    }
}


class Dot(nn.Module):
    r"""The product of a user's and an item's factors, :math:`\hat r_{ui} = \mu + u_u \cdot v_i`.

    A new user or item has no factors: its ratings are the mean.

    Args:
        shape: the dataset's shape, of ratings.
        factors: how many numbers describe a user, and an item.
        start: factors begin uniform from 0 to this.
        mean: whether there is a mean μ, which is learned from the middle of the range on; without it, it is 0.

    Raises:
        ModelError: the data is not of ratings, or a number is not positive.

    Example:
        >>> shape = Shape("regression", {"user": 4, "film": 6}, (), 1, bounds=(0.5, 5.0))
        >>> Dot(shape, factors=3)(torch.tensor([[0, 2], [3, 5]]), torch.zeros(2, 0))[0].item()
        2.75
    """

    bibtex = MATRIX_FACTORIZATION

    def __init__(self, shape: Shape, *, factors: int = 50, start: float = 0.05, mean: bool = True) -> None:
        super().__init__()
        user, item = pair_of(shape, "dot")
        check_positive(factors=factors, start=start)
        assert shape.bounds is not None
        self.users = LookedUp(shape.cardinalities[user], factors, 0.0, start)
        self.items = LookedUp(shape.cardinalities[item], factors, 0.0, start)
        self.mean = nn.Parameter(torch.tensor([sum(shape.bounds) / 2])) if mean else None
        self.tables = {user: "users.weight", item: "items.weight"}

    def forward(self, pairs: Tensor, values: Tensor) -> Tensor:
        """Return ratings ``[B, 1]`` for codes of users and items ``[B, 2]`` (int64); there are no values."""
        del values
        product = (self.users(pairs[:, 0]) * self.items(pairs[:, 1])).sum(1, keepdim=True)
        return product if self.mean is None else product + self.mean
