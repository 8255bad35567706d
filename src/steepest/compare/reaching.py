"""How soon arms reach a target on validation: steps, epochs, gradients and seconds, the median of their runs.

The runs are those with the reported seeds, at the setting that the tuning chose, which are re-runs of it. The target is
given, or it is the best validation result that the middle one of the arms reaches on average, so that half of the arms
can be expected to get there. A run that never does counts as later than any, so that there is a median over all runs
only where more than half of them do (Dahl et al., *Benchmarking neural network training algorithms*, 2023).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from pydantic import Field

from steepest.evaluate.metrics import MetricInfo
from steepest.evaluate.reachable import reachable_target
from steepest.recipe import Reach
from steepest.record.schema import CurvePoint, Frozen, Record


class ArmReached(Frozen):
    """When one arm reached the target.

    Attributes:
        name: its title.
        reached, runs: how many of its runs reached it, and how many there are.
        step, epoch, gradients: at which the median run did; None unless more than half did.
        seconds: of training, of runs that were made while no other was; None unless more than half of these did.
        timed: how many such runs there are.
        best: the best value of any of its evaluations; None where none was finite, and in folders of earlier versions.
    """

    name: str
    reached: int
    runs: int
    step: float | None = None
    epoch: float | None = None
    gradients: float | None = None
    seconds: float | None = None
    timed: int = 0
    best: float | None = None


class Reached(Frozen):
    """When the arms reached a target.

    Attributes:
        target: the value of the metric on the validation rows.
        metric: its name; empty for the metric that decides.
        given: whether the target was given, and not chosen from what the arms reach.
        arms: in the order of the comparison.
    """

    target: float
    metric: str = ""
    given: bool = False
    arms: list[ArmReached] = Field(default_factory=list)


def how_soon(
    runs: Mapping[str, Sequence[Record]], deciding: MetricInfo, reach: str, classes: int
) -> Reached | None:
    """Return when the runs of arms reached a target, which is chosen from what they reach where none is given.

    Args:
        runs: by the arm's title.
        deciding: the deciding metric.
        reach: the target as the option says it; empty to have one chosen.
        classes: how many the target column has; 0 for a number.

    Raises:
        OptionError: runs are not evaluated by its metric, or that has no such value.
    """
    asked = Reach.read(reach)
    if asked is None:
        return when_reached(runs, deciding.name, higher=deciding.higher_is_better)
    curves = [run.curve for each in runs.values() for run in each]
    known = [name for points in curves for point in points[:1] for name in point.validation]
    measured = [deciding.name, *(name for name in dict.fromkeys(known) if name != deciding.name)]
    info, target = reachable_target(asked, measured, classes)
    found = when_reached(runs, info.name, higher=info.higher_is_better, target=target)
    return found and found.model_copy(update={"metric": "" if info.name == deciding.name else info.name})


def when_reached(
    runs: Mapping[str, Sequence[Record]], metric: str, *, higher: bool, target: float | None = None
) -> Reached | None:
    """Return when the runs of arms reached a target, by default the result of the middle arm.

    Args:
        runs: by the arm's title.
        metric: the metric.
        higher: whether more of it is better.
        target: its value; None to take that of the middle arm.

    Returns:
        None where no target is given and fewer than two arms finished.
    """
    given = target is not None
    if target is None:
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
        values = [point.validation.get(metric, math.nan) for run in each for point in run.curve]
        finite = [value for value in values if math.isfinite(value)]
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
                best=(max if higher else min)(finite, default=None),
            )
        )
    return Reached(target=target, given=given, arms=found)


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
