"""What a method is fed with during one run: its batches and its masks, pure in (seed, step)."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from dataclasses import dataclass

import torch
from torch import Tensor

from steepest.data.batches import BatchPlan
from steepest.data.dataset import Part
from steepest.regularizers.applied import Applied, Source, source_of
from steepest.rng import torch_stream
from steepest.train.dropout import StepDropout


@dataclass(frozen=True)
class Feed:
    """The training rows in the order of one run.

    Args:
        part: the training rows, on the device.
        plan: which rows each step sees.
        seed: the run seed.
        before: steps of the runs that it continues: its first batch is the one after theirs.
        applied: the run's regularizers, some of which may change batches; None where there are none.

    Example:
        >>> part = Part((torch.arange(6)[:, None],), torch.arange(6))
        >>> feed = Feed(part, BatchPlan(rows=6, batch_size=2, seed=0), seed=0)
        >>> torch.equal(feed.batches(0, 3).target[1], feed.batch(1).target)
        True
    """

    part: Part
    plan: BatchPlan
    seed: int
    before: int = 0
    applied: Applied | None = None

    def batch(self, step: int) -> Part:
        """Return the batch of a step."""
        found = self.part.take(self.plan.indices(self.before + step).to(self.part.target.device))
        return found if self.applied is None else self.applied.batch(found, self._source(step))

    def batches(self, first: int, count: int) -> Part:
        """Return the batches of ``count`` steps from ``first`` on, each tensor as [count, B, …]."""
        first += self.before
        rows = torch.cat([self.plan.indices(step) for step in range(first, first + count)])
        device = self.part.target.device
        found = self.part.take(pinned(rows, device).to(device, non_blocking=True))

        found = found.map(lambda each: each.reshape(count, self.plan.size, *each.shape[1:]))
        if self.applied is None or not self.applied.acts("batch", "labels"):
            return found
        changed = [
            self.applied.batch(found.map(lambda each, i=i: each[i]), self._source(first - self.before + i))
            for i in range(count)
        ]
        tensors = zip(*(each.tensors for each in changed), strict=True)
        return found.holding([torch.stack(each) for each in tensors])

    def draws(self, step: int) -> dict[str, Tensor]:
        """Return the random numbers of a step's regularizers for gradients, by their names."""
        return {} if self.applied is None else self.applied.draws(self._source(step))

    def _source(self, step: int) -> Source:
        return source_of(self.seed, self.before + step)

    @contextlib.contextmanager
    def randomness(self, step: int) -> Generator[None]:
        """Make all draws inside the block those of a step: dropout's masks, and torch's own for anything else."""
        step += self.before
        with torch_stream(self.seed, "dropout", step), StepDropout(self.seed, step):
            yield


def pinned(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a tensor from which a CUDA device can copy while it works; from other memory, the copy waits for it."""
    if device.type == "cuda" and tensor.device.type == "cpu" and not tensor.is_pinned():
        return tensor.pin_memory()
    return tensor
