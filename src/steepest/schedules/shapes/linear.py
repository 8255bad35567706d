"""A straight line down."""

from __future__ import annotations

from steepest.schedules.lengths import check_run
from steepest.schedules.schedule import Schedule, built

COMPONENTS = {"linear": {"object": "linear", "what": "a straight line down to final"}}


@built
def linear(steps: int, *, final: float = 0.0) -> Schedule:
    """Return a straight line from 1 at step 0 to ``final`` at step ``steps``.

    Raises:
        OptionError: ``steps`` or ``final`` is out of range.

    Example:
        >>> [linear(4)(step) for step in range(4)]
        [1.0, 0.75, 0.5, 0.25]
    """
    check_run(steps, final=final)
    return lambda step: 1.0 + (final - 1.0) * min(step, steps) / steps
