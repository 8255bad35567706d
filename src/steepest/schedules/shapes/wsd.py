"""Warm-up, stable, decay."""

from __future__ import annotations

import math

from steepest.errors import OptionError
from steepest.schedules.lengths import check_run, length_in_steps
from steepest.schedules.schedule import Schedule, built

COMPONENTS = {"wsd": {"object": "wsd", "what": "warm-up, stable, decay"}}


@built
def wsd(steps: int, *, warm: float = 0.05, decay: float = 0.2, final: float = 0.0) -> Schedule:
    """Return warm-up, stable, decay: a straight line up, 1 for long, and down ever slower.

    The decay is 1 − √s, with s the share of it that is past. Where warm-up and decay are longer than the run, which
    may be a shorter one for tuning, both are shortened by the same factor.

    Args:
        steps: the run's length.
        warm: length of the warm-up, a share of the run or a number of steps.
        decay: length of the decay, a share of the run or a number of steps.
        final: the multiplier at step ``steps``.

    Raises:
        OptionError: an argument is out of range, or both are shares that make more than the run.

    Source: Hu et al., MiniCPM, 2024; Hägele et al., Scaling Laws and Compute-Optimal Training Beyond Fixed
    Training Durations, 2024 (the square root).

    Example:
        >>> [round(wsd(10, warm=2, decay=4)(t), 3) for t in (0, 1, 5, 7, 9)]
        [0.5, 1.0, 1.0, 0.5, 0.134]
    """
    check_run(steps, final=final)
    up, down = length_in_steps("warm", warm, steps), length_in_steps("decay", decay, steps)
    if isinstance(warm, float) and isinstance(decay, float) and warm + decay > 1.0 + 1e-9:
        raise OptionError(
            f"warm={warm} and decay={decay} are more than the run",
            hint="give shares with a sum of at most 1.",
        )
    if up + down > steps:
        up, down = (each * steps / (up + down) for each in (up, down))

    def value(t: int) -> float:
        if t < up:
            return (t + 1) / math.ceil(up)
        late = max(min(t, steps) - (steps - down), 0.0) / down if down else 0.0
        return 1.0 - (1.0 - final) * math.sqrt(late)

    return value
