"""A straight line up, then another schedule."""

from __future__ import annotations

import math

from steepest.schedules.lengths import check_run, length_in_steps
from steepest.schedules.schedule import Schedule, Shape, built, make_schedule

COMPONENTS = {
    "warmup": {
        "object": "warmup",
        "what": "a straight line up, then another schedule",
        "groups": ["combinators"],
    }
}


@built
def warmup(steps: int, then: Shape = "constant", *, length: float = 0.05) -> Schedule:
    """Return a straight line up to 1 over ``length``, then the other schedule over the rest of the run.

    The first step has the multiplier 1/n, not 0. A warm-up of more steps than the run has, which may be a shorter
    run for tuning, takes the whole run and still ends at 1.

    Raises:
        OptionError: an argument is out of range.

    Example:
        >>> [warmup(4, "constant", length=0.5)(t) for t in range(4)]
        [0.5, 1.0, 1.0, 1.0]
    """
    check_run(steps)
    up = min(math.ceil(length_in_steps("length", length, steps)), steps)
    rest = make_schedule(then, max(steps - up, 1))
    return lambda t: (t + 1) / up if t < up else rest(t - up)
