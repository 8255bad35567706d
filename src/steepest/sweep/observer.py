"""What a long piece of work tells whoever watches it."""

from __future__ import annotations

from steepest.record.schema import Record


class Observer:
    """Is told what happens; this one stays silent. Override what you want to show."""

    def stage(self, title: str, steps: int) -> None:
        """A stage begins: its title and how many training steps are still to come in all (0 if unknown)."""

    def advance(self, steps: int) -> None:
        """So many training steps were made."""

    def remaining(self, steps: int) -> None:
        """The estimate of the steps still to come has changed."""

    def run(self, record: Record) -> None:
        """A run has ended and is in the journal."""

    def say(self, text: str) -> None:
        """A line that a person should read."""
