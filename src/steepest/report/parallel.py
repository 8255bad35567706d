"""The trials of a tuning over several hyperparameters as parallel coordinates."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from steepest.compare.result import Comparison
from steepest.compare.search import ArmSearch
from steepest.report import format as show
from steepest.report import theme
from steepest.report.digits import digits_of
from steepest.report.figures import Figure, framed, safe
from steepest.report.view import finite, metric_of

NAME = "parallel"
"""How the figures are called, before the number of the arm."""
MOST_LINES = 200
"""Trials of an arm that are drawn."""
MOST_ARMS = 8
"""Arms whose trials are drawn."""
_WIDEST = 11
"""Characters of a line in the title of an axis."""


def drawn(comparison: Comparison) -> dict[str, Figure]:
    """Return the figures by name."""
    return {
        f"{NAME}-{place}": coordinates(comparison, each) for place, each in enumerate(_several(comparison))
    }


def buttons(comparison: Comparison) -> list[tuple[str, str]]:
    """Return the names of the figures and what their buttons say."""
    return [(f"{NAME}-{place}", each.name) for place, each in enumerate(_several(comparison))]


def _axes(search: ArmSearch) -> list[str]:
    """Return what several values were tried of besides the rate."""
    names = dict.fromkeys(name for trial in search.trials for name in trial.at)
    return [name for name in names if len({str(trial.at.get(name)) for trial in search.trials}) > 1]


def _several(comparison: Comparison) -> list[ArmSearch]:
    """Return the arms of which more than the rate was tuned, as far as several of their trials finished."""
    found = [each for each in comparison.searches if _axes(each)]
    found = [each for each in found if sum(finite(trial.results[0].value) for trial in each.trials) > 1]
    return found[:MOST_ARMS]


def coordinates(comparison: Comparison, search: ArmSearch) -> Figure:
    """Return the trials of an arm as lines over its axes and the result of their shortest runs, the best strongest.

    Axes go from the lowest to the highest value that was tried; of more than :data:`MOST_LINES` trials, the best.
    """
    metric = metric_of(comparison, comparison.metric)
    digits = digits_of(comparison, metric)
    trials = [trial for trial in search.trials if finite(trial.results[0].value)]
    trials.sort(key=lambda trial: trial.results[0].value, reverse=metric.higher_is_better)
    trials = trials[:MOST_LINES]
    columns = [("learning rate", [trial.lr for trial in trials])]
    columns += [(name, [trial.at.get(name) for trial in trials]) for name in _axes(search)]
    results = [trial.results[0].value * digits.scale for trial in trials]
    columns.append((f"validation {metric.title}{', %' if metric.percent else ''}", results))
    texts = [[*map(show.setting, values)] for _, values in columns[:-1]]
    texts.append([show.number(value, digits.decimals) for value in results])
    heights = [_spread(values) for _, values in columns]
    style = theme.styles(comparison)[search.name]
    ink, soft, line = (theme.SURFACES[name][0] for name in ("ink", "soft", "line"))
    x = list(range(len(columns)))
    traces: list[Figure] = []
    for place in range(len(trials) - 1, -1, -1):  # the best ones on top
        strength = 1.0 - 0.85 * place / max(len(trials) - 1, 1)
        said = [f"{safe(name)} {safe(own[place])}" for (name, _), own in zip(columns, texts, strict=True)]
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
    layout["xaxis"] |= {"range": [-0.45, len(columns) - 0.55], "visible": False, "fixedrange": True}
    layout["yaxis"] |= {"range": [-0.1, 1.3], "visible": False, "fixedrange": True}
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
    better = "↑" if metric.higher_is_better else "↓"
    layout["annotations"] = []
    for place, ((name, _), own, height) in enumerate(zip(columns, texts, heights, strict=True)):
        low, high = (own[height.index(end)] for end in (min(height), max(height)))
        title = "<br>".join(map(safe, _wrapped(f"{name} {better}" if place == len(columns) - 1 else name)))
        marks = [
            (0.0, -12, low, soft, 12),
            (1.0, 12, "" if low == high else high, soft, 12),
            (1.0, 26, title, ink, 12.5),
        ]
        layout["annotations"] += [
            {
                "x": place,
                "y": y,
                "yshift": shift,
                "yanchor": "bottom" if text == title else "middle",
                "text": text if text == title else safe(text, 20),
                "showarrow": False,
                "font": {"color": colour, "size": size},
            }
            for y, shift, text, colour, size in marks
        ]
    return {"data": traces, "layout": layout}


def _wrapped(name: str) -> list[str]:
    """Return the title of an axis in short lines, broken behind blanks and underscores.

    Example:
        >>> _wrapped("validation log loss"), _wrapped("weight_decay")
        (['validation', 'log loss'], ['weight_', 'decay'])
    """
    lines = [""]
    for part in re.findall(r"[^ _]+[ _]*|[ _]+", name):
        if lines[-1] and len(lines[-1] + part.rstrip()) > _WIDEST:
            lines.append("")
        lines[-1] += part
    return [line.rstrip() for line in lines]


def _spread(values: Sequence[Any]) -> list[float]:
    """Return places on an axis from 0 to 1: logarithmic where numbers span a factor of ten; texts have a place each."""
    if all(isinstance(each, int | float) and not isinstance(each, bool) for each in values):
        low, high = min(values), max(values)
        if low > 0 and high >= 10 * low:
            values, low, high = [math.log(each) for each in values], math.log(low), math.log(high)
        return [(each - low) / (high - low) if high > low else 0.5 for each in values]
    texts = list(dict.fromkeys(map(show.setting, values)))
    last = max(len(texts) - 1, 1)
    return [texts.index(show.setting(each)) / last for each in values]
