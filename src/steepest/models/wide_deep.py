r"""Wide & deep: a linear model on categories and crosses of them, added to the entity-embedding network.

.. math::
    \hat y = \underbrace{\sum_c W_c[x_c] + \sum_{(a, b)} W_{ab}[(x_a, x_b)]}_{\text{wide}} + \mathrm{deep}(x)

The wide part remembers single categories and pairs of them, the deep part generalises; both are trained together.

Source: Cheng et al., Wide & Deep Learning for Recommender Systems, DLRS 2016.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from steepest.data.dataset import Shape
from steepest.errors import ModelError, unknown_name
from steepest.models.embedding_mlp import EmbeddingMLP

COMPONENTS = {
    "wide-deep": {
        "object": "WideDeep",
        "what": "tables: a linear model on crosses, beside a deep network",
    }
}

ONE_HOT = "one-hot"
PRIME = 2**31 - 1


@dataclass(frozen=True)
class Cross:
    """A category made of several columns: of each combination of theirs, or of its hash where these are too many.

    Attributes:
        name: of the cross.
        places: of its columns.
        sizes: how many codes each of them has.
        buckets: the most codes that the cross may have.

    Example:
        >>> Cross("a × b", (0, 2), (3, 4), 100).codes(torch.tensor([[2, 9, 3], [0, 9, 1]])).tolist()
        [11, 1]
    """

    name: str
    places: tuple[int, ...]
    sizes: tuple[int, ...]
    buckets: int

    @property
    def size(self) -> int:
        """How many codes it has."""
        return min(math.prod(self.sizes), self.buckets)

    def codes(self, codes: Tensor) -> Tensor:
        """Return its codes ``[…]`` for those of all columns, ``[…, C]``."""
        exact = math.prod(self.sizes) <= self.buckets
        total = torch.zeros_like(codes[..., 0])
        for place, size in zip(self.places, self.sizes, strict=True):
            if exact:
                total = total * size + codes[..., place]
            else:  # at most 2^32 times less than 2^30, which 63 bits hold
                total = (total + codes[..., place] + 1) * 739_982_445 % PRIME
                total = torch.bitwise_xor(total, torch.bitwise_right_shift(total, 16))
        return total if exact else total % self.buckets


class Wide(nn.Module):
    """A linear model on one-hot categories by look-up: a row of a table for each code.

    Args:
        sizes: codes of each category.
        outputs: of the model.
        width: of vectors that stand for the codes, and are mapped to the outputs by one matrix; 0 for none.
    """

    def __init__(self, sizes: Sequence[int], outputs: int, width: int) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(codes, width or outputs) for codes in sizes)
        self.head = nn.Linear(width, outputs, bias=False) if width else nn.Identity()
        for each in self.embeddings:
            nn.init.zeros_(cast("nn.Embedding", each).weight)

    def forward(self, codes: Tensor) -> Tensor:
        """Return ``[B, outputs]`` for codes ``[B, C]``."""
        first, *rest = [each(codes[:, i]) for i, each in enumerate(self.embeddings)]
        return self.head(sum(rest, first))


class WideDeep(nn.Module):
    """A wide part of categories and crosses, added to ``embedding-mlp``.

    A cross is a category of its own: a weight for every combination of its columns' codes, or, where there are more
    than ``buckets`` of them, for every bucket into which they are hashed. The wide part begins at zero, so a
    combination that no training row has adds nothing, unless it shares a bucket with others.

    Args:
        shape: the dataset's shape.
        crosses: lists of two or more categorical columns: ``[["education", "occupation"]]``.
        buckets: the most codes of a cross.
        wide: one-hot, which is a weight for each code and output; or the width of vectors that stand for the codes.
        hidden: widths of the deep part's blocks.
        dropout: probability of dropping an embedded value of the deep part.
        hidden_dropout: probability of dropping a block's output.
        embedding: widths of the deep part's vectors by column.

    Raises:
        ModelError: there is no category, a cross has fewer than two columns or one of them twice, or a number is out of
            its range.
        UnknownNameError: a cross or ``embedding`` names a column that is not categorical.

    Attributes:
        derived: the names of the crosses; :meth:`with_derived` appends their codes to those of the columns.

    Example:
        >>> shape = Shape("classification", {"plan": 3, "town": 4}, ("age",), 2)
        >>> net = WideDeep(shape, crosses=[["plan", "town"]], hidden=(8,))
        >>> net(torch.tensor([[1, 2], [2, 0]]), torch.zeros(2, 1)).shape
        torch.Size([2, 2])
        >>> net.with_derived(torch.tensor([[1, 2], [2, 0]])).tolist()
        [[1, 2, 6], [2, 0, 8]]
    """

    bibtex = """
