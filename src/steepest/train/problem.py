"""The loss that a method makes smaller."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from steepest.data.dataset import Dataset, Part, Task
from steepest.errors import ModelError


class SupervisedProblem:
    r"""A model with the loss of its task on a batch.

    Classification: cross-entropy on logits, each row weighted by its class where weights are given,
    :math:`\sum_i w_{y_i} \ell_i / \sum_i w_{y_i}`. Regression: mean squared error of the standardised target.

    Args:
        model: outputs ``[B, classes]`` or ``[B, 1]``.
        task: what is predicted.
        class_weights: a weight for each class, or None.
    """

    def __init__(self, model: nn.Module, task: Task, class_weights: Sequence[float] | None = None) -> None:
        self.model = model
        self.task: Task = task
        device = next(model.parameters()).device
        self.weights = None if class_weights is None else torch.tensor(class_weights, device=device)
        self.watched = ("log_loss", "accuracy") if task == "classification" else ("rmse",)

    def loss(self, batch: Part) -> Tensor:
        """Return the batch's loss, a scalar."""
        outputs = self.model(*batch.inputs)
        if self.task == "classification":
            return F.cross_entropy(outputs, batch.target, weight=self.weights)
        return F.mse_loss(outputs.squeeze(1), batch.target)


def check_model(model: nn.Module, dataset: Dataset) -> None:
    """Call a model on two rows, before anything long begins.

    Raises:
        ModelError: it has nothing to train, fails, or its outputs do not have the shape that the task needs.
    """
    if not any(each.requires_grad for each in model.parameters()):
        raise ModelError("the model has no parameter to train", hint="give it at least one nn.Parameter.")
    rows = dataset.train.take(torch.arange(min(2, len(dataset.train))))
    training = model.training
    try:
        with torch.no_grad():
            outputs = model.eval()(*rows.inputs)
    except Exception as error:
        raise ModelError(
            f"the model fails on {len(rows)} rows: {type(error).__name__}: {error}",
            hint="it is called as model(categorical, continuous), with codes [rows, C] and values [rows, D].",
        ) from error
    finally:
        model.train(training)
    wanted = (len(rows), dataset.shape.outputs)
    if not isinstance(outputs, Tensor) or tuple(outputs.shape) != wanted:
        found = (
            f"shape {tuple(outputs.shape)}" if isinstance(outputs, Tensor) else f"a {type(outputs).__name__}"
        )
        raise ModelError(
            f"the model returned {found} for {len(rows)} rows",
            hint=f"return a tensor of shape [rows, {wanted[1]}]: one column for each "
            + ("class (logits, no softmax)." if dataset.task == "classification" else "number."),
        )
