"""What studies log of gradients: how those of batches scatter around that of all rows, and their norms by layer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from steepest.data.dataset import Part
from steepest.models.residual_mlp import Block
from steepest.rng import stream
from steepest.train.callback import Callback, View

BATCHES, ROWS = 512, 16_384
"""Batches of each size whose gradients are compared, at most, and the rows of all of them, about."""
LAYER_ROWS = 512
"""Training rows that the gradient by layer is of."""
START, END = "start", "end"


def variance_of(size: int) -> str:
    """Return under which name the variance of gradients of batches of a size is logged."""
    return f"gradient variance, {size}"


def bias_of(size: int) -> str:
    """Return under which name is logged how far their mean is from the gradient of all rows."""
    return f"gradient bias, {size}"


class BatchScatter(Callback):
    r"""Logs at the end of the reported runs how gradients of batches scatter, for several sizes.

    Of K batches, each drawn without replacement from N rows, with gradients :math:`g_k`, mean :math:`\bar g` and
    the gradient g of all rows,

    .. math:: s^2 = \frac{1}{K - 1} \sum_k \|g_k - \bar g\|^2, \qquad r = \frac{\|\bar g - g\|^2}{s^2 / K}.

    If a batch's gradient is unbiased, r is 1 in expectation, and :math:`s^2 = \sigma^2/b \cdot (N - b)/(N - 1)`, of
    which the last factor, which comes from drawing without replacement, is divided out. The network is as it is in
    training, but for dropout: batch norm has the statistics of the batch.

    Args:
        sizes: rows of a batch, at most all.
    """

    only_watches = by_run = True

    def __init__(self, sizes: Sequence[int]) -> None:
        self.sizes = [*sizes]

    def at_end(self, view: View) -> None:
        """Log s² and r for every size."""
        if view.key.phase != "final":
            return
        model, rows = training_copy(view.model()), view.training_rows()
        draw, whole = stream(view.key.seed, "watching"), gradient_of(model, rows)
        for size in self.sizes:
            places = (draw.permutation(len(rows))[:size] for _ in range(batches_of(size)))
            found = (gradient_of(model, rows.take(torch.from_numpy(each))) for each in places)
            variance, bias = scatter(found, whole)
            left = (len(rows) - size) / (len(rows) - 1)
            view.log(variance_of(size), variance / left if left else 0.0)
            view.log(bias_of(size), bias)


def batches_of(size: int) -> int:
    """Return how many batches of a size are drawn: as many as hold some thousands of rows.

    Example:
        >>> batches_of(8), batches_of(64), batches_of(1024)
        (512, 256, 16)
    """
    return max(16, min(BATCHES, ROWS // size))


def scatter(gradients: Iterable[Tensor], whole: Tensor) -> tuple[float, float]:
    r"""Return the variance s² of gradients ``[P]`` and the ratio r of their mean's distance from another ``[P]``.

    Example:
        >>> scatter(torch.tensor([[1.0, 0.0], [3.0, 0.0]]), torch.tensor([1.0, 0.0]))
        (2.0, 1.0)
    """
    count, squares, total = 0, 0.0, torch.zeros_like(whole, dtype=torch.float64)
    for each in gradients:
        apart = each.double() - whole.double()
        count, squares = count + 1, squares + float(apart.square().sum())
        total += apart
    bias = float((total / count).square().sum())
    variance = (squares - count * bias) / (count - 1)
    return variance, bias / (variance / count)


def training_copy(model: nn.Module) -> nn.Module:
    """Return a model, which is a copy already, as it is in training, without dropout."""
    model.train()
    for each in model.modules():
        if isinstance(each, nn.Dropout):
            each.eval()
    return model


def gradient_of(model: nn.Module, rows: Part) -> Tensor:
    """Return the gradient of the cross-entropy of rows by all parameters, ``[P]``."""
    with torch.enable_grad():
        loss = cross_entropy(model(*rows.inputs), rows.target)
        found = torch.autograd.grad(loss, [*model.parameters()], materialize_grads=True)
    return torch.cat([each.reshape(-1) for each in found])


def norm_of(block: int, when: str) -> str:
    """Return under which name the norm of the gradient by a block's weight is logged."""
    return f"gradient norm, block {block}, {when}"


class GradientByBlock(Callback):
    """Logs, at the start and end of the reported runs, the norm of the gradient by the second weight of each block.

    Those weights have one shape in all blocks of a residual network of one width. The network is as it is in training.
    """

    only_watches = by_run = True

    def _log(self, view: View, when: str) -> None:
        if view.key.phase != "final":
            return
        model, rows = training_copy(view.model()), view.training_rows()
        some = rows.take(torch.from_numpy(np.arange(min(LAYER_ROWS, len(rows)))))
        weights = [each.second.weight for each in model.modules() if isinstance(each, Block)]
        with torch.enable_grad():
            loss = cross_entropy(model(*some.inputs), some.target)
            found = torch.autograd.grad(loss, weights, materialize_grads=True)
        for place, each in enumerate(found, 1):
            view.log(norm_of(place, when), float(each.norm()))

    def at_begin(self, view: View) -> None:
        """Log the norms before the first step."""
        self._log(view, START)

    def at_end(self, view: View) -> None:
        """Log the norms behind the last step."""
        self._log(view, END)
