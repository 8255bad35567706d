"""Arms for tests of the plan: optimizers on one model, without any data."""

from __future__ import annotations

from collections.abc import Sequence

from steepest.recipe import Recipe
from steepest.sweep.arms import PlannedArm
from steepest.sweep.contestants import contestants

CELL = "cell"


def arms_of(
    texts: Sequence[object],
    tune: Sequence[str] = (),
    *,
    schedule: str = "cosine",
    per_epoch: int = 500,
    **more,
) -> tuple[PlannedArm, ...]:
    """Return an arm for each optimizer."""
    recipe = Recipe(
        data="d",
        model="linear",
        optimizer="",
        schedule=schedule,
        steps=1,
        batch_size=8,
        metric="log_loss",
        **more,
    )
    return tuple(
        PlannedArm(
            method=who, recipe=recipe, factors={"optimizer": who.name}, per_epoch=per_epoch, cell=CELL,
            folds=("d",), label=who.name,
        )
        for who in contestants(texts, tune)
    )  # fmt: skip


def lengths(arms: Sequence[PlannedArm], steps: int) -> dict[str, int]:
    """Return the same number of steps for all."""
    return dict.fromkeys((arm.id for arm in arms), steps)
