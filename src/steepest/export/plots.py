"""The figures on paper, drawn by matplotlib: the same data, range and colours as in the report.

Nothing global is touched: a figure is an object, the settings hold while it is drawn, and the same comparison
gives the same bytes.
"""

from __future__ import annotations

import contextlib
import html
import io
import math
import textwrap
from collections.abc import Generator, Sequence
from typing import Any

from steepest.compare.result import Comparison, Metric, RateCurve
from steepest.errors import MissingExtraError
from steepest.report import figures, rate_figures, theme
from steepest.report import format as show
from steepest.report.factors import optimizers_of
from steepest.report.legend import LegendGroup, legend
from steepest.report.view import (
    Mark,
    RankingFigure,
    edge_marks,
    ends_of,
    finite,
    metric_of,
    ranking,
    sizes,
    taken_of,
)
from steepest.report.words import capital

WIDTH = 5.6
"""Inches: the text width of most papers, so that 8 points are 8 points."""
_NAME = 34
"""Characters of a name in one line."""
DASHES: dict[str, Any] = {
    "solid": "-",
    "dash": (0, (5, 2)),
    "dot": (0, (1, 1.6)),
    "dashdot": (0, (5, 1.6, 1, 1.6)),
    "longdash": (0, (8, 2)),
    "longdashdot": (0, (8, 1.6, 1, 1.6)),
}
MARKERS = {
    "circle": "o",
    "square": "s",
    "diamond": "D",
    "triangle-up": "^",
    "triangle-down": "v",
    "pentagon": "p",
    "hexagon": "h",
    "star-square": "*",
}
SETTINGS: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "axes.linewidth": 0.6,
    "text.parse_math": False,
    "axes.unicode_minus": True,
    "svg.hashsalt": "steepest",
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
    "path.simplify": False,
}
INK, SOFT, GRID, LINE, CARD, BASELINE = (
    theme.SURFACES[name][0] for name in ("ink", "soft", "grid", "faint", "card", "baseline")
)


@contextlib.contextmanager
def drawing() -> Generator[Any]:
    """Hold the settings, and give the type of a figure.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError(
            "SVG and PDF figures need matplotlib, which is not installed",
            hint="pip install '.[export]', or choose --format latex,csv,text,bibtex.",
        ) from None
    settings: dict[Any, Any] = SETTINGS
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(settings)
        yield Figure


def draw_all(comparison: Comparison, formats: Sequence[str]) -> dict[str, bytes]:
    """Return every figure that the comparison has data for, as file contents by file name.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    files: dict[str, bytes] = {}
    with drawing() as figure:
        for name, made in _figures(comparison, figure).items():
            for each in formats:
                files[f"{name}.{each}"] = saved(made, each)
    return files


def captions(comparison: Comparison) -> dict[str, str]:
    """Return the caption of each figure that the comparison has data for, by file name without its ending."""
    title = capital(metric_of(comparison, comparison.metric).title)
    seeds = max((row.seeds for row in comparison.rows), default=1)
    found: dict[str, str] = {}
    if any(row.kind in ("arm", "baseline") for row in comparison.rows):
        said = [f"{title} on {comparison.results_on}."]
        said.append(f"Dot: mean of {seeds} seeds with its 95% interval." if seeds > 1 else "One run each.")
        said += ["Small dots: the seeds."] if seeds > 1 else []
        said += ["Hollow: at the library's default rate."] if _has(comparison, "default") else []
        said += ["Square: baseline."] if _has(comparison, "baseline") else []
        said += ["Arrow: beyond the axis."] if ranking(comparison).has_beyond else []
        found["ranking"] = " ".join(said)
    spread = (
        "Line: mean of the seeds. Band: from the lowest to the highest." if seeds > 1 else "One run each."
    )
    for axis, words in _axes(comparison).items():
        found[f"curves-{axis}"] = f"{title} on {comparison.curves_on} by {words}. {spread}"
    if comparison.rates:
        stages = any(each.between for each in comparison.rates)
        found["rates"] = (
            f"{title} on {comparison.curves_on} by learning rate. Hollow, dotted: the scan. "
            f"{'With a dot, dashed: the stages between. ' if stages else ''}Solid: full length. "
            "Ring: chosen. Cross: diverged. Bar at the bottom: the library's default."
        )
    return found


def _has(comparison: Comparison, kind: str) -> bool:
    return any(row.kind == kind for row in comparison.rows)


def _axes(comparison: Comparison) -> dict[figures.Axis, str]:
    axes: dict[figures.Axis, str] = {"step": "step"} if comparison.curves else {}
    if any(value > 0 for band in comparison.curves for value in band.seconds):
        axes["seconds"] = "second of training"
    return axes


