"""Stairs: one factor after every period."""

from __future__ import annotations

from steepest.schedules.lengths import check_run, periods
from steepest.schedules.schedule import Schedule, built

COMPONENTS = {"step": {"object": "step", "what": "stairs: one factor after every period"}}


@built
def step(steps: int, *, factor: float = 0.1, period: float = 1 / 3) -> Schedule:
    """Return γ to the power ⌊t/τ⌋: stairs, one factor γ at the end of each period τ.

    Args:
        steps: the run's length.
        factor: γ, taken at the end of each period.
        period: τ, a share of the run or a number of steps.

    Raises:
        OptionError: an argument is out of range.

    Example:
        >>> [round(step(6)(t), 4) for t in range(6)]
        [1.0, 1.0, 0.1, 0.1, 0.01, 0.01]
    """
    count = periods(steps, period, stairs=True)
    check_run(steps, factor=factor)
    return lambda t: factor ** count(t)
