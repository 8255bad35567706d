"""What a method trains: a model with its loss, and the batches of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

from steepest.optim.tables import Codes


class Problem(Protocol):
    """A model and the loss of a batch."""

    model: nn.Module

    def loss(self, batch: Any) -> Tensor:
        """Return the batch's loss with all penalties, a scalar with a graph."""
        ...


@runtime_checkable
class Regularized(Problem, Protocol):
    """A problem with regularizers: its loss has penalties, and something acts around the optimizer's update."""

    def losses(self, batch: Any) -> tuple[Tensor, Tensor]:
        """Return the batch's loss with penalties, which has a graph, and without, which is reported."""
        ...

    def around(self) -> AroundUpdate | None:
        """Return what acts around the updates of a new run, or None where nothing does."""
        ...


@runtime_checkable
class Curved(Problem, Protocol):
    """A problem whose loss is a function of the model's outputs, so that it has a Gauss-Newton matrix."""

    def outputs_at(self, batch: Any, parameters: Mapping[str, Tensor]) -> Tensor:
        """Return the model's outputs with other values in the place of some parameters; buffers move."""
        ...

    def batch_loss(self, outputs: Tensor, batch: Any) -> Tensor:
        """Return the loss of a batch without penalties, a scalar, from the model's outputs."""
        ...

    def penalised(self, loss: Tensor, params: Mapping[str, Tensor]) -> Tensor:
        """Return a loss with the penalties of parameters; the same tensor where there are none."""
        ...

    def bend(self, outputs: Tensor, batch: Any, vector: Tensor) -> Tensor:
        """Return the Hessian of the batch's loss in the outputs, times a vector of their shape."""
        ...


def losses(problem: Problem, batch: Any) -> tuple[Tensor, Tensor]:
    """Return a batch's loss with penalties, which has a graph, and without, which is reported."""
    if isinstance(problem, Regularized):
        return problem.losses(batch)
    loss = problem.loss(batch)
    return loss, loss


@runtime_checkable
class LeastSquares(Problem, Protocol):
    """A problem whose loss may be a sum of squares."""

    def residuals(self, batch: Any) -> Tensor:
        """Return residuals ``[m]`` with a graph, whose squares sum to the batch's loss without penalties."""
        ...

    def check_residuals(self, called: str) -> None:
        """Raise an ``OptionError``, which names the method that needs them, if the loss has no residuals."""
        ...


class Divided(Problem, Protocol):
    """A problem whose batches can be divided."""

    def parts(self, batch: Any, count: int) -> Iterable[tuple[Any, slice, float]]:
        """Return micro-batches, where their rows are in the batch, and their shares of the weights, which sum to 1."""
        ...


class AroundUpdate(Protocol):
    """What acts around the optimizer's update in an eager step besides clipping."""

    def before(self, step: int, draws: Mapping[str, Tensor], rate: float) -> None:
        """Change the gradients that the parameters have, before they are clipped, and let parameters decay."""
        ...

    def mask_gradients(self) -> None:
        """Set the gradients of what a run holds at zero to zero, before the parameters move within a step."""
        ...

    def after(self, step: int, rate: float) -> None:
        """Change the parameters after the update."""
        ...

    def evaluation_parameters(self) -> Mapping[str, Tensor]:
        """Return what is evaluated in the place of parameters and buffers, by name."""
        ...


class TableProblem(Regularized, Protocol):
    """A problem whose model looks up rows of tables, and can be given the rows instead."""

    def codes(self, batch: Any) -> Codes:
        """Return the rows that a batch names, by the name of the table's parameter."""
        ...

    def losses_with(self, batch: Any, rows: Mapping[str, Tensor], places: Codes) -> tuple[Tensor, Tensor]:
        """Return both losses with some rows in the place of each table, and places for its codes."""
        ...


class BatchSource(Protocol):
    """The batches of a run, and its random draws."""

    def batch(self, step: int) -> Any:
        """Return the batch of a step."""
        ...

    def randomness(self, step: int) -> AbstractContextManager[None]:
        """Make all draws inside the block those of a step."""
        ...

    def draws(self, step: int) -> Mapping[str, Tensor]:
        """Return the random numbers of a step's regularizers, by name; asked for where there are some."""
        ...
