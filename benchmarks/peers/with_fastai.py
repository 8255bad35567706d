"""fastai's own loop: ``TabularPandas``, ``TabularModel`` and ``Learner.fit`` with ``torch.optim.Adam``."""

from __future__ import annotations

from functools import partial
from typing import Any

import pandas as pd
import torch

from benchmarks.peers import torchvision_stub  # noqa: F401  (before fastai)
from benchmarks.peers.network import GivenDropout, put_weights
from benchmarks.peers.task import Phase, Task
from benchmarks.peers.worker import Tick, serve

from fastai.tabular.all import (  # isort: skip
    Callback,
    CategoryBlock,
    CrossEntropyLossFlat,
    DataLoaders,
    Learner,
    OptimWrapper,
    TabDataLoader,
    TabularModel,
    TabularPandas,
)


def train(task: Task, phase: Phase, tick: Tick, **options: Any) -> None:
    """Train; see the protocol."""
    del options
    network = task.network
    codes, continuous, target = task.rows(phase)
    frame = pd.DataFrame(codes, columns=list(network.columns))
    values = [f"x{i}" for i in range(network.continuous)]
    frame[values] = continuous
    frame["y"] = target
    table = TabularPandas(
        frame,
        cat_names=list(network.columns),
        cont_names=values,
        y_names="y",
        y_block=CategoryBlock(vocab=list(range(network.classes)), sort=False),
    )
    loader = TabDataLoader(table, bs=network.batch, shuffle=phase == "timed", drop_last=True)
    one = TabDataLoader(table.iloc[: network.batch], bs=network.batch)
    model = TabularModel(
        list(zip(network.cardinalities, network.widths, strict=True)),
        network.continuous,
        network.classes,
        list(network.hidden),
        embed_p=network.dropout,
        bn_cont=False,
        lin_first=False,
    )
    put_weights(model, task.weights)
    if phase == "check" and network.dropout:
        model.emb_drop = GivenDropout(task.check_masks)
    learner = Learner(
        DataLoaders(loader, one),
        model,
        loss_func=CrossEntropyLossFlat(),
        opt_func=partial(OptimWrapper, opt=torch.optim.Adam),
        lr=network.lr,
    )
    with learner.no_bar(), learner.no_logging():
        learner.fit(1 if phase == "check" else 10**9, cbs=[_Ticks(tick)])


class _Ticks(Callback):
    def __init__(self, tick: Tick) -> None:
        self.ticked = tick

    def after_batch(self) -> None:
        """Tell of a training step."""
        if self.training:
            self.ticked(self.learn.loss_grad.detach())


if __name__ == "__main__":
    serve(train, ("fastai", "torch"))
