"""Modules that are right."""

import torch
from torch import nn


class Normalised(nn.Sequential):
    """Batch norm by the batch: the bias before it has no influence."""

    def __init__(self):
        super().__init__(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 2))


class Dropped(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(4, 8), nn.Dropout(0.5), nn.Tanh(), nn.Linear(8, 1))


class Words(nn.Module):
    """Embeddings with padding and repeated ids."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(6, 4, padding_idx=0)
        self.out = nn.Linear(4, 3)

    def forward(self, ids):
        return self.out(self.table(ids).mean(1))


class Pictures(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(27, 2)
        )


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.LSTM(3, 4)

    def forward(self, x):
        return self.cell(x)[0][-1]


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x):
        y = self.norm(x)
        return x + self.attention(y, y, y)[0]


class Residual(nn.Module):
    """A last layer that starts at zero, and a layer that is frozen."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.first.requires_grad_(False)
        self.second = nn.Linear(3, 3)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, x):
        return x + torch.relu(self.second(self.first(x)))


class Tied(nn.Module):
    """One weight in two places."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(5, 3)
        self.out = nn.Linear(3, 5, bias=False)
        self.out.weight = self.table.weight

    def forward(self, ids):
        return self.out(torch.tanh(self.table(ids)))


class OfTable(nn.Module):
    """Built for a table, as a comparison builds it."""

    def __init__(self, shape, width=4):
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(each, 2) for each in shape.cardinalities.values())
        self.net = nn.Sequential(
            nn.Linear(2 * len(shape.cardinalities) + len(shape.continuous), width),
            nn.GELU(),
            nn.Linear(width, shape.outputs),
        )

    def forward(self, categorical, continuous):
        looked_up = [table(categorical[:, i]) for i, table in enumerate(self.tables)]
        return self.net(torch.cat([*looked_up, continuous], 1))
