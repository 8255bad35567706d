"""Schedules: pure functions from a step to a multiplier of the learning rate.

A schedule is made for a run's length and is then called with the step, counted from 0; it is scaled to each
run's length, so that a run of a quarter of the steps sees the whole shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from steepest import grammar
from steepest.errors import OptionError
from steepest.registry import Registry

COMPONENTS = {
    "constant": {"object": "constant"},
    "cosine": {"object": "cosine"},
    "linear": {"object": "linear"},
}

Schedule = Callable[[int], float]
"""A multiplier of the learning rate as a function of the step (from 0)."""

registry = Registry("schedule", "steepest.schedules")


def constant(steps: int) -> Schedule:
    """Return the schedule that is 1 at every step.

    Example:
        >>> constant(100)(99)
        1.0
    """
    _check(steps)
    return lambda _: 1.0


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
    _check(steps, final=final)
    return lambda step: final + (1.0 - final) * 0.5 * (1.0 + math.cos(math.pi * min(step, steps) / steps))


def linear(steps: int, *, final: float = 0.0) -> Schedule:
    """Return a straight line from 1 at step 0 to ``final`` at step ``steps``.

    Raises:
        OptionError: ``steps`` or ``final`` is out of range.

    Example:
        >>> [linear(4)(step) for step in range(4)]
        [1.0, 0.75, 0.5, 0.25]
    """
    _check(steps, final=final)
    return lambda step: 1.0 + (final - 1.0) * min(step, steps) / steps


def make_schedule(text: str, steps: int) -> Schedule:
    """Build a schedule from its specification, such as ``cosine`` or ``cosine(final=0.1)``.

    Raises:
        UnknownNameError: there is no such schedule.
        OptionError: an option does not exist or is out of range.

    Example:
        >>> make_schedule("cosine(final=0.1)", 10)(10)
        0.1
    """
    spec = grammar.parse(text)
    build: Any = grammar.load_reference(spec.name) if spec.is_reference else registry.load(spec.name)
    try:
        return build(steps, *spec.arguments, **spec.options)
    except TypeError as error:
        raise OptionError(
            f"the schedule {text!r} cannot be made: {error}", hint="see its options in the docs."
        ) from error


def _check(steps: int, **fractions: float) -> None:
    if steps < 1:
        raise OptionError(f"a schedule needs at least 1 step, not {steps}", hint="train for longer.")
    for name, value in fractions.items():
        if not 0.0 <= value <= 1.0:
            raise OptionError(f"{name}={value} is not between 0 and 1", hint=f"give a {name} from 0 to 1.")
