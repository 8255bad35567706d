"""Batch norm's running statistics, estimated anew for weights that were not trained with them."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from steepest.data.dataset import Part

MOST_ROWS = 10_000
"""Training rows that they are estimated on."""
_NORMS = nn.modules.batchnorm._BatchNorm  # pyright: ignore[reportPrivateUsage]


def has_statistics(model: nn.Module) -> bool:
    """Return whether a model has running statistics of batches.

    Example:
        >>> has_statistics(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))), has_statistics(nn.LayerNorm(2))
        (True, False)
    """
    return any(isinstance(each, _NORMS) and each.track_running_stats for each in model.modules())


def estimated(model: nn.Module, batches: Iterable[Part]) -> dict[str, Tensor]:
    """Return the means over some batches in the place of running statistics, by name; the model stays as it is.

    Nothing but batch norm is in training mode, so that nothing is drawn.

    Args:
        model: with the weights that they are for.
        batches: of training rows.

    Example:
        >>> norm = nn.BatchNorm1d(1)
        >>> parts = [Part((torch.tensor([[a], [b]]),), torch.zeros(2)) for a, b in ((0.0, 2.0), (4.0, 6.0))]
        >>> [round(float(each), 3) for each in estimated(norm, parts).values()], float(norm.running_mean)
        ([3.0, 2.0, 2.0], 0.0)
    """
    norms = {
        name: each
        for name, each in model.named_modules()
        if isinstance(each, _NORMS) and each.track_running_stats
    }
    training = {each: each.training for each in model.modules()}
    kept = {each: (each.momentum, [b.clone() for b in each.buffers()]) for each in norms.values()}
    try:
        model.eval()
        for each in norms.values():
            each.reset_running_stats()
            each.momentum = None  # the mean of all batches
            each.train()
        with torch.no_grad():
            for batch in batches:
                model(*batch.inputs)
        return {
            f"{name}.{buffer}".lstrip("."): value.clone()
            for name, each in norms.items()
            for buffer, value in each.named_buffers()
            if not buffer.startswith("dropout_share")
        }
    finally:
        for each, (momentum, buffers) in kept.items():
            each.momentum = momentum
            for own, value in zip(each.buffers(), buffers, strict=True):
                own.copy_(value)
        for module, before in training.items():
            module.training = before


def batches_of(part: Part, size: int) -> Iterable[Part]:
    """Yield the first training rows in batches of a size, as many as are whole; of fewer rows, all at once.

    Example:
        >>> [len(each) for each in batches_of(Part((), torch.zeros(7)), 3)]
        [3, 3]
    """
    count = min(len(part), MOST_ROWS)
    size = min(size, count)
    for start in range(0, count - size + 1, size):
        yield part.map(lambda each, start=start: each[start : start + size])