@inproceedings{cheng2016wide,
  author = {Cheng, Heng-Tze and Koc, Levent and Harmsen, Jeremiah and Shaked, Tal and Chandra, Tushar and
            Aradhye, Hrishi and Anderson, Glen and Corrado, Greg and Chai, Wei and Ispir, Mustafa and others},
  title = {Wide \\& Deep Learning for Recommender Systems},
  booktitle = {Proceedings of the 1st Workshop on Deep Learning for Recommender Systems},
  year = {2016},
}
"""

    def __init__(
        self,
        shape: Shape,
        *,
        crosses: Sequence[Sequence[str]] = (),
        buckets: int = 100_000,
        wide: str | int = ONE_HOT,
        hidden: Sequence[int] = (128, 64),
        dropout: float = 0.1,
        hidden_dropout: float = 0.0,
        embedding: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__()
        if not shape.cardinalities:
            raise ModelError(
                "the wide part of wide-deep is of categories, but no column holds any",
                hint="choose --model mlp or embedding-mlp, or say which columns are codes: --categorical.",
            )
        if buckets < 1:
            raise ModelError(f"buckets is {buckets}", hint="give a number of at least 1.")
        if wide != ONE_HOT and not (isinstance(wide, int) and wide > 0):
            raise ModelError(
                f"wide is {wide!r}", hint=f"give {ONE_HOT}, or the width of vectors, at least 1."
            )
        self.crosses = [_cross(each, shape, buckets) for each in crosses]
        self.derived = tuple(each.name for each in self.crosses)
        if twice := [name for i, name in enumerate(self.derived) if name in self.derived[:i]]:
            raise ModelError(f"the cross {twice[0]} is given twice", hint="give every cross once.")
        self.buckets, self.columns = buckets, len(shape.cardinalities)
        self.deep = EmbeddingMLP(
            shape, hidden=hidden, dropout=dropout, hidden_dropout=hidden_dropout, embedding=embedding
        )
        sizes = [*shape.cardinalities.values(), *(each.size for each in self.crosses)]
        self.wide = Wide(sizes, shape.outputs, wide if isinstance(wide, int) else 0)
        own = [f"wide.embeddings.{i}.weight" for i in range(len(sizes))]
        deep = {column: f"deep.{name}" for column, name in self.deep.tables.items()}
        self.tables = {column: (name, own[i]) for i, (column, name) in enumerate(deep.items())}
        self.tables |= {name: (own[self.columns + i],) for i, name in enumerate(self.derived)}
        self.roles = dict.fromkeys(own, "weights")

    def with_derived(self, codes: Tensor) -> Tensor:
        """Return codes ``[…, C]`` with those of the crosses after them; as they are where these are there."""
        if not self.crosses or codes.shape[-1] > self.columns:
            return codes
        return torch.cat([codes, torch.stack([each.codes(codes) for each in self.crosses], -1)], -1)

    def forward(self, categorical: Tensor, continuous: Tensor) -> Tensor:
        """Return outputs ``[B, outputs]`` for codes ``[B, C]`` (int64) and values ``[B, D]`` (float)."""
        codes = self.with_derived(categorical)
        return self.wide(codes) + self.deep(codes, continuous)


def _cross(columns: Sequence[str], shape: Shape, buckets: int) -> Cross:
    """Return the cross of some columns."""
    names = [columns] if isinstance(columns, str) else list(columns)
    known = list(shape.cardinalities)
    for each in names:
        if each not in known:
            raise unknown_name("categorical column", str(each), known)
    if len(set(names)) < max(2, len(names)):
        raise ModelError(
            f"a cross of {' and '.join(map(repr, names)) or 'no columns'}",
            hint="give two or more columns of each cross: crosses=[['a', 'b'], ['b', 'c']].",
        )
    places = tuple(known.index(each) for each in names)
    return Cross(" × ".join(names), places, tuple(shape.cardinalities[each] for each in names), buckets)
