"""What can be seen to be wrong about a loss, or about a model's outputs, before anything long begins."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from steepest.data.dataset import Dataset, Note, Part
from steepest.errors import ModelError, OptionError, first_line
from steepest.evaluate.outputs import outputs_on
from steepest.objectives import Objective
from steepest.objectives.target import target_of
from steepest.rng import torch_stream
from steepest.wording import counted


def check_objective(objective: Objective, text: str, dataset: Dataset) -> None:
    """Call a loss with made-up outputs and the targets of some training rows, before anything long begins.

    Raises:
        OptionError: it fails, does not give a loss for each row, or has no gradient.
    """
    rows = dataset.train.take(torch.arange(min(8, len(dataset.train))))
    of = target_of(dataset)
    n, wanted, target = len(rows), of.shape(len(rows)), of.wanted(rows.target)
    outputs = torch.linspace(-1.0, 1.0, math.prod(wanted)).reshape(wanted).requires_grad_()
    try:
        losses: Any = objective.losses(outputs, target)
        total: Any = objective.loss(outputs, target, rows.weights)
    except Exception as error:
        raise OptionError(
            f"the loss {text!r} fails on {counted(n, 'row')}: {type(error).__name__}: {first_line(error)}",
            hint=f"its losses are called with outputs {list(outputs.shape)} and targets {list(target.shape)}.",
        ) from error
    for found, shape, verb in ((losses, (n,), "have"), (total, (), "has")):
        if not isinstance(found, Tensor) or tuple(found.shape) != shape:
            said = f"the shape {list(found.shape)}" if isinstance(found, Tensor) else f"{found!r}"
            what = "losses of" if shape else "loss of"
            raise OptionError(
                f"the {what} {n} rows by {text!r} {verb} {said}, not {list(shape)}",
                hint=f"outputs have the shape {list(outputs.shape)}, targets {list(target.shape)}: a difference "
                "of numbers is outputs.squeeze(1) - target.",
            )
    if not losses.requires_grad or not total.requires_grad:
        raise OptionError(
            f"the loss {text!r} has no gradient with respect to the outputs",
            hint="compute it from the outputs without detach(), item() or NumPy.",
        )


LOOKED_AT = 256
"""Training rows on which the outputs of a new model are looked at."""


def about_outputs(model: nn.Module, dataset: Dataset) -> list[Note]:
    """Return a warning if something looks wrong about a new model's outputs on training rows, and its own cautions.

    Example:
        >>> from steepest.data.table import read_table
        >>> data = read_table({"x": [0.1, 0.2, 0.3] * 40, "y": ["ham", "spam", "ham"] * 40}, target="y").dataset()
        >>> class Net(nn.Linear):
        ...     def forward(self, categorical, continuous):
        ...         return super().forward(continuous).softmax(1)
        >>> about_outputs(Net(1, 2), data)[0].text
        'the outputs of the model are probabilities (none below 0, every row sums to 1), but ...'
    """
    rows = dataset.train.take(torch.arange(min(LOOKED_AT, len(dataset.train))))
    target = target_of(dataset)
    doubt = target.doubt(outputs_on(model, rows, target)) if target.doubts else None
    said = [text for module in model.modules() for text in getattr(module, "cautions", ())]
    return [Note("warning", text) for text in [*said, *([] if doubt is None else [doubt])]]


LOOKS_AHEAD = 1e-6
"""By which share of the largest output rounding may change those at earlier tokens."""


def check_model(model: nn.Module, dataset: Dataset) -> None:
    """Call a model on two rows, before anything long begins.

    Raises:
        ModelError: it has nothing to train, fails, its outputs do not have the shape that the task needs, or of a text
            they depend on later tokens.
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
            f"the model fails on {counted(len(rows), 'row')}: {type(error).__name__}: {error}",
            hint=f"it is called as {dataset.shape.call}, with {_shapes_of(rows)}.",
        ) from error
    finally:
        model.train(training)
    target = target_of(dataset)
    wanted = target.shape(len(rows))
    inside = ", ".join(map(str, wanted[1:]))
    if not isinstance(outputs, Tensor) or tuple(outputs.shape) != wanted:
        found = (
            f"shape {tuple(outputs.shape)}" if isinstance(outputs, Tensor) else f"a {type(outputs).__name__}"
        )
        raise ModelError(
            f"the model returned {found} for {counted(len(rows), 'row')}",
            hint=f"return a tensor of shape [rows, {inside}]: one column for each {target.column}.",
        )
    trained = _training_shape(model, rows)
    of_members = (
        trained is not None and len(trained) == len(wanted) + 1 and trained[:1] + trained[2:] == wanted
    )
    if trained is not None and trained != wanted and not of_members:
        raise ModelError(
            f"in training mode the model returned shape {trained} for {counted(len(rows), 'row')}",
            hint=f"return [rows, {inside}], or of several members [rows, members, {inside}].",
        )
    if target.causal:
        _check_causal(model, rows, outputs)


def _check_causal(model: nn.Module, rows: Part, outputs: Tensor) -> None:
    """Raise a ``ModelError`` if what a model says of a text before a token depends on the token."""
    tokens = rows.inputs[0].clone()
    tokens[:, -1] = (tokens[:, -1] + 1) % outputs.shape[-1]
    training = model.training
    try:
        with torch.no_grad():
            others = model.eval()(tokens)
    finally:
        model.train(training)
    gaps = (others - outputs)[:, :-1].abs()
    if bool(gaps.max() > LOOKS_AHEAD * outputs.abs().max()):
        raise ModelError(
            "the model looks ahead: its outputs at earlier tokens change with the last one, which they are to predict",
            hint="mask what is behind a token, as causal models do; an encoder such as BERT is none.",
        )


def _training_shape(model: nn.Module, rows: Part) -> tuple[int, ...] | None:
    """Return the shape of a model's outputs in training mode, without changing it; None if it fails on so few rows."""
    training = model.training
    buffers = {name: each.clone() for name, each in model.named_buffers()}
    try:
        with torch.no_grad(), torch_stream(0, "dropout"):
            outputs: Any = torch.func.functional_call(model.train(), buffers, rows.inputs)
    except Exception:
        return None
    finally:
        model.train(training)
    return tuple(outputs.shape) if isinstance(outputs, Tensor) else None


def _shapes_of(rows: Part) -> str:
    return " and ".join(
        f"{str(each.dtype).removeprefix('torch.')} {list(each.shape)}" for each in rows.inputs
    )
