"""Noise on training labels."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from steepest.data.corruptions import Corruption, Labels, Rows
from steepest.errors import OptionError
from steepest.wording import counted, significant

COMPONENTS = {"noise": {"object": "Noise", "what": "a share of the labels replaced; noise added to numbers"}}


class Noise(Corruption):
    """Replace a share of the class labels, or add Gaussian noise to numbers.

    Of n training rows, exactly the nearest whole number to ``level`` × n, chosen at random, get another class, each of
    the others with the same probability (symmetric label noise, in which the true class is not drawn). A target of
    numbers gets independent Gaussian noise on every row, with a standard deviation of ``level`` times the target's.

    Args:
        level: share of the rows whose class is replaced, at most 1; for numbers the noise's standard deviation in
            those of the target.

    Raises:
        OptionError: the level is beyond 1 for classes, or so low that no row is replaced.

    Source: Angluin & Laird, Learning from Noisy Examples, 1988, with a fixed number of replaced labels.

    Example:
        >>> labels, places = np.repeat(np.arange(3), 100), np.arange(300)
        >>> found = Noise(level=0.15).corrupted(labels, 3, places, 300, np.random.Generator(np.random.PCG64(0)))
        >>> int((found != labels).sum())
        45
    """

    name = "noise"

    level: float = Field(
        gt=0.0,
        allow_inf_nan=False,
        description="a number above 0: the share of the rows whose class is replaced; for a target of numbers, the "
        "noise's standard deviation in those of the target",
    )  # fmt: skip

    def check(self, rows: int, classes: int) -> None:
        """Raise an ``OptionError`` if this cannot be done to so many rows of so many classes (0 for numbers)."""
        if classes and self.level > 1:
            raise OptionError(
                f"{self} would replace more labels than there are",
                hint="give a share of the rows, at most 1.",
            )
        if classes and not self._count(rows):
            raise OptionError(
                f"{self} replaces the label of none of {counted(rows, 'training row')}",
                hint=f"give at least {1 / rows:.2g}, or none for the labels as they are.",
            )

    def _count(self, rows: int) -> int:
        return round(self.level * rows)

    def corrupted(
        self, labels: Labels, classes: int, places: Rows, total: int, draws: np.random.Generator
    ) -> Labels:
        """Return other labels, ``[n]``."""
        if not classes:
            added = self.level * draws.standard_normal(total)[places]
            return (labels + added).astype(np.float32)
        rank, steps = draws.permutation(total)[places], draws.integers(1, classes, total)[places]
        chosen = np.argsort(rank)[: self._count(len(labels))]
        found = labels.copy()
        found[chosen] = (labels[chosen] + steps[chosen]) % classes
        return found

    def said(self, true: Labels, labels: Labels, classes: int, sd: float) -> str:
        """Return what was done in words."""
        n = len(labels)
        if not classes:
            by = significant(self.level * sd, 3)
            return f"noise (standard deviation {by}) added to the targets of {n:,} training rows"
        return f"labels of {int((labels != true).sum()):,} of {n:,} training rows replaced"
