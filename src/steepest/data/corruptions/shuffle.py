"""Training labels in random order."""

from __future__ import annotations

import numpy as np

from steepest.data.corruptions import Corruption, Labels, Rows

COMPONENTS = {"shuffle": {"object": "Shuffle", "what": "the labels permuted: nothing can be learned"}}


class Shuffle(Corruption):
    """Give every training row the label of a random training row, so that labels say nothing about the features.

    The labels are permuted, so that every class, or number, stays as frequent as it was. What is learned from them is
    no better than a constant on new rows: a control that shows what memorising looks like, or that test rows leak.

    Source: Zhang, Bengio, Hardt, Recht & Vinyals, Understanding Deep Learning Requires Rethinking Generalization, 2017.

    Example:
        >>> labels, places = np.repeat(np.arange(2), 50), np.arange(100)
        >>> found = Shuffle().corrupted(labels, 2, places, 100, np.random.Generator(np.random.PCG64(0)))
        >>> np.bincount(found).tolist(), int((found != labels).sum())
        ([50, 50], 44)
    """

    name = "shuffle"

    def corrupted(
        self, labels: Labels, classes: int, places: Rows, total: int, draws: np.random.Generator
    ) -> Labels:
        """Return other labels, ``[n]``."""
        del classes
        return labels[np.argsort(draws.permutation(total)[places])]

    def said(self, true: Labels, labels: Labels, classes: int, sd: float) -> str:
        """Return what was done in words."""
        del classes, sd
        return f"labels of {len(labels):,} training rows shuffled, {int((labels != true).sum()):,} of them changed"
