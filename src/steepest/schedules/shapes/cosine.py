"""Half a cosine down."""

from __future__ import annotations

import math

from steepest.schedules.lengths import check_run
from steepest.schedules.schedule import Schedule, built

COMPONENTS = {"cosine": {"object": "cosine", "what": "half a cosine down to final"}}


@built
def cosine(steps: int, *, final: float = 0.0) -> Schedule:
    r"""Return half a cosine from 1 to ``final``.

    .. math:: f + (1 - f)\,\tfrac12\,(1 + \cos(\pi t / T))

    Args:
        steps: T, the run's length in steps, at least 1.
        final: f, the multiplier that is approached at the end, from 0 to 1.

    Raises:
        OptionError: ``steps`` or ``final`` is out of range.

    Source: Loshchilov & Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, 2017, one cycle.

    Example:
        >>> [round(cosine(4)(step), 3) for step in range(4)]
        [1.0, 0.854, 0.5, 0.146]
    """
    check_run(steps, final=final)
    return lambda step: final + (1.0 - final) * 0.5 * (1.0 + math.cos(math.pi * min(step, steps) / steps))
