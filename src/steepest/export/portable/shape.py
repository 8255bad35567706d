"""What a network must know of the table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """The inputs and outputs of a network.

    Attributes:
        task: ``classification`` or ``regression``.
        cardinalities: number of codes of each categorical column, in the order of the first input's columns.
        continuous: names of the columns of the second input.
        outputs: number of classes, or 1.
    """

    task: str
    cardinalities: Mapping[str, int]
    continuous: tuple[str, ...]
    outputs: int
