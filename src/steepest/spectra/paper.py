"""The picture of a spectrum on paper, drawn by matplotlib: a panel for each figure of the page."""

from __future__ import annotations

import math
from typing import Any

from steepest.export.plots import DASHES, GRID, MARKERS, SOFT, WIDTH, drawing, labelled, saved
from steepest.report.figures import Figure
from steepest.spectra.along import PathSpectrum
from steepest.spectra.figures import drawn
from steepest.spectra.told import TITLES

COLUMNS = 3


def draw(found: PathSpectrum, form: str) -> bytes:
    """Return the content of a picture: ``png``, ``svg`` or ``pdf``.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figures = drawn(found)
    rows = -(-len(figures) // COLUMNS)
    with drawing() as figure:
        made = figure(figsize=(1.5 * WIDTH, 2.5 * rows), layout="constrained", dpi=200)
        for place, (name, each) in enumerate(figures.items()):
            _panel(made.add_subplot(rows, COLUMNS, place + 1), TITLES[name], each)
        return saved(made, form)


def _panel(ax: Any, title: str, figure: Figure) -> None:
    """Draw the traces of a figure of the page."""
    layout = figure["layout"]
    ax.set_title(title, loc="left", fontsize=8.5)
    log = layout["yaxis"].get("type") == "log"
    if log:
        ax.set_yscale("log")
        ax.minorticks_off()
    for trace in figure["data"]:
        if trace.get("yaxis") == "y2":
            across = ax.get_xaxis_transform()
            ax.plot(
                trace["x"],
                trace["y"],
                "^",
                color=trace["marker"]["color"],
                mfc="none",
                ms=4,
                transform=across,
            )
            continue
        line, linestyle = trace["line"], DASHES[trace["line"]["dash"]] if "lines" in trace["mode"] else ""
        marker = MARKERS[trace["marker"]["symbol"]] if "markers" in trace["mode"] else ""
        bars = trace.get("error_y")
        values = [math.nan if each is None else each for each in trace["y"]]
        error = None if bars is None else [bars.get("arrayminus", bars["array"]), bars["array"]]
        ax.errorbar(
            trace["x"], values, error, marker=marker, markersize=2.2, color=line["color"],
            linewidth=1.1, linestyle=linestyle, alpha=trace.get("opacity", 1.0), elinewidth=0.7,
            label=labelled(trace["name"]),
        )  # fmt: skip
    ax.set_xlabel(layout["xaxis"]["title"]["text"], color=SOFT)
    ax.set_ylabel(layout["yaxis"]["title"]["text"], color=SOFT)
    if "tickvals" in layout["yaxis"]:
        ticks = layout["yaxis"]["tickvals"]
        ax.set_yticks(ticks, layout["yaxis"].get("ticktext", ticks))
    if "range" in layout["yaxis"]:
        ax.set_ylim(*(10.0**each if log else each for each in layout["yaxis"]["range"]))
    else:
        low, high = ax.get_ylim()
        ax.set_ylim(min(0.0, low), high)
    ax.grid(axis="y", color=GRID, linewidth=0.5)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    if layout["showlegend"]:
        ax.legend(frameon=False, fontsize=6, handlelength=2.6)
