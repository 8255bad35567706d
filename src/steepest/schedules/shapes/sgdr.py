"""Cosines with warm restarts."""

from __future__ import annotations

import itertools
import math

from steepest.errors import OptionError
from steepest.schedules.lengths import check_counts, check_positive, check_run
from steepest.schedules.schedule import Schedule, built

COMPONENTS = {"sgdr": {"object": "sgdr", "what": "cosines with warm restarts, each longer than the last"}}

LARGEST_POWER = 700.0
"""The logarithm of what a float holds."""


@built
def sgdr(steps: int, *, cycles: int = 3, multiplier: float = 2.0, final: float = 0.0) -> Schedule:
    """Return cosines with warm restarts, each cycle ``multiplier`` times as long as the one before.

    The cycles fill the run. In units of the first cycle the run is 1 + m + m² + … long: 3 cycles with
    multiplier 2 are 7 units, not 3.

    Raises:
        OptionError: an argument is out of range.

    Source: Loshchilov & Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, 2017.

    Example:
        >>> [round(sgdr(7)(t), 3) for t in range(7)]
        [1.0, 1.0, 0.5, 1.0, 0.854, 0.5, 0.146]
    """
    check_run(steps, final=final)
    check_positive(multiplier=multiplier)
    check_counts(cycles=cycles)
    if (cycles - 1) * math.log(multiplier) > LARGEST_POWER:
        raise OptionError(
            f"the last of {cycles} cycles, each {multiplier} times as long as the one before, is too long for a number",
            hint="give fewer cycles.",
        )
    lengths = [multiplier**number for number in range(cycles)]
    ends = [steps * each / sum(lengths) for each in itertools.accumulate(lengths)]

    def value(t: int) -> float:
        start = 0.0
        for end in ends:
            if t < end - 1e-9 or end == ends[-1]:
                inside = min((t - start) / (end - start), 1.0)
                return final + (1.0 - final) * 0.5 * (1.0 + math.cos(math.pi * inside))
            start = end
        return final

    return value
