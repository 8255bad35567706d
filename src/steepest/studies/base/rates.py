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
    f"A rate is good where its log loss on the validation digits loses at most {GOOD:.0%} of what the rule's best rate "
    "gains over guessing; between rates, half a decade apart, the loss is interpolated. Ranges in words are of mean "
    "losses, ≤ and ≥ where they reach an end of the grid; decades are means of the seeds' own."
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


def by_seed(found: Found, arm: str, of: str = MAIN) -> list[dict[float, float]]:
    """Return the validation loss by rate of every seed of an arm whose rates were all run with every seed."""
    curve = curve_of(found, arm, of)
    points = [] if curve is None else sorted(curve.sweep, key=lambda each: each.lr)
    seeds = len(points[0].values) if points else 0
    return [{each.lr: each.values[seed] for each in points} for seed in range(seeds)]


def good_range(losses: Mapping[float, float], most: float) -> tuple[float, float] | None:
    r"""Return the ends of the good rates around the best one, as decadic logarithms, between the rates of a grid.

    Between two rates, the loss is taken as a straight line in the logarithm of the rate; one of a failed run, or above
    that of guessing, counts as that of guessing. None where no rate is good.

    Args:
        losses: by rate, in rising order.
        most: the highest loss that is good.

    Example:
        >>> [round(each, 3) for each in good_range({0.01: 0.5, 0.1: 0.2, 1.0: 0.4}, 0.3)]
        [-1.333, -0.5]
    """
    places = [math.log10(rate) for rate in losses]
    values = [at_most_guessing(each) for each in losses.values()]
    best = values.index(min(values)) if values else 0
    if not values or values[best] > most:
        return None

    def end(step: int) -> float:
        at = best
        while 0 <= at + step < len(values):
            if values[at + step] > most:
                share = (most - values[at]) / (values[at + step] - values[at])
                return places[at] + share * (places[at + step] - places[at])
            at += step
        return places[at]

    return end(-1), end(1)


def at_most_guessing(loss: float) -> float:
    """Return a loss, or that of guessing where it is above or no number."""
    return min(loss, GUESS) if math.isfinite(loss) else GUESS


def good_ends(losses: Mapping[float, float]) -> tuple[float, float] | None:
    """Return the ends of the good rates of a rule, as decadic logarithms; None where no rate is better than guessing.

    Args:
        losses: by rate, in rising order.

    Example:
        >>> low, high = good_ends({0.001: 2.0, 0.01: 1.05, 0.1: 1.0, 1.0: math.inf})
        >>> round(low, 3), round(high, 3)
        (-2.016, -0.95)
    """
    best = min(map(at_most_guessing, losses.values()), default=GUESS)
    return good_range(losses, best + GOOD * (GUESS - best)) if best < GUESS else None


def good_decades(found: Found, arm: str, of: str = MAIN) -> list[float]:
    """Return over how many decades the good rates of an arm reach, by seed; nothing of a fixed rate."""
    ends = [good_ends(losses) for losses in by_seed(found, arm, of)]
    return [0.0 if each is None else each[1] - each[0] for each in ends]


def good_text(found: Found, arm: str, of: str = MAIN) -> str:
    """Return the good rates of an arm in words, by its mean losses."""
    means = by_mean(found, arm, of)
    ends = good_ends(means)
    if ends is None:
        return "none"
    low, high = (10**each for each in ends)
    below = "≤ " if low <= min(means) * (1 + 1e-9) else ""
    above = "≥ " if high >= max(means) * (1 - 1e-9) else ""
    return f"{below}{low:.2g} to {above}{high:.2g}"


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
