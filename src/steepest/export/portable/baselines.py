"""Fitted baselines in plain PyTorch: trees, linear models, and constants.

Their arrays are buffers. In a classification they return log-probabilities, of which the softmax is the probability.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


class Baseline(nn.Module):
    """A model whose arrays are its buffers.

    Args:
        arrays: by name. ``order`` and ``absent`` are there in a classification: the log-probability of a class
            without training rows, and for each class its place among the other log-probabilities and that one.
    """

    def __init__(self, arrays: Mapping[str, Tensor]) -> None:
        super().__init__()
        for name, value in arrays.items():
            self.register_buffer(name, value)

    def of_all_classes(self, outputs: Tensor) -> Tensor:
        """Return log-probabilities of all classes from logits of those with training rows; values as they are."""
        buffers = dict(self.named_buffers())
        if "order" not in buffers:
            return outputs
        absent = buffers["absent"].expand(outputs.shape[0], 1)
        known = torch.log_softmax(outputs, 1) + buffers["present"]
        return torch.cat([known, absent], 1)[:, buffers["order"]]


def bins_of(values: Tensor, edges: Tensor) -> Tensor:
    """Return the bin of each value ``[N, D]``: how many of its column's edges ``[D, E]`` are below it."""
    return (values.unsqueeze(2) > edges).sum(2)


class Trees(Baseline):
    """A sum of trees.

    A node of a tree is followed by its left subtree; ``right`` is the place of the right one, ``feature`` what it
    splits (-1 for a leaf), and ``left_bins`` holds 256 bits: the bins that go left.
    """

    start: Tensor
    code_columns: Tensor
    code_starts: Tensor
    code_bins: Tensor
    edges: Tensor
    roots: Tensor
    feature: Tensor
    right: Tensor
    left_bins: Tensor
    value: Tensor

    def __init__(self, arrays: Mapping[str, Tensor], depth: int) -> None:
        super().__init__(arrays)
        self.depth = depth
        self.register_buffer("bit", 2 ** torch.arange(8), persistent=False)
        self.bit: Tensor

    def forward(self, categorical: Tensor, continuous: Tensor) -> Tensor:
        """Return log-probabilities ``[N, K]`` or standard scores ``[N, 1]``, float64."""
        total = self.start.expand(categorical.shape[0], -1)
        if len(self.roots):
            values = self.value[self.leaves(categorical, continuous)]
            total = total + values.unflatten(1, (-1, len(self.start))).sum(1)
        if len(self.start) == 1 and "order" in dict(self.named_buffers()):
            total = torch.cat([torch.zeros_like(total), total], 1)
        return self.of_all_classes(total)

    def leaves(self, categorical: Tensor, continuous: Tensor) -> Tensor:
        """Return the leaf of each row in each tree, ``[N, T]``."""
        parts: list[Tensor] = []
        if len(self.code_columns):
            parts.append(self.code_bins[categorical[:, self.code_columns] + self.code_starts])
        if len(self.edges):
            parts.append(bins_of(continuous.double(), self.edges))
        bins = torch.cat(parts, 1)
        node = self.roots.expand(bins.shape[0], -1)
        for _ in range(self.depth):
            feature = self.feature[node]
            bin = bins.gather(1, feature.clamp(min=0))
            byte = self.left_bins[node, bin // 8].long()
            left = (byte // self.bit[bin % 8]) % 2 == 1
            node = torch.where(feature < 0, node, torch.where(left, node + 1, self.right[node]))
        return node


class Regression(Baseline):
    """A linear model on one-hot codes, bins of continuous columns, and continuous columns.

    ``codes`` and ``bins`` hold the weights of one column after the other, which begin at ``code_starts`` and
    ``bin_starts``; the columns ``cut`` are those with bins, which end at ``edges``.
    """

    intercept: Tensor
    slopes: Tensor
    codes: Tensor
    code_starts: Tensor
    bins: Tensor
    bin_starts: Tensor
    cut: Tensor
    edges: Tensor

    def forward(self, categorical: Tensor, continuous: Tensor) -> Tensor:
        """Return log-probabilities ``[N, K]`` or standard scores ``[N, 1]``, float64."""
        values = continuous.double()
        total = self.intercept.expand(categorical.shape[0], -1)
        if len(self.slopes):
            total = total + values @ self.slopes
        if len(self.code_starts):
            total = total + self.codes[categorical + self.code_starts].sum(1)
        if len(self.cut):
            total = total + self.bins[bins_of(values[:, self.cut], self.edges) + self.bin_starts].sum(1)
        return self.of_all_classes(total)


class Constant(Baseline):
    """The same for every row."""

    output: Tensor

    def forward(self, categorical: Tensor, continuous: Tensor) -> Tensor:
        """Return log-probabilities ``[N, K]`` or standard scores ``[N, 1]``, float64."""
        del continuous
        return self.output.expand(categorical.shape[0], -1)


def network(about: Mapping[str, Any], weights: Mapping[str, Tensor]) -> nn.Module:
    """Return the fitted baseline; ``about`` is that part of ``encoders.json``."""
    kind = about["kind"]
    if kind == "trees":
        return Trees(weights, about["depth"])
    return Regression(weights) if kind == "regression" else Constant(weights)
