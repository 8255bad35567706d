"""Values of new rows that the training rows taught nothing about: counted by kind, and named."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from steepest.wording import counted, one_line

Counts = Mapping[str, int]
Examples = Mapping[str, tuple[str, ...]]

SHOWN = 3
"""So many different values of a column that training did not have are named."""


class Far(NamedTuple):
    """A number far from those of training, which lie between ``low`` and ``high``.

    Attributes:
        place: the column of an array that it is in; empty where its name is that of a column.

    Example:
        >>> max(Far(-50.0, 0.0, 9.5), Far(80.0, 0.0, 9.5), key=lambda each: each.away).value
        80.0
        >>> print(Far(80.0, 0.0, 9.5)), print(Far(7.0, 0.0, 1.0, "x[:, 2]"))
        80; training: 0 to 9.5
        7 in x[:, 2]; training: 0 to 1
        (None, None)
    """

    value: float
    low: float
    high: float
    place: str = ""

    @property
    def away(self) -> float:
        """How far it lies outside the range."""
        return max(self.low - self.value, self.value - self.high)

    def __str__(self) -> str:
        low, high = f"{self.low:.6g}", f"{self.high:.6g}"
        where = f" in {self.place}" if self.place else ""
        return f"{self.value:.6g}{where}; training: {low if low == high else f'{low} to {high}'}"


@dataclass(frozen=True)
class Unforeseen:
    """How many values of each column had no counterpart in training; columns without any are left out.

    Attributes:
        unknown: values of categories that training did not have; they get the unknown code.
        missing: missing values of columns that had none in training; they get the unknown code or the mean.
        unreadable: texts that are no dates in columns of dates; they count as missing.
        min_count: how often training must have had a category, or it is unknown.
        examples: some of the different unknown values of each column, one more than are shown if there are as many.
        absent: rows without a column that had missing values in training, in which all its values count as missing.
        outside: numbers that lie outside those of training by more than the width of their range.
        farthest: of these one of each column that is farthest.

    Example:
        >>> Unforeseen({"plan": 1}, {"age": 2}, {"when": 3}).lines[0]
        '3 values of when could not be read as dates and count as missing'
    """

    unknown: Counts = field(default_factory=dict[str, int])
    missing: Counts = field(default_factory=dict[str, int])
    unreadable: Counts = field(default_factory=dict[str, int])
    min_count: int = 1
    examples: Examples = field(default_factory=dict[str, tuple[str, ...]])
    absent: Counts = field(default_factory=dict[str, int])
    outside: Counts = field(default_factory=dict[str, int])
    farthest: Mapping[str, Far] = field(default_factory=dict[str, Far])

    def __add__(self, other: Unforeseen) -> Unforeseen:
        return Unforeseen(
            added(self.unknown, other.unknown),
            added(self.missing, other.missing),
            added(self.unreadable, other.unreadable),
            max(self.min_count, other.min_count),
            {
                name: examples_of((*self.examples.get(name, ()), *other.examples.get(name, ())))
                for name in {**self.examples, **other.examples}
            },
            added(self.absent, other.absent),
            added(self.outside, other.outside),
            {
                name: max(found, key=lambda far: far.away)
                for name in {**self.farthest, **other.farthest}
                if (found := [each.farthest[name] for each in (self, other) if name in each.farthest])
            },
        )

    @property
    def lines(self) -> tuple[str, ...]:
        """A sentence, without its full stop, for each column and kind."""
        seen = "not seen in training"
        if self.min_count > 1:
            seen = f"seen in training fewer than {self.min_count} times"
        return (
            *(
                f"there is no column {name}: {counted(n, 'value counts', 'values count')} as missing, "
                "as some did in training"
                for name, n in self.absent.items()
            ),
            *(
                f"{counted(n, f'value of {name}', f'values of {name}')} could not be read as "
                + ("a date and counts as missing" if n == 1 else "dates and count as missing")
                for name, n in self.unreadable.items()
            ),
            *(
                f"{counted(n, f'value of {name} is', f'values of {name} are')} missing; none was missing in training"
                for name, n in self.missing.items()
            ),
            *(
                f"{counted(n, f'value of {name} was', f'values of {name} were')} {seen}{self._shown(name)}"
                for name, n in self.unknown.items()
            ),
            *(
                f"{counted(n, f'value of {name} lies', f'values of {name} lie')} outside the range of training by more "
                f"than its width{self._at_most(name, n)}"
                for name, n in self.outside.items()
            ),
        )

    def _at_most(self, name: str, count: int) -> str:
        far = self.farthest.get(name)
        return "" if far is None else f" ({'farthest ' if count > 1 else ''}{far})"

    def _shown(self, name: str) -> str:
        """Return some of the unknown values of a column, in brackets; nothing if none are known."""
        values = self.examples.get(name, ())
        shown = ", ".join(repr(one_line(each)) for each in values[:SHOWN])
        return f" ({shown}{', …' if len(values) > SHOWN else ''})" if values else ""


def examples_of(values: Iterable[str]) -> tuple[str, ...]:
    """Return the first different values: those that are shown, and one more if there is one.

    Example:
        >>> examples_of(["a", "b", "a", "c", "d", "e"])
        ('a', 'b', 'c', 'd')
    """
    return tuple(dict.fromkeys(values))[: SHOWN + 1]


def added(some: Counts, more: Counts) -> dict[str, int]:
    """Return the sums of counts by name, without those that are 0.

    Example:
        >>> added({"a": 1, "b": 0}, {"a": 2})
        {'a': 3}
    """
    sums = {name: some.get(name, 0) + more.get(name, 0) for name in [*some, *more]}
    return {name: n for name, n in sums.items() if n}
