"""One over the time, as Robbins & Monro."""

from __future__ import annotations

from steepest.schedules.lengths import periods
from steepest.schedules.schedule import Schedule, built

COMPONENTS = {"inverse-time": {"object": "inverse_time", "what": "1/(1 + t/τ), as Robbins & Monro"}}


@built
def inverse_time(steps: int, *, period: float = 0.1, stairs: bool = False) -> Schedule:
    """Return 1/(1 + t/τ), the rate of Robbins & Monro.

    Args:
        steps: the run's length.
        period: τ, a share of the run or a number of steps; ``period=1`` is 1/(t+1).
        stairs: count full periods only, such as epochs.

    Raises:
        OptionError: ``steps`` or ``period`` is out of range.

    Example:
        >>> [inverse_time(8, period=1)(step) for step in range(4)]
        [1.0, 0.5, 0.3333333333333333, 0.25]
    """
    count = periods(steps, period, stairs)
    return lambda step: 1.0 / (1.0 + count(step))
