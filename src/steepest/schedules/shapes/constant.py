"""The same rate at every step."""

from __future__ import annotations

from steepest.schedules.lengths import check_run
from steepest.schedules.schedule import Schedule, built

COMPONENTS = {"constant": {"object": "constant", "what": "the same rate at every step"}}


@built
def constant(steps: int) -> Schedule:
    """Return the constant 1.

    Example:
        >>> constant(100)(99)
        1.0
    """
    check_run(steps)
    return lambda _: 1.0
