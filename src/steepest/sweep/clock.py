"""The time of a comparison: what is left of a time budget, and how much of it all that precedes training may take."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from steepest.recipe import Protocol

LEAST_SHARE = 0.5
"""Share of a budget that the networks get, however long everything else took; all that precedes them gets the rest."""
COMPILING_SHARE = 0.2
"""Share of a budget for which a comparison waits for compiled steps; those that are not ready then are eager."""
MEASURING_SHARE = 0.15
"""Share of a budget that timing steps takes, about."""
AFTER_SECONDS = 3.0
"""What saving the models and writing the report takes, about."""


@dataclass(frozen=True)
class Clock:
    """The time of a comparison.

    Attributes:
        budget: seconds that were given, or None.
        started: when the clock began, in the seconds of ``time.perf_counter``.
        besides: returns the seconds of what is done beside the networks, about.
    """

    budget: float | None
    started: float
    besides: Callable[[], float] = lambda: 0.0

    @classmethod
    def of(cls, protocol: Protocol, started: float | None = None) -> Clock:
        """Return the clock of a protocol, which began now if not earlier."""
        budget = None if protocol.minutes is None else 60 * protocol.minutes
        return cls(budget, time.perf_counter() if started is None else started)

    @property
    def gone(self) -> float:
        """Seconds since the clock began."""
        return time.perf_counter() - self.started

    @property
    def left(self) -> float | None:
        """Seconds that the networks get from now on, or None without a budget."""
        if self.budget is None:
            return None
        return max(self.budget - self.gone - self.besides() - AFTER_SECONDS, LEAST_SHARE * self.budget)

    @property
    def preparing(self) -> float:
        """Seconds until all that precedes training has to be done, at least 0; infinity without a budget."""
        if self.budget is None:
            return math.inf
        return max((1.0 - LEAST_SHARE) * self.budget - self.gone, 0.0)


def time_left(clock: Clock) -> Callable[[], float] | None:
    """Return what tells the seconds that the networks have from now on; None without a budget.

    The networks get what is left now, at least :data:`LEAST_SHARE` of the budget; the rest was used up before them.

    Args:
        clock: the time of the comparison, when the length is decided.
    """
    left = clock.left
    if left is None:
        return None
    ends = clock.gone + left
    return lambda: ends - clock.gone


@dataclass
class Patience:
    """How long a comparison still waits for compiled steps; for ever without a time budget.

    Attributes:
        most: seconds that it waits all in all.
        preparing: returns the seconds until all that precedes training has to be done.
        spent: seconds that were spent so far.
    """

    most: float = math.inf
    preparing: Callable[[], float] = lambda: math.inf
    spent: float = 0.0
    _since: float | None = field(default=None)

    @classmethod
    def of(cls, clock: Clock | None) -> Patience:
        """Return that of a comparison with a clock."""
        if clock is None or clock.budget is None:
            return cls()
        return cls(COMPILING_SHARE * clock.budget, lambda: clock.preparing)

    @property
    def left(self) -> float:
        """Seconds that are left, at least 0."""
        going = 0.0 if self._since is None else time.perf_counter() - self._since
        return max(min(self.most - self.spent - going, self.preparing()), 0.0)

    @contextmanager
    def spending(self) -> Generator[None]:
        """Count the time within as waiting."""
        self._since = time.perf_counter()
        try:
            yield
        finally:
            self.spent += time.perf_counter() - self._since
            self._since = None
