r"""Tables of which a step moves all rows, but those outside the batch along their own direction by one common factor.

A Hessian-free step starts from the last proposal and damps it. A row that the batch does not name has no gradient and
no curvature but the damping's, so all vectors of conjugate gradients are, on all such rows together, multiples of one
vector: the last proposal there. Its length is one coordinate of the step's vectors; rows are brought up to date when a
batch names them. The steps are those of the whole tables.

A row's proposal is :math:`F_t b` with its own :math:`b` and a common factor :math:`F_t`, and it has moved by
:math:`(S_t - S_{t_0})\, b` since step :math:`t_0`. Where the factor has become small or large, an era of new numbers
begins, so that no difference of them is lost to rounding.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import cast

import torch
from torch import Tensor, nn

from steepest.optim.tables import Codes, embedding

FACTORS = 1e-4, 1e4
"""Between these an era's factor stays."""


AT_ONCE = 1024
"""Rows that are brought up to date at a time where all are read."""

NOTHING = 1e-60
"""A share of a row's proposal below this counts as none."""


ERAS = 256
"""Eras after which all rows are brought up to date, where the tensors have one size."""


@dataclass
class Eras:
    """What rows of all tables have in common: by era, factor and movement at its end, or now.

    Attributes:
        factor: F, 1 at the beginning.
        moved: S, 0 at the beginning.
        squares: the sum of squares of all b that were set in the era and not since.
        shares: by how much of b the proposal of a row of the era is, as last seen.
        ways: by how much of b such a row has moved since the era's beginning, as last seen.
    """

    factor: list[float] = field(default_factory=lambda: [1.0])
    moved: list[float] = field(default_factory=lambda: [0.0])
    squares: list[float] = field(default_factory=lambda: [0.0])
    shares: list[float] = field(default_factory=lambda: [1.0])
    ways: list[float] = field(default_factory=lambda: [0.0])

    def copy(self) -> Eras:
        """Return a copy."""
        return Eras(*(list(getattr(self, each.name)) for each in fields(self)))

    def begin(self) -> None:
        """Begin an era."""
        for each, value in ((self.factor, 1.0), (self.moved, 0.0), (self.squares, 0.0)):
            each.append(value)
        self.shares.append(1.0)
        self.ways.append(0.0)

    def now(self) -> tuple[Tensor, Tensor]:
        """Return shares and ways as they are now."""
        share, way = 1.0, 0.0
        for era in range(len(self.factor) - 1, -1, -1):
            way = self.moved[era] + self.factor[era] * way
            share *= self.factor[era]
            self.shares[era], self.ways[era] = share, way
            if abs(share) < NOTHING:  # rows of older eras stand still
                break
        return (
            torch.tensor(self.shares, dtype=torch.float64),
            torch.tensor(self.ways, dtype=torch.float64),
        )


class FixedEras:
    """The same in tensors of one size, for a program that changes them in place.

    What rows of an era have in common is kept as it is now, for all eras.

    Attributes:
        share, way: by how much of b the proposal of a row of the era is, and by how much such a row has moved.
        square: the sum of squares of all b that were set in the era and not since.
        place: of the present era.
    """

    def __init__(self) -> None:
        self.share = torch.ones(ERAS, dtype=torch.float64)
        self.way, self.square = torch.zeros_like(self.share), torch.zeros_like(self.share)
        self.place = torch.zeros((), dtype=torch.int64)

    def now(self) -> tuple[Tensor, Tensor]:
        """Return shares and ways as they are now."""
        return self.share, self.way

    def copy(self) -> FixedEras:
        """Return a copy."""
        made = FixedEras()
        for name in ("share", "way", "square", "place"):
            getattr(made, name).copy_(getattr(self, name))
        return made


class Lagging:
    """One table: weights that lag, and what they need to be brought up to date.

    Args:
        weight: the parameter's values ``[n, D]``; they will lag.
    """

    def __init__(self, weight: Tensor, eras: Eras | FixedEras) -> None:
        self.weight, self.eras = weight, eras
        self.own = torch.zeros_like(weight)
        self.era = torch.zeros(len(weight), dtype=torch.int64)
        self.since = torch.zeros(len(weight), dtype=torch.float64)

    def rows(self, ids: Tensor | slice) -> tuple[Tensor, Tensor]:
        """Return some rows as they are now, and their proposals."""
        shares, ways = self.eras.now()
        own, era = self.own[ids], self.era[ids]
        way = (ways[era] - self.since[ids]).to(own.dtype)
        return self.weight[ids] + way[:, None] * own, shares[era].to(own.dtype)[:, None] * own

    def evaluation_weight(self) -> Tensor:
        """Return the whole table as it is now."""
        return self.rows(slice(None))[0]

    def pieces(self) -> Iterator[Tensor]:
        """Yield the rows in order as they are now, some at a time."""
        for first in range(0, len(self.weight), AT_ONCE):
            yield self.rows(slice(first, first + AT_ONCE))[0]

    def frozen(self) -> Lagging:
        """Return a copy of the present state."""
        made = Lagging(self.weight.clone(), self.eras.copy())
        made.own, made.era, made.since = self.own.clone(), self.era.clone(), self.since.clone()
        return made


