"""Another schedule, several times over the run."""

from __future__ import annotations

from steepest.errors import OptionError
from steepest.schedules.lengths import check_counts, check_run
from steepest.schedules.schedule import Schedule, Shape, built, in_turn

COMPONENTS = {
    "repeat": {
        "object": "repeat",
        "what": "another schedule, several times over the run",
        "groups": ["combinators"],
    }
}


@built
def repeat(steps: int, shape: Shape = "cosine", times: int = 2) -> Schedule:
    """Return the other schedule ``times`` times, each over its part of the run.

    Example:
        >>> [repeat(4, "linear", 2)(t) for t in range(4)]
        [1.0, 0.5, 1.0, 0.5]
    """
    check_run(steps)
    check_counts(times=times)
    if times > steps:
        raise OptionError(
            f"times={times} does not fit {steps} steps", hint="repeat at least once and at most once a step."
        )
    bounds = [round(steps * number / times) for number in range(times + 1)]
    return in_turn([shape] * times, bounds)
