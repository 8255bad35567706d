"""What a long piece of work tells whoever watches it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from steepest.record.schema import CurvePoint, Record, RunKey


@dataclass(frozen=True)
class Tried:
    """The rates that were tried in the shortest tuning runs.

    Attributes:
        lowest, highest: their ends.
        best: the best one there; at full length another one may be better.
        shortest: the length of these runs, in full lengths.
        further: by how many the grid was extended.
        most: by how many it may be, 0 for rates that are not extended.
    """

    lowest: float
    highest: float
    best: float
    shortest: float = 0.25
    further: int = 0
    most: int = 0


class Observer:
    """Is told what happens; this one stays silent. Override what you want to show.

    Work is counted in seconds that were predicted from timed steps, so that runs of different optimizers add up.

    Attributes:
        live: whether it wants to know of every evaluation of the runs under way, by :meth:`looked`.
    """

    live: bool = False

    def stage(self, title: str) -> None:
        """Something begins that has a name."""

    def advance(self, work: float) -> None:
        """So much work was done since the last call."""

    def remaining(self, work: float) -> None:
        """So much work is still to come, as far as it can be known now."""

    def looked(self, key: RunKey, rate: float, point: CurvePoint) -> None:
        """A run under way was evaluated, in whatever process it is made; only if this one is ``live``."""

    def run(self, record: Record) -> None:
        """A run has ended and is in the journal."""

    def tuned(self, name: str, rate: float, tried: Tried, trials: int, beside: Mapping[str, Any]) -> None:
        """An optimizer's rate is chosen of so many trials, the settings that were tried, and what else is tuned."""

    def say(self, text: str) -> None:
        """A line that a person should read."""
