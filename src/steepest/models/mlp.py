"""A multilayer perceptron on numbers as they are, and on learned vectors of categories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from steepest.data.dataset import Shape
from steepest.models.columns import EmbeddedColumns
from steepest.models.layers import AUTO, NONE, hidden_layers

COMPONENTS = {
    "mlp": {
        "object": "MLP",
        "what": "hidden layers: tables, curves, arrays, images",
        "takes": ["codes, values", "values", "image"],
    },
}


class MLP(nn.Module):
    r"""A multilayer perceptron: :math:`h_{k+1} = \phi(\mathrm{norm}(W_k h_k + b_k))`, and a linear layer at the end.

    Of a table, :math:`h_0` is a learned vector for each category beside the standardised numbers. Initialisation is
    torch's, uniform in ±1/√inputs; vectors begin normal with sd 0.01, cut at two sd.

    Args:
        shape: the dataset's shape.
        hidden: widths of the hidden layers.
        activation: φ: tanh, relu, gelu, silu, elu, selu, leaky-relu, softplus or sigmoid; auto: relu, but tanh on
            curves and arrays.
        dropout: share of the units of each hidden layer that a training step leaves out: one number, or one for each.
        norm: of each hidden layer before φ: batch, layer or none.
        embedding: widths of vectors by column, where the rule ``embedding_width`` is not wanted.

    Raises:
        ModelError: a width is not positive, the dropout is no share, or there is no such activation.
        UnknownNameError: there is no such norm, or ``embedding`` names a column that is not categorical.

    Example:
        >>> import torch
        >>> from steepest.data.dataset import InputField
        >>> net = MLP(Shape("regression", {}, ("x",), 1, (InputField("x", "values", (1,)),)), hidden=(8,))
        >>> net(torch.zeros(4, 1)).shape
        torch.Size([4, 1])
        >>> MLP(Shape("regression", {"day": 7}, ("heat",), 1), hidden=(8, 8), norm="layer", dropout=(0.2, 0.1)).tables
        {'day': 'columns.embeddings.0.weight'}
    """

    def __init__(
        self,
        shape: Shape,
        *,
        hidden: Sequence[int] = (32, 32),
        activation: str = AUTO,
        dropout: float | Sequence[float] = 0.0,
        norm: str = NONE,
        embedding: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__()
        field = shape.fields[-1]
        if activation == AUTO:
            activation = "tanh" if shape.takes == "values" else "relu"
        columns = EmbeddedColumns(shape, embedding)
        self.columns = columns if shape.cardinalities else None
        self.tables = columns.tables(shape, "columns")
        layers = hidden_layers(columns.width, hidden, activation, norm, dropout)
        first: list[nn.Module] = [nn.Flatten()] if len(field.size) > 1 else []
        self.layers = nn.Sequential(*first, *layers, nn.Linear((columns.width, *hidden)[-1], shape.outputs))

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return outputs ``[B, outputs]`` for codes ``[B, C]`` (int64), where there are any, and values ``[B, …]``."""
        return self.layers(inputs[-1] if self.columns is None else self.columns(*inputs))
