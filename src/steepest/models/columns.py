"""The inputs of a network as one vector for each row: the vectors of its categories beside its numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from steepest.data.dataset import Shape
from steepest.errors import ModelError, unknown_name


def embedding_width(codes: int) -> int:
    """Return the width of an embedding: ``min(600, round(1.6 · codes^0.56))``.

    Args:
        codes: number of codes, the unknown code included, at least 1.

    Example:
        >>> embedding_width(215), embedding_width(61385)
        (32, 600)
    """
    return min(600, round(1.6 * codes**0.56))


def embeddings_of(shape: Shape, embedding: Mapping[str, int] | None) -> nn.ModuleList:
    """Return an embedding for each categorical column.

    Args:
        shape: the dataset's shape.
        embedding: widths by column, where the rule ``embedding_width`` is not wanted.

    Raises:
        ModelError: a width is not positive.
        UnknownNameError: ``embedding`` names a column that is not categorical.
    """
    widths = dict(embedding or {})
    for column, width in widths.items():
        if column not in shape.cardinalities:
            raise unknown_name("categorical column", column, shape.cardinalities)
        if width < 1:
            raise ModelError(f"a layer's width is {width}", hint="widths are at least 1.")
    return nn.ModuleList(
        nn.Embedding(codes, widths.get(column, embedding_width(codes)))
        for column, codes in shape.cardinalities.items()
    )


def begin_small(embeddings: nn.ModuleList) -> None:
    """Draw embeddings from a normal distribution with sd 0.01, cut at two sd."""
    for each in embeddings:
        nn.init.trunc_normal_(each.weight, std=0.01, a=-0.02, b=0.02)  # pyright: ignore[reportArgumentType]


class EmbeddedColumns(nn.Module):
    """The vectors of a row's categories beside its numbers; of data without categories, its numbers alone.

    Args:
        shape: the dataset's shape, of a table, of values or of an image.
        embedding: widths of vectors by column, where the rule ``embedding_width`` is not wanted.
        dropout: probability of dropping a number of a vector in a training step.

    Raises:
        ModelError: there is no column, a width is not positive, or the dropout is no share.
        UnknownNameError: ``embedding`` names a column that is not categorical.

    Attributes:
        width: numbers of a row.

    Example:
        >>> columns = EmbeddedColumns(Shape("regression", {"day": 7}, ("heat",), 1), {"day": 3})
        >>> columns.width, columns(torch.zeros(2, 1, dtype=torch.long), torch.ones(2, 1)).shape
        (4, torch.Size([2, 4]))
    """

    def __init__(
        self, shape: Shape, embedding: Mapping[str, int] | None = None, dropout: float = 0.0
    ) -> None:
        super().__init__()
        if not 0 <= dropout < 1:
            raise ModelError(f"a dropout of {dropout:g}", hint="give a share from 0 to below 1.")
        self.embeddings = embeddings_of(shape, embedding)
        begin_small(self.embeddings)
        self.dropout = nn.Dropout(dropout) if dropout and shape.cardinalities else None
        widths = [each.embedding_dim for each in self.embeddings if isinstance(each, nn.Embedding)]
        self.width = sum(widths) + math.prod(shape.fields[-1].size)
        if self.width == 0:
            raise ModelError("there is no column to learn from", hint="name at least one feature column.")

    def tables(self, shape: Shape, at: str) -> dict[str, str]:
        """Return the tables by column, where this module is the attribute ``at`` of a model."""
        return {column: f"{at}.embeddings.{i}.weight" for i, column in enumerate(shape.cardinalities)}

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return ``[B, width]`` for codes ``[B, C]`` (int64), where there are any, and values ``[B, …]``."""
        values = inputs[-1].flatten(1)
        if not len(self.embeddings):
            return values
        vectors = torch.cat([each(inputs[0][:, i]) for i, each in enumerate(self.embeddings)], 1)
        return torch.cat([vectors if self.dropout is None else self.dropout(vectors), values], 1)
