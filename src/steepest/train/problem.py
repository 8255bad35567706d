"""The loss that a method makes smaller."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from steepest.data.dataset import Part, Task
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
        """Return the batch's loss, a scalar.

        Raises:
            ModelError: the model's outputs do not have the shape that the task needs.
        """
        outputs = self.model(*batch.inputs)
        if outputs.ndim != 2 or len(outputs) != len(batch):
            raise ModelError(
                f"the model returned shape {tuple(outputs.shape)} for {len(batch)} rows",
                hint="return one row of outputs for each row: [rows, classes], or [rows, 1] for regression.",
            )
        if self.task == "classification":
            return F.cross_entropy(outputs, batch.target, weight=self.weights)
        return F.mse_loss(outputs.squeeze(1), batch.target)
