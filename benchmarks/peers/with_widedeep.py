"""pytorch-widedeep's ``Trainer`` with a ``TabMlp`` of the same layers, and ``torch.optim.Adam``."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.peers import torchvision_stub  # noqa: F401  (before pytorch_widedeep)
from benchmarks.peers.network import GivenDropout, optimizer, put_weights
from benchmarks.peers.task import Phase, Task
from benchmarks.peers.worker import Tick, serve

from pytorch_widedeep import Trainer  # isort: skip
from pytorch_widedeep.callbacks import Callback  # isort: skip
from pytorch_widedeep.models import TabMlp, WideDeep  # isort: skip


def train(task: Task, phase: Phase, tick: Tick, **options: Any) -> None:
    """Train; see the protocol. Its tables have a first row for unknown codes, so all codes are one higher."""
    del options
    network = task.network
    codes, continuous, target = task.rows(phase)
    values = [f"x{i}" for i in range(network.continuous)]
    table = TabMlp(
        column_idx={name: i for i, name in enumerate([*network.columns, *values])},
        cat_embed_input=list(zip(network.columns, network.cardinalities, network.widths, strict=True))
        or None,
        cat_embed_dropout=network.dropout,
        continuous_cols=values or None,
        mlp_hidden_dims=list(network.hidden),
        mlp_activation="relu",
        mlp_dropout=0.0,
        mlp_batchnorm=True,
        mlp_batchnorm_last=True,
        mlp_linear_first=False,
    )
    model = WideDeep(deeptabular=table, pred_dim=network.classes)
    put_weights(model, task.weights)
    if phase == "check" and network.dropout:
        table.cat_embed.embedding_dropout = GivenDropout(task.check_masks)
    make, settings = optimizer(network)
    ticks = _Ticks(tick)
    trainer = Trainer(
        model,
        objective="multiclass",
        optimizers=make(model.parameters(), **settings),
        callbacks=[ticks],
        verbose=0,
        num_workers=0,
    )
    trainer.fit(
        X_tab=np.concatenate([codes + 1, continuous], 1).astype(np.float32),
        target=target,
        n_epochs=1 if phase == "check" else 10**9,
        batch_size=network.batch,
        shuffle=phase == "timed",
        drop_last=True,
    )


class _Ticks(Callback):
    def __init__(self, tick: Tick) -> None:
        super().__init__()
        self.tick = tick
        self.before = 0.0

    def on_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Tell of a training step; the trainer adds its losses up over an epoch."""
        del logs
        total = self.trainer.train_running_loss
        loss, self.before = total - (self.before if batch else 0.0), total
        self.tick(loss)


if __name__ == "__main__":
    serve(train, ("pytorch-widedeep", "torch", "numpy"))
