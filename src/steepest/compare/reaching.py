"""How soon arms reach a target on validation: steps, epochs, gradients and seconds, the median of their runs.

The runs are those with the reported seeds, at the setting that the tuning chose, which are re-runs of it. The target is
the best validation result that the middle one of the arms reaches on average, so that half of the arms can be expected
to get there. A run that never does counts as later than any (Dahl et al., *Benchmarking neural network training
algorithms*, 2023).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from pydantic import Field

from steepest.record.schema import CurvePoint, Frozen, Record


class ArmReached(Frozen):
    """When one arm reached the target.

    Attributes:
        name: its title.
        reached, runs: how many of its runs reached it, and how many there are.
        step, epoch, gradients: at which the median run did; None where fewer than half did.
        seconds: of training, of runs that were made while no other was; None where fewer than half of these did.
        timed: how many such runs there are.
    """

    name: str
    reached: int
    runs: int
    step: float | None = None
    epoch: float | None = None
    gradients: float | None = None
    seconds: float | None = None
    timed: int = 0


class Reached(Frozen):
    """When the arms reached a target.

    Attributes:
        target: the value of the deciding metric on the validation rows.
        arms: in the order of the comparison.
    """

    target: float
    arms: list[ArmReached] = Field(default_factory=list)


def when_reached(runs: Mapping[str, Sequence[Record]], metric: str, *, higher: bool) -> Reached | None:
    """Return when the runs of arms reached the result of the middle arm; None where fewer than two arms finished.

    Args:
        runs: by the arm's title.
        metric: the deciding metric.
        higher: whether more of it is better.
    """
    finite: list[float] = []
    for each in runs.values():
        best = [run.best.get(metric, math.nan) for run in each if not run.failed]
        known = [value for value in best if math.isfinite(value)]
        finite += [statistics.fmean(known)] if known else []
    if len(finite) < 2:
        return None
    target = (statistics.median_low if higher else statistics.median_high)(finite)
    found: list[ArmReached] = []
    for name, each in runs.items():
        points = [_first(run, metric, target, higher=higher) for run in each]
        alone = [point for run, point in zip(each, points, strict=True) if not run.shared]
        found.append(
            ArmReached(
                name=name,
                reached=sum(point is not None for point in points),
                runs=len(points),
                step=_median([None if point is None else point.step for point in points]),
                epoch=_median([None if point is None else point.epoch for point in points]),
                gradients=_median([None if point is None else point.gradients for point in points]),
                seconds=_median([None if point is None else point.seconds for point in alone]),
                timed=len(alone),
            )
        )
    return Reached(target=target, arms=found)


def _first(run: Record, metric: str, target: float, *, higher: bool) -> CurvePoint | None:
    """Return the first evaluation of a run that is at least as good as the target."""
    for point in run.curve:
        value = point.validation.get(metric, math.nan)
        if value >= target if higher else value <= target:
            return point
    return None


def _median(values: Sequence[float | None]) -> float | None:
    """Return the median, where None is later than any; None where it falls on such a one, and of nothing."""
    if not values:
        return None
    found = statistics.median([math.inf if each is None else float(each) for each in values])
    return found if math.isfinite(found) else None
