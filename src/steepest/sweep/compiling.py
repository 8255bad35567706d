"""Whose steps are compiled: what gets most of a comparison done in the time, the wait for the compiler included."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from steepest.recipe import Execution
from steepest.sweep.estimate import fit_budget, plan_seconds
from steepest.sweep.expected import expected_runs
from steepest.sweep.setup import Setup

WORTH = 2.0
"""Compiling must save so many times what it takes, where time is not limited."""
MOST_CANDIDATES = 9
"""Choices that are reckoned through at a time."""


@dataclass(frozen=True)
class Prospect:
    """What an optimizer's steps take, in seconds, measured or expected.

    Attributes:
        eager: an eager step.
        compiled: a compiled step.
        wait: until compiled steps can be made; 0 where the program is there.
    """

    eager: float
    compiled: float
    wait: float


@dataclass(frozen=True)
class Work:
    """The comparison that is wanted, seen from one of its cells.

    Attributes:
        build: makes its setup for a length in epochs, with the cell's execution plan.
        cells: the plans of all cells, with the cell's.
        cell: key of the cell.
        epochs: the length.
        per_epoch: the fewest steps an epoch of any arm.
        seconds: the time that there is, or None.
    """

    build: Callable[[float, Execution], Setup]
    cells: Callable[[Execution], Mapping[str, Execution]]
    cell: str
    epochs: float
    per_epoch: int
    seconds: float | None = None

    def steps(self, execution: Execution) -> Counter[str]:
        """Return how many steps each optimizer would make in the cell if nothing had to be cut."""
        steps: Counter[str] = Counter()
        for run in expected_runs(self.build(self.epochs, execution), {}):
            if run.arm.cell == self.cell:
                steps[run.arm.method.name] += run.steps
        return steps

    def done(self, execution: Execution, wait: float) -> tuple[float, float, float]:
        """Return what has to be cut under an execution plan for which one waits so long, and what it takes.

        Returns:
            How far down the list of cuts, the share of the length that is lost, and seconds; less is better.
        """
        if self.seconds is None:
            whole = plan_seconds(self.build(self.epochs, execution), self.cells(execution), {})
            return 0, 0.0, whole + WORTH * wait
        fitted = fit_budget(
            lambda epochs: self.build(epochs, execution),
            self.epochs,
            self.per_epoch,
            self.cells(execution),
            self.seconds - wait,
        )
        whole = plan_seconds(fitted.setup, self.cells(execution), {})
        return fitted.cuts, 1.0 - fitted.epochs / self.epochs, whole + WORTH * wait


def with_choice(execution: Execution, prospects: Mapping[str, Prospect], chosen: Sequence[str]) -> Execution:
    """Return an execution plan in which the steps of some more optimizers are compiled, and those of others eager."""
    times = {name: each.compiled if name in chosen else each.eager for name, each in prospects.items()}
    times = {**execution.timings.seconds_a_step, **times}
    return execution.timed(seconds_a_step=times).model_copy(
        update={"compiled": (*execution.compiled, *chosen)}
    )


def choose(
    prospects: Mapping[str, Prospect], execution: Execution, work: Work, more_at_first: float = 0.0
) -> tuple[str, ...]:
    """Return the optimizers whose steps are best compiled, those first whose waiting is best spent.

    Args:
        prospects: of the optimizers that are not decided yet.
        execution: of the others.
        work: the comparison that is wanted.
        more_at_first: seconds by which the first program takes longer.
    """
    steps = work.steps(with_choice(execution, prospects, ()))
    saved = {name: steps[name] * (each.eager - each.compiled) for name, each in prospects.items()}
    ranked = sorted(
        (name for name in prospects if saved[name] > 0),
        key=lambda name: saved[name] / max(prospects[name].wait, 1e-9),
        reverse=True,
    )
    ready = sum(prospects[name].wait == 0 for name in ranked)
    more = len(ranked) - ready
    some = min(more + 1, MOST_CANDIDATES)
    counts = sorted({ready + round(more * i / max(some - 1, 1)) for i in range(some)})

    def outcome(count: int) -> tuple[float, float, float]:
        chosen = ranked[:count]
        wait = sum(prospects[name].wait for name in chosen) + (more_at_first if count > ready else 0.0)
        return work.done(with_choice(execution, prospects, chosen), wait)

    return tuple(ranked[: min(counts, key=outcome)])
