"""Training labels in random order."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from steepest.data.corruptions import Corruption, Labels, Rows
from steepest.errors import OptionError
from steepest.wording import counted

COMPONENTS = {"shuffle": {"object": "Shuffle", "what": "the labels permuted: nothing can be learned"}}


class Shuffle(Corruption):
    """Give every training row the label of a random training row, so that labels say nothing about the features.

    The labels are permuted, so that every class, or number, stays as frequent as it was. What is learned from them is
    no better than a constant on new rows: a control that shows what memorising looks like, or that test rows leak.

    With a ``share``, only that part of the rows, the nearest whole number, exchange labels among each other. A row
    may get the label that it had: of K equally frequent classes, about 1/K of the shuffled labels stay right.

    Args:
        share: of the rows whose labels are permuted, above 0 and at most 1.

    Raises:
        OptionError: the share is so small that fewer than two rows are shuffled.

    Source: Zhang, Bengio, Hardt, Recht & Vinyals, Understanding Deep Learning Requires Rethinking Generalization, 2017.

    Example:
        >>> labels, places = np.repeat(np.arange(2), 50), np.arange(100)
        >>> found = Shuffle().corrupted(labels, 2, places, 100, np.random.Generator(np.random.PCG64(0)))
        >>> np.bincount(found).tolist(), int((found != labels).sum())
        ([50, 50], 44)
        >>> found = Shuffle(share=0.2).corrupted(labels, 2, places, 100, np.random.Generator(np.random.PCG64(0)))
        >>> np.bincount(found).tolist(), int((found != labels).sum())
        ([50, 50], 10)
    """

    name = "shuffle"
    by_name = ("share", "draw")

    share: float = Field(
        1.0,
        gt=0.0,
        le=1.0,
        description="a number above 0 and at most 1: the share of the rows that are shuffled",
    )

    def check(self, rows: int, classes: int) -> None:
        """Raise an ``OptionError`` if fewer than two of so many rows are shuffled."""
        del classes
        if self._count(rows) < 2:
            raise OptionError(
                f"{self} shuffles {counted(self._count(rows), 'label')} of {counted(rows, 'training row')}",
                hint=f"give a share of at least {1.5 / rows:.2g}, or none for the labels as they are.",
            )

    def _count(self, rows: int) -> int:
        return round(self.share * rows)

    def corrupted(
        self, labels: Labels, classes: int, places: Rows, total: int, draws: np.random.Generator
    ) -> Labels:
        """Return other labels, ``[n]``."""
        del classes
        order = np.argsort(draws.permutation(total)[places])
        if self.share == 1:
            return labels[order]
        chosen = order[: self._count(len(labels))]
        among = np.argsort(draws.permutation(total)[places][chosen])
        found = labels.copy()
        found[chosen] = labels[chosen][among]
        return found

    def said(self, true: Labels, labels: Labels, classes: int, sd: float) -> str:
        """Return what was done in words."""
        del classes, sd
        n = len(labels)
        which = f"{n:,}" if self.share == 1 else f"{self._count(n):,} of {n:,}"
        return f"labels of {which} training rows shuffled, {int((labels != true).sum()):,} of them changed"
