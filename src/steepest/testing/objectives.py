"""The suite for whoever writes a training loss, to subclass in a test file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from steepest.data.dataset import InputField, Shape, TargetScale, has_classes
from steepest.errors import SteepestError
from steepest.objectives import Objective, loss_text, read_objective
from steepest.objectives.target import target_of_shape
from steepest.rng import stream

CLASSES, ROWS = 3, 24


class ObjectiveConformance:
    """The suite for a training loss of your own: subclass it in a test file and pytest runs every check.

    Attributes:
        losses: its specifications, between them with every option.
        refused: specifications of it with values that it should refuse.
        textbook: a slow version of the loss of one row, ``textbook(loss, outputs, target) → float`` with outputs as a
            NumPy array ``[K]`` or ``[1]``, as a ``staticmethod``. Without it the suite knows whether the loss keeps its
            contract but not whether it is the right loss.

    Example:
        >>> class TestMine(ObjectiveConformance):
        ...     losses = ("huber", "huber(0.3)")
        ...     refused = ("huber(0)",)
        >>> TestMine().test_the_gradient_is_that_of_the_loss()
    """

    losses: Sequence[str] = ()
    refused: Sequence[str] = ()
    textbook: Callable[[Any, Any, Any], float] | None = None

    def _made(self) -> list[Objective]:
        return [read_objective(each) for each in self.losses]

    def test_is_what_its_text_says(self) -> None:
        """Its specification, with every option, makes the same loss again."""
        for text in self.losses:
            assert read_objective(loss_text(text)) == read_objective(text), (
                f"{loss_text(text)} is another loss"
            )

    def test_has_a_loss_for_each_row(self) -> None:
        """The losses have the shape [B] and the outputs' type, and a row's does not depend on the other rows."""
        for loss in self._made():
            for dtype in (torch.float32, torch.float64):
                outputs, target = _rows(loss, dtype)
                found = loss.losses(outputs, target)
                assert found.shape == (ROWS,), f"{loss}: losses of shape {tuple(found.shape)}"
                assert found.dtype == dtype, f"{loss}: {found.dtype} from {dtype}"
                few = loss.losses(outputs[:5], target[:5])
                assert torch.allclose(few, found[:5], rtol=1e-5), f"{loss}: a row's loss depends on others"

    def test_a_batch_has_the_mean(self) -> None:
        """The loss of a batch is the mean of its rows', weighted where rows or classes have weights; 0 if all are 0."""
        for loss in self._made():
            outputs, target = _rows(loss, torch.float64)
            losses = loss.losses(outputs, target)
            assert torch.allclose(loss.loss(outputs, target), losses.mean()), f"{loss}: no mean"
            repeats = (
                torch.arange(ROWS) % 4
            )  # a weight of 3 is the same as the row three times, 0 as without it
            found = loss.loss(outputs, target, repeats.double())
            expected = losses.repeat_interleave(repeats).mean()
            assert torch.allclose(found, expected), f"{loss}: no weighted mean"
            assert float(loss.loss(outputs, target, torch.zeros(ROWS).double())) == 0.0, f"{loss}: not 0"
            if has_classes(loss.serves):
                each = torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64)
                found, expected = (
                    loss.class_weighted(outputs, target, each),
                    loss.loss(outputs, target, each[target]),
                )
                assert torch.allclose(found, expected), f"{loss}: weights of classes are not those of rows"

    def test_the_gradient_is_that_of_the_loss(self) -> None:
        """Autograd gives what finite differences give, in float64."""
        for loss in self._made():
            outputs, target = _rows(loss, torch.float64)
            outputs.requires_grad_()
            [found] = torch.autograd.grad(loss.loss(outputs, target), outputs)
            for place in np.ndindex(*outputs.shape):
                step = torch.zeros_like(outputs)
                step[place] = 1e-6
                with torch.no_grad():
                    up, down = (loss.loss(outputs + each, target) for each in (step, -step))
                slope = float(up - down) / 2e-6
                assert abs(slope - float(found[place])) < 1e-6, f"{loss}: the slope at {place} is {slope}"

    def test_changes_nothing(self) -> None:
        """Outputs and targets are left as they are."""
        for loss in self._made():
            outputs, target = _rows(loss, torch.float64)
            before = outputs.clone(), target.clone()
            loss.loss(outputs, target)
            assert torch.equal(outputs, before[0]), f"{loss} changes the outputs"
            assert torch.equal(target, before[1]), f"{loss} changes the target"

    def test_is_the_textbook(self) -> None:
        """Each row's loss is that of the slow version."""
        if self.textbook is None:
            return
        for loss in self._made():
            outputs, target = _rows(loss, torch.float64)
            pairs = zip(outputs.numpy(), target.numpy(), strict=True)
            expected = torch.tensor([self.textbook(loss, *each) for each in pairs], dtype=torch.float64)
            found = loss.losses(outputs, target)
            assert torch.allclose(found, expected, rtol=1e-10, atol=1e-12), (
                f"{loss}: {found} is not {expected}"
            )

    def test_refuses(self) -> None:
        """Values out of range are errors that carry a hint."""
        for text in self.refused:
            try:
                read_objective(text)
            except SteepestError:
                continue
            raise AssertionError(f"{text} is not refused")


def _rows(loss: Objective, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    draw = stream(0, "data", 9)
    image = InputField("image", "image", (1, 1, CLASSES))
    of = target_of_shape(Shape(loss.serves, {}, (), CLASSES, (image,)), TargetScale(128.0, 74.0))
    target = of.wanted(of.made_up(ROWS, draw), dtype)
    outputs = torch.from_numpy(draw.standard_normal(of.shape(ROWS))).to(dtype)
    return outputs, target.to(dtype) if target.is_floating_point() else target
