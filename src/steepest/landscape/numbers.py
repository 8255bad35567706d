"""The numbers of a slice of the loss, and what they say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from steepest.landscape.plane import Plane
from steepest.landscape.said import Said, barrier, remarks, sentence


@dataclass(frozen=True)
class Slice:
    """The numbers of a slice.

    Attributes:
        title: the run.
        plane: the origin and the directions.
        alphas: the places along the first direction, ``[a]``.
        betas: those along the second, ``[b]``; of a line only 0.
        losses: the loss at each, ``[b, a]``; infinite or NaN where the network's is.
        centre: the loss at the run's own weights.
        said: of which rows, in which mode.
    """

    title: str
    plane: Plane
    alphas: NDArray[np.float64]
    betas: NDArray[np.float64]
    losses: NDArray[np.float64]
    centre: float
    said: Said

    @property
    def barrier(self) -> float | None:
        r"""By how much the loss between two runs rises above the straight line between their losses, at most.

        .. math:: \max_{0 \le \alpha \le 1} L(\alpha) - \bigl((1-\alpha)\,L(0) + \alpha\,L(1)\bigr)

        None of a plane.
        """
        return barrier(self.alphas, self.losses[0])[0] if self.plane.is_line else None

    @property
    def sentence(self) -> str:
        """What is seen."""
        return sentence(self.title, self.plane, self.alphas, self.betas, self.losses, self.centre, self.said)

    @property
    def lines(self) -> list[str]:
        """How it was measured, and what limits it."""
        return remarks(self.plane, self.losses, self.said)

    @property
    def frame(self) -> pl.DataFrame:
        """A row for each point: ``alpha``, ``beta`` and ``loss``."""
        beta, alpha = np.meshgrid(self.betas, self.alphas, indexing="ij")
        return pl.DataFrame({"alpha": alpha.ravel(), "beta": beta.ravel(), "loss": self.losses.ravel()})

    def as_json(self) -> dict[str, Any]:
        """Return the numbers as plain values; one that is not finite is None."""
        rows = [[_known(each) for each in row] for row in self.losses.tolist()]
        return {
            "run": self.title,
            "plane": self.plane.how,
            "axes": [each for each in self.plane.axes if each],
            "loss": self.said.loss,
            "rows": self.said.rows,
            "part": self.said.part,
            "statistics": self.said.statistics,
            "centre": _known(self.centre),
            "barrier": None if self.barrier is None else _known(self.barrier),
            "alpha": self.alphas.tolist(),
            "beta": self.betas.tolist(),
            "losses": rows,
        }


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None
