"""Which trials the tuning of each optimizer gets: the same number for all, or the comparison is refused."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from steepest.errors import OptionError
from steepest.optim.spec import MethodSpec
from steepest.sweep.contestants import Contestant
from steepest.sweep.space import Axis, Range, design, rate_grid, tidy
from steepest.wording import counted

EXTRA_RATES = 3
"""Rates √10 apart by which a grid may be extended beyond an edge."""
SEVERAL = 2
"""By so many the trials of everyone are multiplied where an optimizer has several axes."""


@dataclass(frozen=True)
class Scan:
    """The first scan of one optimizer.

    Attributes:
        rules: its trials; a grid of rates ascends.
        extra: rates by which it may be extended beyond an edge.
    """

    rules: tuple[MethodSpec[Any], ...]
    extra: int = 0

    def beyond(
        self, who: Contestant, tried: Sequence[MethodSpec[Any]], best: MethodSpec[Any]
    ) -> MethodSpec[Any] | None:
        """Return the trial beyond the edge of the grid at which the best one is; None where it is inside."""
        rate, rates = float(best.hyper.lr), [float(rule.hyper.lr) for rule in tried]
        if len(rates) < 2 or rate not in (rates[0], rates[-1]):
            return None
        return who.at({"lr": tidy(rate * 10 ** (0.5 if rate == rates[-1] else -0.5))})


def axes_of(who: Contestant, grid: Sequence[float] | None, scan_rates: int) -> tuple[Axis, ...]:
    """Return the axes of an optimizer along which there is something to choose, the rate first.

    Example:
        >>> from steepest.sweep.contestants import contestants
        >>> found = contestants(["sgd", "adam", "adam(lr=0.1)"], ["eps=1e-8..1e-4"])
        >>> [[axis.name for axis in axes_of(who, None, 7)] for who in found]
        [['lr'], ['lr', 'eps'], ['eps']]
    """
    axes = {axis.name: axis for axis in who.axes if axis.size > 1}
    rate = axes.pop("lr", None)
    if rate is None and not who.fixed_rate:
        if grid:
            rate = Axis.choice("lr", sorted(grid), who.rule.centre)
        else:
            ends = rate_grid(who.rule.centre, max(scan_rates, 3))
            rate = Axis.range("lr", Range(ends[0], ends[-1]), who.rule.centre)
    return (*([rate] if rate is not None and rate.size > 1 else []), *axes.values(), *who.strengths)


def several_axes(everyone: Sequence[Contestant], grid: Sequence[float] | None, scan_rates: int) -> bool:
    """Return whether an optimizer has several axes."""
    return any(len(axes_of(each, grid, scan_rates)) > 1 for each in everyone)


def rates_alone(everyone: Sequence[Contestant]) -> bool:
    """Return whether nothing is tuned but rates."""
    return all(
        (axis.name == "lr" or axis.size == 1) and not each.strengths
        for each in everyone
        for axis in each.axes
    ) and not any(each.strengths for each in everyone)


def trials(everyone: Sequence[Contestant], grid: Sequence[float] | None, scan_rates: int) -> dict[str, int]:
    """Return the number of scan trials of every optimizer that is tuned.

    Args:
        everyone: all that take part.
        grid: the rates that are given for everyone, or None for the rule's own.
        scan_rates: trials of everyone, or half of them where an optimizer has several axes.

    Example:
        >>> from steepest.sweep.contestants import contestants
        >>> trials(contestants(["sgd", "adam"]), None, 7), trials(contestants(["sgd", "adam"]), (0.1, 0.2), 7)
        ({'sgd': 7, 'adam': 7}, {'sgd': 2, 'adam': 2})
        >>> trials(contestants(["sgd", "adam"], ["eps=1e-8..1e-4"]), None, 7)
        {'sgd': 14, 'adam': 14}
    """
    axes = {each.key: axes_of(each, grid, scan_rates) for each in everyone if each.tuned}
    wanted = scan_rates * (SEVERAL if several_axes(everyone, grid, scan_rates) else 1)
    if grid and any(_from_list(each, grid, scan_rates) for each in everyone):
        wanted = len(set(grid))
    return {name: int(min(wanted, math.prod(axis.size for axis in each))) for name, each in axes.items()}


def _from_list(who: Contestant, grid: Sequence[float] | None, scan_rates: int) -> bool:
    """Return whether an optimizer tries the rates that are given for everyone, and nothing else."""
    only_rate = all(axis.name == "lr" for axis in axes_of(who, grid, scan_rates))
    return not who.fixed_rate and only_rate and all(axis.name != "lr" for axis in who.axes)


def first_scan(
    who: Contestant,
    everyone: Sequence[Contestant],
    grid: Sequence[float] | None,
    scan_rates: int,
    seed: int,
    count: int,
) -> Scan:
    """Return the first scan of one optimizer.

    Only grids of rates around a centre can be extended, and only where everyone's tuning is such a grid.

    Args:
        who: the optimizer.
        everyone: all that take part.
        grid: the rates that are given for everyone, or None for the rule's own.
        scan_rates: trials of everyone, or half of them where an optimizer has several axes.
        seed: of the experiment.
        count: its number of trials, see :func:`trials`.
    """
    axes = axes_of(who, grid, scan_rates)
    points, finer = (count // SEVERAL, SEVERAL) if count == SEVERAL * scan_rates else (count, 1)
    single = fixed_values(who, grid)
    if len(axes) == 1 and _around_centre(who, grid):
        rules = [who.at({"lr": rate}) for rate in rate_grid(who.rule.centre, points, finer)]
        alike = all(_around_centre(each, grid) and rates_alone([each]) for each in everyone if each.tuned)
        return Scan(tuple(rules), EXTRA_RATES if alike else 0)
    if len(axes) == 1:
        tried = [{axes[0].name: value} for value in axes[0].grid(points, finer, seed)]
    else:
        tried = design(axes, count, seed)
    return Scan(tuple(who.at({**single, **point}) for point in tried))


def fixed_values(who: Contestant, grid: Sequence[float] | None) -> dict[str, float]:
    """Return the rate of an optimizer where a single one is given for everyone; nothing else is a value of its own."""
    return {} if who.fixed_rate or not grid or len(set(grid)) > 1 else {"lr": grid[0]}


def _around_centre(who: Contestant, grid: Sequence[float] | None) -> bool:
    """Return whether the rates of an optimizer are around the centre that its rule documents."""
    return not who.fixed_rate and not grid and all(axis.name != "lr" for axis in who.axes)


def check_equal_trials(everyone: Sequence[Contestant], grid: Sequence[float] | None, scan_rates: int) -> None:
    """Refuse a comparison in which one optimizer would be tuned with more trials than another.

    An optimizer of which nothing is tuned takes no part in this.

    Raises:
        OptionError: the numbers of trials differ.

    Example:
        >>> from steepest.sweep.contestants import contestants
        >>> check_equal_trials(contestants(["sgd", "adam"], ["eps=1e-8,1e-4"]), None, 7)
    """
    numbers = trials(everyone, grid, scan_rates)
    if len(set(numbers.values())) < 2:
        return
    told = ", ".join(f"{number} for {name}" for name, number in numbers.items())
    most, fewest = max(numbers.values()), min(numbers.values())
    few = [name for name, number in numbers.items() if number == fewest]
    raise OptionError(
        f"the numbers of tuning trials differ: {told}",
        hint=f"{' and '.join(few)} can be tried with {counted(fewest, 'combination')} of values only: give a "
        f"range, such as eps=1e-8..1e-4, at least {most} values, or fix them all.",
    )


def check_sweep(everyone: Sequence[Contestant]) -> None:
    """Refuse to run every rate with every seed where rates are not all that is tuned.

    Raises:
        OptionError: a rate is fixed, or another hyperparameter is tuned.
    """
    for who in everyone:
        why = "its rate is fixed" if who.fixed_rate else "more than its rate is tuned"
        if who.fixed_rate or not rates_alone([who]):
            raise OptionError(
                f"--sweep is for grids of learning rates, and {who.name!r} has none: {why}",
                hint="leave --sweep out, or tune the rate of every optimizer and nothing else.",
            )
