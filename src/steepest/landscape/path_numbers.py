"""What the path of a run in three of its parameters is: numbers and sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from steepest.landscape.said import value
from steepest.wording import counted


@dataclass(frozen=True)
class PathNumbers:
    """Where a run came along in three of its parameters, as numbers and sentences.

    Attributes:
        title: the run.
        names: the parameters with their places, such as ``head.bias[0]``.
        steps: of the kept points, in their order.
        points: the values of the parameters, ``[n, 3]``.
        losses: the training loss at each of them, with the kept values of all parameters, ``[n]``.
        share: of the squared distance from the first point to the last one, how much lies along the three.
        parameters: how many the run has.
        rows: which rows the losses are of, in words.
    """

    title: str
    names: tuple[str, str, str]
    steps: tuple[int, ...]
    points: NDArray[np.float64]
    losses: NDArray[np.float64]
    share: float
    parameters: int
    rows: str

    @property
    def sentence(self) -> str:
        """What is seen."""
        one, two, three = self.names
        first, last = (value(float(self.losses[at])) for at in (0, -1))
        steps = counted(self.steps[-1] - self.steps[0], "step")
        return f"The path of {self.title} in {one}, {two} and {three}: the loss goes from {first} to {last} in {steps}."

    @property
    def lines(self) -> list[str]:
        """How it was measured, and what limits it."""
        kept = counted(len(self.steps), "kept point")
        found = [f"{kept}; losses at the kept values of all parameters, on {self.rows}, in evaluation mode."]
        if self.parameters > 3:
            found.append(
                f"Three of {self.parameters:,} parameters, along which {self.share:.1%} of the squared distance from "
                "the first point to the last one lies; what the others did is not seen."
            )
        return found

    @property
    def frame(self) -> pl.DataFrame:
        """A row for each kept point: ``step``, the three parameters and ``loss``."""
        values = {name: self.points[:, k] for k, name in enumerate(self.names)}
        return pl.DataFrame({"step": self.steps, **values, "loss": self.losses})

    def as_json(self) -> dict[str, Any]:
        """Return the numbers as plain values; a loss that is not finite is None."""
        return {
            "run": self.title,
            "parameters": list(self.names),
            "step": list(self.steps),
            "points": self.points.tolist(),
            "loss": [each if np.isfinite(each) else None for each in self.losses.tolist()],
            "share": self.share,
        }
