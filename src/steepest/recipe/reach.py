"""The value of a metric that runs are to reach, as the option ``reach`` says it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from steepest.errors import OptionError


@dataclass(frozen=True)
class Reach:
    """A target on the validation rows.

    Attributes:
        value: of the metric, in its own unit: a share is a fraction.
        metric: its name; empty for the metric that decides.
    """

    value: float
    metric: str = ""

    @classmethod
    def read(cls, text: str) -> Reach | None:
        """Return what an option such as ``0.95`` or ``accuracy=0.95`` says, None for nothing.

        Raises:
            OptionError: it is neither.

        Example:
            >>> Reach.read("0.3"), Reach.read("accuracy=0.95"), Reach.read("")
            (Reach(value=0.3, metric=''), Reach(value=0.95, metric='accuracy'), None)
        """
        if not text:
            return None
        metric, _, number = text.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or ("=" in text and not metric.strip()):
            raise OptionError(
                f"--reach {text!r} is no value of a metric",
                hint="give a number, as 0.95, or with the name of the metric, as accuracy=0.95.",
            )
        return cls(value, metric.strip())
