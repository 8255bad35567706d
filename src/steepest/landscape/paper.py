"""The picture of a slice on paper, drawn by matplotlib: contours and a surface side by side, or a curve."""

from __future__ import annotations

from typing import Any

import numpy as np

from steepest.export.plots import CARD, GRID, INK, LINE, SOFT, WIDTH, drawing, labelled, saved
from steepest.landscape.figures import Heights, heights
from steepest.landscape.numbers import Slice
from steepest.report import theme


def draw(found: Slice, form: str) -> bytes:
    """Return the content of a picture: ``png``, ``svg`` or ``pdf``.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    drawn = heights(found.losses)
    with drawing() as figure:
        if found.plane.is_line:
            made = figure(figsize=(WIDTH, 3.0), layout="constrained", dpi=200)
            _line(made.add_subplot(), found, drawn)
        else:
            made = figure(figsize=(1.4 * WIDTH, 3.4), layout="constrained", dpi=200)
            _contours(made, made.add_subplot(1, 2, 1), found, drawn)
            _surface(made.add_subplot(1, 2, 2, projection="3d"), found, drawn)
        return saved(made, form)


def colours() -> Any:
    """Return the colour scale of the pages for matplotlib."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("loss", [light for light, _ in theme.SCALE])


def _contours(made: Any, ax: Any, found: Slice, drawn: Heights) -> None:
    levels = np.arange(drawn.start - drawn.size, drawn.end + 1.5 * drawn.size, drawn.size)
    shown = np.ma.masked_invalid(drawn.drawn)
    filled = ax.contourf(found.alphas, found.betas, shown, levels=levels, cmap=colours())
    ax.contour(found.alphas, found.betas, shown, levels=levels, colors=CARD, linewidths=0.3)
    ax.plot(0, 0, "+", color=CARD, markersize=8, markeredgewidth=1.2)
    for slot, trail in enumerate(found.plane.trails):
        ax.plot(trail.points[:, 0], trail.points[:, 1], ".-", markersize=3, linewidth=1, color=theme.colour(slot + 1),
                label=labelled(trail.name))  # fmt: skip
    ax.set_xlim(found.alphas[0], found.alphas[-1])
    ax.set_ylim(found.betas[0], found.betas[-1])
    ax.set_xlabel(labelled(found.plane.axes[0]), color=SOFT)
    ax.set_ylabel(labelled(found.plane.axes[1]), color=SOFT)
    bar = made.colorbar(filled, ax=ax, location="top", shrink=0.9, aspect=35, pad=0.02)
    _ticks(bar, drawn, 6)
    bar.outline.set_visible(False)


def _ticks(axis: Any, drawn: Heights, most: int) -> None:
    places, texts = drawn.ticks
    every = max(1, -(-len(places) // most))
    axis.set_ticks(places[::every], labels=texts[::every])


def _surface(ax: Any, found: Slice, drawn: Heights) -> None:
    alphas, betas = np.meshgrid(found.alphas, found.betas)
    ax.plot_surface(
        alphas, betas, drawn.drawn, cmap=colours(), rcount=60, ccount=60, linewidth=0, antialiased=True
    )
    ax.view_init(elev=28, azim=-50)
    ax.set_xlabel("α", color=SOFT, labelpad=-4)
    ax.set_ylabel("β", color=SOFT, labelpad=-4)
    places, texts = drawn.ticks
    every = max(1, -(-len(places) // 5))
    ax.set_zticks(places[::every], texts[::every])
    plain_axes(ax)


def plain_axes(ax: Any) -> None:
    """Draw the axes of three dimensions in quiet colours, without walls."""
    ax.tick_params(pad=-2, colors=SOFT)
    for axis in (ax.xaxis, ax.yaxis, ax.zaxis):
        axis.set_pane_color((1, 1, 1, 0))
        axis.line.set_color(LINE)
        axis._axinfo["grid"]["color"] = GRID  # the only way to colour the grid of a 3-D axis


def _line(ax: Any, found: Slice, drawn: Heights) -> None:
    ax.plot(found.alphas, drawn.drawn[0], color=theme.colour(0), linewidth=1.5)
    for slot, trail in enumerate(found.plane.trails):
        [at] = trail.points[:, 0][:1]
        there = drawn.drawn[0][found.alphas == at]
        if len(there):
            ax.plot(at, there[0], "o", color=theme.colour(0), markersize=5)
            ax.annotate(labelled(trail.name), (at, there[0]), xytext=(4 if slot == 0 else -4, 6), color=INK,
                        textcoords="offset points", ha="left" if slot == 0 else "right", fontsize=7.5)  # fmt: skip
    ax.set_xlabel(labelled(found.plane.axes[0]), color=SOFT)
    ax.set_ylabel(labelled(found.said.loss), color=SOFT)
    _ticks(ax.yaxis, drawn, 8)
    ax.grid(axis="y", color=GRID, linewidth=0.5)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
