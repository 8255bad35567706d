"""What models of ratings share: tables of vectors in which what is new has none, and the range of the ratings."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from steepest.data.dataset import Shape
from steepest.errors import ModelError

MATRIX_FACTORIZATION = """
@article{koren2009matrix,
  author = {Koren, Yehuda and Bell, Robert and Volinsky, Chris},
  title = {Matrix Factorization Techniques for Recommender Systems},
  journal = {Computer},
  volume = {42},
  number = {8},
  pages = {30--37},
  year = {2009},
}
"""
"""The paper of the models of factors, as BibTeX."""


class LookedUp(nn.Embedding):
    """A vector for each code that begins uniform in a range; that of code 0, which stands for what is new, is zero.

    No training row has the code 0, so its vector stays as it is.

    Args:
        codes: how many there are.
        width: numbers in a vector.
        low, high: the range.

    Example:
        >>> LookedUp(3, 2, 0.0, 0.1).weight[0].tolist()
        [0.0, 0.0]
    """

    def __init__(self, codes: int, width: int, low: float, high: float) -> None:
        super().__init__(codes, width)
        with torch.no_grad():
            nn.init.uniform_(self.weight, low, high)
            self.weight[0] = 0.0


def of_ratings(shape: Shape) -> bool:
    """Whether data is of ratings: users, items and a range."""
    return shape.bounds is not None and len(shape.cardinalities) == 2


def pair_of(shape: Shape, model: str) -> tuple[str, str]:
    """Return the names of the users and the items.

    Raises:
        ModelError: the data is not of ratings.

    Example:
        >>> pair_of(Shape("regression", {"user": 4, "film": 6}, (), 1, bounds=(0.5, 5.0)), "dot")
        ('user', 'film')
    """
    if not of_ratings(shape):
        raise ModelError(
            f"the model {model!r} is of ratings",
            hint="name the columns of ratings: --user, --item and --rating; or choose another model.",
        )
    user, item = shape.cardinalities
    return user, item


def check_positive(**numbers: float) -> None:
    """Raise a ``ModelError`` if a number is not above 0.

    Example:
        >>> check_positive(factors=50, start=0.01)
    """
    for name, value in numbers.items():
        if not 0 < value < float("inf"):
            raise ModelError(f"{name} is {value}", hint="give a number above 0.")


def within(outputs: Tensor, bounds: tuple[float, float]) -> Tensor:
    """Return outputs squashed into a range by the logistic function.

    Example:
        >>> within(torch.zeros(1), (0.5, 5.0)).item()
        2.75
    """
    low, high = bounds
    return low + (high - low) * torch.sigmoid(outputs)
