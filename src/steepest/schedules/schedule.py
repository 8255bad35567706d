"""What a schedule is, and how one is built from its specification."""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec

from steepest.components import grammar
from steepest.components.references import load_reference
from steepest.components.registry import Registry
from steepest.errors import OptionError
from steepest.schedules.lengths import lengths_seen

Schedule = Callable[[int], float]
"""A multiplier of the learning rate as a function of the step (from 0)."""

Shape = str | grammar.Spec | Callable[[int], Schedule]
"""A schedule before it knows the run's length: a specification, or a function of the number of steps."""

LONG = 1_000_000
"""Steps of a run that every schedule fits."""

registry = Registry("schedule", "steepest.schedules.shapes")

P = ParamSpec("P")


class Built:
    """A schedule of one run: the multiplier of each step, and how it was built.

    A copy, also one that is pickled for another process, is built again from the same arguments.

    Example:
        >>> schedule = make_schedule("cosine(final=0.5)", 4)
        >>> schedule, schedule(4)
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
    build: Any = load_reference(spec.name, "schedule") if spec.is_reference else registry.load(spec.name)
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


def length_text(what: str) -> str:
    """Return a schedule's specification with what its lengths are: shares of each run, or steps.

    Example:
        >>> length_text("cosine"), length_text("constant")
        ("cosine, scaled to each run's length", 'constant')
        >>> length_text("inverse-time(period=1)"), length_text("inverse-time(period=0.1)")
        ('inverse-time(period=1), with lengths in steps', "inverse-time(period=0.1), scaled to each run's length")
        >>> length_text("warmup(cosine, length=2)")
        "warmup(cosine, length=2), with whole numbers in steps and the rest scaled to each run's length"
    """
    spec = grammar.parse(what)
    if spec.name == "constant" or spec.is_reference:
        return what
    with lengths_seen() as lengths:
        short, long = make_schedule(what, LONG), make_schedule(what, 2 * LONG)
    if all(isinstance(each, float) for each in lengths):
        return f"{what}, scaled to each run's length"
    if all(short(10**power) == long(10**power) for power in range(6)):
        return f"{what}, with lengths in steps"
    return f"{what}, with whole numbers in steps and the rest scaled to each run's length"


def in_turn(shapes: Sequence[Shape], bounds: Sequence[int]) -> Schedule:
    """Return the schedules one after another, each built for the steps between its bound and the next."""
    parts = [
        make_schedule(shape, b - a) for shape, (a, b) in zip(shapes, itertools.pairwise(bounds), strict=True)
    ]

    def value(t: int) -> float:
        number = max(place for place, start in enumerate(bounds[:-1]) if t >= start)
        return parts[number](t - bounds[number])

    return value
