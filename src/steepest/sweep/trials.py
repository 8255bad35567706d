"""How many trials the tuning of each optimizer gets: the same for all, or the comparison is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from steepest.errors import OptionError
from steepest.sweep.contestants import Contestant, whole_spec

EXTRA_RATES = 3
"""Rates by which a scan may be extended beyond an edge, for each variant of the optimizer with most."""


@dataclass(frozen=True)
class Scan:
    """The first scan of one optimizer.

    Attributes:
        rates: its learning rates, ascending; each is tried with every variant.
        finer: how many times closer than √10 they are.
        extra: rates by which it may be extended beyond an edge.
    """

    rates: tuple[float, ...]
    finer: int
    extra: int

    def trials(self, who: Contestant) -> tuple[int, int]:
        """Return the distinct trials of the scan, and by how many an extension may add to them."""
        tried = {whole_spec(variant.with_lr(rate)) for rate in self.rates for variant in who.variants}
        return len(tried), self.extra * len(who.variants)


def fineness(who: Sequence[Contestant]) -> int:
    """Return the number of variants of the optimizer with most: the grids of the others are as many times finer.

    Example:
        >>> from steepest.sweep.contestants import contestants
        >>> fineness(contestants(["sgd", "adam"], ["eps=1e-8,1e-4"]))
        2
    """
    return max((len(each.variants) for each in who if not each.fixed_rate), default=1)


def first_scan(
    who: Contestant, everyone: Sequence[Contestant], grid: Sequence[float] | None, scan_rates: int
) -> Scan:
    """Return the first scan of one optimizer.

    Args:
        who: the optimizer.
        everyone: all that take part.
        grid: the rates that are given for everyone, or None for the rule's own.
        scan_rates: how many rates the rule's own grid has for each variant of the optimizer with most.
    """
    if who.fixed_rate:
        return Scan((float(who.rule.hyper.lr),), 1, 0)
    if grid:
        return Scan(tuple(sorted(set(grid))), 1, 0)
    finer = max(1, round(fineness(everyone) / len(who.variants)))
    return Scan(tuple(rate_grid(who.rule.centre, scan_rates, finer)), finer, EXTRA_RATES * finer)


def check_equal_trials(everyone: Sequence[Contestant], grid: Sequence[float] | None, scan_rates: int) -> None:
    """Refuse a comparison in which one optimizer would be tuned with more trials than another.

    An optimizer of which nothing is tuned takes no part in this.

    Raises:
        OptionError: the numbers of trials differ.

    Example:
        >>> from steepest.sweep.contestants import contestants
        >>> check_equal_trials(contestants(["sgd", "adam"], ["eps=1e-8,1e-4"]), None, 7)
    """
    tuned = [each for each in everyone if each.tuned]
    numbers = _trials(tuned, grid, scan_rates)
    if len(set(numbers.values())) < 2:
        return
    told = ", ".join(
        f"{some} to {some + more} for {name}" if more else f"{some} for {name}"
        for name, (some, more) in numbers.items()
    )
    raise OptionError(
        f"the numbers of tuning trials differ: {told}", hint=f"{_cure(tuned, grid, scan_rates)}."
    )


def _trials(
    tuned: Sequence[Contestant], grid: Sequence[float] | None, scan_rates: int
) -> dict[str, tuple[int, int]]:
    return {each.name: first_scan(each, tuned, grid, scan_rates).trials(each) for each in tuned}


def _cure(tuned: Sequence[Contestant], grid: Sequence[float] | None, scan_rates: int) -> str:
    """Return what to give so that the numbers of trials are equal."""
    fixed = [each for each in tuned if each.fixed_rate]
    if fixed and len(fixed) < len(tuned):
        return (
            f"tune the rate of every optimizer: leave it out of {' and '.join(each.name for each in fixed)}"
        )
    same = "give every optimizer the same number of combinations to try"
    if grid and not fixed and len(set(_trials(tuned, None, scan_rates).values())) == 1:
        return f"leave --learning-rates out, so that those with fewer combinations get finer grids, or {same}"
    return same


def tidy(rate: float) -> float:
    """Return a rate with three digits.

    Example:
        >>> tidy(1e-3 * 10**0.5)
        0.00316
    """
    return float(f"{rate:.3g}")


def rate_grid(centre: float, points: int = 7, fineness: int = 1) -> list[float]:
    """Return rates around a centre, √10 apart, or so many times finer with as many times the points.

    Example:
        >>> rate_grid(1e-3, 5)
        [0.0001, 0.000316, 0.001, 0.00316, 0.01]
        >>> rate_grid(1e-3, 2, fineness=2)
        [0.000316, 0.000562, 0.001, 0.00178]
    """
    count = points * fineness
    return [tidy(centre * 10 ** ((i - count // 2) * 0.5 / fineness)) for i in range(count)]