@dataclass
class GatheredTables:
    """The rows of one step, by the names of tables.

    Attributes:
        ids: which, each once.
        places: for each batch, the place in them of each of its codes.
        rows: as they are now.
        directions: their proposals.
        length: of the proposal on all other rows.
    """

    ids: dict[str, Tensor]
    places: list[dict[str, Tensor]]
    rows: dict[str, Tensor]
    directions: dict[str, Tensor]
    length: float


class SharedRows:
    """Tables of one model.

    Args:
        model: the module that holds them; its parameters will lag.
        names: their parameters' names.
        eras: what their rows have in common.

    Raises:
        OptionError: a table cannot be executed by rows.

    Example:
        >>> tables = SharedRows(nn.Sequential(nn.Embedding(5, 2)), ["0.weight"])
        >>> found = tables.begin([{"0.weight": torch.tensor([3, 1, 3])}])
        >>> found.ids["0.weight"].tolist(), found.places[0]["0.weight"].tolist(), found.length
        ([1, 3], [1, 0, 1], 0.0)
    """

    def __init__(self, model: nn.Module, names: Sequence[str], eras: Eras | FixedEras | None = None) -> None:
        self.modules = {name: embedding(model, name) for name in names}
        self.eras = eras or Eras()
        self.tables = {name: Lagging(each.weight.data, self.eras) for name, each in self.modules.items()}

    @torch.no_grad()
    def settle(self) -> None:
        """Bring all rows up to date where the eras of one size are used up."""
        eras = self.eras
        if not isinstance(eras, FixedEras) or int(eras.place) < ERAS - 1:
            return
        squares = 0.0
        for table in self.tables.values():
            weight, own = table.rows(slice(None))
            table.weight.copy_(weight)
            table.own.copy_(own)
            table.era.zero_()
            table.since.zero_()
            squares += float(own.double().square().sum())
        for each, value in ((eras.share, 1.0), (eras.way, 0.0), (eras.square, 0.0), (eras.place, 0)):
            each.fill_(value)
        eras.square[0] = squares

    def begin(self, codes: Sequence[Codes]) -> GatheredTables:
        """Return the present rows that the codes of some batches name."""
        found = GatheredTables({}, [{} for _ in codes], {}, {}, 0.0)
        shares, _ = self.eras.now()
        squares = torch.tensor(cast("Eras", self.eras).squares, dtype=torch.float64)
        for name, table in self.tables.items():
            every = [each[name] for each in codes]
            ids, places = torch.unique(torch.cat(every), return_inverse=True)
            for there, part in zip(found.places, places.split([len(each) for each in every]), strict=True):
                there[name] = part
            found.ids[name] = ids
            found.rows[name], found.directions[name] = table.rows(ids)
            squares -= self._squares(table, ids)
        found.length = math.sqrt(max(float((squares * shares**2).sum()), 0.0))
        return found

    def end(
        self,
        gathered: GatheredTables,
        rows: Mapping[str, Tensor],
        directions: Mapping[str, Tensor],
        direction: float,
        move: float,
    ) -> None:
        """Write the rows of a step with their proposals, and move all others.

        Args:
            gathered: as it began.
            rows: the new ones.
            directions: their new proposals.
            direction: the new proposal on all other rows, as a length along the old one.
            move: how far these move along it.
        """
        eras = cast("Eras", self.eras)
        for name, table in self.tables.items():
            for era, square in enumerate(self._squares(table, gathered.ids[name]).tolist()):
                eras.squares[era] = max(eras.squares[era] - square, 0.0)
        if gathered.length > 0:
            eras.moved[-1] += eras.factor[-1] * move / gathered.length
            eras.factor[-1] *= direction / gathered.length
        if not FACTORS[0] < abs(eras.factor[-1]) < FACTORS[1]:
            eras.begin()
        for name, table in self.tables.items():
            ids = gathered.ids[name]
            table.weight[ids] = rows[name]
            table.own[ids] = directions[name] / eras.factor[-1]
            table.era[ids] = len(eras.factor) - 1
            table.since[ids] = eras.moved[-1]
            eras.squares[-1] += float(table.own[ids].double().square().sum())

    def _squares(self, table: Lagging, ids: Tensor) -> Tensor:
        """Return the squares of what some rows have, summed by era."""
        total = torch.zeros(len(cast("Eras", self.eras).factor), dtype=torch.float64)
        return total.index_add(0, table.era[ids], table.own[ids].double().square().sum(1))

    @contextlib.contextmanager
    def evaluating(self, codes: Codes) -> Generator[None]:
        """Put the rows that the codes name in place as they are now, and the lagging ones back after."""
        kept: list[tuple[Lagging, Tensor, Tensor]] = []
        try:
            for name, table in self.tables.items():
                ids = torch.unique(codes[name])
                kept.append((table, ids, table.weight[ids]))
                table.weight[ids] = table.rows(ids)[0]
            yield
        finally:
            for table, ids, lagging in kept:
                table.weight[ids] = lagging

    def pieces(self) -> dict[str, Iterator[Tensor]]:
        """Return the rows of each table in order, as they are now, some at a time."""
        return {name: table.pieces() for name, table in self.tables.items()}

    def frozen(self, older: Mapping[str, Lagging] | None = None) -> dict[str, Lagging]:
        """Return a copy of the present state."""
        del older
        return {name: table.frozen() for name, table in self.tables.items()}
