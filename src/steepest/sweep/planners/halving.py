"""Successive halving: all trials run for a short time, and of each turn the best part goes on for longer.

Jamieson & Talwalkar, *Non-stochastic best arm identification and hyperparameter optimization*, AISTATS 2016.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import count

from pydantic import Field, ValidationInfo, field_validator

from steepest.errors import NotAllowedError
from steepest.sweep.contestants import Contestant
from steepest.sweep.planner import check_no_strengths
from steepest.sweep.planners.grid import Ladder
from steepest.sweep.setup import Setup

COMPONENTS = {
    "halving": {
        "object": "Halving",
        "what": "short runs of all trials, longer ones of the best part of each turn",
    }
}


class Halving(Ladder):
    r"""Successive halving with the trials of ``grid``.

    Turn :math:`r = 0, \dots, R` makes :math:`\lceil n / \eta^r \rceil` runs of :math:`\eta^{r - R}` of the full length,
    where n is the number of trials, η the factor and R the largest number with which the first runs are no shorter than
    ``shortest`` and only the last turn has a single run. The runs of a turn are runs of their own, from the beginning,
    because a schedule goes by the length of its run. What is best after a short run is not always best after a long
    one: who was cut, and when, is in the report.
    """

    name = "halving"

    factor: int = Field(3, ge=2, le=64, description="how many times longer the runs of the next turn are, and how many "
                        "times fewer; a whole number from 2 on")  # fmt: skip
    shortest: float = Field(
        0.1,
        gt=0,
        lt=1,
        validate_default=True,
        description="the least length of a run, in full lengths; above 0 and below 1, and at most 1/factor",
    )

    @field_validator("shortest")
    @classmethod
    def _has_turns(cls, shortest: float, info: ValidationInfo) -> float:
        factor = info.data.get("factor")
        if factor is not None and _turns_before_the_last(factor, shortest) < 1:
            largest = math.floor(1 / shortest + _ROUNDING)
            smaller = f"a factor of at most {largest}, or " if largest > 1 else ""
            raise NotAllowedError(
                f"with the factor {factor} the first runs have 1/{factor} of the full length, which is less than "
                f"shortest={shortest:g}, so no trial would be cut",
                hint=f"give {smaller}shortest={math.floor(100 / factor) / 100:g}.",
            )
        return shortest

    @property
    def takes_finalists(self) -> bool:
        """The factor says how many there are."""
        return False

    def check(self, methods: Sequence[Contestant]) -> None:
        """Refuse strengths of regularizers, whose trials all have the full length."""
        check_no_strengths(self, methods)

    def turns(self, setup: Setup, trials: int) -> list[tuple[float, int]]:
        """Return the turns.

        Example:
            >>> from steepest.sweep.planner import make_planner
            >>> make_planner("halving(2, shortest=0.25)").turns(None, 7)
            [(0.25, 7), (0.5, 4), (1.0, 2)]
            >>> make_planner("halving(2, shortest=0.001)").turns(None, 7)
            [(0.125, 7), (0.25, 4), (0.5, 2), (1.0, 1)]
        """
        del setup
        last = _turns_before_the_last(self.factor, self.shortest)
        last = min(last, next(turn for turn in count() if self.factor**turn >= trials))
        return [
            (self.factor ** float(turn - last), math.ceil(trials / self.factor**turn))
            for turn in range(last + 1)
        ]


_ROUNDING = 1e-9


def _turns_before_the_last(factor: int, shortest: float) -> int:
    """Return how many turns there can be before that at full length."""
    return math.floor(math.log(1 / shortest) / math.log(factor) + _ROUNDING)
