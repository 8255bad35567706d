"""What a network is trained to make small: one objective a file, named as a component, such as ``huber(1.0)``."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from steepest.components import grammar
from steepest.components.declared import Component, make_component
from steepest.components.registry import Registry
from steepest.curvature.outputs import no_curvature, twice_differentiated
from steepest.data.dataset import Task
from steepest.errors import OptionError
from steepest.objectives.exact import Array
from steepest.objectives.target import Target

registry = Registry("loss", "steepest.objectives.losses")


class Objective(Component):
    r"""The training loss of a batch: :math:`\sum_i w_i \ell_i / \sum_i w_i` over its rows.

    A subclass gives the losses :math:`\ell_i` of rows; the weights :math:`w_i` are 1 unless rows or classes have
    weights; where both have, they are multiplied.

    Attributes:
        title: what it is called in a sentence; its specification is quoted where it has none.
        serves: the task whose targets it is for.
        solved: how :meth:`optimum` is computed, for a reader; empty where it is not.
        metric: the metric that the mean of its losses is, in the units of the data; empty if there is none.
        curved: whether it has a second derivative other than 0, which methods that use curvature need.
    """

    title: ClassVar[str] = ""
    serves: ClassVar[Task]
    metric: ClassVar[str] = ""
    solved: ClassVar[str] = ""
    curved: ClassVar[bool] = True

    @abstractmethod
    def losses(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Return the loss of each row, ``[B]``.

        Args:
            outputs: of the model, logits ``[B, K]`` or standardised values ``[B, 1]``.
            target: class codes (int64 ``[B]``) or standardised values ``[B]``.
        """

    def loss(self, outputs: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the loss of a batch, a scalar; 0 if no row has any weight. A subclass may compute the same at once.

        Args:
            outputs, target: as for :meth:`losses`.
            weights: a weight for each row, ``[B]``, at least 0.
        """
        losses = self.losses(outputs, target)
        if weights is None:
            return losses.mean()
        return (weights * losses).sum() / total_weight(weights)

    def made_up(self, draw: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Return made-up outputs and targets of four rows, float64, with which the loss can be checked.

        By default those of the task that it serves: logits ``[4, 3]`` and codes, or standardised values.
        """
        columns = {"classification": 3, "regression": 1}.get(self.serves, 6)
        outputs = torch.from_numpy(draw.normal(size=(4, columns)))
        if self.serves == "classification":
            return outputs, torch.from_numpy(draw.integers(columns, size=4))
        return outputs, torch.from_numpy(draw.normal(size=(4,) if columns == 1 else (4, columns)))

    def class_weighted(self, outputs: Tensor, target: Tensor, class_weights: Tensor) -> Tensor:
        """Return the loss of a batch in which each row has the weight of its class, ``[K]``."""
        return self.loss(outputs, target, class_weights[target])

    def of_shares(self, outputs: Tensor, shares: Tensor) -> Tensor:
        """Return the loss of each row that belongs to several classes in part, ``[B]``; it is linear in the shares.

        By default the losses of all classes are computed one after the other; a subclass may compute them at once.

        Args:
            outputs: as for :meth:`losses`.
            shares: of classes, ``[B, K]``, at least 0.
        """
        every = torch.arange(shares.shape[1], device=shares.device)
        return sum(
            (shares[:, k] * self.losses(outputs, code.expand(len(shares))) for k, code in enumerate(every)),
            start=outputs.new_zeros(()),
        )

    def bend(self, outputs: Tensor, target: Tensor, vector: Tensor) -> Tensor:
        """Return the Hessian of each row's loss in its outputs, times that row of a vector, ``[B, …]``.

        By default the losses are differentiated twice; a subclass may write it down.

        Raises:
            OptionError: the loss is piecewise linear.
        """
        if not self.curved:
            raise no_curvature(self.title or str(self))
        return twice_differentiated(lambda given: self.losses(given, target).sum())(outputs, vector)

    def residuals(self, outputs: Tensor, target: Tensor) -> Tensor | None:
        """Return differences ``[B]`` whose squares are the losses, or None where the losses are no squares."""
        del outputs, target
        return None

    def optimum(self, design: Array, target: Array, weights: Array | None = None) -> Array | None:
        """Return the coefficients ``[P]`` of a linear model with the least loss, or None if they are not computed.

        Args:
            design: what the coefficients are multiplied with, ``[N, P]``.
            target: ``[N]``.
            weights: of rows ``[N]``, or None for equal ones.
        """
        del design, target, weights
        return None


def total_weight(weights: Tensor) -> Tensor:
    """Return what a sum over rows is divided by: the sum of their weights, above 0 even where no row has any.

    Example:
        >>> float(total_weight(torch.tensor([0.5, 2.0]))), float(total_weight(torch.zeros(2))) > 0.0
        (2.5, True)
    """
    return weights.sum().clamp(min=torch.finfo(weights.dtype).tiny)


def read_objective(text: str) -> Objective:
    """Return the objective that a specification names, whatever target it is for.

    Raises:
        UnknownNameError: there is none with this name, or no such option.
        OptionError: an option has a value that is not allowed.

    Example:
        >>> str(read_objective("quantile(0.90)"))
        'quantile(0.9)'
    """
    return make_component(registry, text, Objective)


def loss_text(text: str) -> str:
    """Return the specification of a loss with all its options.

    Example:
        >>> loss_text("huber"), loss_text("Huber(delta=1)")
        ('huber(1.0)', 'huber(1.0)')
    """
    spec = grammar.parse(text)
    made = read_objective(text)
    return made.referred(spec.name) if spec.is_reference else str(made)


def loss_title(text: str) -> str:
    """Return what a loss is called in a sentence, with its specification where it has options.

    A loss of the user's own is not loaded: a stored text may come from a stranger.

    Example:
        >>> loss_title("absolute"), loss_title("huber(1.0)"), loss_title("mine.py:Focal(gamma=2.0)")
        ('the absolute error', 'the Huber loss, huber(1.0)', 'mine.py:Focal(gamma=2.0)')
    """
    spec = grammar.parse(text)
    if spec.is_reference or spec.name not in registry.entries:
        return text
    title = registry.load(spec.name).title
    return f"{title}, {text}" if spec.arguments or spec.options else title


def make_objective(text: str, target: Target) -> Objective:
    """Return the objective that a specification names, or the default one of a target.

    Args:
        text: the specification; empty for the default.
        target: what is predicted.

    Raises:
        UnknownNameError: there is none with this name, or no such option.
        OptionError: an option has a value that is not allowed, or the objective does not serve the target.

    Example:
        >>> from steepest.objectives.target import ClassTarget, NumberTarget
        >>> make_objective("", ClassTarget(3)), str(make_objective("huber(delta=2)", NumberTarget()))
        (CrossEntropy(), 'huber(2.0)')
    """
    made = read_objective(text or target.loss)
    if made.serves != target.task:
        raise OptionError(
            f"the loss {text!r} is for {made.serves}, but the target is one of {target.task}",
            hint=f"choose from {', '.join(registry.names(target.task))}.",
        )
    return made
