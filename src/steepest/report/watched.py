"""What was watched, for the report: figures by epoch and of reliability, and their tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from steepest.compare.estimates import Estimate
from steepest.compare.result import Band, Comparison
from steepest.compare.watching import ArmWatched
from steepest.record.schema import ReliabilityBins
from steepest.report import format as show
from steepest.report import theme
from steepest.report.digits import Digits
from steepest.report.figures import Figure, framed, meta_of, safe
from steepest.report.view import finite, metric_of

TITLES = {
    "gap": "gap",
    "losses": "both",
    "l2": "L2",
    "l1": "L1",
    "gradient": "gradient",
    "sharpness": "sharpness",
    "edge": "of threshold",
}
"""The figures by epoch, in the order of their buttons."""

MOST_LAYERS = 12
"""Parameters that have a line; of more, the largest ones."""

MARK_ROWS = 50
"""Rows of all runs together that a mark of the reliability diagram has at least."""

MOST_NAMED = 6
"""Arms whose epoch the terminal names."""


@dataclass(frozen=True)
class WatchedLine:
    """One arm in the tables."""

    name: str
    cells: list[str]


def drawn(comparison: Comparison) -> dict[str, Figure]:
    """Return the figures by name."""
    found = comparison.watching
    if found is None:
        return {}
    figures: dict[str, Figure] = {}
    for key in TITLES:
        curves = ("training", "validation") if key == "losses" else (key,)
        arms = [each for each in found.arms if all(name in each.curves for name in curves)]
        if arms:
            figures[f"watched-{key}"] = _by_epoch(comparison, arms, curves, key)
    layered = winner_of(comparison)
    if layered is not None:
        for key in ("l2", "l1", "gradient"):
            if any(getattr(each, key) for each in layered.layers):
                figures[f"layers-{key}"] = _layers(layered, key)
    for when in ("before", "after"):
        bins = {each.name: getattr(each, f"bins_{when}") for each in found.calibrated}
        there = {name: each for name, each in bins.items() if each is not None}
        if there:
            figures[f"reliability-{when}"] = _reliability(comparison, there)
    return figures


def winner_of(comparison: Comparison) -> ArmWatched | None:
    """Return what was watched of the winner, or of the first arm."""
    arms = [] if comparison.watching is None else comparison.watching.arms
    return next((each for each in arms if each.name == comparison.winner), arms[0] if arms else None)


def bounds(comparison: Comparison) -> list[tuple[str, str]]:
    """Return the arms whose sharpness has a threshold, with its formula."""
    arms = [] if comparison.watching is None else comparison.watching.arms
    return [(each.name, each.threshold) for each in arms if each.threshold]


def shown_layers(arm: ArmWatched) -> list[int]:
    """Return the places of the parameters that have a line, in their order."""
    largest = sorted(range(len(arm.layers)), key=lambda i: -arm.layers[i].size)[:MOST_LAYERS]
    return sorted(largest)


def watched_table(comparison: Comparison) -> tuple[list[str], list[WatchedLine]]:
    """Return the head and the lines of what was watched at the evaluation whose weights are reported."""
    found = comparison.watching
    metric = metric_of(comparison, comparison.metric)
    heads = {
        "epoch": "epoch of the weights",
        "training": f"{metric.title}, training",
        "validation": "validation",
        "gap": "gap",
        "l1": "L1 norm",
        "l2": "L2 norm",
        "gradient": "gradient norm",
        "sharpness": "sharpness",
        "edge": "share of the threshold",
    }
    arms = [] if found is None else found.arms
    kept = [key for key in heads if any(key in each.reported for each in arms)]
    percent = {key: metric.percent and key in ("training", "validation", "gap") for key in kept}
    lines = [
        WatchedLine(each.name, [text(each.reported.get(key), percent[key]) for key in kept]) for each in arms
    ]
    return [heads[key] + (", %" if percent[key] else "") for key in kept], lines


def calibrated_table(comparison: Comparison) -> tuple[list[str], list[WatchedLine]]:
    """Return the head and the lines of calibration, before → after temperature scaling."""
    found = comparison.watching
    names = {
        "ece": "ECE",
        "ece_equal_mass": "ECE (equal mass)",
        "brier_score": "Brier score",
        "log_loss": "log loss",
    }
    lines = [
        WatchedLine(
            each.name,
            [
                text(each.temperature),
                *[
                    f"{text(each.before[key])} → {text(each.after.get(key))}"
                    if each.after
                    else text(each.before[key])
                    for key in names
                ],
                text(each.before["of_chance"]),
            ],
        )
        for each in ([] if found is None else found.calibrated)
    ]
    return ["temperature", *names.values(), "ECE by chance"], lines


def without_temperature(comparison: Comparison) -> list[str]:
    """Return which arms have runs without a temperature, and why."""
    found = [] if comparison.watching is None else comparison.watching.calibrated
    return [f"{each.name}: {each.reason}." for each in found if each.reason]


def text(value: Estimate | None, percent: bool = False) -> str:
    """Return a value with three significant digits, and its interval.

    Example:
        >>> text(Estimate(mean=12.3456, n=1)), text(Estimate(mean=0.012345, low=0.0111, high=0.0136, n=3))
        ('12.3', '0.0123 ± .0013')
        >>> text(None)
        '–'
    """
    if value is None or not finite(value.mean):
        return show.MISSING
    size = abs(value.mean) * (100.0 if percent else 1.0)
    decimals = 2 if not size else min(max(2 - math.floor(math.log10(size)), 0), 8)
    return Digits(decimals, percent=percent, needed=decimals).value(value)


def reported_epochs(comparison: Comparison) -> str:
    """Return of which epoch the reported weights are, for the terminal; nothing where that is not known.

    Example:
        >>> from steepest.compare.result import Reported
        >>> at = [Reported(step=s, epoch=s / 2, seconds=0, gradients=s, value=1.0) for s in (4, 8)]
        >>> axes = {"step": [0, 10], "epoch": [0, 5], "seconds": [0, 1], "mean": [2, 1], "low": [2, 1], "high": [2, 1]}
        >>> band = Band(name="adam", metric="rmse", reported=at, **axes)
        >>> reported_epochs(Comparison(title="t", sentence="s", metric="rmse", winner="adam", rows=[], metrics=[],
        ...                            curves=[band]))
        'Weights come from epoch, mean (range) over seeds: adam 3 (2 to 4) of 5.'
    """
    bands = [each for each in comparison.curves if each.reported]
    if not bands or not comparison.held_out:
        return ""
    told = [f"{show.printable(each.name)} {_epochs(each)}" for each in bands[:MOST_NAMED]]
    more = f"; {len(bands) - MOST_NAMED} more are in the report" if len(bands) > MOST_NAMED else ""
    over = ", mean (range) over seeds" if any("(" in _epochs(each) for each in bands[:MOST_NAMED]) else ""
    return f"Weights come from epoch{over}: {', '.join(told)}{more}."


def _epochs(band: Band) -> str:
    values = [each.epoch for each in band.reported]
    mean, low, high = sum(values) / len(values), min(values), max(values)
    among = "" if low == high else f" ({low:.3g} to {high:.3g})"
    return f"{mean:.3g}{among} of {band.epoch[-1]:.3g}"


def known(x: Sequence[float], y: Sequence[float]) -> tuple[list[float], list[float]]:
    """Return two columns without the places where one of them is no finite number."""
    pairs = [(a, b) for a, b in zip(x, y, strict=True) if finite(a) and finite(b)]
    return [a for a, _ in pairs], [b for _, b in pairs]


def _by_epoch(comparison: Comparison, arms: Sequence[ArmWatched], names: Sequence[str], key: str) -> Figure:
    """Return quantities by epoch: the mean over the runs, with a band of the 95 % interval."""
    metric, styles, shown = (
        metric_of(comparison, comparison.metric),
        theme.styles(comparison),
        meta_of(comparison),
    )
    scale = 100.0 if metric.percent and key in ("gap", "losses") else 1.0
    traces: list[Figure] = []
    for arm in arms:
        style = styles[arm.name]
        common: Figure = {
            "type": "scatter",
            "legendgroup": arm.name,
            "meta": shown(arm.name),
            "showlegend": False,
        }
        for name in names:
            curve = arm.curves[name]
            if len(names) == 1:
                x, low = known(arm.epoch, curve.low)
                _, high = known(arm.epoch, curve.high)
                edge = {**common, "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
                fill = {"fill": "tonexty", "fillcolor": theme.translucent(style.colour, theme.BAND_OPACITY)}
                traces.append({**edge, "x": x, "y": [each * scale for each in low]})
                traces.append({**edge, "x": x, "y": [each * scale for each in high], **fill})
            x, mean = known(arm.epoch, curve.mean)
            what = f", {name}" if len(names) > 1 else ""
            dash = "dot" if name == "training" else style.dash
            traces.append(
                {
                    **common,
                    "mode": "lines" if len(x) > 1 else "markers",
                    "name": safe(arm.name),
                    "x": x,
                    "y": [each * scale for each in mean],
                    "line": {"color": style.colour, "width": 2, "dash": dash},
                    "marker": {"color": style.colour, "symbol": style.symbol},
                    "hovertemplate": f"<b>{safe(arm.name)}</b>{what}<br>epoch %{{x:.3~g}}: %{{y:.5~g}}<extra></extra>",
                }
            )
    unit = f"{metric.title}{', %' if metric.percent else ''}"
    titles = {
        "gap": f"gap in {unit}",
        "losses": unit,
        "l1": "L1 norm of all weights",
        "l2": "L2 norm of all weights",
        "sharpness": "largest eigenvalue of the Hessian",
        "edge": "sharpness, as a share of the threshold",
    }
    layout = framed("epoch", safe(titles.get(key, "2-norm of the gradient")), hovermode="closest")
    layout["xaxis"]["rangemode"] = "tozero"
    if key == "edge":
        layout["yaxis"]["rangemode"] = "tozero"
        layout["shapes"] = [
            {
                "type": "line",
                "xref": "paper",
                "x0": 0,
                "x1": 1,
                "y0": 1,
                "y1": 1,
                "line": {"color": theme.SURFACES["soft"][0], "width": 1, "dash": "dot"},
            }
        ]
    if key == "gradient":
        layout["yaxis"] |= logarithmic([value for each in traces for value in each["y"]])
    if key == "gap":
        layout["yaxis"] |= {"zeroline": True, "zerolinecolor": theme.SURFACES["soft"][0], "zerolinewidth": 1}
    return {"data": traces, "layout": layout}


def positive(x: Sequence[float], y: Sequence[float]) -> tuple[list[float], list[float]]:
    """Return the points that a logarithmic axis can show."""
    shown = [(a, b) for a, b in zip(x, y, strict=True) if b > 0]
    return [a for a, _ in shown], [b for _, b in shown]


def layer_line(
    slot: int, name: str, size: int, points: tuple[Sequence[float], Sequence[float]], hover: str
) -> Figure:
    """Return the line of one layer; ``hover`` says what a point is."""
    x, y = points
    return {
        "type": "scatter",
        "mode": "lines" if len(x) > 1 else "markers",
        "name": safe(name, 22),
        "x": x,
        "y": y,
        "line": {"color": theme.colour(slot), "width": 2, "dash": theme.dash(slot)},
        "hovertemplate": f"<b>{safe(name)}</b> ({size:,})<br>{hover}<extra></extra>",
    }


def logarithmic(values: Sequence[float]) -> Figure:
    """Return a logarithmic axis with ticks at powers of ten, and at 2 and 5 times these where there are few."""
    there = [each for each in values if each > 0 and finite(each)]
    if not there:
        return {"type": "log"}
    low, high = (math.log10(each(there)) for each in (min, max))
    factors = (1, 2, 5) if high - low < 2 else (1,)
    powers = range(math.floor(low), math.ceil(high) + 1)
    ticks = [factor * 10.0**power for power in powers for factor in factors]
    return {
        "type": "log",
        "tickmode": "array",
        "tickvals": ticks,
        "ticktext": [f"{each:g}" for each in ticks],
    }


def _layers(arm: ArmWatched, key: str) -> Figure:
    """Return the norms of an arm's parameters by epoch, a line each, its name at its end."""
    traces: list[Figure] = []
    for slot, place in enumerate(shown_layers(arm)):
        layer = arm.layers[place]
        x, y = known(arm.epoch, getattr(layer, key))
        if key == "gradient":
            x, y = positive(x, y)
        traces.append(layer_line(slot, layer.name, layer.size, (x, y), "epoch %{x:.3~g}: %{y:.5~g}"))
    titles = {"l1": "L1 norm", "l2": "L2 norm", "gradient": "2-norm of the gradient"}
    layout = framed("epoch", titles[key], hovermode="closest")
    layout["xaxis"]["rangemode"] = "tozero"
    layout["yaxis"] |= logarithmic([value for each in traces for value in each["y"]])
    layout["showlegend"] = True
    layout["legend"] = {"orientation": "h", "y": -0.18, "yanchor": "top", "x": 0, "font": {"size": 12}}
    return {"data": traces, "layout": layout}


