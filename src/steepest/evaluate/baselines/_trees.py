r"""Boosted trees as plain arrays, and the few lines that evaluate them.

Every feature is cut into at most 256 bins, at the values where some tree splits it; a categorical code is a bin. A
split is then the set of bins that go left, whatever its kind. With the leaves of a tree numbered from left to right
as the bits of a word, a split on a feature with bin b leaves only one side's leaves possible, so for each feature of
a tree all its splits together are one table from bins to words: a row's leaf is the bit that is left over when the
words of its bins are combined by *and*. (The idea is QuickScorer's: Lucchese et al., SIGIR 2015.)
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from steepest.evaluate.baselines._contract import Array, BaselineModel, require

BINS = 256
MOST_LEAVES = 63
"""Leaves of a tree, as bits of a signed word."""

BLOCK_ROWS = 1 << 12
"""Rows that are evaluated at a time, few enough to stay in the processor's cache."""


@dataclass(frozen=True)
class Tree:
    """One tree, ready to be evaluated.

    Attributes:
        features: those that it splits.
        words: of each of these features, the leaves that a bin leaves possible, int64 ``[256]``.
        values: of the leaves, from left to right.
    """

    features: list[int]
    words: list[NDArray[np.int64]]
    values: Array

    def outputs(self, bins: NDArray[np.intp]) -> Array:
        """Return the value of every row's leaf, ``[N]``, from its bins ``[F, N]``."""
        possible = np.full(bins.shape[1], (1 << len(self.values)) - 1, np.int64)
        for feature, words in zip(self.features, self.words, strict=True):
            possible &= words.take(bins[feature])
        return self.values.take(np.frexp(possible.astype(np.float64))[1] - 1)


class TreesModel(BaselineModel):
    """A sum of trees.

    The features are first ``code_columns`` (columns of the first input, in which a code's bin is in ``code_bins``),
    then every continuous column (whose bins end at ``edges``). The nodes of a tree follow each other from its root,
    every inner one before its left and its right subtree; the trees of a stage follow each other, one for each output.
    """

    arrays: ClassVar = {
        "start": torch.float64,  # output without a tree [R]; R is 1 for two classes and for numbers, else the classes
        "code_columns": torch.int64,  # [F]
        "code_bins": torch.uint8,  # the bin of every code of these columns, one column after the other
        "edges": torch.float64,  # of the continuous columns, one column after the other
        "edge_counts": torch.int64,  # [D]
        "roots": torch.int64,  # [T], the place of the root of every tree
        "feature": torch.int32,  # [M], what a node splits, or -1 for a leaf
        "right": torch.int32,  # [M], the place of an inner node's right subtree; its left one is at the next place
        "left_bins": torch.uint8,  # [M, 32], 256 bits: the bins that go left
        "value": torch.float64,  # [M], of a leaf
    }

    def check(self) -> None:
        """Raise a ``ValueError`` if the arrays do not fit the columns and classes or do not form trees."""
        sizes, outputs = list(self.shape.cardinalities.values()), 1 if self.present == 2 else self.present
        require(self.array("start").shape == (outputs,), "start", self)
        columns = self.array("code_columns").tolist()
        require(all(0 <= each < len(sizes) for each in columns), "code_columns", self)
        require(self.array("code_bins").shape == (sum(sizes[i] for i in columns),), "code_bins", self)
        counts = self.array("edge_counts")
        fits = counts.shape == (len(self.shape.continuous),)
        require(fits and bool(((counts >= 0) & (counts < BINS)).all()), "edge_counts", self)
        require(self.array("edges").shape == (int(counts.sum()),), "edges", self)
        feature, right = self.array("feature"), self.array("right")
        nodes = len(feature)
        require(bool((feature < len(columns) + len(counts)).all()), "feature", self)
        for name in ("right", "value", "left_bins"):
            shape = (nodes, BINS // 8) if name == "left_bins" else (nodes,)
            require(self.array(name).shape == shape, name, self)
        ends = [0, *self.array("roots").tolist(), nodes]
        rising = all(start < end for start, end in itertools.pairwise(ends[1:]))
        require(rising and ends[1] == 0 and (len(ends) - 2) % outputs == 0, "roots", self)
        after = right > torch.arange(nodes) + 1
        require(bool((after | (feature < 0)).all()), "right", self)
        _ = self.trees

    @cached_property
    def trees(self) -> list[Tree]:
        """The trees, one stage after the other."""
        feature, right, value, left_bins = (
            self.array(name).numpy() for name in ("feature", "right", "value", "left_bins")
        )
        splits = np.unpackbits(left_bins, axis=1, bitorder="little").astype(bool)
        ends = [*self.array("roots").tolist(), len(feature)]
        return [_tree(root, end, feature, right, splits, value) for root, end in itertools.pairwise(ends)]

    def bins(self, codes: Tensor, continuous: Tensor) -> NDArray[np.intp]:
        """Return the bin of every row in every feature, ``[F, N]``."""
        sizes = list(self.shape.cardinalities.values())
        columns = self.array("code_columns").tolist()
        tables = self.array("code_bins").split([sizes[i] for i in columns])
        edges = self.array("edges").split(self.array("edge_counts").tolist())
        found = [table.numpy()[codes[:, i].numpy()] for i, table in zip(columns, tables, strict=True)]
        values = continuous.double().numpy()
        found += [np.searchsorted(cut.numpy(), column) for cut, column in zip(edges, values.T, strict=True)]
        return np.stack(found).astype(np.intp) if found else np.zeros((0, len(codes)), np.intp)

    def forward(self, codes: Tensor, continuous: Tensor) -> Tensor:
        """Return log-probabilities ``[N, K]`` or standardised values ``[N, 1]``."""
        start = self.array("start").numpy()
        sums = np.tile(start, (len(codes), 1))
        for at in range(0, len(codes), BLOCK_ROWS):
            rows = slice(at, at + BLOCK_ROWS)
            bins = self.bins(codes[rows], continuous[rows])
            for i, tree in enumerate(self.trees):
                sums[rows, i % len(start)] += tree.outputs(bins)
        outputs = torch.from_numpy(sums)
        if self.present == 2:
            outputs = torch.cat([torch.zeros_like(outputs), outputs], 1)
        return self.decoded(outputs)


def _tree(
    root: int,
    end: int,
    feature: NDArray[np.int32],
    right: NDArray[np.int32],
    splits: NDArray[np.bool_],
    value: Array,
) -> Tree:
    if end - root > 2 * MOST_LEAVES - 1:
        raise ValueError(f"a tree of {end - root} nodes")
    values: list[float] = []
    tables: dict[int, NDArray[np.int64]] = {}

    def leaves(node: int) -> int:
        """Return the leaves below a node as bits, after taking down what its split leaves possible."""
        if node >= end:
            raise ValueError("a tree that goes on in the next one")
        if feature[node] < 0:
            values.append(float(value[node]))
            return 1 << (len(values) - 1)
        left = leaves(node + 1)
        other = leaves(int(right[node]))
        table = tables.setdefault(int(feature[node]), np.full(BINS, -1, np.int64))
        table &= np.where(splits[node], ~other, ~left)
        return left | other

    leaves(root)
    return Tree(list(tables), list(tables.values()), np.array(values))
