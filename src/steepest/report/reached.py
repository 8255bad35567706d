"""When arms reached the target, as lines of a table."""

from __future__ import annotations

from steepest.compare.result import Comparison
from steepest.report import format as show
from steepest.report.digits import digits_of
from steepest.report.factors import subject
from steepest.report.view import metric_of

HEADS = ("runs that reached it", "step", "epoch", "gradients", "seconds of training")


def lines(comparison: Comparison) -> list[tuple[str, list[tuple[str, float | None]]]]:
    """Return name and cells of each arm, each cell with the number that it is sorted by."""
    found = comparison.reached
    if found is None:
        return []
    return [
        (
            arm.name,
            [
                (f"{arm.reached} of {arm.runs}", arm.reached / max(arm.runs, 1)),
                _cell(arm.step, 0),
                _cell(arm.epoch, 2),
                _cell(arm.gradients, 0),
                ("–" if arm.seconds is None else show.seconds(arm.seconds), arm.seconds),
            ],
        )
        for arm in found.arms
    ]


def _cell(value: float | None, decimals: int) -> tuple[str, float | None]:
    return ("–" if value is None else f"{value:,.0f}" if not decimals else f"{value:.{decimals}f}"), value


def caption(comparison: Comparison) -> str:
    """Return what the target is and what the table shows."""
    found = comparison.reached
    if found is None:
        return ""
    metric = metric_of(comparison, comparison.metric)
    digits = digits_of(comparison, metric)
    target = show.number(found.target * digits.scale, digits.decimals)
    what = subject(comparison)
    return (
        f"The target is {metric.title} {target}{' %' if metric.percent else ''} on {comparison.curves_on}, what the "
        f"middle one of the {what.many} reaches on average. Each number is the median over the runs of the chosen "
        "setting; a run that never reaches the target is later than any, and a dash says that half of the runs do not. "
        "Runs are evaluated now and then, so the numbers are as coarse as that. Seconds are those of runs that were "
        "made while no other was."
    )
