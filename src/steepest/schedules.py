"""Schedules: pure functions from a step to a multiplier of the learning rate.

A schedule is made for a run's length and is then called with the step, counted from 0; it is scaled to each
run's length, so that a run of a quarter of the steps sees the whole shape. Lengths inside a schedule are shares
of the run (``0.1``) or whole numbers of steps (``100``).

Schedules are combined by ``warmup``, ``join``, ``scale`` and ``repeat``, which take other schedules by
specification: ``warmup(cosine(final=0.1), length=0.05)``. Any torch optimizer can use one by
``torch.optim.lr_scheduler.LambdaLR(optimizer, schedule)``. A schedule can be copied and pickled, and so can an
optimizer that has one.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import math
from collections.abc import Callable
from typing import Any, ParamSpec

from steepest.components import grammar
from steepest.components.references import load_reference
from steepest.components.registry import Registry
from steepest.errors import OptionError
from steepest.lengths import check_counts, check_positive, check_run, length_in_steps, periods

COMPONENTS = {
    "constant": {"object": "constant", "what": "the same rate at every step"},
    "linear": {"object": "linear", "what": "a straight line down to final"},
    "cosine": {"object": "cosine", "what": "half a cosine down to final"},
    "polynomial": {"object": "polynomial", "what": "a power of the remaining share of the run"},
    "exponential": {"object": "exponential", "what": "the same factor at every step, down to final"},
    "inverse-time": {"object": "inverse_time", "what": "1/(1 + t/τ), as Robbins & Monro"},
    "inverse-sqrt": {"object": "inverse_sqrt", "what": "1/√(1 + t/τ)"},
    "step": {"object": "step", "what": "stairs: one factor after every period"},
    "sgdr": {"object": "sgdr", "what": "cosines with warm restarts, each longer than the last"},
    "one-cycle": {"object": "one_cycle", "what": "half a cosine up, half a cosine down"},
    "wsd": {"object": "wsd", "what": "warm-up, stable, decay"},
    "warmup": {"object": "warmup", "what": "a straight line up, then another schedule", "groups": ["combinators"]},
    "join": {"object": "join", "what": "several schedules, one after another", "groups": ["combinators"]},
    "scale": {"object": "scale", "what": "another schedule, multiplied by a factor", "groups": ["combinators"]},
    "repeat": {"object": "repeat", "what": "another schedule, several times over the run", "groups": ["combinators"]},
}  # fmt: skip

Schedule = Callable[[int], float]
"""A multiplier of the learning rate as a function of the step (from 0)."""

Shape = str | grammar.Spec | Callable[[int], Schedule]
"""A schedule before it knows the run's length: a specification, or a function of the number of steps."""

LARGEST_POWER = 700.0
"""The logarithm of what a float holds."""

registry = Registry("schedule", "steepest.schedules")

P = ParamSpec("P")


class Built:
    """A schedule of one run: the multiplier of each step, and how it was built.

    A copy, also one that is pickled for another process, is built again from the same arguments.

    Example:
        >>> cosine(4, final=0.5), cosine(4, final=0.5)(4)
        (cosine(4, final=0.5), 0.5)
    """

    def __init__(self, again: functools.partial[Built], value: Schedule) -> None:
        self._again, self._value = again, value

    def __call__(self, step: int) -> float:
        """Return the multiplier of a step, counted from 0."""
        return self._value(step)

    def __reduce__(self) -> tuple[Callable[[], Built], tuple[()]]:
        return self._again, ()

    def __repr__(self) -> str:
        again = self._again
        return str(grammar.Spec(again.func.__name__, again.args, again.keywords))


def built(build: Callable[P, Schedule]) -> Callable[P, Built]:
    """Make what a function builds a :class:`Built` schedule."""

    @functools.wraps(build)
    def outer(*arguments: P.args, **options: P.kwargs) -> Built:
        return Built(functools.partial(outer, *arguments, **options), build(*arguments, **options))

    return outer


def make_schedule(what: Shape, steps: int) -> Schedule:
    """Build a schedule for a run of ``steps`` steps from its specification.

    Raises:
        UnknownNameError: there is no such schedule.
        OptionError: an option does not exist or is out of range.

    Example:
        >>> make_schedule("cosine(final=0.1)", 10)(10)
        0.1
        >>> [make_schedule("warmup(linear, length=2)", 6)(step) for step in range(6)]
        [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]
    """
    if not isinstance(what, str | grammar.Spec):
        return what(steps)
    spec = grammar.parse(what) if isinstance(what, str) else what
    build: Any = load_reference(spec.name) if spec.is_reference else registry.load(spec.name)
    try:
        inspect.signature(build).bind(steps, *spec.arguments, **spec.options)
    except TypeError as error:
        known = [name for name in inspect.signature(build).parameters if name != "steps"]
        listed = f"its options are {', '.join(known)}" if known else "it has no options"
        raise OptionError(f"the schedule {str(spec)!r} cannot be made: {error}", hint=f"{listed}.") from None
    try:
        return build(steps, *spec.arguments, **spec.options)
    except TypeError as error:
        raise OptionError(
            f"the schedule {str(spec)!r} has a value of the wrong kind: {error}",
            hint="lengths and factors are numbers, schedules are names such as cosine.",
        ) from error


