"""The figures as data: pure functions from a comparison to a plotly figure (a plain dictionary).

They are valid for ``plotly.graph_objects.Figure(...)``. Names and labels are escaped, because plotly reads
``<b>``, ``<a href>`` and ``%{…}`` in them.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

from steepest.compare.result import Band, Comparison, Metric
from steepest.report import format as show
from steepest.report import theme
from steepest.report.legend import legend_keys
from steepest.report.view import (
    finite,
    limits_of,
    metric_of,
    padded,
)

Figure = dict[str, Any]
Axis = Literal["step", "epoch", "seconds", "gradients"]

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_LONGEST = 60


def safe(text: str, most: int = _LONGEST) -> str:
    """Return ``text`` shortened and escaped, so that plotly shows it as it is.

    Example:
        >>> safe("<b>50 %{x}</b>")
        '&lt;b&gt;50 %&#123;x}&lt;/b&gt;'
    """
    return html.escape(show.shorten(show.printable(text), most), quote=False).replace("{", "&#123;")


def curves(comparison: Comparison, axis: Axis = "step") -> Figure:
    """Return the deciding metric on the validation rows during training: mean over seeds, band from the
    lowest to the highest seed, one colour for each optimizer.

    Args:
        comparison: the result.
        axis: what lies along x: ``step``, ``epoch``, ``seconds`` of training or ``gradients`` evaluated.
    """
    metric = metric_of(comparison, comparison.metric)
    scale = scale_of(metric)
    styles, shown = theme.styles(comparison), meta_of(comparison)
    bands = [each for each in comparison.curves if each.metric == comparison.metric]
    traces: list[Figure] = []
    for band in bands:
        common = {
            "legendgroup": band.name,
            "meta": shown(band.name),
            "showlegend": False,
            "type": "scatter",
        }
        edge = {**common, "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
        fill = theme.translucent(styles[band.name].colour, theme.BAND_OPACITY)
        x, low, high = _finite(getattr(band, axis), band.low, band.high)
        traces.append({**edge, "x": x, "y": [each * scale for each in low]})
        traces.append(
            {**edge, "x": x, "y": [each * scale for each in high], "fill": "tonexty", "fillcolor": fill}
        )
    for band in bands:
        style = styles[band.name]
        what = {
            "step": "step %{x:,.0f}",
            "epoch": "epoch %{x:.2f}",
            "seconds": "%{x:,.1f} s",
            "gradients": "%{x:,.0f} gradients",
        }[axis]
        x, mean = _finite(getattr(band, axis), band.mean)
        traces.append(
            {
                "type": "scatter",
                "mode": "lines" if len(x) > 1 else "markers",
                "name": safe(band.name),
                "x": x,
                "y": [each * scale for each in mean],
                "legendgroup": band.name,
                "meta": shown(band.name),
                "line": {"color": style.colour, "width": 2, "dash": style.dash},
                "marker": {"color": style.colour, "symbol": style.symbol},
                "hovertemplate": f"<b>{safe(band.name)}</b><br>{what}: %{{y:.5~g}}<extra></extra>",
            }
        )
        if comparison.held_out:
            at, values = _finite(
                [getattr(each, axis) for each in band.reported], [each.value for each in band.reported]
            )
            ring: Figure = {"symbol": "circle-open", "size": 10, "color": style.colour, "line": {"width": 2}}
            said = f"<b>{safe(band.name)}</b>, best validation of a run<br>{what}: %{{y:.5~g}}<extra></extra>"
            traces += (
                [
                    {
                        "type": "scatter",
                        "mode": "markers",
                        "x": at,
                        "y": [each * scale for each in values],
                        "legendgroup": band.name,
                        "meta": shown(band.name),
                        "showlegend": False,
                        "marker": ring,
                        "hovertemplate": said,
                    }
                ]
                if at
                else []
            )
    titles = {
        "step": "step",
        "epoch": "epoch",
        "seconds": "seconds of training",
        "gradients": "gradient evaluations",
    }
    layout = framed(titles[axis], validation_title(comparison), hovermode="closest")
    layout["xaxis"]["rangemode"] = "tozero"
    later = [([value * scale for value in _later(band)], band) for band in bands]
    ends = [
        ([*values, *(best.value * scale for best in band.reported)], values[-1])
        for values, band in later
        if values
    ]
    span = close_range(ends, higher=metric.higher_is_better, limits=figure_limits(metric))
    if span:
        layout["yaxis"]["range"] = span
    return {"data": traces, "layout": layout}


def meta_of(comparison: Comparison) -> Callable[[str], Figure]:
    """Return what the page's buttons find a trace by: its arm's name and, where several factors vary, its levels."""
    keys = legend_keys(comparison)
    return lambda name: {"name": name, **({"levels": list(keys[name])} if name in keys else {})}


def validation_title(comparison: Comparison) -> str:
    metric = metric_of(comparison, comparison.metric)
    rows = comparison.curves_on.removeprefix("the ").removesuffix(" rows")
    return safe(f"{rows} {metric.title}{', %' if metric.percent else ''}")


def framed(x: str, y: str, **more: Any) -> Figure:
    ink, soft, grid, line, card = (
        theme.SURFACES[name][0] for name in ("ink", "soft", "grid", "line", "card")
    )
    axis: Figure = {
        "gridcolor": grid,
        "zeroline": False,
        "showline": False,
        "tickfont": {"color": soft, "size": 12},
        "automargin": True,
    }
    titled = {"font": {"color": soft, "size": 12.5}, "standoff": 10}
    return {
        "font": {"family": FONT, "color": ink, "size": 13},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 8, "r": 24, "t": 8, "b": 8},
        "showlegend": False,
        "hoverlabel": {
            "bgcolor": card,
            "bordercolor": line,
            "font": {"family": FONT, "color": ink, "size": 13},
            "align": "left",
        },
        "xaxis": {
            **axis,
            "title": {"text": x, **titled},
            "showgrid": False,
            "showline": True,
            "linecolor": line,
            "ticks": "outside",
            "tickcolor": line,
            "ticklen": 4,
            "ticklabeloverflow": "allow",  # the last label hangs over the end of the axis
        },
        "yaxis": {**axis, "title": {"text": y, **titled}},
        **more,
    }


def _finite(*columns: Sequence[float]) -> list[list[float]]:
    """The columns without the places where any of them is not a number."""
    kept = [each for each in zip(*columns, strict=False) if all(finite(value) for value in each)]
    return [[float(each[place]) for each in kept] for place in range(len(columns))]


def _later(band: Band) -> list[float]:
    """The band's means after the first tenth of its steps: before, everybody is far from everybody's end."""
    start = band.step[-1] * 0.1 if band.step else 0
    return [value for step, value in zip(band.step, band.mean, strict=False) if step >= start]


def close_range(
    series: Sequence[tuple[Sequence[float], float]],
    *,
    higher: bool,
    share: float = 0.95,
    limits: tuple[float, float] = (-math.inf, math.inf),
) -> list[float] | None:
    """Return the range of an axis on which the best curves can be distinguished, or None if there is none.

    It holds the ends of the nearer half of the curves, and of the others as long as none is 3.5 times as far
    from the best as the ones before it; then all the better values of these curves, and ``share`` of their values.
    So one curve that runs away sets nothing.

    Args:
        series: of each curve its values and its end.
        higher: whether higher is better.
        share: of the values that are to be seen.
        limits: what no value lies beyond.

    Example:
        >>> calm, runaway = ([0.5, 0.4, 0.3], 0.3), ([0.9, 2.0, 40.0], 40.0)
        >>> [round(each, 3) for each in close_range([calm, calm, runaway], higher=False)]
        [0.288, 0.512]
    """
    known = [([each for each in values if finite(each)], end) for values, end in series if finite(end)]
    if not known:
        return None
    best = (max if higher else min)(end for _, end in known)
    known.sort(key=lambda each: abs(each[1] - best))
    reach = max((abs(value - best) for value in known[0][0]), default=0.0)
    kept = 0
    for place, (_, end) in enumerate(known):
        distance = abs(end - best)
        if place and place >= (len(known) + 1) // 2 and distance > 3.5 * reach:
            break
        reach, kept = max(reach, distance), place + 1
    values = sorted(value for each, _ in known[:kept] for value in each)
    if not values or values[0] == values[-1]:
        return None
    low, high = values[0], values[-1]
    ends = [end for _, end in known[:kept]]
    if higher:
        low = min(values[int((1 - share) * len(values))], *ends)
    else:
        high = max(values[min(int(share * len(values)), len(values) - 1)], *ends)
    pad = (high - low) * 0.06
    axis = padded(low, high, pad, limits)
    return [axis.low, axis.high] if pad else None


def figure_limits(metric: Metric) -> tuple[float, float]:
    """Return what no value of a figure lies beyond, in its unit."""
    low, high = limits_of(metric)
    return low * scale_of(metric), high * scale_of(metric)


def scale_of(metric: Metric) -> float:
    return 100.0 if metric.percent else 1.0