def _figures(comparison: Comparison, figure: Any) -> dict[str, Any]:
    found = {f"curves-{axis}": draw_curves(comparison, axis, figure) for axis in _axes(comparison)}
    if "ranking" in captions(comparison):
        found["ranking"] = draw_ranking(comparison, figure)
    if comparison.rates:
        found["rates"] = draw_rates(comparison, figure)
    return found


def draw_curves(comparison: Comparison, axis: figures.Axis, figure: Any) -> Any:
    """Return the deciding metric during training, by step, epoch or second, with a band over the seeds."""
    scale, styles, made, ax = _start(comparison, figure, 3.0)
    bands = [each for each in comparison.curves if each.metric == comparison.metric]
    for band in bands:
        x = getattr(band, axis)
        low, high = _scaled(band.low, scale), _scaled(band.high, scale)
        ax.fill_between(x, low, high, color=styles[band.name].colour, alpha=theme.BAND_OPACITY, linewidth=0)
    for band in bands:
        x = getattr(band, axis)
        ax.plot(
            x,
            _scaled(band.mean, scale),
            label=labelled(band.name),
            color=styles[band.name].colour,
            linewidth=1.3,
            linestyle=DASHES[styles[band.name].dash],
            marker=MARKERS[styles[band.name].symbol] if len(x) == 1 else None,
        )
    layout = figures.curves(comparison, axis)["layout"]
    finish(ax, layout)
    ends = [max((value for value in getattr(band, axis) if finite(value)), default=0.0) for band in bands]
    ax.set_xlim(0, max(ends, default=1.0) or 1.0)
    _thousands(ax.xaxis)
    legend_beside(made, ax, legend(comparison))
    return made


def draw_rates(comparison: Comparison, figure: Any) -> Any:
    """Return the tuning: the deciding metric by learning rate, scan and full length, chosen and default rates."""
    metric = metric_of(comparison, comparison.metric)
    _, styles, made, ax = _start(comparison, figure, 3.0)
    tuned = [each for each in comparison.rates if each.metric == comparison.metric]
    for curve, marks in zip(tuned, edge_marks(tuned, optimizers_of(comparison)), strict=True):
        _draw_rates(ax, curve, styles[curve.name], metric, marks)
    layout = rate_figures.rates(comparison)["layout"]
    ax.set_xscale("log")
    finish(ax, layout)
    low, high = layout["xaxis"].get("range", [-3, 0])
    ax.set_xticks(layout["xaxis"]["tickvals"], layout["xaxis"]["ticktext"])
    ax.set_xlim(10**low, 10**high)
    ax.minorticks_off()
    legend_beside(made, ax, legend(comparison))
    return made


def _draw_rates(
    ax: Any, curve: RateCurve, style: theme.Style, metric: Metric, marks: tuple[list[Mark], list[Mark]]
) -> None:
    scale = 100.0 if metric.percent else 1.0
    colour, marker = style.colour, MARKERS[style.symbol]
    name: str | None = labelled(curve.name)
    swept = [(each.lr, each.mean) for each in curve.sweep]
    scan, full = (
        [(rate, value * scale) for rate, value in sorted(pairs) if finite(value) and rate > 0]
        for pairs in (curve.scan, swept or curve.full)
    )
    joined = not curve.scan_at  # trials of several hyperparameters are no curve
    for each in curve.sweep:
        ends = ends_of(each, metric)
        if ends and each.lr > 0:
            ax.vlines(each.lr, *(end * scale for end in ends), color=colour, linewidth=1.1, zorder=3)
    if scan:
        ax.plot(
            *zip(*scan, strict=True),
            color=colour,
            linewidth=0.8,
            linestyle=DASHES["dot"] if joined else "none",
            marker=marker if joined else None,
            markersize=4,
            markerfacecolor=CARD,
            markeredgewidth=0.9,
            zorder=2,
        )
    for stage in curve.between:
        points = [(rate, value * scale) for rate, value in stage.points if finite(value) and rate > 0]
        for size, filled in ((4.5, CARD), (1.6, colour)):
            ax.plot(
                *zip(*points, strict=True) if points else ([], []),
                color=colour,
                linewidth=0.8,
                linestyle=DASHES["dash"] if joined and filled == CARD else "none",
                marker=marker,
                markersize=size,
                markerfacecolor=filled,
                markeredgewidth=0.9 if filled == CARD else 0.0,
                zorder=2.5,
            )
    # The name belongs to the solid line, which is drawn even where no rate ran at full length.
    x, y = zip(*full, strict=True) if full and joined else ([math.nan], [math.nan])
    ax.plot(
        x,
        y,
        label=name,
        color=colour,
        linewidth=1.3,
        linestyle=DASHES[style.dash] if joined else "none",
        marker=marker,
        markersize=4,
        zorder=3,
    )
    if not joined:
        _draw_trials(ax, curve, colour, marker, scale)
    for rate, value in [pair for pair in taken_of(curve) if finite(pair[1])][:1]:
        ax.plot(
            rate,
            value * scale,
            marker="o",
            markersize=9.5,
            markerfacecolor="none",
            markeredgecolor=colour,
            markeredgewidth=1.1,
            zorder=4,
        )
    across = ax.get_xaxis_transform()
    crossed, default = marks
    for rate, above in crossed:
        ax.plot(
            rate, 0.965 - 0.04 * above, "x", transform=across, markersize=4.5, color=colour, clip_on=False
        )
    for rate, below in default:
        height = 0.02 + 0.055 * below
        ax.plot(rate, height, "|", transform=across, markersize=8, markeredgewidth=1.5, color=colour)


