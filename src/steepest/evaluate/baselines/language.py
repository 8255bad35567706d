"""The baselines of texts: all pieces alike, how frequent each is, and which follows which."""

from __future__ import annotations

import math
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from steepest.data.dataset import Dataset
from steepest.data.texts.vocabulary import IGNORE
from steepest.evaluate.baselines._contract import (
    Baseline,
    BaselineModel,
    FittedBaseline,
    require,
    validation_cost,
)

COMPONENTS = {
    "uniform": {
        "object": "UNIFORM",
        "what": "all pieces of the vocabulary alike",
        "groups": ["language"],
    },
    "unigram": {
        "object": "UNIGRAM",
        "what": "how frequent each piece is in the training text",
        "groups": ["language"],
    },
    "bigram": {
        "object": "BIGRAM",
        "what": "how often each piece follows each other one",
        "groups": ["language"],
    },
}

ADDED = tuple(10.0**each for each in (-4, -3, -2, -1, 0))
"""Counts that are added to every one, from which validation chooses."""
MOST_PIECES = 2048
"""Of larger vocabularies pairs are not counted: a table of them would be large."""


class Counted(BaselineModel):
    r"""The log-probability of every piece behind the token before it: rows of a table ``[1, V]`` or ``[V, V]``."""

    arrays: ClassVar = {"table": torch.float32}

    def check(self) -> None:
        """Raise a ``ValueError`` if the table does not fit the vocabulary."""
        table = self.array("table")
        size = self.shape.outputs
        require(table.shape in ((1, size), (size, size)) and bool((table <= 0).all()), "table", self)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return log-probabilities, ``[N, T, V]``."""
        table = self.array("table")
        tokens = inputs[0]
        return table[tokens if len(table) > 1 else torch.zeros_like(tokens)]


def fit_counts(
    before: int, dataset: Dataset, *, seed: int, metric: str, class_weights: Tensor | None, budget: float
) -> FittedBaseline:
    r"""Return frequencies of pieces, behind the piece before each with ``before=1``, with k added to every count.

    .. math:: p(b \mid a) = \frac{c_{ab} + k}{\sum_{b'} c_{ab'} + k V}

    k is chosen on validation from powers of ten, from 0.0001 to 1.

    Source: Lidstone, Note on the general case of the Bayes-Laplace formula, Transactions of the Faculty of Actuaries 8,
    1920; Chen & Goodman, An empirical study of smoothing techniques for language modeling, 1999.
    """
    del seed, class_weights, budget
    [inputs], target = dataset.train.inputs, dataset.train.target
    size, scored = dataset.shape.outputs, target != IGNORE
    pairs = target[scored] + (inputs[scored] * size if before else 0)
    counts = torch.bincount(pairs, minlength=size ** (1 + before)).reshape(-1, size).double()

    def made(added: float) -> Counted:
        shares = (counts + added) / (counts.sum(1, keepdim=True) + added * size)
        return Counted(dataset.shape, {"table": shares.log().float()})

    added = min(ADDED, key=lambda each: validation_cost(dataset, made(each), metric))
    return FittedBaseline(
        made(added),
        f"k = {added:g} added to every count, chosen on validation from {ADDED[0]:g} to {ADDED[-1]:g}",
    )


def fit_uniform(
    dataset: Dataset, *, seed: int, metric: str, class_weights: Tensor | None, budget: float
) -> FittedBaseline:
    """Return the same probability for every piece."""
    del seed, metric, class_weights, budget
    size = dataset.shape.outputs
    table = torch.full((1, size), -math.log(size))
    return FittedBaseline(Counted(dataset.shape, {"table": table}), f"1/{size:,} for every piece")


def is_text(dataset: Dataset) -> bool:
    """Whether the next token of a text is predicted."""
    return [each.kind for each in dataset.shape.fields] == ["tokens"]


def is_countable(dataset: Dataset) -> bool:
    """Whether a text has a vocabulary whose pairs can be counted."""
    return is_text(dataset) and dataset.shape.outputs <= MOST_PIECES


UNIFORM = Baseline("uniform", fit_uniform, Counted, serves=is_text)
UNIGRAM = Baseline("unigram", partial(fit_counts, 0), Counted, serves=is_text)
BIGRAM = Baseline("bigram", partial(fit_counts, 1), Counted, serves=is_countable)
