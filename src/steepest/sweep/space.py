"""What is tuned of an optimizer: axes with their ranges or values, and the points that are tried of them.

One axis is tried on a grid. Several are tried on a scrambled Sobol sequence (Owen, 1998), which fills their product
evenly with any number of points; its first point here is the centre of every axis.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from steepest.errors import OptionError
from steepest.rng import seed_for, stream

AROUND = 10**1.5
"""By such a factor the range of a hyperparameter that is tuned by default extends to both sides of its middle."""
LOG_FROM = 10.0
"""Ratio of the ends from which a range is spread logarithmically."""

Point = Mapping[str, Any]
"""A value for every axis."""


@dataclass(frozen=True)
class Range:
    """A range of values of a hyperparameter, both ends included, for :func:`steepest.tune`.

    It is spread logarithmically if both ends are positive and at least a factor of 10 apart, otherwise evenly.

    Raises:
        OptionError: the ends are no finite numbers, or not in ascending order.

    Example:
        >>> str(Range(1e-8, 1e-4)), Range(0, 1).log
        ('1e-08..0.0001', False)
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        try:
            finite = math.isfinite(self.low) and math.isfinite(self.high)
        except TypeError:
            finite = False
        if not finite:
            raise OptionError(f"{self} is no range of numbers", hint="give two finite numbers.")
        if not self.low < self.high:
            raise OptionError(f"the range {self} is empty", hint="give the lower end first.")

    def __str__(self) -> str:
        return f"{self.low!r}..{self.high!r}"

    @property
    def log(self) -> bool:
        """Whether it is spread logarithmically."""
        return self.low > 0 and self.high / self.low >= LOG_FROM


