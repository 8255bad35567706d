"""What is predicted, classes, a number or the input itself: the shape of a model's outputs for it, and what they mean.

This is the one place that knows the difference after the data are read; everybody else asks a :class:`Target`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from steepest.data.dataset import Dataset, Part, Shape, TargetScale, Task
from steepest.errors import OptionError
from steepest.objectives.decoded import ClassOutputs, PixelOutputs, ValueOutputs

Decoded = ClassOutputs | ValueOutputs | PixelOutputs


WHITE = 255.0
"""The largest value of a pixel."""
IMAGES_AT_ONCE = 1024


class Target(ABC):
    """What is predicted.

    Attributes:
        task: its name in files, options and messages.
        metric: the metric that decides unless another is chosen.
        watched: the metrics that are read at every evaluation of a run.
        loss: the training loss unless another is chosen.
        column: what a column of a model's outputs is, for a message.
        called: what is predicted, for a reader, where there are no classes.
        is_input: whether it is the input itself.
    """

    task: ClassVar[Task]
    metric: ClassVar[str]
    watched: ClassVar[tuple[str, ...]]
    loss: ClassVar[str]
    column: ClassVar[str]
    called: ClassVar[str] = "a class"
    is_input: ClassVar[bool] = False

    @property
    @abstractmethod
    def outputs(self) -> int:
        """Columns of a model's outputs."""

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
            return found if weights is None else replace(found, weights=_float64(weights))

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


