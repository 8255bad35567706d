"""Different values that become one number of 32 bits, because a few others are far away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steepest.data.dataset import Note
from steepest.data.suggestions import step_toml
from steepest.wording import counted, significant

SAMPLED, SHARE = 4096, 0.05
"""Values are crowded where, of so many evenly spaced rows, 32 bits merge more than such a share of the values ..."""

COARSE = 1e-3
"""... and their steps in the middle exceed such a share of the distance that the closer quarter has from there."""

MOST_CHECKED = 1 << 21
"""So many values of an array are looked at in all, of fewer rows where it has more columns."""

Floats = NDArray[np.float64]


def crowded(numbers: Floats, mean: float = 0.0, sd: float = 1.0) -> bool:
    """Whether 32 bits merge many of the different values of ``(numbers - mean) / sd``.

    Example:
        >>> values = np.linspace(0.0, 1.0, 1000)
        >>> crowded(values), crowded(values + 1e9), crowded(values + 1e9, 1e9)
        (False, True, False)
        >>> seconds = 1e6 * np.repeat(np.arange(500.0), 2) + np.tile([0.0, 1.0], 500)  # pairs that do not matter
        >>> crowded(seconds, seconds.mean(), seconds.std())
        False
    """
    some = numbers[:: -(-len(numbers) // SAMPLED)]
    different = len(np.unique(some))
    if different - _left(some, mean, sd) <= SHARE * different:
        return False
    centre = middle(some)
    away = np.abs(some - centre)
    close = float(np.quantile(away[away > 0], 0.25)) / sd
    return bool(np.spacing(np.float32(abs(centre - mean) / sd)) > COARSE * close)


def middle(numbers: Floats) -> float:
    """Return a value in the middle: the median, or the one below it where that is between two values."""
    place = (len(numbers) - 1) // 2
    return float(np.partition(numbers, place)[place])


def typical(numbers: Floats, centre: float) -> float:
    """Return the median distance from a centre of the numbers that differ from it, of which there must be some."""
    away = np.abs(numbers - centre)
    return float(np.median(away[away > 0]))


@dataclass(frozen=True)
class Crowd:
    """What 32 bits would leave of a column that few far values press together.

    Attributes:
        different: how many values there are.
        left: how many numbers of 32 bits they would become.
        farthest: the value that is farthest from the middle one.
        centre, unit: the middle value, and the typical distance from it.
    """

    different: int
    left: int
    farthest: float
    centre: float
    unit: float

    @classmethod
    def of(cls, numbers: Floats, mean: float = 0.0, sd: float = 1.0) -> Crowd | None:
        """Return what becomes of ``(numbers - mean) / sd``; None where nothing is lost that matters.

        Example:
            >>> Crowd.of(np.array([1.0, 2.0, 3.0, 4.0, 1e12]), mean=2e11, sd=4e11)
            Crowd(different=5, left=2, farthest=1000000000000.0, centre=3.0, unit=1.5)
        """
        if len(numbers) == 0 or not crowded(numbers, mean, sd):
            return None
        centre = middle(numbers)
        farthest = float(numbers[np.argmax(np.abs(numbers - centre))])
        return cls(
            len(np.unique(numbers)), _left(numbers, mean, sd), farthest, centre, typical(numbers, centre)
        )

    def logarithm(self, name: str) -> str:
        """Return the step that takes a signed logarithm around the middle value."""
        quoted = '"' + name.replace('"', '""') + '"'
        centre, unit = f"{self.centre:.12g}", significant(self.unit, 2)
        away = f"({quoted} - {centre})" if self.centre >= 0 else f"({quoted} + {centre[1:]})"
        return step_toml("derive", columns={name: f"SIGN{away} * LN(1 + ABS{away} / {unit})"})


def about_column(name: str, crowd: Crowd) -> Note:
    """Return the warning about a column of standard scores."""
    text = (
        f"around the mean, the {crowd.different:,} different values of {name} would become {crowd.left:,} standard "
        f"scores in 32 bits, because of values as far as {crowd.farthest:.6g}. The scores are around the middle value "
        f"instead, {crowd.centre:.6g}, where 32 bits hold smaller differences; still, those are next to nothing for "
        "--numbers standard: take the logarithm with the step below, or clip the far values if they are wrong."
    )
    return Note("warning", text, crowd.logarithm(name))


def about_target(numbers: Floats, name: str, mean: float, sd: float) -> list[Note]:
    """Return a warning if 32 bits merge values of a target that is standardised."""
    crowd = Crowd.of(numbers, mean, sd)
    if crowd is None:
        return []
    text = (
        f"the {crowd.different:,} different values of the target {name} become {crowd.left:,} standard scores in 32 "
        f"bits, because of values as far as {crowd.farthest:.6g}: no network or baseline learns the differences of the "
        "others. Predict the logarithm with the step below, or clip the far values if they are wrong."
    )
    return [Note("warning", text, crowd.logarithm(name))]


def about_array(name: str, values: NDArray[Any]) -> list[Note]:
    """Return a warning if 32 bits merge values of columns of an array, which networks get as they are.

    Example:
        >>> values = np.stack([np.arange(100.0), 1e10 + np.arange(100.0)], 1)
        >>> about_array("x", values)[0].text
        'the 100 different values of x[:, 1] become 1 in 32 bits: subtract 10000000049 from them before, or train ...'
        >>> about_array("x", values.astype(np.float32))
        []
    """
    if np.can_cast(values.dtype, np.float32):
        return []
    flat = values.reshape(len(values), -1)
    rows = max(256, min(SAMPLED, MOST_CHECKED // max(1, flat.shape[1])))
    some = np.sort(flat[:: -(-len(flat) // rows)], axis=0)
    different, left = (
        1 + np.count_nonzero(each[1:] != each[:-1], axis=0) for each in (some, some.astype(np.float32))
    )
    lost = np.flatnonzero(different - left > SHARE * different)
    if len(lost) == 0:
        return []
    first = int(lost[0])
    column = flat[:, first].astype(np.float64)
    places = ", ".join(map(str, np.unravel_index(first, values.shape[1:]))) if flat.shape[1] > 1 else ""
    which = f"{name}[:, {places}]" if places else name
    more = f" (and those of {counted(len(lost) - 1, 'more column')} merge)" if len(lost) > 1 else ""
    text = (
        f"the {len(np.unique(column)):,} different values of {which} become {_left(column, 0.0, 1.0):,} in 32 bits"
        f"{more}: "
        f"subtract {middle(column):.15g} from them before, or train with --precision float64."
    )
    return [Note("warning", text)]


def _left(numbers: Floats, mean: float, sd: float) -> int:
    with np.errstate(over="ignore", invalid="ignore"):
        return len(np.unique(((numbers - mean) / sd).astype(np.float32)))