# --- shapes -----------------------------------------------------------------------------------------------


@built
def constant(steps: int) -> Schedule:
    """Return the constant 1.

    Example:
        >>> constant(100)(99)
        1.0
    """
    check_run(steps)
    return lambda _: 1.0


@built
def linear(steps: int, *, final: float = 0.0) -> Schedule:
    """Return a straight line from 1 at step 0 to ``final`` at step ``steps``.

    Raises:
        OptionError: ``steps`` or ``final`` is out of range.

    Example:
        >>> [linear(4)(step) for step in range(4)]
        [1.0, 0.75, 0.5, 0.25]
    """
    check_run(steps, final=final)
    return lambda step: 1.0 + (final - 1.0) * min(step, steps) / steps


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


@built
def exponential(steps: int, *, final: float = 0.01) -> Schedule:
    """Return f to the power t/T: the same factor at every step, ``final`` at the end.

    Raises:
        OptionError: ``steps`` or ``final`` is out of range.

    Example:
        >>> [round(exponential(4)(step), 4) for step in range(5)]
        [1.0, 0.3162, 0.1, 0.0316, 0.01]
    """
    check_run(steps, final=final)
    check_positive(final=final)
    return lambda step: final ** (step / steps)


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


# --- combinators ------------------------------------------------------------------------------------------


@built
def warmup(steps: int, then: Shape = "constant", *, length: float = 0.05) -> Schedule:
    """Return a straight line up to 1 over ``length``, then the other schedule over the rest of the run.

    The first step has the multiplier 1/n, not 0. A warm-up of more steps than the run has, which may be a shorter
    run for tuning, takes the whole run and still ends at 1.

    Raises:
        OptionError: an argument is out of range.

    Example:
        >>> [warmup(4, "constant", length=0.5)(t) for t in range(4)]
        [0.5, 1.0, 1.0, 1.0]
    """
    check_run(steps)
    up = min(math.ceil(length_in_steps("length", length, steps)), steps)
    rest = make_schedule(then, max(steps - up, 1))
    return lambda t: (t + 1) / up if t < up else rest(t - up)


@built
def join(steps: int, *shapes: Shape, at: float | tuple[float, ...] = 0.5) -> Schedule:
    """Return one schedule after the other, each made for the length of its own part.

    Args:
        steps: the run's length.
        shapes: the schedules; constant and then linear if left out.
        at: where the second and further ones begin, as shares of the run or numbers of steps.

    Raises:
        OptionError: the places are not one fewer than the schedules, or do not increase.

    Example:
        >>> [join(4, "constant", "linear", at=0.5)(t) for t in range(4)]
        [1.0, 1.0, 1.0, 0.5]
    """
    check_run(steps)
    shapes = shapes or ("constant", "linear")
    places = at if isinstance(at, tuple) else (at,)
    bounds = [0, *[round(length_in_steps("at", each, steps)) for each in places], steps]
    if len(places) != len(shapes) - 1 or any(a >= b for a, b in itertools.pairwise(bounds)):
        raise OptionError(
            f"at={at!r} does not divide {steps} steps among {len(shapes)} schedules",
            hint="give one increasing place for each schedule after the first, such as at=(0.1, 0.8).",
        )
    parts = [
        make_schedule(shape, b - a) for shape, (a, b) in zip(shapes, itertools.pairwise(bounds), strict=True)
    ]

    def value(t: int) -> float:
        number = max(place for place, start in enumerate(bounds[:-1]) if t >= start)
        return parts[number](t - bounds[number])

    return value


@built
def scale(steps: int, shape: Shape = "constant", factor: float = 0.5) -> Schedule:
    """Return the other schedule times ``factor``.

    Example:
        >>> scale(4, "linear", 0.5)(2)
        0.25
    """
    check_run(steps)
    check_positive(factor=factor)
    inner = make_schedule(shape, steps)
    return lambda t: factor * inner(t)


@built
def repeat(steps: int, shape: Shape = "cosine", times: int = 2) -> Schedule:
    """Return the other schedule ``times`` times, each over its part of the run.

    Example:
        >>> [repeat(4, "linear", 2)(t) for t in range(4)]
        [1.0, 0.5, 1.0, 0.5]
    """
    check_run(steps)
    check_counts(times=times)
    if times > steps:
        raise OptionError(
            f"times={times} does not fit {steps} steps", hint="repeat at least once and at most once a step."
        )
    bounds = [round(steps * number / times) for number in range(times + 1)]
    parts = [make_schedule(shape, b - a) for a, b in itertools.pairwise(bounds)]

    def value(t: int) -> float:
        number = max(place for place, start in enumerate(bounds[:-1]) if t >= start)
        return parts[number](t - bounds[number])

    return value


def _bend(first: float, last: float, share: float) -> float:
    return last + (first - last) * 0.5 * (1.0 + math.cos(math.pi * share))
