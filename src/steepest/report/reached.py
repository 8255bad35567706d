"""When arms reached the target, as lines of a table."""

from __future__ import annotations

import math

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from steepest.compare.reaching import ArmReached, Reached
from steepest.compare.result import Comparison
from steepest.evaluate.metrics import metric_info
from steepest.report import format as show
from steepest.report.digits import digits_of
from steepest.report.factors import subject
from steepest.report.view import metric_of
from steepest.report.words import listed
from steepest.sweep.arms import PLAIN
from steepest.wording import counted, significant

HEADS = ("runs that reached it", "step", "epoch", "gradients", "training time")
EXACT = 6
"""Significant digits of a target that was given."""


def lines(comparison: Comparison) -> list[tuple[str, list[tuple[str, float | None]]]]:
    """Return name and cells of each arm, the soonest first, each cell with the number that it is sorted by.

    There are none where half of the runs of every arm or more do not reach it: all would be dashes.
    """
    found = comparison.reached
    if found is None or all(arm.step is None for arm in found.arms):
        return []
    return [(arm.name, _cells(arm)) for arm in sorted(found.arms, key=_soonest)]


def _soonest(arm: ArmReached) -> tuple[float, float]:
    return (math.inf if arm.step is None else arm.step), -arm.reached / max(arm.runs, 1)


def _cells(arm: ArmReached) -> list[tuple[str, float | None]]:
    some = f" ({counted(arm.timed, 'run')})" if 0 < arm.timed < arm.runs else ""
    return [
        (f"{arm.reached} of {arm.runs}", arm.reached / max(arm.runs, 1)),
        _cell(arm.step, 0),
        _cell(arm.epoch, 2),
        _cell(arm.gradients, 0),
        (show.MISSING if arm.seconds is None else f"{show.seconds(arm.seconds)}{some}", arm.seconds),
    ]


def _cell(value: float | None, decimals: int) -> tuple[str, float | None]:
    return (show.MISSING if value is None else f"{value:,.{decimals}f}"), value


def target_text(comparison: Comparison, found: Reached) -> str:
    """Return metric, direction and value of a target; a value that was given as it was given."""
    title, _, higher = _metric(found, comparison)
    return f"{title} {'≥' if higher else '≤'} {_value(comparison, found, found.target, exact=found.given)}"


def _metric(found: Reached, comparison: Comparison) -> tuple[str, bool, bool]:
    """Return the title of a target's metric, whether it is shown in percent, and whether more of it is better."""
    known = metric_info(found.metric) if found.metric else metric_of(comparison, comparison.metric)
    return known.title, known.percent, known.higher_is_better


def _value(comparison: Comparison, found: Reached, value: float, *, exact: bool = False) -> str:
    """Return a value of a target's metric with its unit."""
    percent = _metric(found, comparison)[1]
    scaled = value * (100.0 if percent else 1.0)
    if exact or found.metric:
        text = significant(scaled, EXACT if exact else 4).replace("-", show.MINUS)
    else:
        text = show.number(scaled, digits_of(comparison, metric_of(comparison, comparison.metric)).decimals)
    return f"{text} %" if percent else text


def caption(comparison: Comparison) -> str:
    """Return what the target is and what the table shows."""
    found = comparison.reached
    if found is None:
        return ""
    what = subject(comparison)
    chosen = (
        "as given by --reach"
        if found.given
        else f"what the middle one of the {what.many} reaches on average; --reach gives another"
    )
    said = [
        f"The target is {target_text(comparison, found)} on {comparison.curves_on}, {chosen}.",
        *remarks(comparison),
    ]
    if not lines(comparison):
        some = (
            ""
            if not any(arm.reached for arm in found.arms)
            else f"Of no {what.one} do more than half of the runs reach it."
        )
        return " ".join([*said, some]).rstrip()
    said.append(
        "Each number is the median over all runs of the chosen setting, where a run that never reaches the target is "
        "later than any; it is as coarse as the evaluations of a run lie apart."
    )
    if any(arm.step is None for arm in found.arms):
        said.append("A dash: half of the runs or more do not reach it.")
    if any(arm.seconds is not None for arm in found.arms):
        said.append("Times are of training alone, and of runs that were made while no other was.")
    untimed = [arm.name for arm in found.arms if arm.step is not None and arm.seconds is None]
    if untimed:
        said.append(f"There is no time of {listed(untimed)}, whose runs were made beside others.")
    return " ".join(said)


def remarks(comparison: Comparison) -> list[str]:
    """Return sentences on arms that never reach a target, and on what is counted of procedures."""
    said = _never(comparison)
    if any(arm.factors.get("procedure", PLAIN) != PLAIN for arm in comparison.arms):
        said.append(
            "Steps, gradients and time of a procedure are those of its last stage, epochs those of all."
        )
    return said


def _never(comparison: Comparison) -> list[str]:
    """Return a sentence on a target that no run of some arm reaches, or that every network has before its training."""
    found = comparison.reached
    if found is None:
        return []
    what, never = subject(comparison), [arm for arm in found.arms if not arm.reached]
    if found.arms and not never and all(arm.step == 0 for arm in found.arms):
        return ["The networks have it before their first step."]
    if not never:
        return []
    higher = _metric(found, comparison)[2]
    known = [(arm.best, arm.name) for arm in never if arm.best is not None]
    if len(never) < len(found.arms):
        return [f"No run of {listed([arm.name for arm in never])} reaches it."]
    text = "No run reaches it" if len(found.arms) == 1 else f"No run of any {what.one} reaches it"
    if not known:
        return [f"{text}."]
    best, name = (max if higher else min)(known, key=lambda each: each[0])
    of = "" if len(found.arms) == 1 else f" ({name})"
    return [f"{text}: the best evaluation has {_value(comparison, found, best)}{of}."]


def in_terminal(comparison: Comparison) -> list[RenderableType]:
    """Return a table for a terminal, where the target was given."""
    found = comparison.reached
    if found is None or not found.given:
        return []
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column(f"  to reach {target_text(comparison, found)}", overflow="fold")
    for head in ("runs", "step", "epoch", "training"):
        table.add_column(head, justify="right", no_wrap=True)
    for arm in found.arms:
        runs, step, epoch, _, seconds = (text for text, _ in _cells(arm))
        table.add_row(Text(f"  {show.printable(arm.name)}"), runs, step, epoch, seconds)
    half = any(arm.step is None and arm.reached for arm in found.arms)
    dash = f"; {show.MISSING} where half of them or more do not reach it" if half else ""
    said = [*remarks(comparison), f"Median over all runs, on {comparison.curves_on}{dash}."]
    return [table, Text(show.printable(" ".join(said)), style="dim")]
