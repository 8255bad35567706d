"""A multilayer perceptron on values as they are."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from steepest.data.dataset import Shape
from steepest.errors import ModelError

COMPONENTS = {
    "mlp": {"object": "MLP", "what": "hidden layers on numbers, for curves and arrays", "takes": ["values"]},
}

ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU}


class MLP(nn.Module):
    r"""A multilayer perceptron: :math:`h_{k+1} = \phi(W_k h_k + b_k)`, and a linear layer at the end.

    Initialisation is torch's: uniform in ±1/√inputs.

    Args:
        shape: the dataset's shape, of values.
        hidden: widths of the hidden layers.
        activation: φ: tanh, relu, gelu or silu.

    Raises:
        ModelError: a width is not positive, or there is no such activation.

    Example:
        >>> import torch
        >>> from steepest.data.dataset import InputField
        >>> net = MLP(Shape("regression", {}, ("x",), 1, (InputField("x", "values", (1,)),)), hidden=(8,))
        >>> net(torch.zeros(4, 1)).shape
        torch.Size([4, 1])
    """

    def __init__(self, shape: Shape, *, hidden: Sequence[int] = (32, 32), activation: str = "tanh") -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ModelError(
                f"there is no activation {activation!r}", hint=f"choose from {', '.join(ACTIVATIONS)}."
            )
        if any(width < 1 for width in hidden):
            raise ModelError(f"a layer's width is {min(hidden)}", hint="widths are at least 1.")
        [field] = shape.fields
        count = 1
        for size in field.size:
            count *= size
        layers: list[nn.Module] = [nn.Flatten()] if len(field.size) > 1 else []
        for inputs, outputs in pairwise((count, *hidden)):
            layers += [nn.Linear(inputs, outputs), ACTIVATIONS[activation]()]
        self.layers = nn.Sequential(*layers, nn.Linear((count, *hidden)[-1], shape.outputs))

    def forward(self, values: Tensor) -> Tensor:
        """Return outputs ``[B, outputs]`` for values ``[B, …]``."""
        return self.layers(values)
