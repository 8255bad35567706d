"""How the weights moved, for the report: figures by step, and a sentence on each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from steepest.compare.moved import ArmPath, LayerMovement
from steepest.compare.result import Comparison
from steepest.report import theme
from steepest.report.figures import Figure, framed, meta_of, safe
from steepest.report.format import MINUS
from steepest.report.watched import MOST_LAYERS, known, layer_line, logarithmic, positive

TITLES = {"turn": "turn angle", "distance": "distance from the start"}
"""The figures of all arms, in the order of their buttons."""


@dataclass(frozen=True)
class PathLine:
    """The path of one arm in the table."""

    name: str
    cells: list[str]


HEADS = [
    "distance from the start",
    "of the first weights' norm",
    "two components explain",
    "of a random walk",
]


def drawn(comparison: Comparison) -> dict[str, Figure]:
    """Return the figures by name."""
    if not comparison.paths:
        return {}
    figures = {f"moved-{key}": _by_step(comparison, key) for key in TITLES}
    winner = path_of(comparison)
    if winner is not None and winner.layers:
        figures["moved-layers"] = _layers(winner)
    return figures


def path_of(comparison: Comparison) -> ArmPath | None:
    """Return the path of the winner, or of the first arm that has one."""
    paths = comparison.paths
    return next((each for each in paths if each.name == comparison.winner), paths[0] if paths else None)


def lines(comparison: Comparison) -> list[PathLine]:
    """Return the table: a line for every arm that kept a path."""
    return [
        PathLine(
            each.name,
            [_short(each.distance[-1]), _times(each), f"{each.explained:.1%}", f"{each.walk:.1%}"],
        )
        for each in comparison.paths
    ]


def sentences(comparison: Comparison) -> dict[str, str]:
    """Return what the figures show, in a sentence each, by name."""
    path = path_of(comparison)
    if path is None:
        return {}
    angle = median(each for each in path.turn if math.isfinite(each))
    ways = "straight on" if angle < 30 else "back and forth" if angle > 120 else "with turns"
    less = path.explained < path.walk
    found = {
        "turn": f"{path.name} went {ways}: from one kept point to the next its way turned by {angle:.0f}° in the "
        "median (0° is straight on, 90° a right angle, 180° back).",
        "distance": f"{path.name} ended {_short(path.distance[-1])} from where it began, {_times(path)} times the norm "
        f"of its first weights; a plane shows {path.explained:.0%} of its path, of a random walk {path.walk:.0%}"
        + (": most of the path is in no plane." if less else "."),
    }
    last = [(layer, _last(layer)) for layer in path.layers]
    moving = [(layer.name, ratio) for layer, ratio in last if math.isfinite(ratio)]
    if moving:
        most, least = max(moving, key=lambda each: each[1]), min(moving, key=lambda each: each[1])
        found["layers"] = f"At the end a step moves {most[0]} by {_share(most[1])} of its norm"
        found["layers"] += (
            f", the most, and {least[0]} by {_share(least[1])}, the least." if most != least else "."
        )
    return found


def _last(layer: LayerMovement) -> float:
    """Return the last ratio that is known, NaN without one."""
    return next((each for each in reversed(layer.ratio) if math.isfinite(each)), math.nan)


def _share(ratio: float) -> str:
    return f"{100 * ratio:.2g} %".replace("-", MINUS)


def _short(value: float) -> str:
    return f"{value:.3g}".replace("-", MINUS)


def _times(path: ArmPath) -> str:
    return _short(path.distance[-1] / path.start) if path.start else "–"


def _by_step(comparison: Comparison, key: str) -> Figure:
    """Return a quantity of every arm's path by step."""
    styles, shown = theme.styles(comparison), meta_of(comparison)
    traces: list[Figure] = []
    for path in comparison.paths:
        style = styles[path.name]
        x, y = known(path.step, getattr(path, key))
        traces.append(
            {
                "type": "scatter",
                "mode": "lines" if len(x) > 1 else "markers",
                "name": safe(path.name),
                "legendgroup": path.name,
                "meta": shown(path.name),
                "showlegend": False,
                "x": x,
                "y": y,
                "line": {"color": style.colour, "width": 2, "dash": style.dash},
                "marker": {"color": style.colour, "symbol": style.symbol},
                "hovertemplate": f"<b>{safe(path.name)}</b><br>step %{{x:,}}: %{{y:.4~g}}<extra></extra>",
            }
        )
    layout = framed("step", {"turn": "degrees", "distance": "2-norm"}[key], hovermode="closest")
    layout["xaxis"]["rangemode"] = layout["yaxis"]["rangemode"] = "tozero"
    if key == "turn":
        layout["yaxis"] |= {"tickvals": [0, 30, 60, 90, 120, 150, 180]}
    return {"data": traces, "layout": layout}


def shown_layers(layers: Sequence[LayerMovement]) -> list[LayerMovement]:
    """Return the parameters that have a line, in their order: the largest ones, of those whose ratio is known."""
    there = [each for each in layers if math.isfinite(_last(each))]
    largest = sorted(range(len(there)), key=lambda i: -there[i].size)[:MOST_LAYERS]
    return [there[i] for i in sorted(largest)]


def _layers(path: ArmPath) -> Figure:
    """Return the movement of an arm's parameters by step, a line each."""
    traces: list[Figure] = []
    for slot, layer in enumerate(shown_layers(path.layers)):
        points = positive(*known(path.step[1:], layer.ratio))
        traces.append(layer_line(slot, layer.name, layer.size, points, "step %{x:,}: %{y:.3~g}"))
    layout = framed("step", "share of the weights' norm", hovermode="closest")
    layout["xaxis"]["rangemode"] = "tozero"
    layout["yaxis"] |= logarithmic([value for each in traces for value in each["y"]])
    layout["showlegend"] = True
    layout["legend"] = {"orientation": "h", "y": -0.18, "yanchor": "top", "x": 0, "font": {"size": 12}}
    return {"data": traces, "layout": layout}
