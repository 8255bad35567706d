"""What a model is trained on: named parts as tensors, and what a model must know about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor

Task = Literal["classification", "regression"]


def has_classes(task: Task) -> bool:
    """Whether the target of a task is one of several classes.

    Example:
        >>> has_classes("classification"), has_classes("regression")
        (True, False)
    """
    return task == "classification"


@dataclass(frozen=True)
class Part:
    """One split as tensors that stay in memory.

    Attributes:
        inputs: what the model is called with, each of length N. For a table: categorical codes
            (int64 ``[N, C]``) and continuous columns (float32 ``[N, D]``); either may have no columns.
        target: class codes (int64 ``[N]``) or standardised values (float32 ``[N]``).
        weights: how much each row counts (float32 ``[N]``, at least 0, with mean 1 over the training rows); None where
            all count the same.

    Example:
        >>> part = Part((torch.zeros(3, 1),), torch.tensor([0, 1, 1]), weights=torch.tensor([0.5, 2.0, 0.5]))
        >>> part.take(torch.tensor([1, 0])).weights.tolist()
        [2.0, 0.5]
    """

    inputs: tuple[Tensor, ...]
    target: Tensor
    weights: Tensor | None = None

    def __len__(self) -> int:
        return len(self.target)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All tensors: the inputs, the target, and the weights where there are any."""
        return (*self.inputs, self.target, *(() if self.weights is None else (self.weights,)))

    def holding(self, tensors: Sequence[Tensor]) -> Part:
        """Return a part that has other tensors, in the order of :attr:`tensors`."""
        inputs = len(self.inputs)
        return Part(tuple(tensors[:inputs]), *tensors[inputs:])

    def map(self, change: Callable[[Tensor], Tensor]) -> Part:
        """Return this part with every tensor changed in the same way."""
        return self.holding([change(each) for each in self.tensors])

    def take(self, index: Tensor) -> Part:
        """Return the rows at ``index`` (int64 ``[B]``) in that order."""
        return self.map(lambda each: each.index_select(0, index))

    def to(self, device: torch.device | str) -> Part:
        """Return this part on ``device``."""
        return self.map(lambda each: each.to(device))

    def wide(self) -> Part:
        """Return this part with its numbers in 64 bits."""
        return self.map(_wide)


@dataclass(frozen=True)
class Shape:
    """What a model's builder must know of a dataset.

    Attributes:
        task: what is predicted.
        cardinalities: number of codes of each categorical column, the unknown code included, in the
            order of the columns of the first input.
        continuous: names of the columns of the second input (missing indicators included).
        outputs: number of classes, or 1 for regression.
    """

    task: Task
    cardinalities: Mapping[str, int]
    continuous: tuple[str, ...]
    outputs: int

    @property
    def classes(self) -> int:
        """How many classes the target has; 0 for a number."""
        return self.outputs if has_classes(self.task) else 0


@dataclass(frozen=True)
class TargetScale:
    """How a regression target was standardised: ``encoded = (value - mean) / sd``."""

    mean: float = 0.0
    sd: float = 1.0


@dataclass(frozen=True)
class Note:
    """One line that a person should read about their data.

    Attributes:
        kind: ``"info"`` for what was decided, ``"warning"`` for what may be wrong.
        text: a sentence with the column and the numbers.
        step: the preparation steps that it advises, as they are written in a file for ``--prepare``.
    """

    kind: Literal["info", "warning"]
    text: str
    step: str = ""


@dataclass(frozen=True)
class Dataset:
    """Train, validation and test as tensors, with the task and where it all came from.

    Attributes:
        name: a short name, usually the file's.
        target: the target column's name.
        train, validation, test: the parts.
        shape: what a model must know.
        classes: class labels in the order of their codes; empty for regression.
        positive: code of the positive class, where one of two is decided on.
        target_scale: how a regression target was standardised.
        notes: what reading, preparation, split and encoding decided or found.
        provenance: source, row counts, seeds and a fingerprint, as plain values.
        fingerprint: a hash of the source's content and of everything that was done to it.
        numbers: of every categorical column with more than two categories, all numbers: the number of each code,
            NaN where it means none.
        true_target: the true target of the training rows, where they are trained with another one; else None.
        relabel: makes of the true target the one of a run with a seed, where every seed has its own; else None.
    """

    name: str
    target: str
    train: Part
    validation: Part
    test: Part
    shape: Shape
    classes: tuple[str, ...] = ()
    positive: int | None = None
    target_scale: TargetScale = TargetScale()
    notes: tuple[Note, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    fingerprint: str = ""
    numbers: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    true_target: Tensor | None = None
    relabel: Callable[[Tensor, int], Tensor] | None = None

    @property
    def task(self) -> Task:
        """What is predicted."""
        return self.shape.task

    @property
    def true_train(self) -> Part:
        """The training rows as they are in the table, with their true target."""
        return self.train if self.true_target is None else replace(self.train, target=self.true_target)

    def training(self, seed: int) -> Part:
        """Return the training rows of a run: for most datasets the same for every seed.

        Args:
            seed: the run seed, on which the labels depend where noise is drawn by it.
        """
        if self.relabel is None or self.true_target is None:
            return self.train
        relabelled = self.relabel(self.true_target, seed)
        return replace(self.train, target=relabelled.to(self.true_target.dtype))

    def wide(self) -> Dataset:
        """Return this dataset with its numbers in 64 bits."""
        true = self.true_target
        return replace(
            self,
            train=self.train.wide(),
            validation=self.validation.wide(),
            test=self.test.wide(),
            true_target=None if true is None else _wide(true),
        )

    def to(self, device: torch.device | str) -> Dataset:
        """Return this dataset with every part on ``device``."""
        return replace(
            self,
            train=self.train.to(device),
            validation=self.validation.to(device),
            test=self.test.to(device),
            true_target=None if self.true_target is None else self.true_target.to(device),
        )


def _wide(values: Tensor) -> Tensor:
    return values.double() if values.is_floating_point() else values
