"""How hyperparameters were searched: every trial, who was cut when, and what fewer trials would give."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from steepest.compare.budgets import leaders
from steepest.compare.result import Comparison
from steepest.compare.search import ArmSearch, BestAfter, SearchTrial
from steepest.report import format as show
from steepest.report import parallel, theme
from steepest.report.digits import digits_of
from steepest.report.factors import subject
from steepest.report.figures import Figure, close_range, framed, meta_of, safe
from steepest.report.view import finite, limits_of, metric_of
from steepest.report.words import listed
from steepest.wording import counted, share_text

MOST_TICKS = 8
"""Numbers along the axis of trials, so that they fit side by side on a phone."""
MOST_MARKS = 40
"""More marks on a line touch each other."""
MOST_OPEN = 100
"""A table of more trials is folded."""


@dataclass(frozen=True)
class TrialLine:
    """One trial in the table.

    Attributes:
        arm: whose it is.
        cells: texts, each with what the column is sorted by, None where it has nothing.
        end: what became of it.
        chosen: whether it is the chosen one.
    """

    arm: str
    cells: list[tuple[str, float | str | None]]
    end: str
    chosen: bool


def drawn(comparison: Comparison) -> dict[str, Figure]:
    """Return the figures by name."""
    figures: dict[str, Figure] = {}
    if known := _known(comparison):
        figures["best-after"] = _best_after(comparison, known)
    return figures | parallel.drawn(comparison)


def lengths_of(comparison: Comparison) -> list[float]:
    """Return the lengths that trials ran, ascending, in full lengths."""
    return sorted(
        {result.length for each in comparison.searches for trial in each.trials for result in trial.results}
    )


def head(comparison: Comparison) -> list[str]:
    """Return the titles of the table's columns of numbers."""
    return ["learning rate", *_names(comparison), *(share_text(length) for length in lengths_of(comparison))]


def lines(comparison: Comparison) -> list[TrialLine]:
    """Return every trial of every arm."""
    digits = digits_of(comparison, metric_of(comparison, comparison.metric))
    lengths, names = lengths_of(comparison), _names(comparison)
    found: list[TrialLine] = []
    for search in comparison.searches:
        for trial in search.trials:
            values = {each.length: each.value for each in trial.results}
            cells: list[tuple[str, float | str | None]] = [(show.rate(trial.lr), trial.lr)]
            cells += [_cell(trial.at.get(name)) for name in names]
            for length in lengths:
                value = values.get(length)
                if value is None:
                    cells.append(("", None))
                else:
                    known = value if finite(value) else None
                    text = "failed" if known is None else show.number(known * digits.scale, digits.decimals)
                    cells.append((text, known))
            found.append(TrialLine(search.name, cells, _end(trial), trial.chosen))
    return found


def sentences(comparison: Comparison) -> list[str]:
    """Return what the trials say: how they were drawn, and how the order of arms goes with the budget."""
    said: list[str] = []
    searches = comparison.searches
    if comparison.planner.startswith("halving"):
        cut = sum(trial.cut for each in searches for trial in each.trials)
        whole = sum(len(each.trials) for each in searches)
        said.append(
            f"{counted(cut, 'trial')} of {whole:,} {'was' if cut == 1 else 'were'} cut before the full length. A trial "
            "that is behind after a short run can be ahead after a long one: the table shows what was cut, and when."
        )
    known = [(each.name, each.best_after) for each in searches if each.best_after]
    higher = metric_of(comparison, comparison.metric).higher_is_better
    order = leaders(known, higher=higher) if len(known) > 1 else []
    if order:
        by = _judged(comparison, known[0][1])
        parts = [f"{name} after {_span(first, last)}" for first, last, name in order if name]
        if not parts:
            said.append("At every number of trials the intervals of those ahead overlap.")
        else:
            still = [_span(first, last) for first, last, name in order if not name]
            rest = f"; it is open after {listed(still)}, where intervals overlap" if still else ""
            said.append(f"By the results {by}, expected to be ahead: {listed(parts)}{rest}.")
    return said


def _judged(comparison: Comparison, known: BestAfter) -> str:
    """Return which runs an expected best is of."""
    if any(each.sweep for each in comparison.rates):
        return "of every seed at full length"
    return f"of runs at {share_text(known.length)} with one seed"


def _span(first: int, last: int) -> str:
    return counted(first, "trial") if first == last else f"{first} to {counted(last, 'trial')}"


def _end(trial: SearchTrial) -> str:
    if trial.chosen:
        return "chosen"
    if not finite(trial.results[-1].value):
        return "failed"
    return f"cut after {share_text(trial.results[-1].length)}" if trial.cut else "not chosen"


def _cell(value: Any) -> tuple[str, float | str | None]:
    if value is None:
        return "", None
    text = show.setting(value)
    return text, text if isinstance(value, bool) or not isinstance(value, int | float) else float(value)


