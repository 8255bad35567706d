r"""Deep & cross networks: layers that multiply the inputs with themselves, beside or below hidden layers.

With :math:`x_0` the vectors of categories and the numbers, a cross layer is

.. math::
    x_{l+1} = x_0 \, (w_l \cdot x_l) + b_l + x_l \quad \text{(a vector)}, \qquad
    x_{l+1} = x_0 \circ (W_l x_l + b_l) + x_l \quad \text{(a matrix)},

so L layers have products of up to L + 1 inputs. A matrix of low rank is :math:`W_l = U_l V_l`.

Source: Wang, Fu, Fu & Wang, Deep & Cross Network for Ad Click Predictions, ADKDD 2017 (vector);
Wang et al., DCN V2: Improved Deep & Cross Network, WWW 2021 (matrix).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from steepest.data.dataset import Shape
from steepest.errors import ModelError, unknown_name
from steepest.models.columns import EmbeddedColumns
from steepest.models.layers import NONE, hidden_layers

COMPONENTS = {
    "deep-cross": {
        "object": "DeepCross",
        "what": "tables: products of columns beside hidden layers",
        "takes": ["codes, values", "values"],
    },
}

PARALLEL, STACKED = "parallel", "stacked"
VECTOR, MATRIX = "vector", "matrix"


class DeepCross(nn.Module):
    """Cross layers and hidden layers on the vectors of categories and the standardised numbers.

    Parallel, as both papers train it by default, a linear layer reads the last cross layer beside the last hidden one;
    stacked, the hidden layers read the last cross layer. Initialisation is torch's, uniform in ±1/√inputs; vectors of
    categories begin normal with sd 0.01, cut at two sd.

    Args:
        shape: the dataset's shape.
        layers: how many cross layers there are; 0 for none.
        cross: vector, the first version, or matrix, the second.
        rank: of the matrices: 0 for full rank, else they are products of two narrow ones.
        structure: parallel or stacked.
        hidden: widths of the hidden layers; () for cross layers alone.
        activation: of the hidden layers, one of ``mlp``.
        dropout: share of the units of each hidden layer that a training step leaves out: one number, or one for each.
        norm: of each hidden layer before its activation: batch, layer or none.
        embedding: widths of vectors by column, where the rule ``embedding_width`` is not wanted.

    Raises:
        ModelError: an option is out of its range, or vectors have a rank.
        UnknownNameError: there is no such kind of cross layer, structure, norm or categorical column.

    Example:
        >>> net = DeepCross(Shape("classification", {"day": 7}, ("heat",), 3), layers=2, rank=2, hidden=(8,))
        >>> net(torch.zeros(5, 1, dtype=torch.long), torch.ones(5, 1)).shape
        torch.Size([5, 3])
    """

    bibtex = """
@inproceedings{wang2017deep,
  author = {Wang, Ruoxi and Fu, Bin and Fu, Gang and Wang, Mingliang},
  title = {Deep \\& Cross Network for Ad Click Predictions},
  booktitle = {Proceedings of the {ADKDD}'17},
  year = {2017},
}
@inproceedings{wang2021dcn,
  author = {Wang, Ruoxi and Shivanna, Rakesh and Cheng, Derek and Jain, Sagar and Lin, Dong and Hong, Lichan and
            Chi, Ed},
  title = {{DCN} {V2}: Improved Deep \\& Cross Network and Practical Lessons for Web-scale Learning to Rank Systems},
  booktitle = {Proceedings of the Web Conference 2021},
  year = {2021},
}
"""

    def __init__(
        self,
        shape: Shape,
        *,
        layers: int = 2,
        cross: str = MATRIX,
        rank: int = 0,
        structure: str = PARALLEL,
        hidden: Sequence[int] = (128, 64),
        activation: str = "relu",
        dropout: float | Sequence[float] = 0.0,
        norm: str = NONE,
        embedding: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__()
        if cross not in (VECTOR, MATRIX):
            raise unknown_name("kind of cross layer", cross, (VECTOR, MATRIX))
        if structure not in (PARALLEL, STACKED):
            raise unknown_name("structure", structure, (PARALLEL, STACKED))
        if layers < 0 or rank < 0:
            raise ModelError(f"{layers} cross layers of rank {rank}", hint="give numbers of at least 0.")
        if cross == VECTOR and rank:
            raise ModelError(f"a rank of {rank} for vectors", hint="leave rank out, or give cross=matrix.")
        if not layers and not hidden:
            raise ModelError("there are neither cross layers nor hidden ones", hint="give some of either.")
        self.columns = EmbeddedColumns(shape, embedding)
        self.tables = self.columns.tables(shape, "columns")
        width = self.columns.width
        if rank >= width:
            raise ModelError(
                f"a rank of {rank} for matrices of {width} × {width}",
                hint=f"give a rank below {width}, or 0 for full rank.",
            )
        self.cross = nn.ModuleList(
            CrossVector(width) if cross == VECTOR else CrossMatrix(width, rank) for _ in range(layers)
        )
        self.deep = nn.Sequential(*hidden_layers(width, hidden, activation, norm, dropout))
        self.stacked = structure == STACKED
        last = hidden[-1] if hidden else 0
        read = (last or width) if self.stacked else last + (width if layers else 0)
        self.head = nn.Linear(read, shape.outputs)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return outputs ``[B, outputs]`` for codes ``[B, C]`` (int64), where there are any, and values ``[B, D]``."""
        first = self.columns(*inputs)
        crossed = first
        for each in self.cross:
            crossed = each(first, crossed)
        if self.stacked:
            return self.head(self.deep(crossed))
        ends = [*([crossed] if len(self.cross) else []), *([self.deep(first)] if len(self.deep) else [])]
        return self.head(torch.cat(ends, 1))


class CrossVector(nn.Module):
    """A cross layer of the first version: :math:`x_0 (w \\cdot x) + b + x`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width, 1))
        self.bias = nn.Parameter(torch.zeros(width))
        nn.init.uniform_(self.weight, -1 / math.sqrt(width), 1 / math.sqrt(width))

    def forward(self, first: Tensor, values: Tensor) -> Tensor:
        """Return ``[B, D]`` for the inputs of the first layer and of this one, both ``[B, D]``."""
        return first * (values @ self.weight) + self.bias + values


class CrossMatrix(nn.Module):
    """A cross layer of the second version: :math:`x_0 \\circ (W x + b) + x`, or with :math:`W = U V` of low rank."""

    def __init__(self, width: int, rank: int) -> None:
        super().__init__()
        narrow = [nn.Linear(width, rank, bias=False)] if rank else []
        self.linear = nn.Sequential(*narrow, nn.Linear(rank or width, width))

    def forward(self, first: Tensor, values: Tensor) -> Tensor:
        """Return ``[B, D]`` for the inputs of the first layer and of this one, both ``[B, D]``."""
        return first * self.linear(values) + values
