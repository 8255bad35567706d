"""A penalty that leaves the graph through a Python number."""

# finds: detached

import torch
from torch import nn


class Checked(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, x):
        penalty = 0.1 * self.layer.weight.square().sum().item()  # here
        return torch.tanh(self.layer(x)).sum() + penalty
