"""The differences as texts and positions, without any drawing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from steepest.compare.estimates import Difference
from steepest.compare.result import Comparison, Standing
from steepest.report import format as show
from steepest.report.claims import corrected, evidence
from steepest.report.digits import Digits, digits_of
from steepest.report.view import ValueAxis, finite, metric_of

UNBROKEN = "\u00a0"
MOST_SHOWN = 20
"""Of more differences on a metric the others are folded."""


@dataclass(frozen=True)
class Contrast:
    """One line of the table of differences."""

    first: str
    second: str
    value: str
    interval: str
    over: str
    verdict: str
    told_apart: bool
    at: float
    low: float
    high: float
    zero: float
    alone: str = ""
    beyond: str = ""


@dataclass(frozen=True)
class Place:
    """One line of wins, ties and losses; a dash where nothing could be tested."""

    name: str
    wins: str
    ties: str
    losses: str
    untested: int
    baselines: str


def contrasts(comparison: Comparison) -> list[tuple[str, list[Contrast]]]:
    """Return the differences by metric, each with its verdict; never "equal", but "no detectable difference"."""
    groups: dict[str, list[Difference]] = {}
    for each in comparison.differences:
        groups.setdefault(each.metric, []).append(each)
    shown: list[tuple[str, list[Contrast]]] = []
    for name, differences in groups.items():
        metric = metric_of(comparison, name)
        unit = ", percentage points" if metric.percent else ""
        sign = "above" if metric.higher_is_better else "below"
        title = f"{metric.title}{unit} ({sign} zero the first is better)"
        shown.append((title, _contrasts(differences, digits_of(comparison, metric), comparison.held_out)))
    return shown


def _contrasts(differences: Sequence[Difference], written: Digits, held_out: bool) -> list[Contrast]:
    factor = written.scale
    ends = sorted(
        max(map(abs, each.ends or (each.mean,))) * factor
        for each in differences
        if all(map(finite, each.ends or (each.mean,)))
    )
    usual = ends[len(ends) // 2] if ends else 1.0
    reach = max((end for end in ends if end <= 5 * usual), default=1.0) * 1.06 or 1.0
    scale = ValueAxis(-reach, reach)

    def one(each: Difference) -> Contrast:
        mean, (low, high) = each.mean * factor, (end * factor for end in each.ends or (each.mean, each.mean))
        known = all(finite(value) for value in (mean, low, high))
        value, interval = written.gap(each if known else None, sign=True)
        return Contrast(
            first=each.first,
            second=each.second,
            value=value,
            interval=interval,
            over=evidence(each),
            verdict=_verdict(each),
            told_apart=each.told_apart,
            at=scale.at(mean) if known else 50.0,
            low=scale.at(low) if known else 50.0,
            high=scale.at(high) if known else 50.0,
            zero=scale.at(0.0),
            alone=_alone(each, written, held_out),
            beyond=scale.beyond(mean) if known else "",
        )

    return [one(each) for each in differences]


def _verdict(found: Difference) -> str:
    if found.told_apart:
        return f"{found.better} is better"
    if found.ends is None:
        return f"no interval: {found.reason or 'the spread is unknown'}"
    return f"no detectable difference{corrected([found]) or f' ({evidence(found)})'}"


def _alone(found: Difference, written: Digits, held_out: bool) -> str:
    """Return what each of the two uncertainties would give by itself, and the p-values."""
    said: list[str] = []
    if found.over == "both" and found.by_seeds and all(map(finite, found.by_seeds)):
        said.append(f"seeds alone {written.ends(found, found.by_seeds)}")
    if found.over != "rows" and found.by_rows and all(map(finite, found.by_rows)):
        said.append(f"test rows alone {written.ends(found, found.by_rows)}")
    if found.over in ("seeds", "sets") and not found.by_rows and found.p is not None:
        of = "test sets" if found.over == "sets" else "seeds"
        unknown = ": the variation over test rows is not known" if held_out else ""
        said.append(f"{of} only{unknown}")
    if found.p is not None and found.p_adjusted is not None:
        more = f", corrected {show.probability(found.p_adjusted)}" if found.comparisons > 1 else ""
        said.append(f"p {show.probability(found.p)}{more}")
    return " · ".join(said)


def places(comparison: Comparison) -> list[Place]:
    """Return wins, ties and losses of each optimizer against the others, and how it stands to the baselines."""

    def against(above: list[str], below: list[str]) -> str:
        said = [f"above {', '.join(above)}"] if above else []
        said += [f"below {', '.join(below)}"] if below else []
        return "; ".join(said) or show.MISSING

    def place(each: Standing) -> Place:
        found = [each.wins, each.ties, each.losses]
        dashes = each.untested and not any(found)
        wins, ties, losses = [show.MISSING] * 3 if dashes else map(str, found)
        return Place(each.name, wins, ties, losses, each.untested, against(each.above, each.below))

    return [place(each) for each in comparison.standings]
