"""Values of new rows that the training rows taught nothing about: counted by kind, and named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from steepest.wording import counted

Counts = Mapping[str, int]


@dataclass(frozen=True)
class Unforeseen:
    """How many values of each column had no counterpart in training; columns without any are left out.

    Attributes:
        unknown: values of categories that training did not have; they get the unknown code.
        missing: missing values of columns that had none in training; they get the unknown code or the mean.
        unreadable: texts that are no dates in columns of dates; they count as missing.
        min_count: how often training must have had a category, or it is unknown.

    Example:
        >>> Unforeseen({"plan": 1}, {"age": 2}, {"when": 3}).lines[0]
        '3 values of when could not be read as dates and count as missing'
    """

    unknown: Counts = field(default_factory=dict[str, int])
    missing: Counts = field(default_factory=dict[str, int])
    unreadable: Counts = field(default_factory=dict[str, int])
    min_count: int = 1

    def __add__(self, other: Unforeseen) -> Unforeseen:
        return Unforeseen(
            added(self.unknown, other.unknown),
            added(self.missing, other.missing),
            added(self.unreadable, other.unreadable),
            max(self.min_count, other.min_count),
        )

    @property
    def lines(self) -> tuple[str, ...]:
        """A sentence, without its full stop, for each column and kind."""
        seen = "not seen in training"
        if self.min_count > 1:
            seen = f"seen in training fewer than {self.min_count} times"
        return (
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
                f"{counted(n, f'value of {name} was', f'values of {name} were')} {seen}"
                for name, n in self.unknown.items()
            ),
        )


def added(some: Counts, more: Counts) -> dict[str, int]:
    """Return the sums of counts by name, without those that are 0.

    Example:
        >>> added({"a": 1, "b": 0}, {"a": 2})
        {'a': 3}
    """
    sums = {name: some.get(name, 0) + more.get(name, 0) for name in [*some, *more]}
    return {name: n for name, n in sums.items() if n}
