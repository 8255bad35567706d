"""A power of the remaining share of the run."""

from __future__ import annotations

from steepest.schedules.lengths import check_positive, check_run
from steepest.schedules.schedule import Schedule, built

COMPONENTS = {"polynomial": {"object": "polynomial", "what": "a power of the remaining share of the run"}}


@built
def polynomial(steps: int, *, power: float = 2.0, final: float = 0.0) -> Schedule:
    """Return f + (1 − f)(1 − t/T)ᵖ: a power of the remaining share of the run.

    Raises:
        OptionError: ``steps``, ``power`` or ``final`` is out of range.

    Example:
        >>> [polynomial(4)(step) for step in range(4)]
        [1.0, 0.5625, 0.25, 0.0625]
    """
    check_run(steps, final=final)
    check_positive(power=power)
    return lambda step: final + (1.0 - final) * (1.0 - min(step, steps) / steps) ** power
