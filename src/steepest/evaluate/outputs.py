"""Outputs of a model on many rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from steepest.data.dataset import Part
from steepest.errors import OptionError
from steepest.forks import usable_threads
from steepest.objectives.target import Target

CPU_BYTES, TEMPORARY_BYTES = 1 << 22, 1 << 26
"""What one call of the model may allocate on its way, if that allows the smallest batch: on a CPU what a core's cache
holds, elsewhere enough to keep a device busy."""

SMALLEST, LARGEST = 64, 65_536
"""Limits of a batch that is chosen by memory."""


def batch_size_for(model: nn.Module, inputs: tuple[Tensor, ...]) -> int:
    """Return how many rows one call of the model takes at evaluation: a power of two, from 64 to 65,536.

    The largest of them for which everything that the operations of a call return, together, stays within 4 MiB on a
    CPU, whose caches hold that, and within 64 MiB on other devices.
    That is measured on the first rows: b(4) bytes for four rows and b(2) for two make (b(4) - b(2)) / 2 a row, in
    which what does not grow with the rows (a transposed table, say) cancels. So it is a function of the model and
    the rows' shape and device alone, and the same rows are always cut at the same places.

    Args:
        model: called as ``model(*inputs)``; it should be in evaluation mode.
        inputs: tensors of equal length N.

    Example:
        >>> wide, narrow = nn.Linear(8, 4096), nn.Linear(8, 2)
        >>> batch_size_for(wide, (torch.zeros(999, 8),)), batch_size_for(narrow, (torch.zeros(999, 8),))
        (256, 65536)
    """
    if len(inputs[0]) <= SMALLEST:
        return SMALLEST
    allowed = CPU_BYTES if inputs[0].device.type == "cpu" else TEMPORARY_BYTES
    most = allowed // bytes_of_a_row(model, inputs)
    return min(LARGEST, max(SMALLEST, 1 << max(0, most.bit_length() - 1)))


def bytes_of_a_row(model: nn.Module, inputs: tuple[Tensor, ...]) -> int:
    """Return how many bytes the operations of a call return for a row, together, at least 1.

    Args:
        model, inputs: as for :func:`batch_size_for`, of 4 rows at least.

    Example:
        >>> bytes_of_a_row(nn.Sequential(nn.Linear(8, 6), nn.ReLU()), (torch.zeros(4, 8),))
        48
    """
    few, more = (_returned(model, tuple(each[:rows] for each in inputs)) for rows in (2, 4))
    return max(1, (more - few) // 2)


class _Counted(TorchFunctionMode):
    """Counts the bytes of the tensors that functions return."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        found = func(*args, **(kwargs or {}))
        for each in found if isinstance(found, tuple | list) else (found,):
            if isinstance(each, Tensor):
                self.bytes += each.numel() * each.element_size()
        return found


def _returned(model: nn.Module, inputs: tuple[Tensor, ...]) -> int:
    with _Counted() as counted:
        model(*inputs)
    return counted.bytes


def _as_precise(model: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Return inputs with their numbers in 64 bits if the model's parameters have them."""
    if not any(each.dtype == torch.float64 for each in model.parameters()):
        return inputs
    return tuple(each.double() if each.is_floating_point() else each for each in inputs)


def streamed_size(model: nn.Module, inputs: tuple[Tensor, ...]) -> int:
    """Return how many rows one call takes where a row has many outputs, which are condensed call by call.

    A power of two, from 1, as for :func:`batch_size_for`, within 64 MiB on any device.
    """
    if len(inputs[0]) < 4:
        return len(inputs[0])
    most = TEMPORARY_BYTES // bytes_of_a_row(model, inputs)
    return min(LARGEST, 1 << max(0, most.bit_length() - 1))


def outputs_on(model: nn.Module, part: Part, target: Target) -> Tensor:
    """Return what an evaluation keeps of a model's outputs on the rows of a part, see :meth:`Target.condense`.

    Example:
        >>> from steepest.objectives.target import ClassTarget
        >>> outputs_on(nn.Linear(3, 2), Part((torch.zeros(4, 3),), torch.zeros(4).long()), ClassTarget(2)).shape
        torch.Size([4, 2])
    """
    if not target.condensed:
        return predict(model, part.inputs)

    def condense(outputs: Tensor, rows: slice) -> Tensor:
        return target.condense(outputs, part.map(lambda each: each[rows]))

    return predict(model, part.inputs, condense=condense)


def predict(
    model: nn.Module,
    inputs: tuple[Tensor, ...],
    *,
    batch_size: int | None = None,
    condense: Callable[[Tensor, slice], Tensor] | None = None,
) -> Tensor:
    """Return the model's outputs on all rows, in evaluation mode and without gradients.

    The rows are always cut at the same places, so the bits of a row's output depend on the model, the rows
    and ``batch_size``, and not on when or how often it predicts. The mode of every submodule is restored,
    also when the model raises.

    Args:
        model: called as ``model(*inputs)``; its outputs have one row for each row of the inputs.
        inputs: tensors of equal length N, on the model's device.
        batch_size: rows in one call, at least 1; chosen by memory (``batch_size_for``) if it is not given.
        condense: makes of the outputs of some rows what is returned of them.

    Returns:
        outputs ``[N, …]``.

    Raises:
        OptionError: ``batch_size`` is below 1, or there are no rows.

    Example:
        >>> model = nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5))
        >>> predict(model, (torch.zeros(10, 3),), batch_size=4).shape, model.training
        (torch.Size([10, 2]), True)
    """
    if batch_size is not None and batch_size < 1:
        raise OptionError(f"a batch size of {batch_size}", hint="use a batch size of at least 1.")
    rows = len(inputs[0]) if inputs else 0
    if rows == 0:
        raise OptionError("there are no rows to predict", hint="give a table with at least one row.")
    modes = [(module, module.training) for module in model.modules()]
    inputs = _as_precise(model, inputs)
    if usable_threads(torch.get_num_threads()) != torch.get_num_threads():
        torch.set_num_threads(
            usable_threads(torch.get_num_threads())
        )  # from here on: others would wait as well
    try:
        model.eval()
        with torch.no_grad():
            chosen = batch_size_for if condense is None else streamed_size
            size = chosen(model, inputs) if batch_size is None else batch_size

            def outputs_of(some: slice) -> Tensor:
                found = model(*(each[some] for each in inputs))
                return found if condense is None else condense(found, some)

            first = outputs_of(slice(0, size))
            if rows <= size:
                return first
            outputs = first.new_empty((rows, *first.shape[1:]))
            outputs[:size] = first
            for start in range(size, rows, size):
                some = slice(start, start + size)
                outputs[some] = outputs_of(some)
    finally:
        for module, mode in modes:
            module.training = mode
    return outputs
