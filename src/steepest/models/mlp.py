"""A multilayer perceptron on values as they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from steepest.data.dataset import Shape
from steepest.errors import ModelError

COMPONENTS = {
    "mlp": {
        "object": "MLP",
        "what": "hidden layers on numbers or pixels: curves, arrays, images",
        "takes": ["values", "image"],
    },
}

AUTO = "auto"
ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU}


class MLP(nn.Module):
    r"""A multilayer perceptron: :math:`h_{k+1} = \phi(W_k h_k + b_k)`, and a linear layer at the end.

    Initialisation is torch's: uniform in ±1/√inputs.

    Args:
        shape: the dataset's shape, of values.
        hidden: widths of the hidden layers.
        activation: φ: tanh, relu, gelu or silu; auto: relu on images, else tanh.
        dropout: share of the units of each hidden layer that a training step leaves out.

    Raises:
        ModelError: a width is not positive, the dropout is no share, or there is no such activation.

    Example:
        >>> import torch
        >>> from steepest.data.dataset import InputField
        >>> net = MLP(Shape("regression", {}, ("x",), 1, (InputField("x", "values", (1,)),)), hidden=(8,))
        >>> net(torch.zeros(4, 1)).shape
        torch.Size([4, 1])
    """

    def __init__(
        self, shape: Shape, *, hidden: Sequence[int] = (32, 32), activation: str = AUTO, dropout: float = 0.0
    ) -> None:
        super().__init__()
        if not 0 <= dropout < 1:
            raise ModelError(f"a dropout of {dropout:g}", hint="give a share from 0 to below 1.")
        [field] = shape.fields
        if activation == AUTO:
            activation = "relu" if field.kind == "image" else "tanh"
        if activation not in ACTIVATIONS:
            raise ModelError(
                f"there is no activation {activation!r}", hint=f"choose from {', '.join(ACTIVATIONS)}."
            )
        if any(width < 1 for width in hidden):
            raise ModelError(f"a layer's width is {min(hidden)}", hint="widths are at least 1.")
        count = math.prod(field.size)
        layers: list[nn.Module] = [nn.Flatten()] if len(field.size) > 1 else []
        for inputs, outputs in pairwise((count, *hidden)):
            layers += [nn.Linear(inputs, outputs), ACTIVATIONS[activation]()]
            layers += [nn.Dropout(dropout)] if dropout else []
        self.layers = nn.Sequential(*layers, nn.Linear((count, *hidden)[-1], shape.outputs))

    def forward(self, values: Tensor) -> Tensor:
        """Return outputs ``[B, outputs]`` for values ``[B, …]``."""
        return self.layers(values)
