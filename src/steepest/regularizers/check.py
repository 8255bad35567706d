"""What can be seen to be wrong about regularizers before anything long begins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from steepest.data.dataset import Dataset, Note, Part
from steepest.errors import OptionError, first_line
from steepest.objectives.target import target_of
from steepest.optim.spec import MethodSpec
from steepest.procedures import Procedure
from steepest.regularizers import Regularizer, read_regularizers
from steepest.regularizers.applied import Applied, source_of
from steepest.wording import counted

TRIED_ROWS, TRIED_STEPS = 256, 32
"""How many rows in how many steps have to stay as they are before it is said that a regularizer changes nothing."""


def moves_tables(text: str) -> str:
    """Return the regularizer that acts on every row of embedding tables in every step; empty if none does.

    Example:
        >>> moves_tables("l2(0.1) + ema"), moves_tables("l2(0.1)")
        ('ema(0.99)', '')
    """
    return next((str(each) for each in read_regularizers(text) if "embeddings" in each.roles), "")


def check_method(text: str, spec: MethodSpec[Any], rates: str = "") -> None:
    """Raise an ``OptionError`` if an optimizer's steps have no place for one of some regularizers.

    Args:
        text: the regularizers.
        spec: the optimizer.
        rates: multipliers of its learning rate for some parameters.

    Example:
        >>> from steepest.optim import make_spec
        >>> check_method("ema", make_spec("schedule-free-sgd"))
        Traceback (most recent call last):
        ...
        steepest.errors.OptionError: schedule-free-sgd cannot be regularized by ema(0.99): it averages itself
        Hint: leave one of the two out.
    """
    for each in read_regularizers(text):
        if each.by_rate and rates:
            raise OptionError(
                f"{each} goes by one learning rate, but {rates} multiplies that of some parameters",
                hint="leave one of the two out.",
            )
        for place in each.places:
            if why := spec.refuses(place):
                raise OptionError(
                    f"{spec.called} cannot be regularized by {each}: {why}", hint="leave one of the two out."
                )


def check_taught(text: str, procedure: Procedure) -> None:
    """Raise an ``OptionError`` if some regularizers mix rows whose teacher has answered for each alone.

    Example:
        >>> from steepest.procedures import make_procedure
        >>> check_taught("mixup(0.2)", make_procedure("train"))
    """
    mixing = next((each for each in read_regularizers(text) if each.mixes), None)
    if mixing and any(stage.taught for stage in procedure.stages):
        raise OptionError(
            f"{mixing} mixes rows, but the teacher of {procedure.text} answers for each row alone",
            hint="leave one of the two out.",
        )


def check_regularizers(text: str, model: nn.Module, data: Dataset, tables: tuple[str, ...]) -> None:
    """Call every function of some regularizers once, on a model's own parameters and a few training rows.

    Raises:
        OptionError: one has nothing to act on, fails, or returns something of another kind or shape.
    """
    rows = data.train.take(torch.arange(min(8, len(data.train))))
    weights = {name: each.detach().clone() for name, each in model.named_parameters()}
    for each in read_regularizers(text):
        applied = Applied([each], model, tables, target_of(data), length=1)
        each.check(model, rows, target_of(data))
        if not applied.acts(*each.places):
            raise OptionError(
                f"the regularizer {str(each)!r} acts on nothing: the model has no {' or '.join(each.roles)} to train",
                hint="choose other parameters by its option on, or leave it out.",
            )
        if "batch" in each.places and _unchanged(each, applied, rows) and _never_changes(each, applied, data):
            raise OptionError(
                f"the regularizer {str(each)!r} changes nothing in the batches of this data",
                hint="input-noise needs continuous columns, augment images in which its change can be seen; leave it "
                "out here.",
            )
        if "labels" in each.places:
            _checked(each, "labels", lambda applied=applied: _labelled(applied, rows))
        if "length" in each.places and not data.held_out:
            raise OptionError(
                f"the regularizer {str(each)!r} ends runs by their validation rows, but none are held out",
                hint="leave it out, or hold validation rows out.",
            )
        if "penalty" in each.places:
            _check_penalty(each, applied, weights)
        _checked(each, "its other functions", lambda applied=applied: _tried(applied, weights))


def about_regularizers(text: str, model: nn.Module, data: Dataset) -> list[Note]:
    """Return what a person should know of some regularizers on a model and its data."""
    rows = data.train.take(torch.arange(min(8, len(data.train))))
    said = [each.about(model, rows) for each in read_regularizers(text)]
    return [Note("info", each) for each in said if each]


def _unchanged(each: Regularizer, applied: Applied, rows: Part, step: int = 0) -> bool:
    found = _checked(each, "batch", lambda: applied.batch(rows, source_of(0, step)))
    if not isinstance(found, Part) or [(t.shape, t.dtype) for t in found.tensors] != [
        (t.shape, t.dtype) for t in rows.tensors
    ]:
        raise OptionError(
            f"the batch of {str(each)!r} has other shapes than {counted(len(rows), 'row')}",
            hint="return dataclasses.replace(part, …) with tensors of the same shapes and types.",
        )
    return all(torch.equal(a, b) for a, b in zip(found.tensors, rows.tensors, strict=True))


def _never_changes(each: Regularizer, applied: Applied, data: Dataset) -> bool:
    """Return whether many draws for many rows change nothing, as a change may be rare or small."""
    rows = data.train.take(torch.arange(TRIED_ROWS) % len(data.train))
    return all(_unchanged(each, applied, rows, step) for step in range(1, TRIED_STEPS + 1))


def _labelled(applied: Applied, rows: Part) -> None:
    """Change the labels of some rows.

    Raises:
        ValueError: they are no longer as many.
    """
    if len(applied.batch(rows, source_of(0, 0))) != len(rows):
        raise ValueError(f"labels returned another number of rows than {len(rows)}")


def _check_penalty(each: Regularizer, applied: Applied, weights: dict[str, Tensor]) -> None:
    leaves = {name: value.clone().requires_grad_() for name, value in weights.items()}
    found: Any = _checked(each, "penalty", lambda: applied.penalty(leaves))
    if not isinstance(found, Tensor) or found.shape != () or not found.requires_grad:
        said = f"the shape {list(found.shape)}" if isinstance(found, Tensor) else f"{found!r}"
        what = "no gradient" if isinstance(found, Tensor) and found.shape == () else said
        raise OptionError(
            f"the penalty of {str(each)!r} has {what}",
            hint="return a scalar computed from the weights' tensors.",
        )


def _tried(applied: Applied, weights: dict[str, Tensor]) -> None:
    """Take a step's functions in their order.

    Raises:
        ValueError: one returns something of another shape.
    """
    c = applied.coefficients(0)
    averages = applied.averages(weights, {})
    for name, found in (
        ("decayed", applied.decayed(weights, c)),
        ("gradient", applied.gradients(weights, weights, applied.draws(source_of(0, 0)), c)),
        ("updated", applied.updated(weights, c)),
        ("averaged", {**weights, **(applied.averaged(averages, weights, c) if averages else {})}),
    ):
        for parameter, value in found.items():
            own = weights[parameter]
            if value.shape != own.shape or value.dtype != own.dtype:
                raise ValueError(f"{name} returned another shape or type than {parameter} has")


def _checked(each: Regularizer, what: str, call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Exception as error:
        raise OptionError(
            f"the regularizer {str(each)!r} fails: {type(error).__name__}: {first_line(error)}",
            hint=f"see {what} in steepest.regularizers.Regularizer for what it is called with.",
        ) from error
