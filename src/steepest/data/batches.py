"""Which rows a training step sees: index plans that are pure in (seed, epoch), without a ``DataLoader``.

Every training batch is full, because batch norm and compiled steps want one shape: the rows that do not
fill a last batch are left out of that epoch. The order is drawn anew for each epoch, so other rows are left
out each time. A table with fewer rows than the batch size gives one batch of all its rows.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from torch import Tensor

from steepest.errors import OptionError
from steepest.rng import stream
from steepest.wording import counted


def epoch_order(n: int, seed: int, epoch: int) -> Tensor:
    """Return the order of ``n`` rows in one epoch (int64 ``[n]``), a pure function of (seed, epoch).

    Example:
        >>> bool((epoch_order(9, 0, 1) == epoch_order(9, 0, 1)).all())
        True
    """
    return torch.from_numpy(stream(seed, "order", epoch).permutation(n))


@functools.lru_cache(maxsize=4)
def _cached_order(n: int, seed: int, epoch: int) -> Tensor:
    return epoch_order(n, seed, epoch)


@dataclass(frozen=True)
class BatchPlan:
    """The training batches of one run by global step.

    Args:
        rows: number of training rows.
        batch_size: rows of a batch; all of them if the table has fewer.
        seed: the run seed.

    Raises:
        OptionError: there is no row or the batch size is below 1.

    Example:
        >>> plan = BatchPlan(rows=10, batch_size=4, seed=0)
        >>> plan.batches_per_epoch, len(plan.indices(7))
        (2, 4)
    """

    rows: int
    batch_size: int
    seed: int

    def __post_init__(self) -> None:
        if self.batch_size < 1 or self.rows < 1:
            raise OptionError(
                f"a batch size of {self.batch_size} for {counted(self.rows, 'row')}",
                hint="give a batch size of at least 1 and a table with rows.",
            )

    @property
    def size(self) -> int:
        """Rows in every batch."""
        return min(self.batch_size, self.rows)

    @property
    def batches_per_epoch(self) -> int:
        """Full batches in one epoch."""
        return self.rows // self.size

    def indices(self, step: int) -> Tensor:
        """Return the rows of global step ``step``, counted from 0 (int64 ``[size]``)."""
        epoch, batch = divmod(step, self.batches_per_epoch)
        order = _cached_order(self.rows, self.seed, epoch)
        return order[batch * self.size : (batch + 1) * self.size]
