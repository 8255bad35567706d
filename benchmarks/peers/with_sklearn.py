"""scikit-learn's ``MLPClassifier``: not the same network (no batch norm) nor the same start, only the same sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.neural_network import MLPClassifier

from benchmarks.peers.task import Phase, Task
from benchmarks.peers.worker import Tick, serve

STEPS = 64
"""Steps of one call."""


def train(task: Task, phase: Phase, tick: Tick, **options: Any) -> None:
    """Train; see the protocol. Its loss is the mean over the steps of one call."""
    del options
    network = task.network
    if network.cardinalities:
        raise ValueError("an MLPClassifier has no embeddings")
    _, values, target = task.rows(phase)
    net = MLPClassifier(
        network.hidden,
        solver="adam" if network.optimizer == "adam" else "sgd",
        alpha=0.0,
        batch_size=network.batch,
        learning_rate_init=network.lr,
        shuffle=False,
        random_state=0,
    )
    some = min(STEPS, len(target) // network.batch) * network.batch
    draw = np.random.Generator(np.random.PCG64(0))
    while True:
        order = draw.permutation(len(target))
        for start in range(0, len(target) - some + 1, some):
            rows = order[start : start + some]
            net.partial_fit(values[rows], target[rows], classes=np.arange(network.classes))
            for _ in range(some // network.batch):
                tick(net.loss_)
        if phase == "check":
            return


if __name__ == "__main__":
    serve(train, ("scikit-learn", "numpy"))
