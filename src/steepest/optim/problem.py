"""What a method trains: a model with its loss, and the batches of a run."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from torch import Tensor, nn

from steepest.optim.tables import Codes


class Problem(Protocol):
    """A model and the loss of a batch."""

    model: nn.Module

    def loss(self, batch: Any) -> Tensor:
        """Return the batch's loss, a scalar with a graph."""
        ...


class TableProblem(Problem, Protocol):
    """A problem whose model looks up rows of tables, and can be given the rows instead."""

    def codes(self, batch: Any) -> Codes:
        """Return the rows that a batch names, by the name of the table's parameter."""
        ...

    def loss_with(self, batch: Any, rows: Mapping[str, Tensor], places: Codes) -> Tensor:
        """Return the batch's loss with some rows in the place of each table, and places for its codes."""
        ...


class BatchSource(Protocol):
    """The batches of a run, and its random draws."""

    def batch(self, step: int) -> Any:
        """Return the batch of a step."""
        ...

    def randomness(self, step: int) -> AbstractContextManager[None]:
        """Make all draws inside the block those of a step."""
        ...