def joined(bins: ReliabilityBins, least: float = MARK_ROWS) -> ReliabilityBins:
    """Return bins of at least so many rows: a bin of fewer is one with its upper neighbours, the last with its lower.

    Where a few rows decide it, the share that is right jumps from bin to bin by chance.

    Args:
        bins: from low to high confidence; some may be empty.
        least: rows of all runs together.

    Example:
        >>> rows, right = [0, 4, 6, 90, 1], [math.nan, 0, 1, 0.8, 1]
        >>> few = joined(ReliabilityBins(rows=rows, confidence=[math.nan, 0.5, 0.6, 0.8, 0.9], accuracy=right), 10)
        >>> few.rows, [round(each, 2) for each in few.accuracy]
        ([10.0, 91.0], [0.6, 0.8])
    """
    groups: list[list[int]] = []
    size = math.inf
    for place, rows in enumerate(bins.rows):
        if rows <= 0:
            continue
        if size >= least:
            groups.append([])
            size = 0.0
        groups[-1].append(place)
        size += rows
    if size < least and len(groups) > 1:
        last = groups.pop()
        groups[-1] += last
    rows = [sum(bins.rows[i] for i in group) for group in groups]

    def of(values: Sequence[float]) -> list[float]:
        return [sum(bins.rows[i] * values[i] for i in some) / n for some, n in zip(groups, rows, strict=True)]

    return ReliabilityBins(rows=rows, confidence=of(bins.confidence), accuracy=of(bins.accuracy))


