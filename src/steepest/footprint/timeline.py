"""What is alive during a step, at any batch size: every allocation grows by the same bytes with every row.

Two steps are recorded, of different batch sizes. Where both made the same allocations in the same order, the bytes of
each are a constant and a number for each row, and the step can be played at another batch size without making it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from itertools import accumulate

from steepest.footprint.ledger import Phase, StorageEvent


@dataclass(frozen=True)
class Recorded:
    """One step.

    Attributes:
        rows: of its batch.
        before: bytes that were alive when it began.
        events: what it allocated and freed.
    """

    rows: int
    before: float
    events: Sequence[StorageEvent]


@dataclass(frozen=True)
class Needs:
    """Bytes of a step.

    Attributes:
        activations: what the forward pass has left when the backward pass begins.
        gradients: what the backward pass leaves: the gradients of the parameters.
        error_signals: the most that the backward pass needs beside these: gradients of activations.
        forward: the most that is alive in the forward pass, with what was alive before the step.
        backward: the same in the backward pass.
        update: the same after it.
    """

    activations: float
    gradients: float
    error_signals: float
    forward: float
    backward: float
    update: float

    @property
    def peak(self) -> float:
        """The most that is alive at once."""
        return max(self.forward, self.backward, self.update)

    @property
    def peak_phase(self) -> Phase:
        """Where that is."""
        phases: tuple[Phase, ...] = ("update", "backward", "forward")
        return max(phases, key=lambda each: getattr(self, each))


def needs(step: Recorded) -> Needs:
    """Return what a step needs.

    Example:
        >>> step = [StorageEvent(0, 8, "forward"), StorageEvent(1, 5, "backward"), StorageEvent(2, 3, "backward"),
        ...         StorageEvent(0, -8, "forward"),
        ...         StorageEvent(2, -3, "backward"), StorageEvent(3, 4, "update"), StorageEvent(3, -4, "update"),
        ...         StorageEvent(1, -5, "backward")]
        >>> found = needs(Recorded(rows=1, before=100, events=step))
        >>> found.activations, found.gradients, found.error_signals, found.peak, found.peak_phase
        (8, 5, 3, 116, 'backward')
    """
    events = step.events
    first = next(
        (i for i, each in enumerate(events) if each.change > 0 and each.phase == "backward"), len(events)
    )
    later = (i for i, each in enumerate(events) if i > first and each.change > 0 and each.phase != "backward")
    end = next(later, len(events))
    born = {each.number: each.change for each in events[:first] if each.change > 0}
    lost = {each.number for each in events[:first] if each.change < 0}
    activations = sum(size for number, size in born.items() if number not in lost)
    made = {each.number: each.change for each in events[first:end] if each.change > 0}
    gone = {each.number for each in events[first:end] if each.change < 0}
    left = {number for number in made if number not in gone}
    signals = _most(
        0, (each for each in events[first:end] if each.number in made and each.number not in left)
    )
    at_first = step.before + sum(each.change for each in events[:first])
    at_end = at_first + sum(each.change for each in events[first:end])
    return Needs(
        activations=activations,
        gradients=sum(made[number] for number in left),
        error_signals=signals,
        forward=_most(step.before, events[:first]),
        backward=_most(at_first, events[first:end]),
        update=_most(at_end, events[end:]),
    )


@dataclass(frozen=True)
class Timeline:
    """A step at any batch size, from two recorded ones.

    Args:
        few: a step with fewer rows.
        many: a step with more rows.
    """

    few: Recorded
    many: Recorded

    def at(self, rows: int) -> Needs:
        """Return what a step with so many rows needs.

        Example:
            >>> few, many = (Recorded(n, 100, [StorageEvent(0, 8 * n + 4, "forward")]) for n in (2, 4))
            >>> Timeline(few, many).at(1000).peak
            8104.0
        """
        share = (rows - self.few.rows) / (self.many.rows - self.few.rows)

        def between(few: float, many: float) -> float:
            return few + share * (many - few)

        before = between(self.few.before, self.many.before)
        if self.is_exact:
            events = [
                one._replace(change=between(one.change, other.change))
                for one, other in zip(self.few.events, self.many.events, strict=True)
            ]
            return needs(Recorded(rows, before, events))
        few, many = (needs(each) for each in (self.few, self.many))
        names = [each.name for each in fields(Needs)]
        return Needs(*(between(getattr(few, name), getattr(many, name)) for name in names))

    @property
    def is_exact(self) -> bool:
        """Whether both steps made the same allocations in the same order."""
        few, many = (
            [(each.number, each.change > 0, each.phase) for each in step.events]
            for step in (self.few, self.many)
        )
        return few == many

    def most_rows(self, limit: float, rows: int) -> int:
        """Return the largest batch of at most ``rows`` rows that needs no more than so many bytes; 0 if none does.

        Example:
            >>> few, many = (Recorded(n, 100, [StorageEvent(0, 8 * n, "forward")]) for n in (2, 4))
            >>> [Timeline(few, many).most_rows(limit, 500) for limit in (107, 900, 10**6)]
            [0, 100, 500]
        """
        low, high = 0, rows
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self.at(middle).peak <= limit else (low, middle - 1)
        return low


def _most(start: float, events: Iterable[StorageEvent]) -> float:
    """Return the most that is alive at once."""
    return max(accumulate((each.change for each in events), initial=start))
