"""What else may be said of a comparison, after its headline."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from steepest.compare.estimates import Difference
from steepest.compare.result import Metric, Row
from steepest.evaluate.rowwise import BY_ROW
from steepest.report import format as fmt
from steepest.report.headline import evidence
from steepest.report.words import Subject, listed, named


def remarks(metric: Metric, metrics: Sequence[Metric], winner: Row, rows: Sequence[Row],
            others: dict[str, list[Difference]], subject: Subject | None = None) -> list[str]:  # fmt: skip
    """Return what else there is to know: whether test agrees with validation, other metrics, runs that failed."""
    said: list[str] = []
    name = (subject or Subject()).name
    arms = [row for row in rows if row.kind == "arm" and math.isfinite(row.metrics[metric.name].mean)]
    if arms:
        best = (max if metric.higher_is_better else min)(arms, key=lambda row: row.metrics[metric.name].mean)
        if best.name != winner.name:
            chose = f"Validation chose {name(winner.name)}"
            said.append(f"{chose}; on the test rows {name(best.name)} has the better mean.")
    mine = others.get(metric.name, [])
    said += [_only_corrected(each, name) for each in mine if each.excludes_zero and not each.told_apart]
    if any(each.over == "seeds" and each.ends for each in mine) and metric.name not in BY_ROW:
        said.append(
            f"The variation of {metric.title} over test rows is not known: its intervals account for seed variation "
            "only."
        )
    for each in metrics[1:]:
        if each.name == "accuracy" and any(one.ends for one in others.get(each.name, [])):
            said.append(_accuracy(winner, [one for one in others[each.name] if one.ends], name))
    for row in rows:
        if row.kind != "baseline" and row.outcome != "finished":
            at = " at its library default" if row.kind == "default" else ""
            why = f" ({row.reason})" if row.reason else ""
            said.append(f"{named(name(row.name))}{at}: {row.outcome} runs{why}.")
    return said


def _only_corrected(found: Difference, name: Callable[[str], str]) -> str:
    p = ""
    if found.p is not None and found.p_adjusted is not None:
        p = f" (p {fmt.probability(found.p)}, corrected {fmt.probability(found.p_adjusted)})"
    both = f"{name(found.first)} − {name(found.second)}"
    return (
        f"The 95 % interval of {both} excludes zero, but it is one of {found.comparisons} comparisons, some of which "
        f"do so by chance: after correction there is no detectable difference{p}."
    )


def _accuracy(winner: Row, found: Sequence[Difference], name: Callable[[str], str]) -> str:
    apart = [one for one in found if one.told_apart]
    if not apart:
        return (
            f"On accuracy there is no detectable difference between {name(winner.name)} and the others "
            f"({evidence(found[0])})."
        )
    text = listed(
        [f"{'better' if one.better == winner.name else 'worse'} than {name(one.second)}" for one in apart]
    )
    rest = "" if len(apart) == len(found) else ", with no detectable difference from the others"
    return f"On accuracy {name(winner.name)} is {text}{rest}."
