"""What a long piece of work tells whoever watches it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from steepest.record.schema import Record


class Observer:
    """Is told what happens; this one stays silent. Override what you want to show.

    Work is counted in seconds that were predicted from timed steps, so that runs of different optimizers add up.
    """

    def stage(self, title: str) -> None:
        """Something begins that has a name."""

    def advance(self, work: float) -> None:
        """So much work was done since the last call."""

    def remaining(self, work: float) -> None:
        """So much work is still to come, as far as it can be known now."""

    def run(self, record: Record) -> None:
        """A run has ended and is in the journal."""

    def tuned(
        self, name: str, rate: float, lowest: float, highest: float, trials: int, beside: Mapping[str, Any]
    ) -> None:
        """An optimizer's rate is chosen, between the lowest and the highest, and what else is tuned beside it."""

    def say(self, text: str) -> None:
        """A line that a person should read."""
