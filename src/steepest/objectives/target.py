"""What is predicted, classes, a number, the input itself or the next token: what outputs look like, and mean.

This is the one place that knows the difference after the data are read; everybody else asks a :class:`Target`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from steepest.data.dataset import Dataset, Part, Shape, TargetScale, Task
from steepest.objectives.decoded import ClassOutputs, PixelOutputs, ValueOutputs
from steepest.objectives.predicted import Decoded, Target, diverged, float64, log_probabilities
from steepest.objectives.tokens import TokenTarget

__all__ = [
    "TARGETS",
    "WHITE",
    "ClassTarget",
    "Decoded",
    "ImageTarget",
    "NumberTarget",
    "Target",
    "TokenTarget",
    "class_shares",
    "diverged",
    "log_probabilities",
    "target_of",
    "target_of_shape",
]

WHITE = 255.0
"""The largest value of a pixel."""
IMAGES_AT_ONCE = 1024


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
    doubts = True

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
        return float64(outputs).squeeze(1) * self.scale.sd + self.scale.mean

    def _fits(self, shape: tuple[int, ...], rows: int) -> bool:
        return shape in ((rows,), (rows, 1))

    def _shapes(self, rows: int) -> str:
        return f"({rows},) or ({rows}, 1)"

    def _decoded(self, outputs: Tensor, target: Tensor) -> ValueOutputs:
        values = float64(outputs).reshape(-1) * self.scale.sd + self.scale.mean
        return ValueOutputs(values, float64(target).reshape(-1) * self.scale.sd + self.scale.mean)


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
            values = float64(outputs[some]) * self.scale.sd + self.scale.mean
            error = ((values - float64(target[some]).reshape(values.shape)) / WHITE).cpu()
            squared[some], absolute[some] = error.square().mean(1), error.abs().mean(1)
        return PixelOutputs(squared, absolute)


TARGETS: Mapping[Task, type[Target]] = {
    each.task: each for each in (ClassTarget, NumberTarget, ImageTarget, TokenTarget)
}
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
    if shape.task == TokenTarget.task:
        return TokenTarget.of(shape)
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