@dataclass(frozen=True)
class ClassTarget(Target):
    """One of K classes; outputs are logits, or log-probabilities, ``[N, K]``, targets their codes.

    Example:
        >>> target = ClassTarget(2)
        >>> logits = torch.tensor([[2.0, 1.0], [0.0, 1.0]])
        >>> target.row_correct(logits, torch.tensor([0, 0]))
        tensor([ True, False])
    """

    task = "classification"
    metric = "log_loss"
    watched = ("log_loss", "accuracy")
    loss = "cross-entropy"
    column = "class (logits, no softmax)"

    count: int
    positive_code: int | None = None

    @property
    def outputs(self) -> int:
        """Columns of a model's outputs."""
        return self.count

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return self.count

    @property
    def positive(self) -> int | None:
        """Code of the positive class, where one of two is decided on."""
        return self.positive_code

    def made_up(self, rows: int, draw: np.random.Generator) -> Tensor:
        """Return codes."""
        return torch.from_numpy(draw.integers(0, self.count, rows))

    def row_losses(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Return each row's log loss, float64 ``[N]``."""
        with torch.no_grad():
            return functional.nll_loss(log_probabilities(outputs), target.detach(), reduction="none")

    def row_correct(self, outputs: Tensor, target: Tensor) -> Tensor | None:
        """Return whether each row's most probable class is the true one; the mean is the accuracy."""
        with torch.no_grad():
            return log_probabilities(outputs).argmax(dim=1) == target.detach()

    def guess(self, outputs: Tensor) -> Tensor:
        """Return the most probable class of each row, int64 ``[N]``."""
        return outputs.argmax(1)

    def rarest(self, target: Tensor) -> int | None:
        """Return how many rows the rarest class among them has."""
        counts = torch.bincount(target.cpu())
        return int(counts[counts > 0].min())

    def doubt(self, outputs: Tensor) -> str | None:
        """Return a warning if outputs are probabilities already: none below 0, and rows of sum 1.

        Cross-entropy takes logits, so a softmax inside the model is followed by another one. Nothing fails, but the
        loss can no longer come near 0. Outputs that happen to be so on every one of 256 rows, without a softmax, do
        not occur: random logits have both signs, and zeros do not sum to 1. Log-probabilities are logits.
        """
        sums = outputs.double().sum(1)
        if bool((outputs < 0).any()) or not bool(((sums - 1.0).abs() < 1e-4).all()):
            return None
        return (
            "the outputs of the model are probabilities (none below 0, every row sums to 1), but the loss and the "
            "predictions treat them as logits: return the values before the softmax."
        )

    def _fits(self, shape: tuple[int, ...], rows: int) -> bool:
        return shape == (rows, self.count)

    def _shapes(self, rows: int) -> str:
        return f"({rows}, {self.count})"

    def _decoded(self, outputs: Tensor, target: Tensor) -> ClassOutputs:
        positive = 1 if self.positive_code is None else self.positive_code
        return ClassOutputs(log_probabilities(outputs), target.detach(), positive)


@dataclass(frozen=True)
class NumberTarget(Target):
    """A number; outputs and targets are standardised, ``[N]`` or ``[N, 1]``.

    Example:
        >>> outputs, target = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 0.0])
        >>> NumberTarget(TargetScale(mean=5.0, sd=2.0)).row_losses(outputs, target)
        tensor([4., 0.], dtype=torch.float64)
    """

    task = "regression"
    metric = "rmse"
    watched = ("rmse",)
    loss = "squared"
    column = "number"
    called = "a number"

    scale: TargetScale = field(default_factory=TargetScale)

    @property
    def outputs(self) -> int:
        """Columns of a model's outputs."""
        return 1

    def made_up(self, rows: int, draw: np.random.Generator) -> Tensor:
        """Return standard scores."""
        return torch.from_numpy(draw.standard_normal(rows).astype(np.float32))

    def row_losses(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Return each row's squared error on the original scale, float64 ``[N]``."""
        found = self.decoded(outputs, target)
        assert isinstance(found, ValueOutputs)
        return (found.values - found.target).square()

    def guess(self, outputs: Tensor) -> Tensor:
        """Return the standardised value of each row, ``[N]``."""
        return outputs.squeeze(1)

    def values(self, outputs: Tensor) -> Tensor:
        """Return the value of each row on the original scale, float64 ``[N]``."""
        return _float64(outputs).squeeze(1) * self.scale.sd + self.scale.mean

    def _fits(self, shape: tuple[int, ...], rows: int) -> bool:
        return shape in ((rows,), (rows, 1))

    def _shapes(self, rows: int) -> str:
        return f"({rows},) or ({rows}, 1)"

    def _decoded(self, outputs: Tensor, target: Tensor) -> ValueOutputs:
        values = _float64(outputs).reshape(-1) * self.scale.sd + self.scale.mean
        return ValueOutputs(values, _float64(target).reshape(-1) * self.scale.sd + self.scale.mean)


@dataclass(frozen=True)
class ImageTarget(Target):
    """The image itself: outputs are standardised pixels ``[N, D]``, targets pixels from 0 to 255, ``[N, C, H, W]``.

    One scale for all channels, so that an error is worth the same in each.

    Example:
        >>> target = ImageTarget((1, 1, 2), TargetScale(mean=100.0, sd=50.0))
        >>> pixels = torch.tensor([[[[100, 151]]]], dtype=torch.uint8)
        >>> target.wanted(pixels), target.row_losses(torch.tensor([[0.0, 0.0]]), pixels)
        (tensor([[0.0000, 1.0200]]), tensor([0.0200], dtype=torch.float64))
    """

    task = "reconstruction"
    metric = "pixel_mse"
    watched = ("pixel_mse",)
    loss = "reconstruction"
    column = "number of an image"
    called = "the image itself"
    is_input = True

    size: tuple[int, ...]
    scale: TargetScale = field(default_factory=TargetScale)

    @property
    def outputs(self) -> int:
        """Columns of a model's outputs: the numbers of an image."""
        return math.prod(self.size)

    @property
    def constants(self) -> tuple[float, ...]:
        """The scale."""
        return (self.scale.mean, self.scale.sd)

    def wanted(self, target: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return standardised pixels, ``[N, D]``."""
        return (target.flatten(1).to(dtype) - self.scale.mean) / self.scale.sd

    def of_inputs(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the images."""
        return inputs[0]

    def made_up(self, rows: int, draw: np.random.Generator) -> Tensor:
        """Return pixels."""
        return torch.from_numpy(draw.integers(0, 256, (rows, *self.size), dtype=np.uint8))

    def row_losses(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Return each image's mean squared error of pixels from 0 to 1, float64 ``[N]``."""
        found = self.decoded(outputs, target)
        assert isinstance(found, PixelOutputs)
        return found.squared

    def guess(self, outputs: Tensor) -> Tensor:
        """Return the reconstructed pixels, uint8 ``[N, C, H, W]``."""
        pixels = (outputs * self.scale.sd + self.scale.mean).round().clamp(0, 255)
        return pixels.to(torch.uint8).reshape(-1, *self.size)

    def _fits(self, shape: tuple[int, ...], rows: int) -> bool:
        return shape == (rows, self.outputs)

    def _shapes(self, rows: int) -> str:
        return f"({rows}, {self.outputs})"

    def _decoded(self, outputs: Tensor, target: Tensor) -> PixelOutputs:
        squared, absolute = outputs.new_empty(2, len(outputs), dtype=torch.float64, device="cpu")
        for start in range(0, len(outputs), IMAGES_AT_ONCE):
            some = slice(start, start + IMAGES_AT_ONCE)
            values = _float64(outputs[some]) * self.scale.sd + self.scale.mean
            error = ((values - _float64(target[some]).reshape(values.shape)) / WHITE).cpu()
            squared[some], absolute[some] = error.square().mean(1), error.abs().mean(1)
        return PixelOutputs(squared, absolute)


TARGETS: Mapping[Task, type[Target]] = {each.task: each for each in (ClassTarget, NumberTarget, ImageTarget)}
"""The kinds of targets by the name of their task."""


def target_of(dataset: Dataset) -> Target:
    """Return what a dataset's target is.

    Example:
        >>> from steepest.data.table import read_table
        >>> target_of(read_table({"x": [0.1, 0.2, 0.3] * 20, "y": ["a", "b"] * 30}, target="y").dataset())
        ClassTarget(count=2, positive_code=None)
    """
    return target_of_shape(dataset.shape, dataset.target_scale, dataset.positive)


def target_of_shape(shape: Shape, scale: TargetScale | None = None, positive: int | None = None) -> Target:
    """Return the target of data of a shape.

    Args:
        shape: of the data.
        scale: how a number was standardised; not at all if left out.
        positive: code of the positive class, where one of two is decided on.
    """
    if shape.classes:
        return ClassTarget(shape.outputs, positive)
    if shape.task == ImageTarget.task:
        return ImageTarget(shape.fields[0].size, scale or TargetScale())
    return NumberTarget(scale or TargetScale())


def class_shares(part: Part, classes: int) -> Tensor:
    """Return the targets of a batch as shares of classes ``[B, K]``, in the precision of its numbers.

    Example:
        >>> class_shares(Part((), torch.tensor([1, 0])), 2).tolist()
        [[0.0, 1.0], [1.0, 0.0]]
    """
    if part.target.dim() == 2:
        return part.target
    wide = any(each.dtype == torch.float64 for each in part.tensors)
    return functional.one_hot(part.target, classes).to(torch.float64 if wide else torch.float32)


def diverged(outputs: Tensor) -> bool:
    """Whether an output is NaN or infinite, except that a log-probability may be minus infinity."""
    return bool(torch.isnan(outputs).any()) or bool((outputs == math.inf).any())


def log_probabilities(outputs: Tensor) -> Tensor:
    """Return log-probabilities of logits, float64 ``[N, K]``."""
    return functional.log_softmax(_float64(outputs), dim=1)


def _float64(values: Tensor) -> Tensor:
    values = values.detach()
    return (values.cpu() if values.device.type == "mps" else values).to(torch.float64)