@dataclass(frozen=True)
class Axis:
    """A hyperparameter that is tuned.

    Attributes:
        name: the hyperparameter.
        kind: how its values are spread.
        centre: the value of the first trial where several axes are tuned.
        low, high: ends of the range, unless it is a choice.
        values: of a choice.
        whole: whether only whole numbers are allowed.
    """

    name: str
    kind: Literal["log", "linear", "choice"]
    centre: Any
    low: float = 0.0
    high: float = 0.0
    values: tuple[Any, ...] = ()
    whole: bool = False

    @classmethod
    def choice(cls, name: str, values: Sequence[Any], default: Any) -> Axis:
        """Return an axis with given values; its centre is the default, or the middle value."""
        distinct = tuple(each for place, each in enumerate(values) if each not in values[:place])
        centre = default if default in distinct else distinct[(len(distinct) - 1) // 2]
        return cls(name, "choice", centre, values=distinct)

    @classmethod
    def range(cls, name: str, ends: Range, default: Any, *, whole: bool = False) -> Axis:
        """Return an axis with a range; its centre is the default, or the middle of the range.

        Example:
            >>> Axis.range("lr", Range(1e-4, 1e-2), 0.5).centre
            0.001
        """
        kind = "log" if ends.log and not whole else "linear"
        axis = cls(name, kind, default, ends.low, ends.high, whole=whole)
        inside = isinstance(default, int | float) and ends.low <= default <= ends.high
        return axis if inside else replace(axis, centre=axis.at(0.5))

    def __str__(self) -> str:
        values = ",".join(map(repr, self.values)) if self.kind == "choice" else Range(self.low, self.high)
        return f"{self.name}={values}"

    @property
    def size(self) -> float:
        """How many values there are."""
        if self.kind == "choice":
            return len(self.values)
        return math.floor(self.high) - math.ceil(self.low) + 1 if self.whole else math.inf

    def at(self, share: float) -> Any:
        """Return the value at a share of the axis, from 0 to 1.

        Example:
            >>> axis = Axis.range("eps", Range(1e-8, 1e-4), 1e-8)
            >>> [axis.at(share) for share in (0.0, 0.5, 1.0)]
            [1e-08, 1e-06, 0.0001]
        """
        if self.kind == "choice":
            return self.values[min(int(share * len(self.values)), len(self.values) - 1)]
        if self.whole:
            first = math.ceil(self.low)
            return first + min(int(share * self.size), int(self.size) - 1)
        if self.kind == "log":
            value = tidy(self.low * (self.high / self.low) ** share)
        else:
            width = self.high - self.low
            value = round(self.low + width * share, 3 - math.floor(math.log10(width)))
        return min(max(value, self.low), self.high)

    def grid(self, points: int, finer: int, seed: int) -> list[Any]:
        """Return ``points × finer`` values, evenly spread; the finer grid contains the coarser one.

        A choice of more values than that is drawn from, the centre first.

        Example:
            >>> axis = Axis.range("rho", Range(0, 1), 0.05)
            >>> axis.grid(3, 1, 0), axis.grid(3, 2, 0)
            ([0.0, 0.5, 1.0], [0.0, 0.25, 0.5, 0.625, 0.75, 1.0])
        """
        count = points * finer
        if self.size <= count:
            return (
                list(self.values)
                if self.kind == "choice"
                else [self.at(i / self.size) for i in range(int(self.size))]
            )
        if self.kind == "choice":
            order = [
                self.centre,
                *(self.values[i] for i in stream(seed, "tuning").permutation(len(self.values))),
            ]
            drawn = Axis.choice(self.name, order, self.centre).values[:count]
            return [each for each in self.values if each in drawn]
        found = dict.fromkeys(self.at(share) for share in _shares(points, finer))
        if self.whole:  # what was rounded to the same number is replaced by others
            found |= dict.fromkeys(
                self.at(i / self.size) for i in range(int(self.size)) if len(found) < count
            )
        return sorted(list(found)[:count])


def _shares(points: int, finer: int) -> list[float]:
    """Return shares of a range, those of the coarser grid first."""
    gaps = max(points - 1, 1)
    coarse = [i / gaps for i in range(points)] if points > 1 else [0.5]
    if finer == 1:
        return coarse
    return [*coarse, *((i + 0.5) / gaps for i in range(points - 1)), 0.5 + 0.25 / gaps]


def design(axes: Sequence[Axis], count: int, seed: int) -> list[Point]:
    """Return distinct points of several axes: all of them if there are so few, or the centre and a Sobol sequence.

    It depends on these axes, the number and the seed alone, and not on the order of the axes; fewer points are the
    first ones of more.

    Args:
        axes: what is tuned.
        count: number of points.
        seed: of the experiment.

    Example:
        >>> axes = [Axis.range("lr", Range(1e-4, 1e-2), 1e-3), Axis.choice("eps", [1e-8, 1e-4], 1e-8)]
        >>> points = design(axes, 14, seed=0)
        >>> points[0], len(points), design(axes, 7, seed=0) == points[:7]
        ({'lr': 0.001, 'eps': 1e-08}, 14, True)
    """
    if math.prod(axis.size for axis in axes) <= count:
        return all_points(axes, seed)
    names = [axis.name for axis in axes]
    places = {name: place for place, name in enumerate(sorted(names))}
    found: list[Point] = [{axis.name: axis.centre for axis in axes}]
    size = 4
    while len(found) < count:
        for shares in sobol(len(axes), size, seed_for(seed, "tuning")):
            point = {axis.name: axis.at(shares[places[axis.name]]) for axis in axes}
            if point not in found:
                found.append(point)
        size += 1
    return found[:count]


def all_points(axes: Sequence[Axis], seed: int) -> list[Point]:
    """Return every combination of the values of axes that have few.

    Example:
        >>> all_points([Axis.choice("rho", [0.1, 0.2], 0.1), Axis.choice("eps", [1.0], 1.0)], seed=0)
        [{'rho': 0.1, 'eps': 1.0}, {'rho': 0.2, 'eps': 1.0}]
    """
    values = [axis.grid(int(axis.size), 1, seed) for axis in axes]
    return [dict(zip([axis.name for axis in axes], each, strict=True)) for each in itertools.product(*values)]


def random_points(axes: Sequence[Axis], count: int, seed: int) -> list[Point]:
    """Return distinct points drawn independently and uniformly, of a logarithmic axis in the logarithm.

    Fewer points are the first ones of more; all of them are returned where there are no more than ``count``.

    Args:
        axes: what is tuned.
        count: number of points.
        seed: of the experiment.

    Example:
        >>> axes = [Axis.range("lr", Range(1e-4, 1e-2), 1e-3)]
        >>> points = random_points(axes, 5, seed=0)
        >>> random_points(axes, 3, seed=0) == points[:3], all(1e-4 <= point["lr"] <= 1e-2 for point in points)
        (True, True)
    """
    if math.prod(axis.size for axis in axes) <= count:
        return all_points(axes, seed)
    draw = stream(seed, "tuning", 1)
    found: list[Point] = []
    while len(found) < count:
        shares = draw.random(len(axes))
        point = {axis.name: axis.at(float(share)) for axis, share in zip(axes, shares, strict=True)}
        if point not in found:
            found.append(point)
    return found


@functools.lru_cache(maxsize=64)
def sobol(dimensions: int, size: int, seed: int) -> tuple[tuple[float, ...], ...]:
    """Return the first ``2 ** size`` points of a scrambled Sobol sequence; more points begin with fewer.

    Example:
        >>> sobol(2, 3, seed=1) == sobol(2, 4, seed=1)[:8]
        True
    """
    from scipy.stats import qmc  # takes as long to import as everything else here

    draw = np.random.Generator(np.random.PCG64(seed))
    points = qmc.Sobol(dimensions, scramble=True, rng=draw).random_base2(size)
    return tuple(tuple(map(float, point)) for point in points)


def tidy(rate: float) -> float:
    """Return a rate with three digits.

    Example:
        >>> tidy(1e-3 * 10**0.5)
        0.00316
    """
    return float(f"{rate:.3g}")


def rate_grid(centre: float, points: int = 7, finer: int = 1) -> list[float]:
    """Return rates around a centre, √10 apart, or so many times finer with as many times the points.

    Example:
        >>> rate_grid(1e-3, 5)
        [0.0001, 0.000316, 0.001, 0.00316, 0.01]
        >>> rate_grid(1e-3, 2, finer=2)
        [0.000316, 0.000562, 0.001, 0.00178]
    """
    count = points * finer
    return [tidy(centre * 10 ** ((i - count // 2) * 0.5 / finer)) for i in range(count)]
