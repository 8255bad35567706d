"""The panel of main effects as plain values: positions in percent, texts, marks. No drawing, no HTML."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from steepest.compare.effects import Factorial, Interaction, MainEffect
from steepest.compare.result import TOO_SHORT, Comparison, Metric
from steepest.report import format as show
from steepest.report.claims import corrected, evidence
from steepest.report.digits import Digits, digits_of
from steepest.report.factors import levels_of, scheme, subject, title_of
from steepest.report.theme import Style
from steepest.report.view import ValueAxis, decimals_of_ticks, ends_of, finite, limits_of, metric_of, padded
from steepest.report.words import capital, cell_text
from steepest.wording import counted


@dataclass(frozen=True)
class LevelDot:
    """The marginal mean of one level with its interval."""

    name: str
    value: str
    at: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class FactorLines:
    """One factor: its levels, best first, and what their difference is.

    Attributes:
        title: the factor in words.
        dots: its levels.
        verdict: the best less the worst, and whether that is detectable.
        detectable: whether it is.
    """

    title: str
    dots: list[LevelDot]
    verdict: str
    detectable: bool


@dataclass(frozen=True)
class InteractionLine:
    """One line of the small plot: the means of a level at the levels of another factor, in percent."""

    name: str
    style: Style
    points: list[tuple[float, float]]


@dataclass(frozen=True)
class InteractionPlot:
    """The two factors of the largest interaction: one across, a line for each level of the other."""

    lines: list[InteractionLine]
    across: list[tuple[str, float]]
    ticks: list[tuple[str, float]]
    x: str
    y: str


@dataclass(frozen=True)
class Panel:
    """Main effects on one axis, and the largest interaction.

    Attributes:
        title: the metric with its unit.
        better: to which side better values lie.
        factors: one for each factor.
        ticks: of the axis.
        interaction: the largest interaction in words; empty where there is none.
        plot: its means, where it is detectable.
        caption: what means and intervals are.
    """

    title: str
    better: str
    factors: list[FactorLines]
    ticks: list[tuple[str, float]]
    interaction: str
    caption: str
    plot: InteractionPlot | None = field(default=None)


def panel(comparison: Comparison) -> Panel | None:
    """Return the panel, or None where there are no main effects."""
    found = comparison.factorial
    if found is None:
        return None
    metric = metric_of(comparison, found.metric)
    written = digits_of(comparison, metric)
    every = [level for effect in found.effects for level in effect.levels if finite(level.mean)]
    placed = [
        value for each in every for value in (each.mean, *(ends_of(each, metric) or ())) if finite(value)
    ]
    low, high = (min(placed), max(placed)) if placed else (0.0, 1.0)
    axis = padded(low, high, (high - low) * 0.06 or abs(high) * 0.05 or 1.0, limits_of(metric))
    largest = found.largest
    short = any(each.reason == TOO_SHORT for each in comparison.effects)
    return Panel(
        title=metric.title + (", %" if metric.percent else ""),
        better="right" if metric.higher_is_better else "left",
        factors=[_factor(each, axis, written, metric, short=short) for each in found.effects],
        ticks=labelled(axis, written.scale),
        interaction="" if largest is None else interaction_text(largest, written, short=short),
        caption=caption(comparison, found),
        plot=_plot(comparison, largest, metric)
        if largest is not None and largest.told_apart and not short
        else None,
    )


def labelled(axis: ValueAxis, scale: float) -> list[tuple[str, float]]:
    """Return the ticks of an axis as texts with their positions."""
    ticks = axis.ticks()
    decimals = decimals_of_ticks([value * scale for value, _ in ticks])
    return [(show.number(value * scale, decimals), at) for value, at in ticks]


def _factor(
    effect: MainEffect, axis: ValueAxis, written: Digits, metric: Metric, *, short: bool
) -> FactorLines:
    dots: list[LevelDot] = []
    for each in effect.levels:
        low, high = (axis.at(end) for end in ends_of(each, metric) or ()) if each.ends else (None, None)
        dots.append(LevelDot(each.level, written.value(each), axis.at(each.mean), low, high))
    verdict, detectable = effect_text(effect, written), effect.told_apart
    if short and detectable:
        verdict, detectable = f"{verdict}; cannot be established ({TOO_SHORT})", False
    return FactorLines(title_of(effect.factor), dots, verdict, detectable)


def effect_text(effect: MainEffect, written: Digits) -> str:
    """Return what the best and the worst level of a factor differ by, in words."""
    found = effect.effect
    better = f"{found.first} is {written.text(found, forward=True)} better than {found.second}"
    if found.ends is None:
        return f"{better}; no interval: {found.reason or 'one run each'}"
    if not found.told_apart:
        verdict = f"no detectable difference{corrected([found])} ({evidence(found)})"
        return f"{verdict}: {better}"
    apart = sum(each.told_apart for each in effect.pairs)
    more = f"; {apart} of {len(effect.pairs)} pairs differ detectably" if len(effect.pairs) > 1 else ""
    return f"{better}{more}"


def interaction_text(found: Interaction, written: Digits, *, short: bool = False) -> str:
    """Return the largest interaction in words."""
    (a, b), (c, d) = found.first, found.second
    gap = written.text(found.difference, sign=True)
    what = " × ".join(map(title_of, found.factors))
    if found.difference.ends is None:
        verdict = f"no interval: {found.difference.reason or 'one run each'}"
    elif short:
        verdict = f"cannot be established ({TOO_SHORT})"
    else:
        verdict = (
            "detectable"
            if found.told_apart
            else f"no detectable interaction{corrected([found.difference])} ({evidence(found.difference)})"
        )
    return (
        f"Largest interaction, {what}: the difference {a} − {b} is {gap} with {c} compared to {d}; {verdict}."
    )


def caption(comparison: Comparison, found: Factorial) -> str:
    """Return what means and intervals of main effects are."""
    sets = comparison.test_sets > 1
    pairs = [each for effect in found.effects for each in effect.pairs]
    rows = any(each.over in ("both", "rows") for each in pairs)
    held = ["seeds", *(["training sets"] if sets else []), *(["test rows"] if rows else [])]
    span = "test sets" if sets else "seeds"
    said = [
        f"Dot: the mean of all arms with this level, with equal weights for the levels of the other factors, over "
        f"{subject(comparison).runs(found.seeds)}. Bar: its 95 % interval over {span}.",
        f"Intervals of differences cover {' and '.join(filter(None, [', '.join(held[:-1]), held[-1]]))}; differences "
        f"are detectable after correction for {_all(len(pairs))} of levels"
        f"{_and_interactions(found)} (Holm).",
    ]
    if any(len(effect.levels) > 2 for effect in found.effects):
        said.append(
            "The pair shown is that of the best and the worst mean: the correction pays for this choice, the interval "
            "does not."
        )
    if found.dropped:
        seeds = (
            "1 seed with a failed run is"
            if found.dropped == 1
            else f"{found.dropped} seeds with failed runs are"
        )
        said.append(f"{seeds} left out of all arms.")
    return " ".join(map(capital, said))


def _all(pairs: int) -> str:
    return {1: "1 pair", 2: "both pairs"}.get(pairs, f"all {pairs} pairs")


def _and_interactions(found: Factorial) -> str:
    count = found.interactions[0].difference.comparisons if found.interactions else 0
    return f", the interaction for {counted(count, 'interaction')}" if count > 1 else ""


def _plot(comparison: Comparison, found: Interaction, metric: Metric) -> InteractionPlot | None:
    means = _means(comparison, metric.name, found.factors)
    by, across = (list(dict.fromkeys(each[place] for each in means)) for place in (0, 1))
    look = scheme(comparison)
    if look is not None and look.colour == found.factors[0]:  # a level has one colour on the page
        by.sort(key=look.colours.index)
    known = [value for value in means.values() if finite(value)]
    if len(known) < len(by) * len(across):
        return None
    axis = padded(min(known), max(known), (max(known) - min(known)) * 0.08 or 1.0, limits_of(metric))
    places = {level: round(100 * (i + 0.5) / len(across), 3) for i, level in enumerate(across)}
    scale = 100.0 if metric.percent else 1.0
    return InteractionPlot(
        lines=[
            InteractionLine(
                name,
                Style(slot),
                [(places[each], round(100 - axis.at(means[name, each]), 3)) for each in across],
            )
            for slot, name in enumerate(by)
        ],
        across=[(cell_text(found.factors[1], each), places[each]) for each in across],
        ticks=[(text, round(100 - at, 3)) for text, at in labelled(axis, scale)],
        x=title_of(found.factors[1]),
        y=metric.title + (", %" if metric.percent else ""),
    )


def _means(comparison: Comparison, metric: str, factors: tuple[str, str]) -> dict[tuple[str, str], float]:
    """Return the mean of the arms at each two levels, without the runs of which one arm's failed."""
    levels = levels_of(comparison)
    values = {row.name: row.values.get(metric, []) for row in comparison.rows if row.kind == "arm"}
    length = min(map(len, values.values()), default=0)
    kept = [i for i in range(length) if all(math.isfinite(each[i]) for each in values.values())]
    cells: dict[tuple[str, str], list[float]] = {}
    for title, each in levels.items():
        cells.setdefault((each[factors[0]], each[factors[1]]), []).append(
            _mean([values[title][i] for i in kept])
        )
    return {key: _mean(each) for key, each in cells.items()}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan
