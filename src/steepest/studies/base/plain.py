"""Networks of dense layers that studies train by a few lines of torch: their digits, and their start."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from steepest.models.layers import hidden_layers
from steepest.studies.base.data import StudyData

Rows = tuple[Tensor, Tensor]


def standardised(data: StudyData) -> Rows:
    """Return the training images as rows of float32, [N, pixels], with mean 0 and sd 1 over all pixels, and labels [N].

    Example:
        >>> from steepest.studies.base.data import all_digits
        >>> x, y = standardised(all_digits(bundled=True))
        >>> tuple(x.shape), y.dtype, round(float(x.std()), 6)
        ((1078, 64), torch.int64, 1.0)
    """
    with np.load(data.path) as file:
        pixels, labels = file["x_train"], file["y_train"]
    x = torch.tensor(pixels.reshape(len(pixels), -1) / 255.0, dtype=torch.float32)
    return (x - x.mean()) / x.std(), torch.tensor(labels.astype(int))


def network(width: int, hidden: Sequence[int], seed: int) -> nn.Sequential:
    r"""Return a network of rectified layers with ten outputs, started at :math:`U(\pm 1/\sqrt{n})`.

    Args:
        width: numbers of a row.
        hidden: widths of the hidden layers; none for a linear model.
        seed: of the start.

    Example:
        >>> sum(each.numel() for each in network(784, (100, 100), 0).parameters())
        89610
    """
    last = hidden[-1] if hidden else width
    net = nn.Sequential(*hidden_layers(width, hidden, "relu", "none", 0.0), nn.Linear(last, 10))
    draw = torch.Generator().manual_seed(seed)
    for layer in net:
        if isinstance(layer, nn.Linear):
            bound = 1 / math.sqrt(layer.in_features)
            for each in layer.parameters():
                nn.init.uniform_(each, -bound, bound, generator=draw)
    return net


@torch.no_grad()
def loss_of(net: nn.Module, rows: Rows) -> float | None:
    """Return the log loss on rows; None where it is no number any more."""
    loss = float(cross_entropy(net(rows[0]), rows[1]))
    return loss if math.isfinite(loss) else None
