r"""A small network on a user's and an item's vectors, within the range of the ratings.

.. math::
    h_0 = d([u_u, v_i]), \quad h_{k+1} = d_k(\mathrm{ReLU}(W_k h_k + c_k)), \quad
    \hat r_{ui} = (l - m) + (h - l + 2 m)\,\sigma(w \cdot h_K + b)

with dropout d, the range from l to h of the ratings, and a margin m, so that the ends of the range can be reached.

Source: He et al., Neural Collaborative Filtering, WWW 2017.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from steepest.data.dataset import Shape
from steepest.errors import ModelError
from steepest.models.looked_up import LookedUp, check_positive, pair_of, within

COMPONENTS = {
    "embedding-net": {
        "object": "EmbeddingNet",
        "what": "ratings: hidden layers on a user's and an item's vectors",
        "ratings": True,
    }
}


class EmbeddingNet(nn.Module):
    """Hidden layers on the vectors of a user and an item, squashed into the range of the ratings.

    A new user or item has the vector zero. Initialisation of layers is torch's: uniform in ±1/√inputs.

    Args:
        shape: the dataset's shape, of ratings, with their range.
        factors: numbers in a vector: one for both, or (of a user, of an item).
        hidden: widths of the hidden layers.
        dropout: share of a pair's vectors that a training step leaves out.
        hidden_dropout: share of the units of each hidden layer that a training step leaves out.
        start: vectors begin uniform from minus this to this.
        margin: by how much the range is widened at both ends.

    Raises:
        ModelError: the data is not of ratings, a number is not positive, or a probability is out of range.

    Example:
        >>> shape = Shape("regression", {"user": 4, "film": 6}, (), 1, bounds=(0.5, 5.0))
        >>> net = EmbeddingNet(shape, factors=(3, 2), hidden=(4,))
        >>> net(torch.tensor([[1, 2], [3, 5]]), torch.zeros(2, 0)).shape
        torch.Size([2, 1])
    """

    bibtex = """
@inproceedings{he2017neural,
  author = {He, Xiangnan and Liao, Lizi and Zhang, Hanwang and Nie, Liqiang and Hu, Xia and Chua, Tat-Seng},
  title = {Neural Collaborative Filtering},
  booktitle = {Proceedings of the 26th International Conference on World Wide Web},
  year = {2017},
}
"""

    def __init__(
        self,
        shape: Shape,
        *,
        factors: int | Sequence[int] = 50,
        hidden: Sequence[int] = (10,),
        dropout: float = 0.05,
        hidden_dropout: float = 0.0,
        start: float = 0.01,
        margin: float = 0.5,
    ) -> None:
        super().__init__()
        user, item = pair_of(shape, "embedding-net")
        widths = (factors, factors) if isinstance(factors, int) else tuple(factors)
        if len(widths) != 2:
            raise ModelError(f"factors are {widths}", hint="give one number, or (of a user, of an item).")
        for each in (*widths, *hidden):
            check_positive(width=each)
        check_positive(start=start)
        for name, value in (("dropout", dropout), ("hidden_dropout", hidden_dropout)):
            if not 0.0 <= value < 1.0:
                raise ModelError(f"{name} is {value}", hint="give a probability from 0 up to but not 1.")
        if not 0.0 <= margin < float("inf"):
            raise ModelError(f"margin is {margin}", hint="give a number of at least 0.")
        assert shape.bounds is not None
        self.bounds = shape.bounds[0] - margin, shape.bounds[1] + margin
        self.users = LookedUp(shape.cardinalities[user], widths[0], -start, start)
        self.items = LookedUp(shape.cardinalities[item], widths[1], -start, start)
        self.dropout = nn.Dropout(dropout)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise((sum(widths), *hidden)):
            layers += [nn.Linear(inputs, outputs), nn.ReLU()]
            layers += [nn.Dropout(hidden_dropout)] if hidden_dropout else []
        self.layers = nn.Sequential(*layers, nn.Linear((sum(widths), *hidden)[-1], 1))
        self.tables = {user: "users.weight", item: "items.weight"}

    def forward(self, pairs: Tensor, values: Tensor) -> Tensor:
        """Return ratings ``[B, 1]`` for codes of users and items ``[B, 2]`` (int64); there are no values."""
        del values
        vectors = torch.cat([self.users(pairs[:, 0]), self.items(pairs[:, 1])], 1)
        return within(self.layers(self.dropout(vectors)), self.bounds)
