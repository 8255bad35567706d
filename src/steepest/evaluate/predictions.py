"""Outputs of a model on many rows."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from steepest.errors import OptionError

BATCH_SIZE = 4096
"""Rows in one call of the model at evaluation."""


def predict(model: nn.Module, inputs: tuple[Tensor, ...], *, batch_size: int = BATCH_SIZE) -> Tensor:
    """Return the model's outputs on all rows, in evaluation mode and without gradients.

    The rows are always cut at the same places, so the bits of a row's output depend on the model, the rows
    and ``batch_size``, and not on when or how often it is asked. The mode of every submodule is restored,
    also when the model raises.

    Args:
        model: called as ``model(*inputs)``; its outputs have one row for each row of the inputs.
        inputs: tensors of equal length N, on the model's device.
        batch_size: rows in one call, at least 1.

    Returns:
        outputs ``[N, …]``.

    Raises:
        OptionError: ``batch_size`` is below 1, or there are no rows.

    Example:
        >>> model = nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5))
        >>> predict(model, (torch.zeros(10, 3),), batch_size=4).shape, model.training
        (torch.Size([10, 2]), True)
    """
    if batch_size < 1:
        raise OptionError(f"a batch size of {batch_size}", hint="use a batch size of at least 1.")
    rows = len(inputs[0]) if inputs else 0
    if rows == 0:
        raise OptionError("there are no rows to predict", hint="give a table with at least one row.")
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        with torch.no_grad():
            outputs = [
                model(*(each[start : start + batch_size] for each in inputs))
                for start in range(0, rows, batch_size)
            ]
    finally:
        for module, mode in modes:
            module.training = mode
    return torch.cat(outputs)
