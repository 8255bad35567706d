"""Studies of learning rates: rules with every rate of a grid and every seed, good ranges, and tuning budgets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from steepest.compare.result import RateCurve
from steepest.compare.studied import Drawing, FigureLine
from steepest.experiment.given import Arm
from steepest.studies.base.found import Found, gaps
from steepest.studies.base.study import MAIN, Size, StudyArm

GOOD = 0.05
"""A rate is good where it loses at most this share of what the best rate of its rule gains over guessing."""
GUESS = math.log(10)
"""The log loss of guessing one of ten classes."""
GOOD_TEXT = (
    f"A rate is good where its mean log loss on the validation digits loses at most {GOOD:.0%} of what the rule's "
    f"best rate "
    "gains over guessing; rates are half a decade apart, so that a range is known to that."
)


def swept(rules: Mapping[str, str]) -> list[StudyArm]:
    """Return an arm for each rule, whose rate is tuned.

    Example:
        >>> [(each.arm.name, each.way) for each in swept({"SGD": "sgd"})]
        [('SGD', 'tuned')]
    """
    return [StudyArm(Arm(name=name, optimizer=rule), "tuned") for name, rule in rules.items()]


def sweeping(size: Size) -> dict[str, Any]:
    """Return the options with which every rate of the grid runs with every seed at full length."""
    return {"sweep": True, **({"scan_rates": 5, "full_rates": 1} if size == "quick" else {})}


def curve_of(found: Found, arm: str, of: str = MAIN) -> RateCurve | None:
    """Return the tuning of an arm; None where it has a fixed rate."""
    return next((each for each in found.comparisons[of].rates if each.name == arm), None)


def by_mean(found: Found, arm: str, of: str = MAIN) -> dict[float, float]:
    """Return the mean validation loss by rate, in rising order of rates; infinite where a seed failed."""
    curve = curve_of(found, arm, of)
    means = {} if curve is None else {each.lr: each.mean for each in curve.sweep}
    return {rate: value if math.isfinite(value) else math.inf for rate, value in sorted(means.items())}


def good_decades(found: Found, arm: str, of: str = MAIN) -> list[float]:
    """Return over how many decades the good rates of an arm reach, one value; nothing of a fixed rate."""
    ends = good_ends(by_mean(found, arm, of))
    return [] if ends is None else [math.log10(ends[1] / ends[0])]


def good_ends(means: Mapping[float, float]) -> tuple[float, float] | None:
    """Return the lowest and the highest good rate around the best one; None where there is no rate.

    Example:
        >>> good_ends({0.001: 2.0, 0.01: 1.05, 0.1: 1.0, 1.0: math.inf})
        (0.01, 0.1)
    """
    rates = [*means]
    if not rates or math.isinf(min(means.values())):
        return None
    best = min(rates, key=lambda rate: means[rate])
    most = means[best] + GOOD * max(GUESS - means[best], 0.0)
    low = high = rates.index(best)
    while low > 0 and means[rates[low - 1]] <= most:
        low -= 1
    while high + 1 < len(rates) and means[rates[high + 1]] <= most:
        high += 1
    return rates[low], rates[high]


def good_text(found: Found, arm: str, of: str = MAIN) -> str:
    """Return the good rates of an arm in words."""
    ends = good_ends(by_mean(found, arm, of))
    if ends is None:
        return "none"
    return f"only {ends[0]:.2g}" if ends[0] == ends[1] else f"{ends[0]:.2g} to {ends[1]:.2g}"


def budgeted(found: Found, arm: str, count: int, of: str = MAIN) -> list[float]:
    """Return for every seed the expected lowest validation loss of so many rates that are drawn from an arm's grid."""
    curve = curve_of(found, arm, of)
    by_seed = [] if curve is None else zip(*(each.values for each in curve.sweep), strict=True)
    return [
        expected_lowest([math.inf if math.isnan(one) else one for one in each], count) for each in by_seed
    ]


def is_inside(found: Found, arm: str, of: str = MAIN) -> bool:
    """Return whether the best rate of an arm is at no edge of its grid."""
    means = by_mean(found, arm, of)
    return min(means, key=lambda rate: means[rate]) not in (min(means), max(means))


def first_text(losses: Mapping[str, Sequence[float]]) -> str:
    """Return whose losses are lowest, and which others are not told apart from it, by paired intervals over seeds.

    Example:
        >>> first_text({"a": [1.0, 1.1, 1.0], "b": [1.1, 1.0, 1.1], "c": [5.0, 5.1, 5.1]})
        'a (b not told apart)'
    """
    first, *others = sorted(losses, key=lambda name: sum(losses[name]))
    found = gaps([(losses[first], losses[name]) for name in others])
    alike = [name for name, gap in zip(others, found, strict=True) if gap.verdict != "less"]
    if not alike:
        return first
    if len(alike) > 2 and len(alike) == len(others):
        return f"{first} (no other told apart)"
    return f"{first} ({', '.join(alike[:-1])}{' and ' if alike[1:] else ''}{alike[-1]} not told apart)"


def expected_lowest(values: Sequence[float], count: int) -> float:
    r"""Return the expected lowest of so many numbers that are drawn from some without replacement.

    .. math:: E = \sum_i v_{(i)} \binom{n-i}{k-1} \Big/ \binom{n}{k}

    A loss that is infinite, or above that of guessing one of ten classes, counts as that of guessing.

    Example:
        >>> expected_lowest([1.0, 2.0], 1), expected_lowest([1.0, 2.0], 2)
        (1.5, 1.0)
    """
    found = sorted(min(each, GUESS) for each in values)
    count = min(count, len(found))
    ways = math.comb(len(found), count)
    return (
        sum(value * math.comb(len(found) - place - 1, count - 1) for place, value in enumerate(found)) / ways
    )


def ranked(losses: Mapping[str, Sequence[float]]) -> str:
    """Return names in the order of their mean losses, from the lowest.

    Example:
        >>> ranked({"a": [2.0], "b": [1.0]})
        'b < a'
    """
    return " < ".join(sorted(losses, key=lambda name: sum(losses[name])))


def by_rate(found: Found, names: Sequence[str], of: str = MAIN) -> Drawing:
    """Return a figure of the validation loss by rate, with intervals over seeds."""
    lines: list[FigureLine] = []
    for name in names:
        curve = curve_of(found, name, of)
        sweep = (
            [] if curve is None else [each for each in curve.sweep if all(map(math.isfinite, each.values))]
        )
        points = sorted(sweep, key=lambda each: each.lr)
        lines.append(
            FigureLine(
                name=name,
                x=[each.lr for each in points],
                y=[each.mean for each in points],
                low=[min(each.values) for each in points],
                high=[max(each.values) for each in points],
            )
        )
    return Drawing(
        title="Loss by learning rate",
        x="learning rate",
        y="log loss of validation digits",
        lines=lines,
        logarithmic=True,
        logarithmic_y=True,
        caption="Means over seeds, bars from the lowest to the highest seed; without rates at which a seed failed.",
    )
