"""The figures over learning rates: what tuning found at each rate, and range tests."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from steepest.compare.result import Comparison, Metric, RateCurve
from steepest.report import format as show
from steepest.report import theme
from steepest.report.factors import optimizers_of, varying
from steepest.report.figures import (
    Figure,
    close_range,
    figure_limits,
    framed,
    meta_of,
    safe,
    scale_of,
    validation_title,
)
from steepest.report.view import (
    Mark,
    beside_text,
    edge_marks,
    ends_of,
    finite,
    is_rate,
    metric_of,
    sizes,
    taken_of,
)
from steepest.report.words import listed
from steepest.train.range_test import RangeTest
from steepest.wording import length_text, share_text


def rates(comparison: Comparison) -> Figure:
    """Return the tuning: validation metric by learning rate; scan hollow, full length solid, chosen ringed.

    Runs of lengths between these are hollow with a dot, their lines dashed.

    A sweep is a line of means with their intervals in place of the single runs at full length. Where more than the
    rate was tuned, points are not joined, and larger ones have larger values of the first other hyperparameter.

    Rates at which training diverged are crosses along the upper edge, library defaults ticks along the lower.
    """
    metric = metric_of(comparison, comparison.metric)
    styles, shown = theme.styles(comparison), meta_of(comparison)
    tuned = [each for each in comparison.rates if each.metric == comparison.metric]
    traces: list[Figure] = []
    for curve, marks in zip(tuned, edge_marks(tuned, optimizers_of(comparison)), strict=True):
        traces += _rate_traces(curve, styles[curve.name], shown(curve.name), metric, marks)
    layout = framed("learning rate", validation_title(comparison), hovermode="closest")
    tried = [rate for curve in tuned for rate, _ in [*curve.scan, *curve.full] if is_rate(rate)]
    layout["xaxis"] |= {"type": "log", "tickmode": "array", **_decades(tried)}
    layout["yaxis2"] = {"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True}
    best = max if metric.higher_is_better else min
    known = [(found, best(found)) for curve in tuned if (found := _known(curve, metric))]
    span = close_range(known, higher=metric.higher_is_better, share=0.75, limits=figure_limits(metric))
    if span:
        layout["yaxis"]["range"] = span
    return {"data": traces, "layout": layout}


def caption(comparison: Comparison) -> str:
    """Return what the figure of the tuning shows."""
    curves = comparison.rates
    several = any(each.scan_at for each in curves)
    lengths = dict.fromkeys(
        length_text(each.length).removeprefix("on ").removeprefix("at ") for each in curves
    )
    said = [f"Hollow{'' if several else ', dotted'}: {' or '.join(lengths)}."]
    stages = sorted({stage.length for each in curves for stage in each.between})
    if stages:
        said.append(f"With a dot{'' if several else ', dashed'}: {listed([*map(share_text, stages)])}.")
    full = "Filled marks" if several or varying(comparison) else "Solid"
    if any(each.sweep for each in curves):
        said.append(
            f"{full}: every learning rate at full length, the mean over seeds with its 95 % interval."
        )
    elif any(each.full for each in curves):
        said.append(f"{full}: the best {'trials' if several else 'learning rates'} at full length.")
    if several:
        said.append(
            "Without lines: several hyperparameters were tuned; larger marks have larger values of the first one "
            "beside the rate."
        )
    diverged = any(crossed for crossed, _ in edge_marks(curves))
    said += ["Ring: the chosen learning rate.", *["× at the top: training diverged."] * diverged]
    if any(each.default is not None and is_rate(each.default) for each in curves):
        said.append("Short bar at the bottom: the library default.")
    return " ".join(said)


def range_tests(tests: Sequence[RangeTest]) -> Figure:
    """Return range tests: the training loss by learning rate, running loss solid, batches faint; the suggested rate a
    diamond, the steepest fall a dot, the lowest loss a ring."""
    traces: list[Figure] = []
    for slot, test in enumerate(tests):
        colour, name = theme.colour(slot), safe(test.name)
        common: Figure = {
            "type": "scatter",
            "name": name,
            "meta": {"name": test.name},
            "legendgroup": test.name,
        }
        losses = [loss if finite(loss) else None for loss in test.losses]
        hover = f"<b>{name}</b><br>rate %{{x:.3~g}}: %{{y:.5~g}}<extra></extra>"
        faint = theme.translucent(colour, theme.BAND_OPACITY)
        batches = {"y": losses, "mode": "markers", "hoverinfo": "skip", "marker": {"color": faint, "size": 5}}
        running = {"y": [*test.smoothed], "mode": "lines", "hovertemplate": hover}
        line = {"color": colour, "width": 2, "dash": theme.dash(slot)}
        traces.append({**common, **batches, "x": [*test.rates]})
        traces.append({**common, **running, "x": [*test.rates], "line": line})
        ring: Figure = {"color": colour, "line": {"width": 2}}
        for rate, what, marker in (
            (test.lowest, "lowest running loss", {**ring, "symbol": "circle-open", "size": 13}),
            (test.steepest, "steepest fall", {"color": colour, "symbol": "circle", "size": 10}),
            (test.suggested, "suggested rate", {"color": colour, "symbol": "diamond", "size": 13}),
        ):
            if rate is not None:
                said = f"<b>{name}</b><br>{what}: {show.rate(rate)}<extra></extra>"
                traces.append({**common, "x": [rate], "y": [test.at(rate)], "mode": "markers", "marker": marker,
                               "hovertemplate": said})  # fmt: skip
    layout = framed("learning rate", "training loss", hovermode="closest")
    tried = [rate for test in tests for rate in test.rates]
    layout["xaxis"] |= {"type": "log", "tickmode": "array", **_decades(tried)}
    values = sorted(each for test in tests for each in test.smoothed)
    high = max(
        [test.losses[0] for test in tests if test.losses] + values[int(0.9 * len(values)) :][:1], default=1.0
    )
    low = min(values, default=0.0)
    pad = 0.06 * (high - low) or 0.1
    layout["yaxis"]["range"] = [low - pad, high + 4 * pad]
    return {"data": traces, "layout": layout}


def _known(curve: RateCurve, metric: Metric) -> list[float]:
    swept = [value for each in curve.sweep for value in (each.mean, *(ends_of(each, metric) or ()))]
    between = [point for stage in curve.between for point in stage.points]
    known = [value for _, value in [*curve.scan, *between, *curve.full]]
    return [value * scale_of(metric) for value in [*known, *swept] if finite(value)]


def _decades(tried: Sequence[float]) -> Figure:
    if not tried:
        return {"tickvals": [], "ticktext": []}
    low, high = math.floor(math.log10(min(tried)) + 1e-9), math.ceil(math.log10(max(tried)) - 1e-9)
    each = max(1, (high - low) // 8)
    values = [10.0**power for power in range(low, high + 1, each)]
    ends = [math.log10(min(tried)) - 0.2, math.log10(max(tried)) + 0.2]
    return {"tickvals": values, "ticktext": [show.rate(value) for value in values], "range": ends}


def _rate_traces(
    curve: RateCurve, style: theme.Style, meta: Figure, metric: Metric, marks: tuple[list[Mark], list[Mark]]
) -> list[Figure]:
    scale = scale_of(metric)
    colour, shape = style.colour, style.symbol
    name = safe(curve.name)
    common: Figure = {
        "type": "scatter",
        "name": name,
        "legendgroup": curve.name,
        "meta": meta,
        "showlegend": False,
    }

    def points(
        pairs: Sequence[tuple[float, float]], what: str, at: Sequence[Mapping[str, JsonValue]] = ()
    ) -> Figure:
        said = [f", {safe(beside_text(each))}" for each in at] or [""] * len(pairs)
        every = sorted(zip(pairs, said, strict=True))
        good = [(*pair, beside) for pair, beside in every if finite(pair[1]) and is_rate(pair[0])]
        return {
            "x": [rate for rate, _, _ in good],
            "y": [value * scale for _, value, _ in good],
            "customdata": [f"{show.rate(rate)}{beside}" for rate, _, beside in good],
            "hovertemplate": f"<b>{name}</b>, {what}<br>rate %{{customdata}}: %{{y:.5~g}}<extra></extra>",
        }

    ground = theme.SURFACES["card"][0]
    hollow: Figure = {"symbol": shape, "size": 8, "color": ground, "line": {"color": colour, "width": 1.6}}
    solid: Figure = {"symbol": shape, "size": 9, "color": colour}
    mode = "markers" if curve.scan_at else "lines+markers"
    full = points(curve.full, "the best of them" if curve.whole else "full length", curve.full_at)
    if curve.sweep:
        full = points([(each.lr, each.mean) for each in curve.sweep], "every seed at full length")
        ends = {each.lr: ends_of(each, metric) or (each.mean, each.mean) for each in curve.sweep}
        pairs = list(zip(full["x"], full["y"], strict=True))
        above = [ends[rate][1] * scale - mean for rate, mean in pairs]
        below = [mean - ends[rate][0] * scale for rate, mean in pairs]
        full["error_y"] = {"array": above, "arrayminus": below, "color": colour, "thickness": 1.5, "width": 3}
    dotted: list[Figure] = [
        {"symbol": f"{shape}-open-dot", "size": 9, "color": colour, "line": {"width": 1.6}}
        for _ in curve.between
    ]
    sized = [(hollow, curve.scan, curve.scan_at), (solid, curve.full, curve.full_at)]
    sized += [(mark, stage.points, stage.at) for mark, stage in zip(dotted, curve.between, strict=True)]
    for marker, pairs, at in sized:
        if at:
            known = sorted(zip(pairs, map(beside_text, at), sizes(curve, at, 5, 13), strict=True))
            marker["size"] = [size for pair, _, size in known if finite(pair[1]) and is_rate(pair[0])]
    traces: list[Figure] = [
        {
            **common,
            **points(curve.scan, share_text(curve.length), curve.scan_at),
            "mode": mode,
            "line": {"color": colour, "width": 1, "dash": "dot"},
            "marker": hollow,
        },
        {
            **common,
            **full,
            "mode": mode,
            "line": {"color": colour, "width": 2, **({} if style.pattern is None else {"dash": style.dash})},
            "marker": solid,
        },
    ]
    traces += [
        {
            **common,
            **points(stage.points, share_text(stage.length), stage.at),
            "mode": mode,
            "line": {"color": colour, "width": 1, "dash": "dash"},
            "marker": mark,
        }
        for mark, stage in zip(dotted, curve.between, strict=True)
    ]
    taken = taken_of(curve)
    ring = {"symbol": "circle-open", "size": 18, "color": colour, "line": {"width": 2}}
    if taken:
        chosen = points(taken[:1], "chosen")
        traces.append({**common, **chosen, "mode": "markers", "marker": ring})
    crossed, default = marks
    cross = {"symbol": "x-thin", "size": 8, "line": {"color": colour, "width": 2}}
    tick = {"symbol": "line-ns", "size": 14, "line": {"color": colour, "width": 2.5}}
    edges = [
        ([(rate, 0.97 - 0.04 * above) for rate, above in crossed], cross, "diverged"),
        ([(rate, 0.015 + 0.065 * below) for rate, below in default], tick, "library default"),
    ]
    for placed, marker, what in edges:
        if placed:
            where = [rate for rate, _ in placed]
            traces.append(
                {
                    **common,
                    "x": where,
                    "y": [height for _, height in placed],
                    "yaxis": "y2",
                    "mode": "markers",
                    "marker": marker,
                    "customdata": [show.rate(each) for each in where],
                    "hovertemplate": f"<b>{name}</b>, {what}<br>rate %{{customdata}}<extra></extra>",
                }
            )
    return traces
