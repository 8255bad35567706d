"""What a target has to be able to do, whatever is predicted."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from steepest.data.dataset import Part, Task
from steepest.errors import OptionError
from steepest.objectives.decoded import ClassOutputs, PixelOutputs, TokenOutputs, ValueOutputs

Decoded = ClassOutputs | ValueOutputs | PixelOutputs | TokenOutputs


class Target(ABC):
    """What is predicted.

    Attributes:
        task: its name in files, options and messages.
        metric: the metric that decides unless another is chosen.
        watched: the metrics that are read at every evaluation of a run.
        loss: the training loss unless another is chosen.
        column: what a column of a model's outputs is, for a message.
        called: what is predicted, for a reader, where there are no classes.
        predicted: the column of predictions in a table.
        is_input: whether it is the input itself.
        dims: dimensions of a model's outputs for a batch, without that of several members.
        causal: whether outputs at a place of a row must not depend on what is behind it.
        condensed: whether evaluations keep less of a row than a model's outputs for it, see :meth:`condense`.
        doubts: whether :meth:`doubt` can find anything; else outputs need not be computed for it.
    """

    task: ClassVar[Task]
    metric: ClassVar[str]
    watched: ClassVar[tuple[str, ...]]
    loss: ClassVar[str]
    column: ClassVar[str]
    called: ClassVar[str] = "a class"
    predicted: ClassVar[str] = "prediction"
    is_input: ClassVar[bool] = False
    dims: ClassVar[int] = 2
    causal: ClassVar[bool] = False
    condensed: ClassVar[bool] = False
    doubts: ClassVar[bool] = False

    @property
    @abstractmethod
    def outputs(self) -> int:
        """Columns of a model's outputs."""

    def shape(self, rows: int) -> tuple[int, ...]:
        """Return the shape of a model's outputs for so many rows."""
        return (rows, self.outputs)

    def condense(self, outputs: Tensor, rows: Part) -> Tensor:
        """Return what an evaluation keeps of a model's outputs for some rows: the outputs themselves.

        A target with many outputs a row (``condensed``) keeps a few numbers of each row, of which everything else here
        is a function.
        """
        del rows
        return outputs

    @property
    def classes(self) -> int:
        """How many classes there are; 0 for a number."""
        return 0

    @property
    def positive(self) -> int | None:
        """Code of the positive class, where one of two is decided on."""
        return None

    @property
    def constants(self) -> tuple[float, ...]:
        """Numbers that :meth:`wanted` uses: a program of a training step holds them."""
        return ()

    def wanted(self, target: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return what a training loss compares outputs of a type with, of targets as a part holds them."""
        del dtype
        return target

    def of_inputs(self, inputs: tuple[Tensor, ...]) -> Tensor | None:
        """Return the target of new rows where their inputs are the target; else None."""
        del inputs
        return None

    def whole_rows(self, part: Part) -> tuple[Tensor, ...]:
        """Return the inputs and target of rows by which they are recognised: those of the part, unless they overlap."""
        return (*(each.cpu() for each in part.inputs), part.target.cpu())

    @abstractmethod
    def made_up(self, rows: int, draw: np.random.Generator) -> Tensor:
        """Return targets of so many made-up rows, as a part holds them."""

    def check(self, outputs: Tensor, rows: int) -> None:
        """Raise an ``OptionError`` if outputs do not have the shape of so many rows."""
        if rows == 0 or not self._fits(tuple(outputs.shape), rows):
            raise OptionError(
                f"outputs of shape {tuple(outputs.shape)} for {rows} rows",
                hint=f"a model's outputs for {self.task} have the shape {self._shapes(rows)}, with at least one row.",
            )

    def decoded(self, outputs: Tensor, target: Tensor, weights: Tensor | None = None) -> Decoded:
        """Return what outputs and targets mean, in float64, with the rows' weights: what metrics are functions of."""
        with torch.no_grad():
            found = self._decoded(outputs, target)
            return found if weights is None else replace(found, weights=float64(weights))

    def row_correct(self, outputs: Tensor, target: Tensor) -> Tensor | None:
        """Return whether each row's most probable class is the true one (bool ``[N]``); None for a number."""
        del outputs, target
        return None

    @abstractmethod
    def row_losses(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Return each row's log loss, or (mean) squared error on the original scale (float64 ``[N]``).

        Its mean is the log loss, or the square of the RMSE, or the MSE of pixels; comparisons are paired on it by row.

        Args:
            outputs: logits or log-probabilities ``[N, K]``, or standardised values ``[N]`` or ``[N, 1]``.
            target: class codes (int64 ``[N]``) or standardised values (``[N]``).
        """

    @abstractmethod
    def guess(self, outputs: Tensor) -> Tensor:
        """Return the most probable class of each row (int64 ``[N]``), or the standardised value ``[N]``."""

    def values(self, outputs: Tensor) -> Tensor:
        """Return the predicted values as the data has them, ``[N, …]``; of classes their codes."""
        return self.guess(outputs)

    def tokens(self, rows: Part) -> int | None:
        """Return how many tokens of some rows are scored; None where a row is what is scored."""
        del rows

    def undefined(self, metric: str, rows: Part) -> str:
        """Return why a metric says nothing of some rows, whatever the outputs; empty where it does."""
        del metric, rows
        return ""

    @property
    def unmeasured(self) -> frozenset[str]:
        """The metrics of its task that cannot be measured of this data."""
        return frozenset()

    def rarest(self, target: Tensor) -> int | None:
        """Return how many rows the rarest class among them has; None for a number."""
        del target
        return None

    def doubt(self, outputs: Tensor) -> str | None:
        """Return what looks wrong about a new model's outputs on training rows, if anything does."""
        del outputs
        return None

    @abstractmethod
    def _fits(self, shape: tuple[int, ...], rows: int) -> bool: ...

    @abstractmethod
    def _shapes(self, rows: int) -> str: ...

    @abstractmethod
    def _decoded(self, outputs: Tensor, target: Tensor) -> Decoded: ...


def diverged(outputs: Tensor) -> bool:
    """Whether an output is NaN or infinite, except that a log-probability may be minus infinity."""
    return bool(torch.isnan(outputs).any()) or bool((outputs == math.inf).any())


def log_probabilities(outputs: Tensor) -> Tensor:
    """Return log-probabilities of logits, float64 ``[N, K]``."""
    return functional.log_softmax(float64(outputs), dim=1)


def float64(values: Tensor) -> Tensor:
    values = values.detach()
    return (values.cpu() if values.device.type == "mps" else values).to(torch.float64)
