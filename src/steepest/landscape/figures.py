"""The figures of a slice as data: contours and a surface, or a curve; plain dictionaries for plotly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steepest.landscape.numbers import Slice
from steepest.landscape.plane import Trail
from steepest.landscape.said import value
from steepest.report import theme
from steepest.report.figures import Figure, framed, safe

LOGARITHMIC = 20.0
"""Where the highest loss is so many times the lowest, heights and colours are its logarithm."""

LEVELS = 18
"""Contours, about."""


@dataclass(frozen=True)
class Heights:
    """How losses are drawn: as they are, or as logarithms.

    Attributes:
        drawn: heights, NaN where the loss is not finite, ``[b, a]``.
        log: whether they are logarithms to base 10.
        start, end, size: of the contours.
        ticks: heights with a label, and the labels.
    """

    drawn: NDArray[np.float64]
    log: bool
    start: float
    end: float
    size: float
    ticks: tuple[list[float], list[str]]

    def of(self, loss: float) -> float:
        """Return the height of a loss."""
        return math.log10(loss) if self.log and loss > 0 else loss


def heights(losses: NDArray[np.float64]) -> Heights:
    """Return how losses are drawn.

    Example:
        >>> heights(np.array([[0.1, 1.0], [np.nan, 100.0]])).log, heights(np.array([[1.0, 2.0]])).ticks[1][:3]
        (True, ['1', '1.1', '1.2'])
    """
    finite = losses[np.isfinite(losses)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    log = low > 0 and high > LOGARITHMIC * low
    with np.errstate(all="ignore"):
        drawn = np.where(np.isfinite(losses), np.log10(losses) if log else losses, np.nan)
    ends = (math.log10(low), math.log10(high)) if log else (low, high)
    size = nice((ends[1] - ends[0]) / LEVELS)
    start = math.ceil(ends[0] / size) * size
    end = math.floor(ends[1] / size) * size
    ticks = _powers(*ends) if log else _steps(start, end, size)
    return Heights(drawn, log, start, end, size, ticks)


def nice(step: float) -> float:
    """Return the nearest of 1, 2, 5 times a power of ten that is not below a step.

    Example:
        >>> nice(0.03), nice(7.0), nice(0.0)
        (0.05, 10.0, 1.0)
    """
    if not step > 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(step))
    return next((each * power for each in (1.0, 2.0, 5.0) if step <= each * power * (1 + 1e-9)), 10 * power)


def _steps(start: float, end: float, size: float) -> tuple[list[float], list[str]]:
    places = [start + i * size for i in range(round((end - start) / size) + 1)]
    return places, [value(round(each, 12)) for each in places]


def _powers(low: float, high: float) -> tuple[list[float], list[str]]:
    """Return losses such as 0.1, 0.2, 0.5, 1, … as heights with labels; of many decades only the powers of ten."""
    between = (1.0,) if high - low > 3 else (1.0, 2.0, 5.0)
    losses = [each * 10.0**power for power in range(math.floor(low), math.ceil(high) + 1) for each in between]
    some = [each for each in losses if low <= math.log10(each) <= high]
    return [math.log10(each) for each in some], [value(float(f"{each:.3g}")) for each in some]


def colours() -> list[list[Any]]:
    """Return the colour scale, from low to high losses."""
    return [[i / (len(theme.SCALE) - 1), light] for i, (light, _) in enumerate(theme.SCALE)]


def dark_for_light() -> dict[str, str]:
    """Return the dark counterpart of every colour of these figures."""
    return {**theme.dark_for_light(), **dict(theme.SCALE), RING[0]: RING[1]}


RING = ("#ffffff", "#fffffe")
"""The colour of marks on the contours, in both modes."""


def _rows(drawn: NDArray[np.float64]) -> list[list[float | None]]:
    return [[float(f"{each:.7g}") if math.isfinite(each) else None for each in row] for row in drawn.tolist()]


def _hover(found: Slice) -> list[list[str]]:
    return [[value(each) for each in row] for row in found.losses.tolist()]


def contours(found: Slice) -> Figure:
    """Return the losses of a plane as contours, with the origin and what else is drawn on it."""
    drawn, soft = heights(found.losses), theme.SURFACES["soft"][0]
    axes = [safe(each, 40) for each in found.plane.axes]
    trace: Figure = {
        "type": "contour",
        "x": _short(found.alphas),
        "y": _short(found.betas),
        "z": _rows(drawn.drawn),
        "colorscale": colours(),
        "contours": {"start": drawn.start, "end": drawn.end, "size": drawn.size, "coloring": "fill"},
        "line": {"width": 0.6, "color": RING[0]},
        "connectgaps": False,
        "text": _hover(found),
        "hovertemplate": "(%{x:.3~g}, %{y:.3~g})<br>loss <b>%{text}</b><extra></extra>",
        "colorbar": {
            "orientation": "h", "thickness": 9, "len": 1.0, "x": 0.5, "xanchor": "center", "y": 1.02,
            "yanchor": "bottom", "ypad": 2, "outlinewidth": 0, "tickmode": "array", **_ticks(drawn, 6),
            "tickfont": {"color": soft, "size": 11},
        },
    }  # fmt: skip
    marks = [
        _origin(),
        *(mark for slot, trail in enumerate(found.plane.trails) for mark in _trail(trail, slot)),
    ]
    layout = framed(*axes, hovermode="closest")
    layout["yaxis"]["showgrid"] = False
    layout["margin"]["t"] = 30
    for axis, places in (("xaxis", found.alphas), ("yaxis", found.betas)):
        layout[axis]["range"] = [float(places[0]), float(places[-1])]
    return {"data": [trace, *marks], "layout": layout}


def _ticks(drawn: Heights, most: int) -> Figure:
    places, texts = drawn.ticks
    every = max(1, -(-len(places) // most))
    return {"tickvals": places[::every], "ticktext": texts[::every]}


def _short(values: NDArray[np.float64]) -> list[float]:
    return [float(f"{each:.7g}") for each in values.tolist()]


def _origin() -> Figure:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [0.0],
        "y": [0.0],
        "marker": {"symbol": "cross-thin", "size": 13, "line": {"width": 2, "color": RING[0]}},
        "hovertemplate": "the run's weights<extra></extra>",
        "showlegend": False,
    }


def _trail(trail: Trail, slot: int) -> list[Figure]:
    """Return weights on a plane, joined in their order."""
    colour = theme.colour(slot + 1)
    texts = list(trail.texts) or [safe(trail.name)] * len(trail.points)
    off = (
        ["" for _ in texts]
        if trail.off is None
        else [f"<br>{value(float(each))} off the plane" for each in trail.off]
    )
    return [
        {
            "type": "scatter",
            "mode": "lines+markers" if len(trail.points) > 1 else "markers",
            "name": safe(trail.name),
            "x": _short(trail.points[:, 0]),
            "y": _short(trail.points[:, 1]),
            "line": {"color": colour, "width": 2},
            "marker": {"color": colour, "size": 6, "line": {"width": 1, "color": RING[0]}},
            "text": [f"{safe(text)}{more}" for text, more in zip(texts, off, strict=True)],
            "hovertemplate": "%{text}<extra></extra>",
            "showlegend": False,
        }
    ]


def surface(found: Slice) -> Figure:
    """Return the losses of a plane as a surface that can be turned."""
    drawn = heights(found.losses)
    soft, grid, ink = (theme.SURFACES[name][0] for name in ("soft", "grid", "ink"))
    axis: Figure = {
        "gridcolor": grid, "zerolinecolor": grid, "showbackground": False, "color": soft, "nticks": 5,
        "tickfont": {"color": soft, "size": 11},
    }  # fmt: skip
    trace: Figure = {
        "type": "surface",
        "x": _short(found.alphas),
        "y": _short(found.betas),
        "z": _rows(drawn.drawn),
        "colorscale": colours(),
        "showscale": False,
        "text": _hover(found),
        "hovertemplate": "(%{x:.3~g}, %{y:.3~g})<br>loss <b>%{text}</b><extra></extra>",
        "contours": {"z": {"show": True, "start": drawn.start, "end": drawn.end, "size": drawn.size,
                           "color": RING[0], "width": 1}},
        "lighting": {"ambient": 0.75, "diffuse": 0.5, "specular": 0.05, "roughness": 0.9},
    }  # fmt: skip
    marks: Figure = {
        "type": "scatter3d", "mode": "markers", "x": [0.0], "y": [0.0], "z": [drawn.of(found.centre)],
        "marker": {"size": 4, "color": ink, "symbol": "cross"}, "hovertemplate": "the run's weights<extra></extra>",
        "showlegend": False,
    }  # fmt: skip
    layout = framed("", "", hovermode="closest")
    titled = {"font": {"color": soft, "size": 12}}
    layout["margin"] = {"l": 0, "r": 0, "t": 0, "b": 0}
    layout["scene"] = {
        "xaxis": {**axis, "title": {"text": "α", **titled}},
        "yaxis": {**axis, "title": {"text": "β", **titled}},
        "zaxis": {**axis, "title": {"text": "loss", **titled}, "tickmode": "array", **_ticks(drawn, 6)},
        "camera": {"eye": {"x": 1.5, "y": -1.65, "z": 1.05}, "center": {"x": 0, "y": 0, "z": -0.12}},
        "aspectratio": {"x": 1, "y": 1, "z": 0.75},
        "dragmode": "turntable",
    }
    del layout["xaxis"]
    layout["yaxis"] = {"title": {"text": ""}, "visible": False}
    return {"data": [trace, marks], "layout": layout}


def line(found: Slice) -> Figure:
    """Return the losses along a line, with its ends."""
    drawn = heights(found.losses)
    colour = theme.colour(0)
    data: list[Figure] = [
        {
            "type": "scatter",
            "mode": "lines",
            "x": _short(found.alphas),
            "y": _rows(drawn.drawn)[0],
            "text": _hover(found)[0],
            "line": {"color": colour, "width": 2.5},
            "hovertemplate": "at %{x:.3~g}: loss <b>%{text}</b><extra></extra>",
            "showlegend": False,
        }
    ]
    ends = [(trail, _at(found, float(trail.points[0, 0]))) for trail in found.plane.trails]
    known = [(trail, loss) for trail, loss in ends if loss is not None]
    if len(known) == 2:
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": [float(trail.points[0, 0]) for trail, _ in known],
                "y": [drawn.of(loss) for _, loss in known],
                "line": {"color": theme.SURFACES["faint"][0], "width": 1.2, "dash": "dot"},
                "hoverinfo": "skip",
                "showlegend": False,
            }
        )
    for slot, (trail, loss) in enumerate(known):
        data.append(
            {
                "type": "scatter",
                "mode": "markers+text",
                "x": [float(trail.points[0, 0])],
                "y": [drawn.of(loss)],
                "text": [safe(trail.name, 30)],
                "textposition": _beside(found, trail, slot),
                "textfont": {"color": theme.SURFACES["ink"][0], "size": 12},
                "marker": {"color": colour, "size": 10},
                "hovertemplate": f"{safe(trail.name)}: loss <b>{value(loss)}</b><extra></extra>",
                "showlegend": False,
                "cliponaxis": False,
            }
        )
    layout = framed(safe(found.plane.axes[0]), safe(found.said.loss), hovermode="closest")
    layout["yaxis"] |= {"tickmode": "array", **_ticks(drawn, 8)}
    layout["margin"]["t"] = 26
    return {"data": data, "layout": layout}


def _beside(found: Slice, trail: Trail, slot: int) -> str:
    """Return where the name of an end of a line is out of the way of the curve: between the ends, or else below it."""
    places = np.flatnonzero(found.alphas == trail.points[0, 0])
    step = 1 if slot == 0 else -1
    inside = found.losses[0][np.clip(places + 3 * step, 0, found.alphas.size - 1)]
    rises = bool((inside > found.losses[0][places]).any())
    return f"{'bottom' if rises else 'top'} {'right' if slot == 0 else 'left'}"


def _at(found: Slice, alpha: float) -> float | None:
    there: Sequence[float] = found.losses[0][found.alphas == alpha].tolist()
    return there[0] if there and math.isfinite(there[0]) else None
