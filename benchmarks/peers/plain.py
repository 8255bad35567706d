"""Plain torch: a loop over tensors in memory, or over a ``DataLoader``, written as one would.

Options: ``optimizer``: ``default``, ``fused`` or ``sparse`` (``SparseAdam`` for the first table, fused ``Adam``
for all else; another algorithm: it leaves a row alone that no batch names); ``loader``: whether batches come from
a ``DataLoader``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.peers.network import TableNetwork, built, optimizer, tensors
from benchmarks.peers.task import Network, Phase, Task
from benchmarks.peers.worker import Tick, serve


def train(task: Task, phase: Phase, tick: Tick, **options: Any) -> None:
    """Train; see the protocol."""
    kind = options.get("optimizer", "default")
    module = built(task, phase, sparse=kind == "sparse").train()
    movers = optimizers(module, task.network, kind)
    rows = tensors(task, phase)
    batches = loaded if options.get("loader") else in_memory
    for codes, continuous, target in batches(rows, task.network.batch, phase):
        for each in movers:
            each.zero_grad()
        loss = F.cross_entropy(module(codes, continuous), target)
        loss.backward()
        for each in movers:
            each.step()
        tick(loss.detach())


def optimizers(module: TableNetwork, network: Network, kind: str) -> list[torch.optim.Optimizer]:
    """Return the optimizers that move a module."""
    parameters = list(module.parameters())
    if kind not in ("default", "fused", "sparse"):
        raise ValueError(f"no optimizer {kind!r}")
    if kind == "sparse":
        make, values = optimizer(network, fused=True)
        return [torch.optim.SparseAdam(parameters[:1], lr=network.lr), make(parameters[1:], **values)]
    make, values = optimizer(network, **({"fused": True} if kind == "fused" else {}))
    return [make(parameters, **values)]


def in_memory(rows: tuple[Tensor, ...], batch: int, phase: Phase) -> Iterator[tuple[Tensor, ...]]:
    """Yield full batches of tensors in memory: one epoch in order, or shuffled ones forever."""
    count = len(rows[-1])
    for _ in itertools.repeat(None) if phase == "timed" else range(1):
        order = torch.randperm(count) if phase == "timed" else torch.arange(count)
        for some in order[: count - count % batch].split(batch):
            yield tuple(each[some] for each in rows)


def loaded(rows: tuple[Tensor, ...], batch: int, phase: Phase) -> Iterator[tuple[Tensor, ...]]:
    """Yield the same from a ``DataLoader``."""
    loader = DataLoader(TensorDataset(*rows), batch, shuffle=phase == "timed", drop_last=True)
    for _ in itertools.repeat(None) if phase == "timed" else range(1):
        yield from loader


if __name__ == "__main__":
    serve(train, ("torch",))
