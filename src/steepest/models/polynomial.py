"""A polynomial of one number."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from steepest.data.dataset import Shape
from steepest.errors import ModelError

COMPONENTS = {
    "polynomial": {"object": "Polynomial", "what": "a polynomial of one number", "takes": ["values"]},
}


class Polynomial(nn.Module):
    r"""A polynomial :math:`\hat y = \sum_{k=0}^{d} c_k x^k`, whose coefficients are the parameter ``coefficients``.

    They begin at zero, or where they are told to.

    Args:
        shape: the dataset's shape, one number.
        degree: d, at least 0.
        init: the coefficients before the first step, in ascending powers of x.

    Raises:
        ModelError: the data is not one number, the degree is below 0, or there are not d + 1 initial coefficients.

    Example:
        >>> from steepest.data.dataset import InputField
        >>> curve = Shape("regression", {}, ("x",), 1, (InputField("x", "values", (1,)),))
        >>> line = Polynomial(curve, 1, init=(1.0, 2.0))
        >>> line(torch.tensor([[0.0], [3.0]])).tolist()
        [[1.0], [7.0]]
    """

    def __init__(self, shape: Shape, degree: int = 1, *, init: Sequence[float] | None = None) -> None:
        super().__init__()
        if [each.size for each in shape.fields] != [(1,)] or shape.outputs != 1:
            raise ModelError(
                f"a polynomial is of one number, but the data has {', '.join(map(str, shape.fields[0].columns))}",
                hint="choose --model linear or mlp.",
            )
        if degree < 0:
            raise ModelError(f"a polynomial of degree {degree}", hint="give a degree of at least 0.")
        start = [0.0] * (degree + 1) if init is None else list(init)
        if len(start) != degree + 1:
            raise ModelError(
                f"{len(start)} initial coefficients for a polynomial of degree {degree}",
                hint=f"give {degree + 1}, in ascending powers of x.",
            )
        self.degree = degree
        self.coefficients = nn.Parameter(torch.tensor(start, dtype=torch.get_default_dtype()))

    def design(self, x: Tensor) -> Tensor:
        """Return the powers of x, ``[B, d + 1]``, whose product with the coefficients is the output."""
        powers = [torch.ones_like(x)]
        for _ in range(self.degree):
            powers.append(powers[-1] * x)
        return torch.cat(powers, 1)

    def linear_coefficients(self) -> Tensor:
        """Return the coefficients in ascending powers, ``[d + 1]``."""
        return self.coefficients

    def forward(self, x: Tensor) -> Tensor:
        """Return outputs ``[B, 1]`` for numbers ``[B, 1]``."""
        return (self.design(x) @ self.coefficients)[:, None]
