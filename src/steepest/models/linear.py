"""A linear model on one-hot codes and numbers, or on pixels: softmax or least-squares regression by gradient."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from steepest.data.dataset import Shape

COMPONENTS = {
    "linear": {
        "object": "Linear",
        "what": "a linear model without hidden layers",
        "takes": ["codes, values", "values", "image"],
    }
}


class Linear(nn.Module):
    r"""A linear model: :math:`\hat y = b + \sum_c W_c[x_c] + V z`.

    One-hot columns times a weight matrix is a look-up, so each categorical column is an embedding as wide
    as the output. All weights start at zero.

    Args:
        shape: the dataset's shape. Of images, z are the pixels; a class's weights are an image.

    Example:
        >>> net = Linear(Shape("regression", {"day": 7}, ("heat",), 1))
        >>> net(torch.zeros(2, 1, dtype=torch.long), torch.ones(2, 1)).tolist()
        [[0.0], [0.0]]
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList(
            nn.Embedding(codes, shape.outputs) for codes in shape.cardinalities.values()
        )
        self.tables = {column: f"embeddings.{i}.weight" for i, column in enumerate(shape.cardinalities)}
        numbers = math.prod(shape.fields[-1].size)
        self.head = nn.Linear(numbers, shape.outputs) if numbers else None
        self.bias = nn.Parameter(torch.zeros(shape.outputs)) if self.head is None else None
        for parameter in self.parameters():
            nn.init.zeros_(parameter)

    def design(self, *inputs: Tensor) -> Tensor | None:
        """Return what the coefficients are multiplied with, ``[B, P]``; None where there are categories."""
        values = inputs[-1]
        return None if len(self.embeddings) else torch.cat([torch.ones_like(values[:, :1]), values], 1)

    def linear_coefficients(self) -> Tensor:
        """Return the bias and the weights, ``[P]``."""
        assert self.head is not None
        return torch.cat([self.head.bias, self.head.weight[0]])

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return outputs ``[B, outputs]`` for codes ``[B, C]`` (int64), if there are any, and values ``[B, …]``."""
        categorical, continuous = inputs[0], inputs[-1]
        if self.head is not None:
            total = self.head(continuous.flatten(1))
        else:
            assert self.bias is not None
            total = self.bias.expand(len(categorical), -1)
        for i, each in enumerate(self.embeddings):
            total = total + each(categorical[:, i])
        return total
