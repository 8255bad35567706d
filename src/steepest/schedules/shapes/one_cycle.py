"""Half a cosine up and half a cosine down."""

from __future__ import annotations

import math

from steepest.schedules.lengths import check_run
from steepest.schedules.schedule import Schedule, built

COMPONENTS = {"one-cycle": {"object": "one_cycle", "what": "half a cosine up, half a cosine down"}}


@built
def one_cycle(steps: int, *, peak: float = 0.3, start: float = 0.04, final: float = 4e-6) -> Schedule:
    """Return half a cosine up to 1 and half a cosine down.

    Args:
        steps: the run's length.
        peak: where the top is, as a share of the run.
        start: the multiplier at step 0.
        final: the multiplier at the last step.

    Raises:
        OptionError: an argument is out of range.

    Source: Smith & Topin, Super-Convergence, 2018, the learning rate alone (momentum is not moved), with the
    shape and the defaults of torch's ``OneCycleLR``.

    Example:
        >>> [round(one_cycle(10)(t), 3) for t in (0, 2, 9)]
        [0.04, 1.0, 0.0]
    """
    check_run(steps, peak=peak, start=start, final=final)
    top, end = peak * steps - 1.0, float(steps - 1)

    def value(t: int) -> float:
        if t <= top and top > 0:
            return _bend(start, 1.0, t / top)
        return _bend(1.0, final, min((t - max(top, 0.0)) / max(end - max(top, 0.0), 1.0), 1.0))

    return value


def _bend(first: float, last: float, share: float) -> float:
    return last + (first - last) * 0.5 * (1.0 + math.cos(math.pi * share))
