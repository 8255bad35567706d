"""Figures of studies on paper and as small pictures, drawn by matplotlib from the same numbers as in the report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from steepest.compare.studied import Drawing, FigureLine, FigureSurface
from steepest.export.plots import CARD, DASHES, GRID, INK, LINE, MARKERS, SOFT
from steepest.report import theme

SIZE = (5.6, 3.3)
"""Inches of a figure without its legend."""
FONT = 11
"""Points: a picture is read at half its size, too."""
FEW = 25
"""Points of a line up to which they have marks, and intervals bars instead of a band."""
LEVELS, NEAREST = 10, 1e-3
"""Contours of a surface, and the share of its height at which the first is drawn."""
_ROW = 0.24
"""Inches of a row of the legend."""
_LETTERS = 64
"""Letters that a row of the legend has room for; a line's sample and the gap behind its name take eight."""
_APART = 1 / 120
"""Share of the width between the intervals of lines at one place."""


def draw_study(drawing: Drawing, figure: Any) -> Any:
    """Return a figure of a study.

    Args:
        drawing: its numbers.
        figure: the type of a figure, as :func:`steepest.export.plots.drawing` gives it.
    """
    names = [line.name for line in drawing.lines if line.x]
    columns = _columns(names)
    rows = math.ceil(len(names) / columns) if len(names) > 1 else 0
    width, height = SIZE
    if drawing.surface is not None and drawing.surface.pixels:
        height = 0.3 + 0.8 * width * len(drawing.surface.y) / len(drawing.surface.x)
    made = figure(figsize=(width, height + _ROW * rows), layout="constrained")
    ax = made.add_subplot()
    if drawing.surface is not None:
        _behind(made, ax, drawing.surface)
    for slot, line in enumerate(_apart(drawing)):
        _draw(ax, line, slot, over=drawing.surface is not None)
    _axes(ax, drawing)
    if rows:
        handles, labels = ax.get_legend_handles_labels()
        made.legend(
            handles,
            labels,
            loc="outside lower center",
            ncols=columns,
            frameon=False,
            fontsize=FONT - 1,
            handlelength=2.4,
            columnspacing=1.2,
            labelspacing=0.25,
            labelcolor=INK,
        )
    return made