def _reliability(comparison: Comparison, bins: dict[str, ReliabilityBins]) -> Figure:
    """Return accuracy by confidence with the diagonal, and below it the share of rows in each bin."""
    styles, shown = theme.styles(comparison), meta_of(comparison)
    soft, line = theme.SURFACES["soft"][0], theme.SURFACES["line"][0]
    traces: list[Figure] = [
        {
            "type": "scatter",
            "mode": "lines",
            "x": [0, 1],
            "y": [0, 1],
            "line": {"color": soft, "width": 1, "dash": "dot"},
            "hoverinfo": "skip",
            "showlegend": False,
        }
    ]
    for name, each in bins.items():
        style, total = styles[name], sum(each.rows)
        marks = joined(each)
        common: Figure = {"type": "scatter", "meta": shown(name), "legendgroup": name, "showlegend": False}
        hover = [f"{show.count(rows)} rows of all runs" for rows in marks.rows]
        traces.append(
            {
                **common,
                "mode": "lines+markers",
                "name": safe(name),
                "x": marks.confidence,
                "y": marks.accuracy,
                "customdata": hover,
                "line": {"color": style.colour, "width": 1.5, "dash": style.dash},
                "marker": {
                    "color": style.colour,
                    "symbol": style.symbol,
                    "size": [5 + 15 * math.sqrt(rows / total) for rows in marks.rows],
                },
                "hovertemplate": f"<b>{safe(name)}</b><br>confidence %{{x:.3f}}, right %{{y:.3f}}<br>%{{customdata}}"
                "<extra></extra>",
            }
        )
        width = 1.0 / len(each.rows)
        traces.append(
            {
                **common,
                "mode": "lines",
                "x": [i * width for i in range(len(each.rows) + 1)],
                "y": [rows / total * 100 for rows in each.rows] + [each.rows[-1] / total * 100],
                "yaxis": "y2",
                "line": {"color": style.colour, "width": 1.5, "shape": "hv", "dash": style.dash},
                "hovertemplate": f"<b>{safe(name)}</b><br>%{{y:.1f}} % of the rows<extra></extra>",
            }
        )
    layout = framed("confidence", "share right", hovermode="closest")
    layout["xaxis"] |= {"range": [0, 1.02], "anchor": "y2"}
    layout["yaxis"] |= {"domain": [0.34, 1], "range": [0, 1.04], "tickvals": [0, 0.25, 0.5, 0.75, 1]}
    layout["yaxis2"] = {
        **layout["yaxis"],
        "domain": [0, 0.24],
        "range": None,
        "rangemode": "tozero",
        "tickvals": None,
        "nticks": 3,
        "showline": False,
        "linecolor": line,
        "title": {**layout["yaxis"]["title"], "text": "rows, %"},
    }
    layout["yaxis2"] = {key: value for key, value in layout["yaxis2"].items() if value is not None}
    return {"data": traces, "layout": layout}
