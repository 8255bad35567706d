r"""The entity-embedding network: categorical columns become learned vectors, then a small MLP.

.. math::
    h_0 = [\,d(E_1[x_1]), \dots, d(E_C[x_C]),\; z\,], \qquad
    h_{k+1} = \mathrm{ReLU}(W_k\,\mathrm{BN}(h_k)), \qquad \hat y = V h_K + b

with one embedding :math:`E_c` for each categorical column, dropout :math:`d` on the embedded values and the
standardised continuous columns :math:`z`. The blocks have no bias of their own, the next batch norm has one.

Source: Guo & Berkhahn, Entity Embeddings of Categorical Variables, 2016.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from steepest.data.dataset import Shape
from steepest.errors import ModelError
from steepest.models.columns import begin_small, embeddings_of
from steepest.models.layers import check_widths

COMPONENTS = {
    "embedding-mlp": {
        "object": "EmbeddingMLP",
        "what": "embeddings of categories, then hidden layers with batch norm",
    }
}


class EmbeddingMLP(nn.Module):
    """The entity-embedding network.

    Initialisation: embeddings from a normal distribution with sd 0.01 cut at two sd, linear layers as torch
    does (uniform in ±1/√inputs), batch norm at 1 and 0.

    Args:
        shape: the dataset's shape.
        hidden: widths of the blocks; empty for a linear model on the embeddings.
        dropout: probability of dropping an embedded value, from 0 up to but not 1.
        hidden_dropout: probability of dropping a block's output, from 0 up to but not 1.
        embedding: widths by column, where the rule ``embedding_width`` is not wanted.

    Raises:
        ModelError: a width is not positive or a probability is out of range.
        UnknownNameError: ``embedding`` names a column that is not categorical.

    Attributes:
        tables: the parameter of each categorical column's embedding, by column; the column's codes are used for
            nothing else, so that it can be updated by rows.
        layers_in_order: the parts that follow each other, whose neurons can be pruned.

    Example:
        >>> shape = Shape("classification", {"Block": 10, "Beat": 4}, ("Latitude",), 3)
        >>> net = EmbeddingMLP(shape, hidden=(8,), embedding={"Block": 5})
        >>> net(torch.zeros(2, 2, dtype=torch.long), torch.zeros(2, 1)).shape
        torch.Size([2, 3])
        >>> net.tables
        {'Block': 'embeddings.0.weight', 'Beat': 'embeddings.1.weight'}
    """

    bibtex = """
@misc{guo2016entity,
  author = {Guo, Cheng and Berkhahn, Felix},
  title = {Entity Embeddings of Categorical Variables},
  howpublished = {arXiv:1604.06737},
  year = {2016},
}
"""

    def __init__(
        self,
        shape: Shape,
        *,
        hidden: Sequence[int] = (128, 64),
        dropout: float = 0.1,
        hidden_dropout: float = 0.0,
        embedding: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__()
        for name, value in (("dropout", dropout), ("hidden_dropout", hidden_dropout)):
            if not 0.0 <= value < 1.0:
                raise ModelError(f"{name} is {value}", hint="give a probability from 0 up to but not 1.")
        check_widths(hidden)
        self.embeddings = embeddings_of(shape, embedding)
        self.tables = {column: f"embeddings.{i}.weight" for i, column in enumerate(shape.cardinalities)}
        self.embedding_dropout = nn.Dropout(dropout)
        width = sum(each.embedding_dim for each in self.embeddings) + len(shape.continuous)  # pyright: ignore
        if width == 0:
            raise ModelError("there is no column to learn from", hint="name at least one feature column.")
        self.blocks = nn.ModuleList()
        for outputs in hidden:
            layers: list[nn.Module] = [
                nn.BatchNorm1d(width),
                nn.Linear(width, outputs, bias=False),
                nn.ReLU(),
            ]
            if hidden_dropout:
                layers.append(nn.Dropout(hidden_dropout))
            self.blocks.append(nn.Sequential(*layers))
            width = outputs
        self.head = nn.Linear(width, shape.outputs)
        self.layers_in_order = (*(f"blocks.{i}" for i in range(len(self.blocks))), "head")
        begin_small(self.embeddings)

    def forward(self, categorical: Tensor, continuous: Tensor) -> Tensor:
        """Return outputs ``[B, outputs]`` for codes ``[B, C]`` (int64) and values ``[B, D]`` (float)."""
        parts = [each(categorical[:, i]) for i, each in enumerate(self.embeddings)]
        h = torch.cat([self.embedding_dropout(torch.cat(parts, 1)), continuous], 1) if parts else continuous
        for block in self.blocks:
            h = block(h)
        return self.head(h)
