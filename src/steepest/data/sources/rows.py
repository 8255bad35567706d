"""New rows: what prepares them as training rows were prepared, and what it gives."""

from __future__ import annotations

import itertools
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from steepest.data.dataset import Shape, TargetScale, Task
from steepest.data.preparation import StepReport
from steepest.data.unforeseen import Unforeseen
from steepest.errors import FolderError, OptionError
from steepest.files import write_atomically

DAMAGE = (
    ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError,
    pl.exceptions.PolarsError, pl.exceptions.PanicException,
)  # fmt: skip
"""What broken values in a stored file make Python and Polars raise."""


@dataclass(frozen=True)
class Encoded:
    """New rows, ready for the model.

    Attributes:
        inputs: what the model is called with.
        kept: numbers (from 0) of the raw rows that these are; a filter step may leave rows out.
        rows: number of raw rows.
        unforeseen: values that training did not teach how to treat.
        reports: what was decided in reading, and what the preparation steps did.
        target: the prepared target of these rows, if the raw rows have it.
        carried: the columns of all raw rows that were to be carried along, as they were read.
        doubles: the inputs with their numbers as they were read, where the source keeps them in 64 bits.
        weights: the column of weights of these rows, if training had one and the raw rows have it.
        labels: what all raw rows are labelled, where that is not the target.
        wanted: the target as a part holds it, ``[N, …]``, where it is no column; ``weights`` are then as a part holds
            them.
        known_by: what rows are recognised by, ``[N, …]``, where that is not inputs and target; ``places`` are then
            numbers of what is recognised, ``[N]``, the same ones for rows that are parts of one.
        unmeasured: metrics that these rows cannot be scored by.
        blank: columns that features are made of and that have no value in these rows, though they had some in training;
            of each whether the raw rows lack it.
    """

    inputs: tuple[Tensor, ...]
    kept: pl.Series
    rows: int
    unforeseen: Unforeseen
    reports: tuple[StepReport, ...] = ()
    target: pl.Series | None = None
    carried: pl.DataFrame = field(default_factory=pl.DataFrame)
    doubles: tuple[Tensor, ...] = ()
    weights: pl.Series | None = None
    labels: pl.Series | None = None
    wanted: Tensor | None = None
    known_by: tuple[Tensor, ...] = ()
    places: NDArray[np.int64] | None = None
    unmeasured: tuple[str, ...] = ()
    blank: Mapping[str, bool] = field(default_factory=dict[str, bool])

    def inputs_for(self, net: nn.Module) -> tuple[Tensor, ...]:
        """Return the inputs of a network, in 64 bits if it has numbers of 64 bits."""
        own = itertools.chain(net.parameters(), net.buffers())
        return (
            self.doubles if self.doubles and any(each.dtype == torch.float64 for each in own) else self.inputs
        )


class Pipeline(ABC):
    """From new rows to what a model is called with, as learned on the training rows; stored as one JSON file.

    Attributes:
        kind: of the data, as sources are named.
        keeps: whether new rows have columns to carry along.
        target: what is predicted; it may be absent from new rows.
        task: the kind of target.
        classes: class labels in the order of their codes; empty for regression.
        target_scale: how a regression target was standardised.
        required: the names of the columns (or arrays) that new rows must have.
        labels: the classes in the order of their codes, as the values that they are in the data.
        shape: what a model must know.
    """

    kind: ClassVar[str] = "table"
    keeps: ClassVar[bool] = True
    target: str
    task: Task
    classes: tuple[str, ...]
    target_scale: TargetScale

    @property
    @abstractmethod
    def required(self) -> tuple[str, ...]: ...

    @property
    def weight(self) -> str | None:
        """The column of weights of rows in training; None if there was none. It may be absent from new rows."""
        return None

    @property
    def scoring(self) -> str:
        """How new rows are scored where that is a choice, for a reader; else nothing."""
        return ""

    def with_stride(self, stride: int) -> Pipeline:
        """Return the same pipeline with windows that are another number of tokens apart, as texts are scored.

        Raises:
            OptionError: the data is no text, or the windows would leave tokens out.
        """
        raise OptionError(
            f"--stride {stride} has no effect: {self.target!r} is not scored in windows of a text",
            hint="leave it out.",
        )

    @property
    @abstractmethod
    def labels(self) -> pl.Series: ...

    @property
    @abstractmethod
    def shape(self) -> Shape: ...

    @abstractmethod
    def transform_batches(
        self, source: Any, rows: int, *, keep: Sequence[str] = (), sure: bool = True
    ) -> Iterator[Encoded]:
        """Yield new rows, ``rows`` at a time; row numbers in ``kept`` are counted from the batch's first row.

        Args:
            source: where the rows are.
            rows: how many at a time.
            keep: columns of the source to carry along.
            sure: see ``data.read.scan``; a source that is not a table may ignore it.

        Raises:
            DataError: the rows cannot be read, or something that is needed is missing; the message names it.
        """

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; ``source`` names the source whose :meth:`Source.stored_pipeline` reads them."""

    def save(self, path: str | Path) -> None:
        """Write one JSON file: under a temporary name, flushed to the disk, then renamed.

        Raises:
            FolderError: the folder is missing, full or not writable; an older file stays as it was.
        """
        write_atomically(path, json.dumps(self.to_dict(), ensure_ascii=False))


P = TypeVar("P", bound=Pipeline)


def read_stored(path: str | Path, made: Callable[[Mapping[str, Any]], P]) -> P:
    """Read what :meth:`Pipeline.save` wrote.

    Args:
        path: the file.
        made: makes the pipeline of the stored values.

    Raises:
        FolderError: there is no such file, or it is damaged.
    """
    path = Path(path)
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(stored, dict):
            raise FolderError(f"{str(path)!r} is not a pipeline", hint=HINT)
        return made(stored)
    except OSError as error:
        raise FolderError(
            f"cannot read {str(path)!r}: {(error.strerror or str(error)).lower()}", hint=HINT
        ) from error
    except DAMAGE as error:
        raise FolderError(f"{str(path)!r} is damaged: {str(error) or repr(error)}", hint=HINT) from error


HINT = "name the folder of a finished experiment, or train again."
