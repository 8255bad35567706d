"""Sharpness, the largest eigenvalue of a training loss's Hessian, beside the largest that an optimizer bears."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from steepest.curvature import Curvature, top_eigenvalues
from steepest.curvature.function import held, restricted
from steepest.data.dataset import Part
from steepest.errors import ModelError
from steepest.optim.method import Method
from steepest.optim.stability import Stability
from steepest.train.masks import unmasked
from steepest.train.problem import SupervisedProblem
from steepest.train.statistics import has_statistics

FULL_ROWS = 10_000
"""Training rows of a run on all of them at once up to which its sharpness is that of all."""

TOLERANCE = 1e-3
"""Relative accuracy of watched eigenvalues."""


def curvature_of(
    problem: SupervisedProblem, part: Part, parameters: Mapping[str, Tensor] | None = None
) -> Curvature:
    """Return the curvature of the mean training loss of some rows, without penalties, in the mode of the model.

    It is by the numbers that training can move: what pruning holds at zero is left out, and of a parameter that is
    pruned the others are one after the other, ``[n]``.

    Args:
        problem: model and loss.
        part: the rows.
        parameters: trained ones, where they are not the model's own.

    Raises:
        ModelError: the gradients of the problem are not those of its loss.
    """
    if problem.no_curvature:
        raise ModelError(
            f"there is no curvature to measure: {problem.no_curvature}",
            hint="choose another arm, such as --finetune lora, whose gradients are those of the loss.",
        )
    own = {name: each for name, each in problem.model.named_parameters() if each.requires_grad}
    chosen = own if parameters is None else parameters
    places = {name: each.flatten().nonzero().flatten() for name, each in problem.masks.items()}
    return Curvature(
        restricted(held(problem.model, part.inputs), chosen, places),
        unmasked(chosen, problem.masks),
        lambda outputs: problem.batch_loss(outputs, part),
        bend=lambda outputs, vector: problem.bend(outputs, part, vector),
    )


def sharpness(problem: SupervisedProblem, part: Part, divisors: Mapping[str, Tensor] | None = None) -> float:
    """Return the largest eigenvalue of the Hessian, or of the preconditioned one.

    Args:
        problem: model and loss.
        part: the rows.
        divisors: numbers D, by parameter; with them the eigenvalue is that of D^(−1/2) H D^(−1/2).
    """
    at = curvature_of(problem, part)
    divisor = None if divisors is None else at.flat(unmasked(divisors, problem.masks))
    if at.size == 1:
        found = float(at.hessian(torch.ones(1).to(at.outputs)))
        return found if divisor is None else found / float(divisor)
    return float(top_eigenvalues(at, "hessian", count=1, tolerance=TOLERANCE, divisor=divisor).values[0])


def stability_of(
    problem: SupervisedProblem, method: Method, batch: int, rows: int, step: int
) -> Stability | str:
    """Return the curvature that a step of a run bears, or why no such threshold applies.

    Args:
        problem: model and loss.
        method: how it is trained.
        batch: rows of a step.
        rows: of the training set.
        step: counted from 0.
    """
    return without_threshold(problem, batch, rows) or method.stability(step) or method.without_stability


def without_threshold(problem: SupervisedProblem, batch: int, rows: int) -> str:
    """Return why no threshold applies to a run, besides what its optimizer says; empty where one does.

    Args:
        problem: model and loss.
        batch: rows of a step.
        rows: of the training set.
    """
    model = problem.model
    if problem.no_curvature:
        return problem.no_curvature
    if batch < rows:
        return (
            f"its steps see {batch:,} of {rows:,} training rows, and the threshold is of steps on all rows at once "
            "(--batch-size all)"
        )
    if any(isinstance(each, nn.modules.dropout._DropoutNd) and each.p for each in model.modules()):  # pyright: ignore[reportPrivateUsage]
        return "dropout changes the loss at every step"
    if has_statistics(model):
        return "batch norm has other statistics in a step than in an evaluation"
    if problem.applied is not None or problem.masks or problem.teaching is not None:
        return "the loss of its steps is another than the training loss alone"
    return ""
