"""A multilayer perceptron of blocks with a shortcut around each."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn

from steepest.data.dataset import Shape
from steepest.errors import ModelError

COMPONENTS = {
    "residual-mlp": {
        "object": "ResidualMLP",
        "what": "hidden layers with shortcuts, on numbers or pixels",
        "takes": ["values", "image"],
    },
}


class ResidualMLP(nn.Module):
    r"""Blocks :math:`h_{k+1} = \mathrm{ReLU}(S_k h_k + W_k \mathrm{ReLU}(U_k h_k))`, and a linear layer at the end.

    The shortcut S is the identity where a block is as wide as what comes in, else a matrix. Without shortcuts
    (``shortcut=false``) the network has the same layers and S = 0, so that a comparison shows what they are worth.
    Initialisation is torch's.

    Args:
        shape: the dataset's shape, of values or of an image.
        hidden: the width of each block.
        shortcut: whether there are shortcuts.

    Raises:
        ModelError: a width is not positive, or there is none.

    Example:
        >>> import torch
        >>> from steepest.data.dataset import InputField
        >>> image = Shape("classification", {}, (), 10, (InputField("image", "image", (1, 4, 4)),))
        >>> ResidualMLP(image, hidden=(8, 8))(torch.zeros(3, 1, 4, 4)).shape
        torch.Size([3, 10])
    """

    def __init__(self, shape: Shape, *, hidden: Sequence[int] = (128, 128), shortcut: bool = True) -> None:
        super().__init__()
        if not hidden or min(hidden) < 1:
            raise ModelError(
                f"the widths of the blocks are {list(hidden)}", hint="give widths of at least 1."
            )
        [field] = shape.fields
        widths = (math.prod(field.size), *hidden)
        self.blocks = nn.ModuleList(
            Block(inputs, outputs, shortcut) for inputs, outputs in zip(widths, hidden, strict=False)
        )
        self.head = nn.Linear(widths[-1], shape.outputs)

    def forward(self, values: Tensor) -> Tensor:
        """Return outputs ``[B, outputs]`` for values ``[B, …]``."""
        hidden = values.flatten(1)
        for each in self.blocks:
            hidden = each(hidden)
        return self.head(hidden)


class Block(nn.Module):
    """Two layers, and what comes in added to what they give."""

    def __init__(self, inputs: int, outputs: int, shortcut: bool) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(inputs, outputs), nn.Linear(outputs, outputs)
        self.shortcut: nn.Module | None = None
        if shortcut:
            self.shortcut = nn.Identity() if inputs == outputs else nn.Linear(inputs, outputs, bias=False)

    def forward(self, values: Tensor) -> Tensor:
        """Return the block's units ``[B, outputs]``."""
        inner = self.second(self.first(values).relu())
        return (inner if self.shortcut is None else inner + self.shortcut(values)).relu()
