"""Another schedule, times a factor."""

from __future__ import annotations

from steepest.schedules.lengths import check_positive, check_run
from steepest.schedules.schedule import Schedule, Shape, built, make_schedule

COMPONENTS = {
    "scale": {
        "object": "scale",
        "what": "another schedule, multiplied by a factor",
        "groups": ["combinators"],
    }
}


@built
def scale(steps: int, shape: Shape = "constant", factor: float = 0.5) -> Schedule:
    """Return the other schedule times ``factor``.

    Example:
        >>> scale(4, "linear", 0.5)(2)
        0.25
    """
    check_run(steps)
    check_positive(factor=factor)
    inner = make_schedule(shape, steps)
    return lambda t: factor * inner(t)
