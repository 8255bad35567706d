"""The numbers that schedules are made of: lengths, periods and factors, read and checked."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar

from steepest.errors import OptionError

_seen: ContextVar[list[float] | None] = ContextVar("lengths that a schedule is built from", default=None)


@contextmanager
def lengths_seen() -> Generator[list[float]]:
    """Collect the lengths that schedules are built from inside the block, as they were given."""
    seen: list[float] = []
    token = _seen.set(seen)
    try:
        yield seen
    finally:
        _seen.reset(token)


def length_in_steps(name: str, value: float, steps: int) -> float:
    """Return a length in steps: a whole number is steps, a number with a fraction is a share of the run."""
    if isinstance(value, bool) or not value >= 0 or (isinstance(value, float) and value > 1):
        raise OptionError(
            f"{name}={value} is neither a share nor a number of steps",
            hint=f"give {name} as a share from 0.0 to 1.0 or as a whole number of steps.",
        )
    seen = _seen.get()
    if seen is not None:
        seen.append(value)
    return value * steps if isinstance(value, float) else float(value)


def periods(steps: int, period: float, stairs: bool) -> Callable[[int], float]:
    """Return how many periods have passed at a step; with ``stairs`` only whole ones count."""
    check_run(steps)
    check_positive(period=period)
    length = length_in_steps("period", period, steps)
    if stairs:
        return lambda t: math.floor(t / length + 1e-9)
    return lambda t: t / length


def check_run(steps: int, **fractions: float) -> None:
    """Raise an ``OptionError`` if a run has no step or a fraction is not between 0 and 1."""
    if steps < 1:
        raise OptionError(f"a schedule needs at least 1 step, not {steps}", hint="train for longer.")
    for name, value in fractions.items():
        if not 0.0 <= value <= 1.0:
            raise OptionError(f"{name}={value} is not between 0 and 1", hint=f"give a {name} from 0 to 1.")


def check_counts(**values: float) -> None:
    """Raise an ``OptionError`` if a value is not a whole number from 1."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise OptionError(
                f"{name}={value} is not a number of times", hint=f"give {name} as a whole number from 1."
            )


def check_positive(**values: float) -> None:
    """Raise an ``OptionError`` if a value is not above 0."""
    for name, value in values.items():
        if not value > 0:
            raise OptionError(f"{name}={value} is not above 0", hint=f"give a {name} above 0.")
