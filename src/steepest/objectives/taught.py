"""The part of a student's loss that is its teacher's."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from steepest.data.dataset import Task
from steepest.objectives import Objective
from steepest.procedures.teaching import TEMPERATURE, Teaching

TEACHABLE: frozenset[Task] = frozenset(("classification", "regression", "reconstruction"))
"""Tasks with so few outputs for a row that a teacher's stay beside it; a text has a vocabulary at each token."""


def teacher_losses(outputs: Tensor, answers: Tensor, teaching: Teaching, objective: Objective) -> Tensor:
    r"""Return what a student's outputs lose against its teacher's, for each row, ``[B]``.

    For classes :math:`T^2 \sum_k q_k (\log q_k - \log p_k)` with the probabilities p of the student and q of the
    teacher at temperature T, or the loss of the teacher's decision as the label; for numbers, the loss of its value.
    The task is one of :data:`TEACHABLE`.

    Args:
        outputs: of the student, ``[B, K]`` or ``[B, 1]``.
        answers: of the teacher, of the same shape.
        teaching: how they are compared.
        objective: the training loss.

    Example:
        >>> import torch
        >>> from steepest.objectives import read_objective
        >>> outputs, answers = torch.tensor([[0.0, 0.0]]), torch.tensor([[0.0, 4.0]])
        >>> found = teacher_losses(outputs, answers, Teaching(1.0, 2.0), read_objective("cross-entropy"))
        >>> [round(each, 4) for each in found.tolist()]
        [1.3113]
    """
    if objective.serves != "classification":
        return objective.losses(outputs, answers.squeeze(1) if outputs.shape[1] == 1 else answers)
    if teaching.targets == "hard":
        return objective.losses(outputs, answers.argmax(1))
    heat = TEMPERATURE if teaching.temperature is None else teaching.temperature
    ours, theirs = functional.log_softmax(outputs / heat, 1), functional.log_softmax(answers / heat, 1)
    found = functional.kl_div(ours, theirs, reduction="none", log_target=True).sum(1)
    if teaching.squared:
        found = found * heat**2
    return found / outputs.shape[1] if teaching.reduction == "mean" else found
