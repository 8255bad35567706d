"""One over the square root of the time."""

from __future__ import annotations

import math

from steepest.schedules.lengths import periods
from steepest.schedules.schedule import Schedule, built

COMPONENTS = {"inverse-sqrt": {"object": "inverse_sqrt", "what": "1/√(1 + t/τ)"}}


@built
def inverse_sqrt(steps: int, *, period: float = 0.1, stairs: bool = False) -> Schedule:
    """Return 1/√(1 + t/τ).

    Args:
        steps: the run's length.
        period: τ, a share of the run or a number of steps.
        stairs: count full periods only, such as epochs.

    Raises:
        OptionError: ``steps`` or ``period`` is out of range.

    Example:
        >>> [inverse_sqrt(8, period=1)(step) for step in (0, 3)]
        [1.0, 0.5]
    """
    count = periods(steps, period, stairs)
    return lambda step: 1.0 / math.sqrt(1.0 + count(step))
