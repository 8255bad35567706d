"""Successive halving: all trials run for a short time, and of each turn the best part goes on for longer.

Jamieson & Talwalkar, *Non-stochastic best arm identification and hyperparameter optimization*, AISTATS 2016.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from pydantic import Field

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
    where n is the number of trials, η the factor and R the largest number of turns whose shortest run is no shorter
    than ``shortest``. The runs of a turn are runs of their own, from the beginning, because a schedule goes by the
    length of its run. What is best after a short run is not always best after a long one: who was cut, and when, is in
    the report.
    """

    name = "halving"

    factor: int = Field(3, ge=2, le=64, description="how many times longer the runs of the next turn are, and how many "
                        "times fewer; a whole number from 2 on")  # fmt: skip
    shortest: float = Field(
        0.1, gt=0, lt=1, description="the least length of a run, in full lengths; above 0 and below 1"
    )

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
        """
        del setup
        last = math.floor(math.log(1 / self.shortest) / math.log(self.factor) + 1e-9)
        return [
            (self.factor ** float(turn - last), math.ceil(trials / self.factor**turn))
            for turn in range(last + 1)
        ]
