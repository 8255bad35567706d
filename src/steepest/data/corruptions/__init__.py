"""What is done to training labels on purpose: one corruption a file, named as a component, such as ``noise(0.15)``.

The labels of validation and test rows are never touched, and a dataset keeps the true labels of its training rows.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from steepest.components.declared import Component, make_component
from steepest.components.registry import Registry

Labels = NDArray[np.int64] | NDArray[np.float32]
"""Class codes, or a target of numbers in its standard deviations."""
Rows = NDArray[np.int64]

registry = Registry("corruption of labels", "steepest.data.corruptions")


class Corruption(Component):
    """A change of the training labels; a subclass declares its options as fields, in the order of its arguments.

    Attributes:
        draw: what the draws depend on: ``split``, the split seed, so that all runs get the same labels; ``run``, the
            run seed, so that only runs with the same seed do, whatever the arm.
    """

    by_name = ("draw",)

    draw: Literal["split", "run"] = Field(
        "split",
        description="split (the same labels in every run) or run (by the run seed, the same in every arm)",
    )

    def check(self, rows: int, classes: int) -> None:
        """Raise an ``OptionError`` if this does nothing to so many rows of so many classes (0 for numbers)."""

    @abstractmethod
    def corrupted(
        self, labels: Labels, classes: int, places: Rows, total: int, draws: np.random.Generator
    ) -> Labels:
        """Return other labels, ``[n]``.

        Whatever is drawn is drawn for all training rows of the experiment and then taken at ``places``, so that arms
        with other training rows, or with another level, differ as little as possible in their common rows.

        Args:
            labels: the true ones, ``[n]``.
            classes: number of classes, 0 for a target of numbers.
            places: where these rows are among the training rows of the experiment, ``[n]``.
            total: number of the training rows of the experiment.
            draws: where random numbers come from.
        """

    @abstractmethod
    def said(self, true: Labels, labels: Labels, classes: int, sd: float) -> str:
        """Return what was done in words, for instance ``labels of 87 of 581 training rows replaced``.

        Args:
            true, labels: before and after.
            classes: number of classes, 0 for a target of numbers.
            sd: the target's standard deviation, for a target of numbers.
        """


def make_corruption(text: str) -> Corruption:
    """Return the corruption that a specification names.

    Raises:
        UnknownNameError: there is none with this name.
        OptionError: an option does not exist, is missing or has a value that is not allowed.

    Example:
        >>> str(make_corruption("noise(level=0.150)")), make_corruption("shuffle(draw=run)").draw
        ('noise(0.15)', 'run')
    """
    return make_component(registry, text)
