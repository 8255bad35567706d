"""Several schedules, one after another."""

from __future__ import annotations

import itertools

from steepest.errors import OptionError
from steepest.schedules.lengths import check_run, length_in_steps
from steepest.schedules.schedule import Schedule, Shape, built, in_turn

COMPONENTS = {
    "join": {"object": "join", "what": "several schedules, one after another", "groups": ["combinators"]}
}


@built
def join(steps: int, *shapes: Shape, at: float | tuple[float, ...] = 0.5) -> Schedule:
    """Return one schedule after the other, each made for the length of its own part.

    Args:
        steps: the run's length.
        shapes: the schedules; constant and then linear if left out.
        at: where the second and further ones begin, as shares of the run or numbers of steps.

    Raises:
        OptionError: the places are not one fewer than the schedules, or do not increase.

    Example:
        >>> [join(4, "constant", "linear", at=0.5)(t) for t in range(4)]
        [1.0, 1.0, 1.0, 0.5]
    """
    check_run(steps)
    shapes = shapes or ("constant", "linear")
    places = at if isinstance(at, tuple) else (at,)
    bounds = [0, *[round(length_in_steps("at", each, steps)) for each in places], steps]
    if len(places) != len(shapes) - 1 or any(a >= b for a, b in itertools.pairwise(bounds)):
        raise OptionError(
            f"at={at!r} does not divide {steps} steps among {len(shapes)} schedules",
            hint="give one increasing place for each schedule after the first, such as at=(0.1, 0.8).",
        )
    return in_turn(shapes, bounds)
