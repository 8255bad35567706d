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
from steepest.report import theme
from steepest.report.digits import digits_of
from steepest.report.factors import subject
from steepest.report.figures import Figure, close_range, framed, meta_of, safe
from steepest.report.view import finite, limits_of, metric_of
from steepest.report.words import listed
from steepest.wording import counted, length_text, share_text

PARALLEL = "parallel"
"""How the figures of parallel coordinates are called, before the number of the arm."""
MOST_LINES = 200
"""Trials of an arm that are drawn there."""
MOST_PARALLEL = 8
"""Arms whose trials are drawn as parallel coordinates."""


@dataclass(frozen=True)
class TrialLine:
    """One trial in the table.

    Attributes:
        arm: whose it is.
        cells: texts, each with the number that the column is sorted by, None where it has none.
        end: what became of it.
        chosen: whether it is the chosen one.
    """

    arm: str
    cells: list[tuple[str, float | None]]
    end: str
    chosen: bool


def drawn(comparison: Comparison) -> dict[str, Figure]:
    """Return the figures by name."""
    figures: dict[str, Figure] = {}
    known = [each for each in comparison.searches if each.best_after and len(each.trials) > 1]
    if known:
        figures["best-after"] = _best_after(comparison, known)
    for place, each in enumerate(_several(comparison)):
        figures[f"{PARALLEL}-{place}"] = _parallel(comparison, each)
    return figures


def parallel_buttons(comparison: Comparison) -> list[tuple[str, str]]:
    """Return the figures of parallel coordinates and what their buttons say."""
    return [(f"{PARALLEL}-{place}", each.name) for place, each in enumerate(_several(comparison))]


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
            cells: list[tuple[str, float | None]] = [(show.rate(trial.lr), trial.lr)]
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
            f"{counted(cut, 'trial')} of {whole} {'was' if cut == 1 else 'were'} cut before the full length. A trial "
            "that is behind after a short run can be ahead after a long one: the table shows what was cut, and when."
        )
    known = [(each.name, each.best_after) for each in searches if each.best_after]
    higher = metric_of(comparison, comparison.metric).higher_is_better
    order = leaders(known, higher=higher) if len(known) > 1 else []
    if order:
        by = _judged(comparison, known[0][1])
        parts = [f"{name} after {_span(first, last)}" for first, last, name in order if name]
        if not parts:
            said.append(
                f"Who is expected to be ahead is open whatever the number of trials: by the results {by}, intervals "
                "overlap."
            )
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
    if trial.cut:
        return f"cut after {share_text(trial.results[-1].length)}"
    return "" if finite(trial.results[-1].value) else "failed"


def _cell(value: Any) -> tuple[str, float | None]:
    if value is None:
        return "", None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value).lower() if isinstance(value, bool) else str(value), None
    return f"{value:g}", float(value)


def _names(comparison: Comparison) -> list[str]:
    """Return what is tuned beside the rate, of any arm."""
    return list(
        dict.fromkeys(name for each in comparison.searches for trial in each.trials for name in trial.at)
    )


def _axes(search: ArmSearch) -> list[str]:
    """Return what several values were tried of besides the rate."""
    names = dict.fromkeys(name for trial in search.trials for name in trial.at)
    return [name for name in names if len({str(trial.at.get(name)) for trial in search.trials}) > 1]


def _several(comparison: Comparison) -> list[ArmSearch]:
    """Return the arms of which more than the rate was tuned, as far as several of their trials finished."""
    found = [each for each in comparison.searches if _axes(each)]
    found = [each for each in found if sum(finite(trial.results[0].value) for trial in each.trials) > 1]
    return found[:MOST_PARALLEL]


