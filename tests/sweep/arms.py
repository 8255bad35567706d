"""Arms for tests of the plan: optimizers on one model, without any data."""

from __future__ import annotations

from collections.abc import Sequence

from steepest.sweep.arms import PlannedArm
from steepest.testing.planners import CELL, arms_of

__all__ = ["CELL", "arms_of", "lengths"]


def lengths(arms: Sequence[PlannedArm], steps: int) -> dict[str, int]:
    """Return the same number of steps for all."""
    return dict.fromkeys((arm.id for arm in arms), steps)