def _names(comparison: Comparison) -> list[str]:
    """Return what is tuned beside the rate, of any arm."""
    return list(
        dict.fromkeys(name for each in comparison.searches for trial in each.trials for name in trial.at)
    )


def _known(comparison: Comparison) -> list[tuple[ArmSearch, BestAfter]]:
    """Return the arms of which it can be told what fewer trials would give."""
    return [
        (each, each.best_after) for each in comparison.searches if each.best_after and len(each.trials) > 1
    ]


def _banded(known: Sequence[tuple[ArmSearch, BestAfter]], *, higher: bool) -> list[str]:
    """Return the arms whose intervals are drawn: bands of more than two hide each other, so those of the two ahead.

    They are ahead after as many trials as all have, the better one first.
    """
    least = min(len(after.mean) for _, after in known)
    ordered = sorted(known, key=lambda each: each[1].mean[least - 1], reverse=higher)
    return [search.name for search, _ in ordered[:2]]


def _best_after(comparison: Comparison, known: Sequence[tuple[ArmSearch, BestAfter]]) -> Figure:
    """Return the expected best validation result after 1, 2, … trials, of the two arms ahead with its interval."""
    metric = metric_of(comparison, comparison.metric)
    scale = 100.0 if metric.percent else 1.0
    styles, shown = theme.styles(comparison), meta_of(comparison)
    ahead = _banded(known, higher=metric.higher_is_better)
    traces: list[Figure] = []
    for search, after in known:
        style, number = styles[search.name], list(range(1, len(after.mean) + 1))
        common: Figure = {
            "type": "scatter",
            "x": number,
            "legendgroup": search.name,
            "meta": shown(search.name),
            "showlegend": False,
        }
        if search.name in ahead:
            fill = theme.translucent(style.colour, theme.BAND_OPACITY)
            line = {"width": 1, "color": style.colour, "dash": style.dash}
            edge = {**common, "mode": "lines", "line": line, "hoverinfo": "skip"}
            traces.append({**edge, "y": [each * scale for each in after.low]})
            high = [each * scale for each in after.high]
            traces.append({**edge, "y": high, "fill": "tonexty", "fillcolor": fill})
    for search, after in known:
        style = styles[search.name]
        said = "%{x} trials: %{y:.4~g}, 95 % interval %{customdata[0]:.4~g} to %{customdata[1]:.4~g}"
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers" if len(after.mean) <= MOST_MARKS else "lines",
                "name": safe(search.name),
                "x": list(range(1, len(after.mean) + 1)),
                "y": [each * scale for each in after.mean],
                "customdata": [
                    [low * scale, high * scale] for low, high in zip(after.low, after.high, strict=True)
                ],
                "legendgroup": search.name,
                "meta": shown(search.name),
                "showlegend": False,
                "line": {"color": style.colour, "width": 2, "dash": style.dash},
                "marker": {"color": style.colour, "symbol": style.symbol, "size": 7},
                "hovertemplate": f"<b>{safe(search.name)}</b><br>{said}<extra></extra>",
            }
        )
    unit = f"expected best {metric.title}{', %' if metric.percent else ''}"
    layout = framed("trials", safe(unit), hovermode="closest")
    most = max(len(after.mean) for _, after in known)
    each = _round_step(most / MOST_TICKS)
    ticks = {"tickmode": "linear", "tick0": 1 if each < 3 else 0, "dtick": each}
    layout["xaxis"] |= {"range": [0.7, most + 0.3], **ticks}
    values = [([each * scale for each in after.mean], after.mean[-1] * scale) for _, after in known]
    low, high = limits_of(metric)
    span = close_range(values, higher=metric.higher_is_better, limits=(low * scale, high * scale))
    if span:
        layout["yaxis"]["range"] = span
    return {"data": traces, "layout": layout}


def _round_step(least: float) -> int:
    """Return the smallest whole number from ``least`` on that is 1, 2, 5 or one of these times a power of ten.

    Example:
        >>> [_round_step(each) for each in (0.5, 2.1, 62.5)]
        [1, 5, 100]
    """
    power = 10 ** max(0, math.floor(math.log10(max(least, 1.0))))
    return next(each * power for each in (1, 2, 5, 10) if each * power >= least)


def caption(comparison: Comparison) -> str:
    """Return what the figure of expected results shows."""
    known = _known(comparison)
    ahead = _banded(known, higher=metric_of(comparison, comparison.metric).higher_is_better)
    least = min(len(after.mean) for _, after in known)
    of = (
        f", of the two ahead after {counted(least, 'trial')}, {listed(ahead)}: more would hide each other"
        if len(known) > 2
        else ""
    )
    return (
        f"The best validation result to expect of so many trials of each {subject(comparison).one}, by the results "
        f"{_judged(comparison, known[0][1])}: the mean over all sets of so many. Band: its 95 % bootstrap interval "
        f"over trials{of}. Failed trials count as the worst that finished."
    )
