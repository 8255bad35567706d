"""The figures of the pages, in colours that can be read on light and on dark."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import plotly.graph_objects as go
import torch

from steepest.play.descent import DescentPath
from steepest.play.job import LiveCurve
from steepest.report import theme

INK, GRID = "#7a838f", "rgba(122,131,143,0.25)"
MOST_CURVES = 60
"""Runs that are drawn: more would be slow, and nobody could tell them apart."""
FAR = 3.0
"""How many times a first value is far off: what is higher is cut off."""
ACROSS = 61
"""CurvePoints of the map in each direction."""


def figure(height: int, **axes: Any) -> go.Figure:
    """Return an empty figure."""
    made = go.Figure()
    made.update_layout(
        height=height, margin={"l": 56, "r": 8, "t": 8, "b": 44}, paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)", font={"color": INK, "size": 13, "family": "system-ui, sans-serif"},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}, hovermode="closest", **axes,
    )  # fmt: skip
    made.update_xaxes(gridcolor=GRID, zerolinecolor=GRID, linecolor=INK)
    made.update_yaxes(gridcolor=GRID, zerolinecolor=GRID, linecolor=INK)
    return made


def curves(runs: Iterable[LiveCurve], metric: str) -> go.Figure:
    """Return the deciding metric on the validation rows by epoch, a line for each run.

    Runs under way are drawn wide, with a point where they are; trials of rates are faint.
    """
    shown = list(runs)[-MOST_CURVES:]
    names = list(dict.fromkeys(each.name for each in shown))
    made = figure(380, xaxis={"title": "epoch"}, yaxis={"title": metric.replace("_", " ") or "validation"})
    named: set[str] = set()
    if limits := _limits(shown):
        made.update_yaxes(range=limits)
    for run in shown:
        slot = names.index(run.name)
        reported = run.phase in ("final", "refit", "default", "constant", "sweep")
        going = not run.outcome
        made.add_scatter(
            x=run.epochs, y=[value if math.isfinite(value) else None for value in run.values],
            name=run.name, legendgroup=run.name, showlegend=run.name not in named,
            mode="lines+markers" if going else "lines", opacity=1.0 if going or reported else 0.35,
            line={"color": theme.colour(slot), "dash": theme.dash(slot), "width": 3 if going else 1.5},
            marker={"size": [8 if going and place == len(run.epochs) - 1 else 1 for place in range(len(run.epochs))]},
            hovertemplate=f"{run.name}, rate {run.rate:g}, seed {run.seed} ({run.phase})<br>"
            "epoch %{x:.2f}: %{y:.4g}<extra></extra>",
        )  # fmt: skip
        named.add(run.name)
    return made


def _limits(runs: Sequence[LiveCurve]) -> list[float] | None:
    """Return the ends of the axis where runs that diverge would flatten all others; None where none does."""
    values = [value for run in runs for value in run.values if math.isfinite(value)]
    first = [run.values[0] for run in runs if run.values and math.isfinite(run.values[0])]
    if not first or max(values) <= FAR * max(map(abs, first)):
        return None
    low, high = min(values), max(first)
    return [low - 0.05 * (high - low), high + 0.25 * (high - low)]


def losses(path: DescentPath, target: float) -> go.Figure:
    """Return the loss by step, with the target; on a logarithmic scale where all of them are positive."""
    values = [value if math.isfinite(value) else None for value in path.losses]
    known = [value for value in values if value is not None]
    logarithmic = min(known) > 0 and max(known) > 20 * min(known)
    axis = {"title": "loss", "type": "log" if logarithmic else "linear", "exponentformat": "power"}
    made = figure(300, xaxis={"title": "step"}, yaxis=axis, showlegend=False)
    made.add_scatter(y=values, mode="lines+markers", line={"color": theme.colour(0)}, marker={"size": 4})
    if target > 0 or not logarithmic:
        last = len(values) - 1
        made.add_scatter(
            x=[0, last], y=[target, target], mode="lines+text", text=["", "target"], textposition="top left",
            line={"color": theme.colour(1), "dash": "dash"}, hoverinfo="skip",
        )  # fmt: skip
    return made


def landscape(path: DescentPath) -> go.Figure | None:
    """Return the map of the loss with the path on it; None where there are more than two parameters."""
    if len(path.names) != 2:
        return None
    inside, (left, right), (low, high) = _frame(path)
    xs, ys = (torch.linspace(*ends, ACROSS, dtype=torch.float64) for ends in ((left, right), (low, high)))
    heights = [[path.loss(torch.stack([x, y])) for x in xs] for y in ys]
    least = min(min(row) for row in heights)
    scaled = [
        [math.log10(max(value - least, 1e-12) + 1e-3 * (1 + abs(least))) for value in row] for row in heights
    ]
    made = figure(420, xaxis={"title": path.names[0], "range": [left, right]},
                  yaxis={"title": path.names[1], "range": [low, high]}, showlegend=False)  # fmt: skip
    made.add_contour(
        x=xs.tolist(), y=ys.tolist(), z=scaled, customdata=heights, showscale=False, ncontours=24,
        colorscale=[[0, "#0a4a78"], [0.5, "#4793c2"], [1, "#cfe3f0"]], line={"width": 0.4},
        hovertemplate="%{x:.3g}, %{y:.3g}: loss %{customdata:.4g}<extra></extra>",
    )  # fmt: skip
    steps = [place.tolist() for place in inside]
    made.add_scatter(
        x=[each[0] for each in steps], y=[each[1] for each in steps], mode="lines+markers",
        line={"color": "#ff8b42", "width": 2}, marker={"size": 5, "color": "#ff8b42"},
        text=[f"step {step}: loss {loss:.4g}" for step, loss in enumerate(path.losses[: len(steps)])],
        hovertemplate="%{text}<extra></extra>",
    )  # fmt: skip
    made.add_scatter(
        x=[steps[0][0]], y=[steps[0][1]], mode="markers+text", text=["start"], textposition="top center",
        textfont={"color": "#1b2129"}, marker={"size": 10, "symbol": "square", "color": "#1b2129"},
    )  # fmt: skip
    return made


def fit(path: DescentPath) -> go.Figure | None:
    """Return the points with the curve at the start and at the end; None where no curve is fitted."""
    from steepest.play.curve_fit import CurveFit

    points = path.points
    if points is None or not isinstance(path.problem, CurveFit):
        return None
    made = figure(320, xaxis={"title": points.names[0]}, yaxis={"title": points.names[1]})
    made.add_scatter(x=points.x.tolist(), y=points.y.tolist(), mode="markers", name="points",
                     marker={"size": 5, "color": INK})  # fmt: skip
    x = torch.linspace(float(points.x.min()), float(points.x.max()), 200, dtype=torch.float64)
    for name, place, slot in (("start", path.places[0], 5), ("end", path.places[-1], 1)):
        if bool(place.isfinite().all()):
            made.add_scatter(x=x.tolist(), y=path.problem.at(x, place).tolist(), mode="lines", name=name,
                             line={"color": theme.colour(slot), "dash": "dot" if slot else "solid"})  # fmt: skip
    return made


def _frame(path: DescentPath) -> tuple[torch.Tensor, tuple[float, float], tuple[float, float]]:
    """Return the part of the path that is drawn, and the ends of the map; a path that flies away is cut off."""
    start = path.places[0]
    reach = 6 * (1 + start.abs().max())
    near = ((path.places - start).abs() <= reach).all(1) & path.places.isfinite().all(1)
    stop = int((~near).nonzero()[0]) if not bool(near.all()) else len(near)
    inside = path.places[:stop]
    ends = [(float(column.min()), float(column.max())) for column in inside.T]
    wide = max(max(high - low for low, high in ends), 0.5)
    (left, right), (low, high) = (_wider(each, wide) for each in ends)
    return inside, (left, right), (low, high)


def _wider(ends: Sequence[float], wide: float) -> tuple[float, float]:
    low, high = ends
    more = max(0.25 * (high - low), 0.25 * wide)
    return low - more, high + more
