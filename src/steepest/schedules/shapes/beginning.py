"""The first part of another schedule."""

from __future__ import annotations

from steepest.errors import OptionError
from steepest.schedules.lengths import check_run
from steepest.schedules.schedule import Schedule, Shape, built, make_schedule

COMPONENTS = {
    "beginning": {
        "object": "beginning",
        "what": "the first part of another schedule",
        "groups": ["combinators"],
    }
}


@built
def beginning(steps: int, shape: Shape = "cosine", share: float = 0.8) -> Schedule:
    """Return the other schedule as a longer run would have it, of which this run is the first part.

    Args:
        steps: the run's length.
        shape: the schedule of the longer run.
        share: this run's share of the longer one, above 0 and at most 1.

    Raises:
        OptionError: the share is not above 0 and at most 1.

    Example:
        >>> [beginning(4, "linear", 0.5)(t) for t in range(4)]
        [1.0, 0.875, 0.75, 0.625]
    """
    check_run(steps)
    if isinstance(share, bool) or not 0 < share <= 1:
        raise OptionError(
            f"share={share} is not a share of a run", hint="give a share above 0 and at most 1."
        )
    return make_schedule(shape, round(steps / share))
