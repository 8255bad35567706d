"""The same factor at every step."""

from __future__ import annotations

from steepest.schedules.lengths import check_positive, check_run
from steepest.schedules.schedule import Schedule, built

COMPONENTS = {
    "exponential": {"object": "exponential", "what": "the same factor at every step, down to final"}
}


@built
def exponential(steps: int, *, final: float = 0.01) -> Schedule:
    """Return f to the power t/T: the same factor at every step, ``final`` at the end.

    Raises:
        OptionError: ``steps`` or ``final`` is out of range.

    Example:
        >>> [round(exponential(4)(step), 4) for step in range(5)]
        [1.0, 0.3162, 0.1, 0.0316, 0.01]
    """
    check_run(steps, final=final)
    check_positive(final=final)
    return lambda step: final ** (step / steps)