def _draw_trials(ax: Any, curve: RateCurve, colour: str, marker: str, scale: float) -> None:
    """Draw trials of several hyperparameters: larger for larger values of the first one beside the rate."""
    for pairs, at, face in ((curve.scan, curve.scan_at, CARD), (curve.full, curve.full_at, colour)):
        for (rate, value), size in zip(pairs, sizes(curve, at, 2.5, 7), strict=True):
            if finite(value) and rate > 0:
                ax.plot(rate, value * scale, marker, markersize=size, markerfacecolor=face,
                        markeredgecolor=colour, markeredgewidth=0.9, zorder=3)  # fmt: skip


def draw_ranking(comparison: Comparison, figure: Any) -> Any:
    """Return a dot with its interval for each optimizer and baseline, best first."""
    shown = ranking(comparison)
    count = len(shown.dots)
    names = [_wrapped(dot.short) for dot in shown.dots]
    height = 0.26 if any("\n" in each for each in names) else 0.215
    made = figure(figsize=(WIDTH, 0.62 + height * max(count, 1)), layout="constrained")
    ax = made.add_subplot()
    for place, dot in enumerate(shown.dots):
        _draw_dot(ax, shown, place)
        ax.text(
            1.015,
            place,
            _text(dot.value),
            transform=ax.get_yaxis_transform(),
            va="center",
            fontsize=7.5,
            fontweight="bold" if dot.recommended else "normal",
            color=INK,
        )
    ax.set_ylim(count - 0.4, -0.6)
    ax.set_xlim(-2, 102)
    ax.set_yticks(range(count), names, linespacing=0.95)
    for label, dot in zip(ax.get_yticklabels(), shown.dots, strict=True):
        label.set_fontweight("bold" if dot.recommended else "normal")
        label.set_color(SOFT if dot.kind == "baseline" else INK)
    ax.set_xticks([at for _, at in shown.ticks], [_text(label) for label, _ in shown.ticks])
    better = "← better" if shown.better == "left" else "better →"
    _frame(ax, f"{_text(shown.title)} on {comparison.results_on}   ({better})", "")
    ax.grid(axis="x", color=GRID, linewidth=0.6)
    ax.spines["left"].set_visible(False)
    return made


def _draw_dot(ax: Any, shown: RankingFigure, place: int) -> None:
    dot = shown.dots[place]
    colour = BASELINE if dot.style is None else dot.style.colour
    if dot.default_at is not None:
        _mark(ax, dot.default_at, place, dot.default_beyond, colour, hollow=True)
    if dot.low is not None and dot.high is not None:
        ax.plot(
            [dot.low, dot.high], [place, place], color=colour, linewidth=1.2, solid_capstyle="butt", zorder=3
        )
    ax.plot(
        list(dot.seeds),
        [place - 0.24] * len(dot.seeds),
        linestyle="none",
        marker="o",
        markersize=1.8,
        color=colour,
        alpha=0.55,
        markeredgewidth=0,
        zorder=3,
    )
    if dot.at is not None:
        _mark(ax, dot.at, place, dot.beyond, colour, marker="s" if dot.kind == "baseline" else "o")


def _mark(
    ax: Any, at: float, place: int, beyond: str, colour: str, *, marker: str = "o", hollow: bool = False
) -> None:
    if beyond:
        marker, at = (">", 101.0) if beyond == "right" else ("<", -1.0)
    ax.plot(
        [at],
        [place],
        linestyle="none",
        marker=marker,
        markersize=4.6 if hollow or marker != "o" else 5.6,
        color=colour,
        markerfacecolor=CARD if hollow else colour,
        markeredgewidth=0.9,
        zorder=2 if hollow else 4,
        clip_on=False,
    )


