"""The answer of a study on a terminal, and its figures."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from steepest.compare.result import Comparison
from steepest.compare.studied import Drawing, FigureSurface, Studied
from steepest.report import format as show
from steepest.report import theme
from steepest.report.figures import Figure, framed, safe

WORDS = {"published": "as published", "corrected": "corrected", "tuned": "tuned"}
"""What the ways in which arms are trained are called."""


TRAINED = "trained"
"""The head of the column of the ways in which arms are trained."""
LEAST_ARM = 12
"""Columns of text that the names of arms have at least."""


class ArmTable:
    """The arms of a study, in as many tables one below the other as the terminal needs: no number is cut.

    Args:
        found: the study.
    """

    def __init__(self, found: Studied) -> None:
        self.found = found

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        heads, rows = list(self.found.columns), [list(row.cells) for row in self.found.rows]
        if len({row.way for row in self.found.rows}) > 1:
            heads = [TRAINED, *heads]
            rows = [[WORDS[row.way], *cells] for row, cells in zip(self.found.rows, rows, strict=True)]
        widths = [
            max(*map(len, head.split()), *(len(cells[place]) for cells in rows))
            for place, head in enumerate(heads)
        ]
        names = [("  " if row.part else "") + row.title for row in self.found.rows]
        longest = max(map(len, names))
        for some in _that_fit(widths, options.max_width - min(longest, LEAST_ARM)):
            if some.start:
                yield Text()
            table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim", pad_edge=False)
            arm, *shown = _level([["arm"], *(wrap(heads[place], widths[place]) for place in some)])
            room = options.max_width - sum(widths[place] + 1 for place in some) - 1
            table.add_column(arm, width=min(longest, max(room, LEAST_ARM)), overflow="fold")
            for place, head in zip(some, shown, strict=True):
                justify = "left" if heads[place] == TRAINED else "right"
                table.add_column(head, justify=justify, width=widths[place], no_wrap=True)
            part = ""
            for row, cells in zip(self.found.rows, rows, strict=True):
                if row.part != part:
                    part = row.part
                    table.add_row(Text(part, style="bold"))
                name = Padding(row.title, (0, 0, 0, 2)) if part else row.title
                table.add_row(name, *(Text(cells[place]) for place in some))
            yield table


def _level(heads: Sequence[Sequence[str]]) -> list[str]:
    """Return heads of several lines that end on the same one.

    Example:
        >>> _level([["file,", "kB"], ["epochs"]])
        ['file,\\nkB', '\\nepochs']
    """
    most = max(map(len, heads))
    return ["\n" * (most - len(each)) + "\n".join(each) for each in heads]


def _that_fit(widths: Sequence[int], room: int) -> list[range]:
    """Return runs of columns that are no wider than there is room for, with a blank before each of them.

    Example:
        >>> _that_fit([5, 5, 5], 12), _that_fit([5, 50, 5], 12)
        ([range(0, 2), range(2, 3)], [range(0, 1), range(1, 2), range(2, 3)])
    """
    found, start, used = [], 0, 0
    for place, width in enumerate(widths):
        if place > start and used + width + 1 > room:
            found.append(range(start, place))
            start, used = place, 0
        used += width + 1
    return [*found, range(start, len(widths))]


def study_text(found: Studied) -> RenderableType:
    """Return a study for a terminal: the arms, published beside measured numbers, the checks, and the answer."""
    ways = {row.way for row in found.rows}
    trained = f"; all arms {WORDS[next(iter(ways))]}" if len(ways) == 1 else ""
    parts: list[RenderableType] = [
        Text(found.question, style="bold"),
        Text(f"{found.data}{trained}", style="dim"),
        Text(),
        ArmTable(found),
    ]
    if found.beside:
        beside = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        reasons = any(each.reason for each in found.beside)
        for head in ("", "published", "measured", *(["reason"] if reasons else [])):
            beside.add_column(head, overflow="fold")
        for each in found.beside:
            beside.add_row(each.what, each.published, each.measured, *([each.reason] if reasons else []))
        parts += [Text(), beside]
    if found.checks:
        parts.append(Text())
    for each in found.checks:
        mark = ("✓ ", "green") if each.passed else ("✗ ", "bold red")
        parts.append(Text.assemble(mark, each.what, (f": {each.found}", "dim")))
    parts += [Text(), *(Text(each, style="dim") for each in found.notes), Text(show.printable(found.answer))]
    return Group(*parts)


def drawn(comparison: Comparison) -> dict[str, Figure]:
    """Return the figures of a comparison's study by name."""
    return {} if comparison.study is None else figures_of(comparison.study)