def _columns(names: Sequence[str]) -> int:
    """Return how many names of a legend fit beside each other.

    Example:
        >>> _columns(["clean", "shuffled"]), _columns(["a name of very many words, at the published rate"] * 2)
        (2, 1)
    """
    longest = max((len(each) + 8 for each in names), default=1)
    return max(1, min(len(names), _LETTERS // longest))


def _apart(drawing: Drawing) -> list[FigureLine]:
    """Return the lines, those with intervals at few places moved so that no interval hides another one.

    Example:
        >>> lines = [FigureLine(name=name, x=[0, 120], y=[1, 2], low=[0, 1], high=[2, 3]) for name in "ab"]
        >>> [each.x for each in _apart(Drawing(title="", x="", y="", lines=lines))]
        [[-0.5, 119.5], [0.5, 120.5]]
    """
    barred = [each for each in drawing.lines if each.low and len(each.x) <= FEW]
    places = [x for each in barred for x in each.x]
    if len(barred) < 2:
        return list(drawing.lines)
    to, back = float, float
    if drawing.logarithmic and min(places) > 0:
        to, back = math.log10, _power
    step = _APART * (to(max(places)) - to(min(places)))
    moves = {id(each): (place - (len(barred) - 1) / 2) * step for place, each in enumerate(barred)}
    return [
        line.model_copy(update={"x": [back(to(x) + moves[id(line)]) for x in line.x]})
        if id(line) in moves
        else line
        for line in drawing.lines
    ]


def _power(exponent: float) -> float:
    return 10.0**exponent


def _draw(ax: Any, line: FigureLine, slot: int, *, over: bool) -> None:
    colour, few = theme.colour(slot), len(line.x) <= FEW
    if line.low and not few:
        ax.fill_between(line.x, line.low, line.high, color=colour, alpha=theme.BAND_OPACITY, linewidth=0)
    if line.low and few:
        ax.vlines(line.x, line.low, line.high, color=colour, linewidth=1.4)
    ax.plot(
        line.x,
        line.y,
        label=line.name,
        color=colour,
        linewidth=1.7,
        linestyle=_pattern(slot) if line.joined else "none",
        marker=MARKERS[theme.symbol(slot)] if few or not line.joined else None,
        markersize=5.5 if few else 3,
        markeredgecolor=CARD if over else colour,
        markeredgewidth=0.6,
    )


def _pattern(slot: int) -> Any:
    """Return a pattern that no neighbour in the palette has, as a print may have no colours."""
    return [*DASHES.values()][slot % len(DASHES)]


def _behind(made: Any, ax: Any, surface: FigureSurface) -> None:
    z, form = np.array(surface.z), None
    if surface.pixels:
        most = float(np.abs(z).max()) or 1.0
        shown = ax.imshow(z, cmap="RdBu_r", vmin=-most, vmax=most, interpolation="nearest", aspect="equal")
        ax.set_axis_off()
    else:
        from matplotlib.colors import BoundaryNorm
        from matplotlib.ticker import FuncFormatter

        levels = contour_levels(z)
        norm = BoundaryNorm(levels, 256)
        shown = ax.contourf(surface.x, surface.y, z, levels=levels, norm=norm, cmap="Greys_r", alpha=0.6)
        ax.contour(surface.x, surface.y, z, levels=levels[1:-1], colors=SOFT, linewidths=0.4)
        form = FuncFormatter(lambda value, _: f"{value:.4g}".replace("-", "−"))
    bar = made.colorbar(shown, ax=ax, shrink=0.8, aspect=24, pad=0.02, format=form)
    bar.set_label(surface.name, color=SOFT, fontsize=FONT)
    bar.ax.tick_params(labelsize=FONT - 1, length=2.5, width=0.6, color=LINE, labelcolor=INK)
    bar.outline.set_visible(False)


def contour_levels(z: np.ndarray) -> list[float]:
    """Return heights of contours in equal factors above the lowest point: even ones leave a flat basin without any.

    Example:
        >>> [round(each, 2) for each in contour_levels(np.array([[0.0, 1.0], [50.0, 100.0]]))]
        [0.0, 0.1, 0.22, 0.46, 1.0, 2.15, 4.64, 10.0, 21.54, 46.42, 100.0]
        >>> contour_levels(np.ones((2, 2)))
        [1.0, 2.0]
    """
    low, high = float(z.min()), float(z.max())
    if low == high:
        return [low, low + 1.0]
    return [low, *(low + (high - low) * np.geomspace(NEAREST, 1.0, LEVELS)).tolist()]


def _axes(ax: Any, drawing: Drawing) -> None:
    if drawing.surface is not None and drawing.surface.pixels:
        return
    if drawing.logarithmic:
        ax.set_xscale("log")
    if drawing.logarithmic_y:
        ax.set_yscale("log")
    ax.set_xlabel(drawing.x, color=SOFT, fontsize=FONT)
    ax.set_ylabel(drawing.y, color=SOFT, fontsize=FONT)
    for axis, logarithmic in ((ax.xaxis, drawing.logarithmic), (ax.yaxis, drawing.logarithmic_y)):
        if logarithmic:
            _decades(axis)
    if ticks := drawing.all_ticks:
        crowded = sum(len(each) + 2 for each in ticks) > 60
        ax.set_xticks([*ticks.values()], [*ticks], rotation=30 if crowded else 0)
    ax.tick_params(labelsize=FONT - 1, length=2.5, width=0.6, color=LINE, labelcolor=INK)
    if drawing.surface is None:
        ax.grid(axis="y", color=GRID, linewidth=0.6)
    ax.set_axisbelow(True)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color(LINE)


def _decades(axis: Any) -> None:
    """Mark powers of ten, and 2 and 5 times of them where the axis has few; the numbers are plain text."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    low, high = axis.get_view_interval()
    few = high / low < 100
    axis.set_major_locator(LogLocator(10, subs=(1.0, 2.0, 5.0) if few else (1.0,), numticks=8))
    axis.set_major_formatter(FuncFormatter(lambda value, _: show_number(value)))
    axis.set_minor_locator(NullLocator())


def show_number(value: float) -> str:
    """Return a number of a logarithmic axis.

    Example:
        >>> show_number(0.05), show_number(20000), show_number(1e-7)
        ('0.05', '20,000', '10⁻⁷')
    """
    if 1e-3 <= value < 1e6:
        return f"{value:,.10g}"
    mantissa, _, power = f"{value:.0e}".partition("e")
    raised = str(int(power)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{'' if mantissa == '1' else f'{mantissa}·'}10{raised}"
