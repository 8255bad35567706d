"""Methods for small problems: their parameters, and the error for a model that is too large."""

from __future__ import annotations

from torch import Tensor, nn

from steepest.errors import OptionError
from steepest.optim.derivatives import size_of

LARGEST = 3000
"""The most weights whose dense matrix is solved in every step: 72 MB in 64 bits."""


def trainable(model: nn.Module) -> list[Tensor]:
    """Return a model's parameters that are trained."""
    return [each for each in model.parameters() if each.requires_grad]


def check_size(called: str, model: nn.Module, matrix: str) -> None:
    """Raise an ``OptionError`` if a model is too large for a dense matrix of its weights.

    Example:
        >>> check_size("newton", nn.Linear(999, 100), "Hessian")
        Traceback (most recent call last):
        ...
        steepest.errors.OptionError: newton solves a system with the Hessian of all 100,000 weights, a matrix of ...
        Hint: take a smaller model, train a part of it (freeze), or choose optimizers='l-bfgs', which needs no matrix.
    """
    size = size_of(trainable(model))
    if size <= LARGEST:
        return
    raise OptionError(
        f"{called} solves a system with the {matrix} of all {size:,} weights, a matrix of {8e-9 * size**2:.2g} GB; "
        f"the most is {LARGEST:,} weights",
        hint="take a smaller model, train a part of it (--freeze), or choose -o l-bfgs, which needs no matrix.",
    )
