"""A run to be made, and where finished ones are found."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from steepest.optim.spec import MethodSpec
from steepest.recipe import Recipe
from steepest.record.schema import Record, RunKey
from steepest.sweep.arms import PlannedArm
from steepest.sweep.stages import Use, point_after, steps_after, uses_of


@dataclass(frozen=True)
class PlannedRun:
    """A run to be made.

    Attributes:
        key: which run it is.
        recipe: everything that it depends on besides the seed.
        rule: the update, with its rate.
        read_test: whether it reads the test rows.
        arm: the arm that it belongs to.
        parent: the run whose weights it starts from, or None.
        length: its length, in full lengths of its arm.
        serves: further arms that it is a run of: a stage of a procedure can be what another arm ends with.
    """

    key: RunKey
    recipe: Recipe
    rule: MethodSpec[Any]
    read_test: bool
    arm: PlannedArm
    parent: PlannedRun | None = None
    serves: tuple[PlannedArm, ...] = ()
    length: float = 1.0

    def also(self, other: PlannedRun) -> PlannedRun:
        """Return the run that serves as another one with the same recipe and seed, too."""
        mine, more = (self, other) if self.read_test or not other.read_test else (other, self)
        return replace(mine, serves=(*mine.serves, more.arm, *more.serves))

    @property
    def hands_on(self) -> bool:
        """Whether later runs may need its weights."""
        return any(each.inner for each in (self.arm, *self.serves))

    @property
    def before(self) -> int:
        """The steps of the runs that it continues, or to which it goes back."""
        back = self.arm.stage.rewind
        if self.parent is None or back == 0 or self.arm.stage.taught is not None:
            return 0
        if back is None:
            return self.parent.before + self.parent.recipe.steps
        return steps_after(back, self.line[0].recipe.steps)

    @property
    def line(self) -> tuple[PlannedRun, ...]:
        """The runs that it consists of, the first one first, itself last."""
        return (*(self.parent.line if self.parent else ()), self)

    @property
    def sources(self) -> dict[Use, tuple[PlannedRun, str]]:
        """What it needs of the runs before it: for each use the run, and the point of its weights."""
        return {use: (self.line[place], point) for use, (place, point) in uses_of(self.arm).items()}

    @property
    def marks(self) -> dict[str, int]:
        """The points at which its weights are kept for later stages, with the steps before them, or the gradients."""
        shares = dict.fromkeys(share for each in (self.arm, *self.serves) for share in each.kept)
        return {point_after(share): steps_after(share, self.recipe.length) for share in shares}

    @property
    def expected_steps(self) -> int:
        """The steps that it will make, as far as is known where its length is in gradients."""
        if self.recipe.gradients is None:
            return self.recipe.steps
        a_step = max(self.rule.gradients_a_step, self.arm.least_gradients)
        return max(1, math.ceil(self.recipe.gradients / a_step))


History = Mapping[tuple[str, int], Record]
"""Finished runs by (recipe id, seed)."""


def identity(run: PlannedRun) -> tuple[str, int]:
    """Return under what a run is found in a history."""
    return run.key.recipe, run.key.seed