def _best_after(comparison: Comparison, known: Sequence[ArmSearch]) -> Figure:
    """Return the expected best validation result after 1, 2, … trials, with its interval."""
    metric = metric_of(comparison, comparison.metric)
    scale = 100.0 if metric.percent else 1.0
    styles, shown = theme.styles(comparison), meta_of(comparison)
    traces: list[Figure] = []
    for search in known:
        after = search.best_after
        assert after is not None
        x = list(range(1, len(after.mean) + 1))
        style = styles[search.name]
        common = {
            "type": "scatter",
            "x": x,
            "legendgroup": search.name,
            "meta": shown(search.name),
            "showlegend": False,
        }
        edge = {**common, "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
        fill = theme.translucent(style.colour, theme.BAND_OPACITY)
        traces.append({**edge, "y": [each * scale for each in after.low]})
        traces.append(
            {**edge, "y": [each * scale for each in after.high], "fill": "tonexty", "fillcolor": fill}
        )
    for search in known:
        after, style = search.best_after, styles[search.name]
        assert after is not None
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": safe(search.name),
                "x": list(range(1, len(after.mean) + 1)),
                "y": [each * scale for each in after.mean],
                "legendgroup": search.name,
                "meta": shown(search.name),
                "showlegend": False,
                "line": {"color": style.colour, "width": 2, "dash": style.dash},
                "marker": {"color": style.colour, "symbol": style.symbol, "size": 7},
                "hovertemplate": f"<b>{safe(search.name)}</b><br>%{{x}} trials: %{{y:.5~g}}<extra></extra>",
            }
        )
    unit = f"expected best {metric.title}{', %' if metric.percent else ''}"
    layout = framed("trials", safe(unit), hovermode="closest")
    most = max(len(each.trials) for each in known)
    layout["xaxis"] |= {"range": [0.7, most + 0.3], "tickmode": "linear", "dtick": max(1, most // 10)}
    values = [([each * scale for each in search.best_after.mean], search.best_after.mean[-1] * scale)
              for search in known if search.best_after]  # fmt: skip
    low, high = limits_of(metric)
    span = close_range(values, higher=metric.higher_is_better, limits=(low * scale, high * scale))
    if span:
        layout["yaxis"]["range"] = span
    return {"data": traces, "layout": layout}


def _parallel(comparison: Comparison, search: ArmSearch) -> Figure:
    """Return the trials of an arm as lines over its axes and the result of their shortest runs, the best strongest.

    Axes go from the lowest to the highest value that was tried; of more than :data:`MOST_LINES` trials, the best.
    """
    metric = metric_of(comparison, comparison.metric)
    scale = 100.0 if metric.percent else 1.0
    trials = [trial for trial in search.trials if finite(trial.results[0].value)]
    trials.sort(key=lambda trial: trial.results[0].value, reverse=metric.higher_is_better)
    trials = trials[:MOST_LINES]
    columns = [("learning rate", [trial.lr for trial in trials])]
    columns += [(name, [trial.at.get(name) for trial in trials]) for name in _axes(search)]
    columns.append((f"validation {metric.title}", [trial.results[0].value * scale for trial in trials]))
    heights, ends = zip(*(_spread(values) for _, values in columns), strict=True)
    style = theme.styles(comparison)[search.name]
    ink, soft, line = (theme.SURFACES[name][0] for name in ("ink", "soft", "line"))
    x = list(range(len(columns)))
    traces: list[Figure] = []
    for place in range(len(trials) - 1, -1, -1):  # the best ones on top
        strength = 1.0 - 0.85 * place / max(len(trials) - 1, 1)
        said = [f"{safe(name)} {safe(_text(values[place]))}" for name, values in columns]
        chosen = trials[place].chosen
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "opacity": round(strength, 3),
                "x": x,
                "y": [column[place] for column in heights],
                "line": {
                    "color": style.colour,
                    "width": 3 if chosen else 1.5,
                },
                "marker": {"color": style.colour, "size": 7 if chosen else 4},
                "hovertemplate": f"{'<br>'.join(said)}{'<br>chosen' * chosen}<extra></extra>",
                "showlegend": False,
            }
        )
    layout = framed("", "", hovermode="closest")
    layout["xaxis"] |= {
        "range": [-0.35, len(columns) - 0.65],
        "tickmode": "array",
        "tickvals": x,
        "ticktext": [safe(name, 24) for name, _ in columns],
        "showline": False,
        "ticks": "",
        "tickfont": {"color": ink, "size": 12.5},
        "fixedrange": True,
    }
    layout["yaxis"] |= {"range": [-0.14, 1.14], "visible": False, "fixedrange": True}
    layout["shapes"] = [
        {
            "type": "line",
            "x0": each,
            "x1": each,
            "y0": 0,
            "y1": 1,
            "line": {"color": line, "width": 1.5},
            "layer": "below",
        }
        for each in x
    ]
    small = {"color": soft, "size": 12}
    layout["annotations"] = [
        {"x": each, "y": y, "yshift": shift, "text": safe(text, 20), "showarrow": False, "font": small}
        for each, (low, high) in zip(x, ends, strict=True)
        for y, shift, text in ((0, -12, low), (1, 12, high))
    ]  # fmt: skip
    return {"data": traces, "layout": layout}


def _spread(values: Sequence[Any]) -> tuple[list[float], tuple[str, str]]:
    """Return places on an axis from 0 to 1, and the texts of its ends.

    It is logarithmic where numbers span a factor of ten or more; texts have a place each.
    """
    if all(isinstance(each, int | float) and not isinstance(each, bool) for each in values):
        low, high = min(values), max(values)
        ends = _text(low), _text(high)
        if low > 0 and high >= 10 * low:
            values, low, high = [math.log(each) for each in values], math.log(low), math.log(high)
        return [(each - low) / (high - low) if high > low else 0.5 for each in values], ends
    texts = list(dict.fromkeys(map(_text, values)))
    last = max(len(texts) - 1, 1)
    return [texts.index(_text(each)) / last for each in values], (texts[0], texts[-1])


def _text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else "" if value is None else str(value)


def shortest(comparison: Comparison) -> str:
    """Return how long the shortest runs of the tuning were, for the caption of the rates."""
    lengths = dict.fromkeys(each.length for each in comparison.rates)
    return " or ".join(length_text(each).removeprefix("on ").removeprefix("at ") for each in lengths)


def caption(comparison: Comparison) -> str:
    """Return what the figure of expected results shows."""
    known = next(each.best_after for each in comparison.searches if each.best_after)
    return (
        f"The best validation result that some of the trials of each {subject(comparison).one} are expected to give, "
        f"by the results {_judged(comparison, known)}: the mean over all sets of so many trials. Band: "
        "95 % bootstrap interval over trials; it cannot go beyond the best trial. Failed trials "
        "count as the worst that finished."
    )
