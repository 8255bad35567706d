"""The whole path of a comparison's run in plain torch, without steepest: read once, top to bottom.

One optimizer (Adam, lr 0.003), one seed, one epoch on the flights that come with the package. A test holds
its numbers together with those of the public API, so whoever reads this page knows what the library does:

    read → split → encode → model → train → evaluate

Run it: python examples/whole_path.py
"""

from __future__ import annotations

import math
import zlib
from pathlib import Path

import numpy as np
import polars as pl
import torch
import torch.nn.functional as F
from torch import Tensor, nn

CATEGORICAL = ["month", "weekday", "departure_hour", "carrier", "origin", "dest"]
CONTINUOUS = ["departure_minute", "distance"]
TARGET = "status"
SEED, BATCH, LR, EPOCHS = 0, 64, 0.003, 1
HIDDEN = (128, 64)


# --- randomness: one stream for each purpose, a pure function of (seed, purpose, index) ------------------------


def mix(value: int) -> int:
    """SplitMix64."""
    mask = (1 << 64) - 1
    value = (value + 0x9E3779B97F4A7C15) & mask
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & mask
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & mask
    return value ^ (value >> 31)


def seed_for(seed: int, purpose: str, *index: int) -> int:
    state = mix(mix(seed) ^ zlib.crc32(purpose.encode()))
    for each in index:
        state = mix(state ^ each)
    return state >> 1


def shuffled(n: int, seed: int, purpose: str, *index: int) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(seed_for(seed, purpose, *index))).permutation(n)


# --- data: rows to tensors; everything that is learned is learned on the training rows -------------------------


def read(path: Path) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
    table = pl.read_parquet(path).select(*CATEGORICAL, *CONTINUOUS, TARGET)
    n = table.height
    tenth = round(n * 0.1)
    order = shuffled(n, 0, "split")
    rows = {"test": order[:tenth], "validation": order[tenth : 2 * tenth], "train": order[2 * tenth :]}
    frames = {name: table[np.sort(index)] for name, index in rows.items()}
    train = frames["train"]
    codes = {
        c: {v: i + 1 for i, v in enumerate(sorted(train[c].unique()))} for c in CATEGORICAL
    }  # 0 is unknown
    labels = {v: i for i, v in enumerate(sorted(table[TARGET].unique()))}

    def tensors(frame: pl.DataFrame) -> tuple[Tensor, Tensor, Tensor]:
        categorical = torch.tensor(
            [[codes[c].get(v, 0) for v in frame[c]] for c in CATEGORICAL]
        ).T.contiguous()
        scores = [(frame[c].cast(pl.Float64) - train[c].mean()) / train[c].std(ddof=0) for c in CONTINUOUS]
        continuous = torch.from_numpy(np.stack([each.to_numpy() for each in scores], 1)).float()
        return categorical, continuous, torch.tensor([labels[v] for v in frame[TARGET]])

    return {name: tensors(frame) for name, frame in frames.items()}


# --- model: an embedding for each categorical column, then [batch norm, linear, ReLU] blocks ------------------


class Net(nn.Module):
    def __init__(self, cardinalities: list[int], continuous: int, classes: int) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList(
            nn.Embedding(n, min(600, round(1.6 * n**0.56))) for n in cardinalities
        )
        width = sum(each.embedding_dim for each in self.embeddings) + continuous
        layers: list[nn.Module] = []
        for hidden in HIDDEN:
            layers += [nn.BatchNorm1d(width), nn.Linear(width, hidden, bias=False), nn.ReLU()]
            width = hidden
        self.body = nn.Sequential(*layers, nn.Linear(width, classes))
        for each in self.embeddings:
            nn.init.trunc_normal_(each.weight, std=0.01, a=-0.02, b=0.02)

    def forward(self, categorical: Tensor, continuous: Tensor, step: int | None = None) -> Tensor:
        values = torch.cat([each(categorical[:, i]) for i, each in enumerate(self.embeddings)], 1)
        if step is not None:
            values = dropout(values, 0.1, step)
        return self.body(torch.cat([values, continuous], 1))


def dropout(values: Tensor, p: float, step: int) -> Tensor:
    """Drop a value where 16 random bits are below p · 65536."""
    limit = round(p * 65536)
    words = np.random.PCG64(seed_for(SEED, "dropout", step)).random_raw(-(-values.numel() // 4))
    bits = torch.from_numpy(words.view(np.int16)[: values.numel()]).reshape(values.shape)
    return values * ((bits >= limit - 32768) * (65536 / (65536 - limit)))


# --- training: Adam, a cosine from its rate to zero -----------------------------------------------------------


def train(path: Path, epochs: float = EPOCHS) -> dict[str, float]:
    """Train one run; return log loss and accuracy on the test rows with the last weights."""
    torch.set_num_threads(1)
    data = read(path)
    categorical, continuous, target = data["train"]
    cardinalities = [int(categorical[:, i].max()) + 1 for i in range(len(CATEGORICAL))]
    torch.manual_seed(seed_for(SEED, "init"))
    net = Net(cardinalities, len(CONTINUOUS), int(target.max()) + 1)
    optimizer = torch.optim.Adam(net.parameters(), lr=LR)
    per_epoch = len(target) // BATCH
    steps = round(epochs * per_epoch)
    net.train()
    for step in range(steps):
        epoch, batch = divmod(step, per_epoch)
        if batch == 0:
            order = torch.from_numpy(shuffled(len(target), SEED, "order", epoch))
        rows = order[batch * BATCH : (batch + 1) * BATCH]
        optimizer.param_groups[0]["lr"] = LR * 0.5 * (1.0 + math.cos(math.pi * step / steps))
        optimizer.zero_grad()
        F.cross_entropy(net(categorical[rows], continuous[rows], step), target[rows]).backward()
        optimizer.step()
    net.eval()
    categorical, continuous, target = data["test"]
    with torch.no_grad():
        outputs = net(categorical, continuous)
    return {
        "log_loss": float(F.cross_entropy(outputs.double(), target)),
        "accuracy": float((outputs.argmax(1) == target).double().mean()),
    }


if __name__ == "__main__":
    flights = Path(__file__).parents[1] / "src" / "steepest" / "data" / "demo" / "flights.parquet"
    print(train(flights))