def _start(
    comparison: Comparison, figure: Any, height: float
) -> tuple[float, dict[str, theme.Style], Any, Any]:
    metric = metric_of(comparison, comparison.metric)
    made = figure(figsize=(WIDTH, height), layout="constrained")
    return 100.0 if metric.percent else 1.0, theme.styles(comparison), made, made.add_subplot()


def finish(ax: Any, layout: figures.Figure) -> None:
    """Give axes the range, the titles and the grid of a figure's layout."""
    if "range" in layout["yaxis"]:
        ax.set_ylim(*layout["yaxis"]["range"])
    if max(map(abs, ax.get_ylim())) >= 1e4:
        _thousands(ax.yaxis)
    titles = [html.unescape(layout[axis]["title"]["text"]) for axis in ("xaxis", "yaxis")]
    _frame(ax, *titles)
    ax.grid(axis="y", color=GRID, linewidth=0.6)


def _frame(ax: Any, x: str, y: str) -> None:
    ax.set_xlabel(_text(x), color=SOFT)
    ax.set_ylabel(_text(y), color=SOFT)
    ax.set_axisbelow(True)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color(LINE)
    ax.tick_params(length=2.5, width=0.6, color=LINE, labelcolor=INK)
    ax.tick_params(axis="y", length=0)


def legend_beside(made: Any, ax: Any, groups: Sequence[LegendGroup]) -> None:
    """Put a legend beside axes with more than one name; where several factors vary, by their groups."""
    handles, labels = ax.get_legend_handles_labels()
    if groups:
        handles, labels = _handles(groups)
    if len(handles) > 1:
        made.legend(
            handles,
            labels,
            loc="outside right upper",
            frameon=False,
            fontsize=7.5,
            handlelength=2.2,
            labelcolor=INK,
            borderaxespad=0.2,
        )


def _handles(groups: Sequence[LegendGroup]) -> tuple[list[Any], list[str]]:
    """Return a line for the title of each group and one for each of its levels."""
    from matplotlib.lines import Line2D

    handles, labels = list[Any](), list[str]()
    for group in groups:
        handles.append(Line2D([], [], linestyle="none"))
        labels.append(_text(f"{group.what}: {group.title}"))
        for each in group.keys:
            plain = group.what == "colour"
            colour, line = (each.style.colour, "-") if plain else (SOFT, DASHES[each.style.dash])
            marker = None if plain else MARKERS[each.style.symbol]
            handles.append(
                Line2D([], [], color=colour, linestyle=line, linewidth=1.3, marker=marker, markersize=4)
            )
            labels.append(labelled(each.text))
    return handles, labels


def _thousands(axis: Any) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))


def _scaled(values: Sequence[float], scale: float) -> list[float]:
    return [value * scale if finite(value) else math.nan for value in values]


def _wrapped(name: str) -> str:
    """Return a name in one line, or in two where it is a list of levels.

    Example:
        >>> _wrapped("adam, embedding-mlp, cosine, batch 64, float64").split("\\n")
        ['adam, embedding-mlp, cosine,', 'batch 64, float64']
    """
    levels = ", ".join(each.replace(" ", "\u00a0") for each in show.printable(name).split(", "))
    lines = textwrap.wrap(levels, _NAME, break_long_words=False, break_on_hyphens=False)
    whole = len(lines) == 2 and max(map(len, lines)) <= _NAME
    return "\n".join(_text(each.replace("\u00a0", " ")) for each in lines) if whole else labelled(name)


def labelled(name: str) -> str:
    """Return a name as it stands in a legend."""
    return _text(show.shorten(show.printable(name), _NAME))


def _text(text: str) -> str:
    """Return the text with what the font cannot draw as �; a name that begins with _ stays in the legend."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    font = get_font(findfont(FontProperties(family="DejaVu Sans")))
    drawn = "".join(each if font.get_char_index(ord(each)) else "�" for each in text)
    return f"\u200b{drawn}" if drawn.startswith("_") else drawn


DATES = {"svg": "Date", "pdf": "CreationDate"}
"""What a file would say of when it was made, by its form."""


def saved(made: Any, form: str) -> bytes:
    """Return a figure as the content of a file, the same bytes each time."""
    buffer = io.BytesIO()
    metadata = {DATES[form]: None, "Creator": "steepest"} if form in DATES else {"Software": "steepest"}
    made.savefig(buffer, format=form, metadata=metadata)
    return buffer.getvalue()
