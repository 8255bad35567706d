r"""The factorisation of a matrix of ratings with biases, within the range of the ratings.

.. math::
    \hat r_{ui} = l + (h - l)\,\sigma(\mu + b_u + b_i + u_u \cdot v_i)

with the range from l to h and the logistic function σ.

Source: Koren, Bell & Volinsky, Matrix Factorization Techniques for Recommender Systems, Computer 42, 2009.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from steepest.data.dataset import Shape
from steepest.errors import ModelError
from steepest.models.looked_up import MATRIX_FACTORIZATION, LookedUp, check_positive, pair_of, within

COMPONENTS = {
    "dot-bias": {
        "object": "DotBias",
        "what": "ratings: factors and biases, within the range",
        "ratings": True,
    }
}


class DotBias(nn.Module):
    r"""The product of factors, and biases: :math:`\hat r_{ui} = l + (h - l)\,\sigma(\mu + b_u + b_i + u_u \cdot v_i)`.

    A new user or item has neither factors nor a bias: its ratings follow from the mean and the other's bias. Biases
    have the role ``biases``, factors are ``embeddings``, so they can be decayed apart:
    ``--regularizer 'l2(1e-4, on=embeddings) + l2(1e-6, on=biases)'``.

    Args:
        shape: the dataset's shape, of ratings, with their range.
        factors: how many numbers describe a user, and an item; 0 for biases alone.
        start: factors and biases begin uniform from minus this to this.
        mean: whether there is a mean μ, which is learned from 0 on; without it, it is 0.

    Raises:
        ModelError: the data is not of ratings, or a number is not positive.

    Example:
        >>> shape = Shape("regression", {"user": 4, "film": 6}, (), 1, bounds=(0.5, 5.0))
        >>> net = DotBias(shape, factors=3)
        >>> net(torch.tensor([[0, 0], [3, 5]]), torch.zeros(2, 0))[0].item()
        2.75
        >>> net.tables["film"]
        ('items.weight', 'item_biases.weight')
    """

    bibtex = MATRIX_FACTORIZATION

    def __init__(self, shape: Shape, *, factors: int = 50, start: float = 0.01, mean: bool = True) -> None:
        super().__init__()
        user, item = pair_of(shape, "dot-bias")
        check_positive(start=start)
        if factors < 0:
            raise ModelError(f"factors is {factors}", hint="give 0 or more.")
        assert shape.bounds is not None
        self.bounds = shape.bounds
        users, items = shape.cardinalities.values()
        self.users = LookedUp(users, factors, -start, start) if factors else None
        self.items = LookedUp(items, factors, -start, start) if factors else None
        self.user_biases = LookedUp(users, 1, -start, start)
        self.item_biases = LookedUp(items, 1, -start, start)
        self.mean = nn.Parameter(torch.zeros(1)) if mean else None
        self.roles = {"user_biases.weight": "biases", "item_biases.weight": "biases"}
        with_factors = ("users.weight",) if factors else (), ("items.weight",) if factors else ()
        self.tables = {
            user: (*with_factors[0], "user_biases.weight"),
            item: (*with_factors[1], "item_biases.weight"),
        }

    def forward(self, pairs: Tensor, values: Tensor) -> Tensor:
        """Return ratings ``[B, 1]`` for codes of users and items ``[B, 2]`` (int64); there are no values."""
        del values
        user, item = pairs[:, 0], pairs[:, 1]
        total = self.user_biases(user) + self.item_biases(item)
        if self.users is not None and self.items is not None:
            total = total + (self.users(user) * self.items(item)).sum(1, keepdim=True)
        if self.mean is not None:
            total = total + self.mean
        return within(total, self.bounds)
