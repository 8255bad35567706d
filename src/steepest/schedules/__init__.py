"""Schedules: pure functions from a step to a multiplier of the learning rate.

A schedule is made for a run's length and is then called with the step, counted from 0. Lengths inside it are
shares of the run (``0.1``), so that a run of a quarter of the steps goes through the complete shape, or whole numbers
of steps (``100``), which are the same in every run.

Schedules are combined by ``warmup``, ``join``, ``scale`` and ``repeat``, which take other schedules by
specification: ``warmup(cosine(final=0.1), length=0.05)``. Any torch optimizer can use one by
``torch.optim.lr_scheduler.LambdaLR(optimizer, schedule)``. A schedule can be copied and pickled, and so can an
optimizer that has one.
"""

from __future__ import annotations

from typing import Any

from steepest.schedules.schedule import (
    LONG,
    Built,
    Schedule,
    Shape,
    built,
    length_text,
    make_schedule,
    registry,
)

__all__ = ["LONG", "Built", "Schedule", "Shape", "built", "length_text", "make_schedule", "registry"]


def __getattr__(name: str) -> Any:
    """Import ``steepest.schedules.cosine`` and its like at first use."""
    for entry in registry.entries.values():
        if entry.object == name:
            return entry.load()
    raise AttributeError(f"module 'steepest.schedules' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *[entry.object for entry in registry.entries.values()]})
