"""How many of a run's weights are kept, as the option ``keep_path`` says it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from steepest.errors import OptionError

_OPTION = re.compile(r"(exact:)?([1-9]\d*)")


@dataclass(frozen=True)
class KeepPath:
    """What is kept of a run: how many steps, and whether exactly whatever that takes.

    Attributes:
        steps: evenly spaced ones; the first weights are kept besides.
        exact: never project.
    """

    steps: int
    exact: bool = False

    @classmethod
    def read(cls, text: str) -> KeepPath | None:
        """Return what an option such as ``50`` or ``exact:50`` says, None for nothing.

        Raises:
            OptionError: it is neither.

        Example:
            >>> KeepPath.read("exact:50"), KeepPath.read("")
            (KeepPath(steps=50, exact=True), None)
        """
        if not text:
            return None
        found = _OPTION.fullmatch(text)
        if found is None:
            raise OptionError(
                f"keep_path={text!r} is no number of steps",
                hint="give how many evenly spaced steps of a run are kept, as 50, or exact:50 to keep all weights of "
                "a large model, too.",
            )
        return cls(int(found[2]), found[1] is not None)

    def places(self, length: int) -> list[int]:
        """Return after how many of the ``length`` steps of a run its weights are kept.

        Example:
            >>> KeepPath(4).places(10)
            [0, 2, 5, 8, 10]
        """
        return sorted({0, *(max(1, round(length * (i + 1) / self.steps)) for i in range(self.steps))})