def figures_of(found: Studied) -> dict[str, Figure]:
    """Return the figures of a study by name."""
    return {f"study-{place}": _figure(each) for place, each in enumerate(found.drawings)}


def _figure(found: Drawing) -> Figure:
    traces: list[Figure] = [] if found.surface is None else [_behind(found.surface)]
    for slot, line in enumerate(found.lines):
        name, colour = safe(line.name), theme.colour(slot)
        trace: Figure = {
            "type": "scatter",
            "mode": "markers" if not line.joined else "lines+markers" if len(line.x) <= 25 else "lines",
            "name": name,
            "x": line.x,
            "y": line.y,
            "line": {"color": colour, "width": 2, "dash": theme.dash(slot)},
            "marker": {"color": colour, "symbol": theme.symbol(slot), "size": 8 if len(line.x) <= 25 else 5},
            "hovertemplate": f"<b>{name}</b><br>{safe(found.x)} %{{x}}: %{{y:.4~g}}<extra></extra>",
        }
        if line.low:
            trace["error_y"] = {
                "type": "data",
                "symmetric": False,
                "array": [high - y for high, y in zip(line.high, line.y, strict=True)],
                "arrayminus": [y - low for low, y in zip(line.low, line.y, strict=True)],
                "color": colour,
                "thickness": 1.2,
                "width": 3,
            }
        traces.append(trace)
    layout = framed(safe(found.x), safe(found.y), hovermode="closest")
    layout["showlegend"] = len(found.lines) > 1
    layout["legend"] = {"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0.0}
    if found.logarithmic:
        layout["xaxis"]["type"] = "log"
    if found.logarithmic_y:
        layout["yaxis"] |= {"type": "log", "exponentformat": "power"}
    if found.surface is not None and found.surface.pixels:
        layout["yaxis"] |= {"scaleanchor": "x", "autorange": "reversed", "visible": False}
        layout["xaxis"] |= {"visible": False}
    ticks = found.all_ticks
    if ticks:
        layout["xaxis"] |= {
            "tickmode": "array",
            "tickvals": list(ticks.values()),
            "ticktext": [safe(each, 24) for each in ticks],
        }
    return {"data": traces, "layout": layout}


def _grey(light: float) -> str:
    """Return a grey of a surface: equal steps for equal factors above its lowest point, so that a basin has some."""
    return "rgb({0},{0},{0})".format(round(255 * light))


def _behind(surface: FigureSurface) -> Figure:
    common: Figure = {"x": surface.x, "y": surface.y, "z": surface.z, "name": safe(surface.name)}
    common |= {"hovertemplate": f"{safe(surface.name)} %{{z:.4~g}}<extra></extra>"}
    bar = {"title": {"text": safe(surface.name)}, "thickness": 12, "outlinewidth": 0}
    if surface.pixels:
        most = max(abs(each) for row in surface.z for each in row) or 1.0
        ends = {"zmin": -most, "zmax": most, "colorscale": "RdBu"}
        return {**common, **ends, "type": "heatmap", "colorbar": bar}
    return {
        **common,
        "type": "contour",
        "ncontours": 24,
        "colorscale": [[0.0, _grey(0.0)], *([10 ** (each - 3), _grey(each / 3)] for each in (0, 1, 2, 3))],
        "contours": {"coloring": "heatmap"},
        "line": {"width": 0.5},
        "opacity": 0.6,
        "colorbar": bar,
    }
