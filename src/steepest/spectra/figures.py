"""The figures of a spectrum along a path as data: plain dictionaries for plotly."""

from __future__ import annotations

import math
from collections.abc import Sequence

from steepest.paths.movement import degrees
from steepest.report import theme
from steepest.report.figures import Figure, framed
from steepest.report.watched import logarithmic
from steepest.spectra.along import PathSpectrum

DECADES = 6
"""Powers of ten that the axis of a density shows."""


def drawn(found: PathSpectrum) -> dict[str, Figure]:
    """Return the figures that there are numbers for, by name, in their order on the page."""
    figures = {"eigenvalues": _eigenvalues(found), "trace": _traces(found), "gradient": _gradient(found)}
    if any(math.isfinite(each.noise.value) for each in found.points):
        figures["noise"] = _noise(found)
    if any(math.isfinite(each.turn) for each in found.points):
        figures["turn"] = _turn(found)
    if any(each.density is not None for each in found.points):
        figures["density"] = _density(found)
    return figures


def _densities(found: PathSpectrum) -> list[tuple[int, list[float], list[float | None]]]:
    """Return steps, places and densities of the points that have them, None where they are below the axis."""
    there = [(each.step, each.density) for each in found.points if each.density is not None]
    floor = max(float(each.density.max()) for _, each in there) * 10.0**-DECADES
    return [
        (step, each.points.tolist(), [one if one > floor else None for one in each.density.tolist()])
        for step, each in there
    ]


def _series(
    name: str, x: Sequence[float], y: Sequence[float | None], slot: int, dash: str = "solid", **more: object
) -> Figure:
    colour = theme.colour(slot)
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": name,
        "x": list(x),
        "y": list(y),
        "line": {"color": colour, "width": 2, "dash": dash},
        "marker": {"color": colour, "size": 5, "symbol": theme.symbol(slot)},
        "cliponaxis": False,
        "hovertemplate": f"<b>{name}</b><br>step %{{x:,}}: %{{y:.4~g}}<extra></extra>",
        **more,
    }


def _framed(y: str, *, legend: bool = False, log: Sequence[float] = ()) -> Figure:
    """Return the layout of a figure by step; its axis is logarithmic where the values are given."""
    layout = framed("step", y, hovermode="closest")
    layout["xaxis"]["rangemode"] = "tozero"
    if log:
        low, high = (math.log10(each([one for one in log if one > 0] or [1.0])) for each in (min, max))
        more = max(0.05 * (high - low), (1.0 - high + low) / 2)
        layout["yaxis"] |= {**logarithmic(log), "range": [low - more, high + more]}
    else:
        layout["yaxis"]["rangemode"] = "tozero"
    if legend:
        layout["showlegend"] = True
        layout["legend"] = {"orientation": "h", "y": -0.2, "yanchor": "top", "x": 0, "font": {"size": 12}}
    return layout


def _eigenvalues(found: PathSpectrum) -> Figure:
    steps = [each.step for each in found.points]
    count = len(found.points[0].hessian)
    ordinal = ("largest", "second", "third")
    data = [
        _series(f"Hessian, {ordinal[i]}", steps, [each.hessian[i] for each in found.points], 0, dash,
                opacity=opacity)
        for i, dash, opacity in zip(range(count), ("solid", "dash", "dot"), (1.0, 0.7, 0.5), strict=False)
    ]  # fmt: skip
    data.append(
        _series("Gauss-Newton, largest", steps, [each.gauss_newton[0] for each in found.points], 1, "dash")
    )
    if found.formula:
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": f"threshold, {found.formula}",
                "x": steps,
                "y": [each.threshold for each in found.points],
                "line": {"color": theme.SURFACES["soft"][0], "width": 1.5, "dash": "dot"},
                "hovertemplate": "threshold: %{y:.4~g}<extra></extra>",
            }
        )
    return {"data": data, "layout": _framed("eigenvalue", legend=True)}


def _traces(found: PathSpectrum) -> Figure:
    steps = [each.step for each in found.points]
    both = (
        ("Hessian", [each.trace for each in found.points], [each.trace_error for each in found.points]),
        (
            "Gauss-Newton",
            [each.gauss_newton_trace for each in found.points],
            [each.gauss_newton_trace_error for each in found.points],
        ),
    )
    data = [
        _series(name, steps, values, slot, ("solid", "dash")[slot], error_y=_bars(errors, slot))
        for slot, (name, values, errors) in enumerate(both)
    ]
    return {"data": data, "layout": _framed("trace", legend=True)}


def _bars(errors: Sequence[float], slot: int) -> Figure:
    return {"array": list(errors), "color": theme.colour(slot), "thickness": 1.2, "width": 3}


def _gradient(found: PathSpectrum) -> Figure:
    steps, norms = [each.step for each in found.points], [each.gradient for each in found.points]
    return {
        "data": [_series("gradient", steps, norms, 0)],
        "layout": _framed("2-norm of the gradient", log=norms),
    }


def _noise(found: PathSpectrum) -> Figure:
    known = [each for each in found.points if math.isfinite(each.noise.value)]
    hidden = [each.step for each in found.points if not math.isfinite(each.noise.value)]
    errors = [each.noise.error if math.isfinite(each.noise.error) else 0.0 for each in known]
    below = [min(error, 0.9 * each.noise.value) for error, each in zip(errors, known, strict=True)]
    bars = {**_bars(errors, 0), "arrayminus": below}
    data = [
        _series(
            "noise scale",
            [each.step for each in known],
            [each.noise.value for each in known],
            0,
            error_y=bars,
        )
    ]
    ends = [
        end
        for each, down, up in zip(known, below, errors, strict=True)
        for end in (each.noise.value - down, each.noise.value + up)
    ]
    layout = _framed("rows", log=ends)
    if hidden:
        data[0]["mode"] = "markers"
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": hidden,
                "y": [0.97] * len(hidden),
                "yaxis": "y2",
                "marker": {"symbol": "triangle-up-open", "size": 9, "color": theme.colour(0)},
                "hovertemplate": "step %{x:,}: beyond what the rows can measure<extra></extra>",
            }
        )
        layout["yaxis2"] = {"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True}
    return {"data": data, "layout": layout}


def _turn(found: PathSpectrum) -> Figure:
    known = [each for each in found.points if math.isfinite(each.turn)]
    data = [_series("angle", [each.step for each in known], [degrees(each.turn) for each in known], 0)]
    layout = _framed("degrees")
    top = 180 if max(degrees(each.turn) for each in known) > 90 else 90
    layout["yaxis"] |= {"range": [-0.03 * top, 1.03 * top], "tickvals": [0, 30, 60, 90, 120, 150, 180]}
    return {"data": data, "layout": layout}


def _density(found: PathSpectrum) -> Figure:
    there = _densities(found)
    data = [
        {
            **_series(f"step {step:,}", x, y, slot, theme.dash(slot)),
            "mode": "lines",
            "hovertemplate": f"<b>step {step:,}</b><br>eigenvalue %{{x:.3~g}}: %{{y:.2~g}}<extra></extra>",
        }
        for slot, (step, x, y) in enumerate(there)
    ]
    layout = _framed(
        "density", legend=True, log=[each for _, _, y in there for each in y if each is not None]
    )
    layout["xaxis"] |= {
        "title": {**layout["xaxis"]["title"], "text": "eigenvalue of the Hessian"},
        "rangemode": "normal",
    }
    return {"data": data, "layout": layout}
