"""A multilayer perceptron of blocks with a shortcut around each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from steepest.data.dataset import Shape
from steepest.errors import ModelError
from steepest.models.columns import EmbeddedColumns
from steepest.models.layers import NONE, activation_of, dropout_by_layer, norm_of

COMPONENTS = {
    "residual-mlp": {
        "object": "ResidualMLP",
        "what": "hidden layers with shortcuts: tables, arrays, images",
        "takes": ["codes, values", "values", "image"],
    },
}


class ResidualMLP(nn.Module):
    r"""Blocks :math:`h_{k+1} = \phi(S_k h_k + W_k\,\phi(U_k h_k))`, and a linear layer at the end.

    The shortcut S is the identity where a block is as wide as what comes in, else a matrix. Without shortcuts
    (``shortcut=false``) the network has the same layers and S = 0, so that a comparison shows what they are worth.
    A norm follows both matrices, U and W. Of a table, :math:`h_0` is a learned vector for each category beside the
    standardised numbers. Initialisation is torch's; vectors begin normal with sd 0.01, cut at two sd.

    Args:
        shape: the dataset's shape.
        hidden: the width of each block.
        shortcut: whether there are shortcuts.
        activation: φ: relu, or another one of ``mlp``.
        dropout: share of the units φ(U h) of each block that a training step leaves out: one number, or one for each.
        norm: batch, layer or none.
        embedding: widths of vectors by column, where the rule ``embedding_width`` is not wanted.

    Raises:
        ModelError: a width is not positive, or there is none; the dropout is no share; there is no such activation.
        UnknownNameError: there is no such norm, or ``embedding`` names a column that is not categorical.

    Example:
        >>> import torch
        >>> from steepest.data.dataset import InputField
        >>> image = Shape("classification", {}, (), 10, (InputField("image", "image", (1, 4, 4)),))
        >>> ResidualMLP(image, hidden=(8, 8))(torch.zeros(3, 1, 4, 4)).shape
        torch.Size([3, 10])
    """

    def __init__(
        self,
        shape: Shape,
        *,
        hidden: Sequence[int] = (128, 128),
        shortcut: bool = True,
        activation: str = "relu",
        dropout: float | Sequence[float] = 0.0,
        norm: str = NONE,
        embedding: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__()
        if not hidden or min(hidden) < 1:
            raise ModelError(
                f"the widths of the blocks are {list(hidden)}", hint="give widths of at least 1."
            )
        columns = EmbeddedColumns(shape, embedding)
        self.columns = columns if shape.cardinalities else None
        self.tables = columns.tables(shape, "columns")
        widths = (columns.width, *hidden)
        self.blocks = nn.ModuleList(
            Block(inputs, outputs, shortcut, activation, norm, share)
            for inputs, outputs, share in zip(
                widths, hidden, dropout_by_layer(dropout, len(hidden)), strict=False
            )
        )
        self.head = nn.Linear(widths[-1], shape.outputs)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return outputs ``[B, outputs]`` for codes ``[B, C]`` (int64), where there are any, and values ``[B, …]``."""
        hidden = inputs[-1].flatten(1) if self.columns is None else self.columns(*inputs)
        for each in self.blocks:
            hidden = each(hidden)
        return self.head(hidden)


class Block(nn.Module):
    """Two layers, and what comes in added to what they give."""

    def __init__(
        self, inputs: int, outputs: int, shortcut: bool, activation: str, norm: str, dropout: float
    ) -> None:
        super().__init__()
        bias = norm != "batch"  # which takes the mean away
        self.first, self.second = (nn.Linear(width, outputs, bias=bias) for width in (inputs, outputs))
        self.shortcut: nn.Module | None = None
        if shortcut:
            self.shortcut = nn.Identity() if inputs == outputs else nn.Linear(inputs, outputs, bias=False)
        self.inner = nn.Sequential(
            *norm_of(norm, outputs), activation_of(activation), *([nn.Dropout(dropout)] if dropout else [])
        )
        self.norm = nn.Sequential(*norm_of(norm, outputs))
        self.phi = activation_of(activation)

    def forward(self, values: Tensor) -> Tensor:
        """Return the block's units ``[B, outputs]``."""
        added = self.norm(self.second(self.inner(self.first(values))))
        return self.phi(added if self.shortcut is None else added + self.shortcut(values))
