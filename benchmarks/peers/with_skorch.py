"""skorch's ``NeuralNetClassifier`` with the plain module and ``torch.optim.Adam``."""

from __future__ import annotations

from typing import Any

import torch
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback

from benchmarks.peers.network import TableNetwork, built, optimizer
from benchmarks.peers.task import Phase, Task
from benchmarks.peers.worker import Tick, serve


def train(task: Task, phase: Phase, tick: Tick, **options: Any) -> None:
    """Train; see the protocol."""
    make, values = optimizer(task.network, **options)
    codes, continuous, target = task.rows(phase)
    net = NeuralNetClassifier(
        _Started,
        module__task=task,
        module__phase=phase,
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=make,
        **{f"optimizer__{name}": value for name, value in values.items()},
        batch_size=task.network.batch,
        iterator_train__shuffle=phase == "timed",
        iterator_train__drop_last=True,
        train_split=None,
        max_epochs=1 if phase == "check" else 10**9,
        callbacks=[("ticks", _Ticks(tick))],
        callbacks__print_log=None,
        verbose=0,
    )
    net.fit({"codes": codes, "continuous": continuous}, target)


class _Started(torch.nn.Module):
    def __init__(self, task: Task, phase: Phase) -> None:
        super().__init__()
        self.inner: TableNetwork = built(task, phase)

    def forward(self, codes: torch.Tensor, continuous: torch.Tensor) -> torch.Tensor:
        return self.inner(codes, continuous)


class _Ticks(Callback):
    def __init__(self, tick: Tick) -> None:
        self.tick = tick

    def on_batch_end(self, net: Any, batch: Any = None, training: bool = False, **kwargs: Any) -> None:
        """Tell of a training step."""
        del batch, kwargs
        if training:
            self.tick(net.history[-1]["batches"][-1]["train_loss"])


if __name__ == "__main__":
    serve(train, ("skorch", "torch"))
