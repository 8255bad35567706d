"""The answer of a study on a terminal, and its figures."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from steepest.compare.result import Comparison
from steepest.compare.studied import Drawing, Studied
from steepest.report import format as show
from steepest.report import theme
from steepest.report.figures import Figure, framed, safe

WORDS = {"published": "as published", "corrected": "corrected", "tuned": "tuned"}
"""What the ways in which arms are trained are called."""


def study_text(found: Studied) -> RenderableType:
    """Return a study for a terminal: the arms, published beside measured numbers, the checks, and the answer."""
    arms = Table(box=None, padding=(0, 1, 0, 0), header_style="dim")
    arms.add_column("arm", overflow="fold")
    ways = {row.way for row in found.rows}
    if len(ways) > 1:
        arms.add_column("trained", style="dim")
    for head in found.columns:
        arms.add_column(head, justify="right", overflow="fold")
    for row in found.rows:
        cells = [Text(each, no_wrap=True) for each in row.cells]
        arms.add_row(row.name, *([WORDS[row.way]] if len(ways) > 1 else []), *cells)
    trained = f"; all arms {WORDS[next(iter(ways))]}" if len(ways) == 1 else ""
    parts: list[RenderableType] = [
        Text(found.question, style="bold"),
        Text(f"{found.data}{trained}", style="dim"),
        Text(),
        arms,
    ]
    if found.beside:
        beside = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        for head in ("", "published", "measured"):
            beside.add_column(head, overflow="fold")
        for each in found.beside:
            beside.add_row(each.what, each.published, each.measured)
        parts += [Text(), beside]
    if found.checks:
        parts.append(Text())
    for each in found.checks:
        mark = ("✓ ", "green") if each.passed else ("✗ ", "bold red")
        parts.append(Text.assemble(mark, each.what, (f": {each.found}", "dim")))
    parts += [Text(), *(Text(each, style="dim") for each in found.notes), Text(show.printable(found.answer))]
    return Group(*parts)


def drawn(comparison: Comparison) -> dict[str, Figure]:
    """Return the figures of a study by name."""
    if comparison.study is None:
        return {}
    return {f"study-{place}": _figure(each) for place, each in enumerate(comparison.study.drawings)}


def _figure(found: Drawing) -> Figure:
    traces: list[Figure] = []
    for slot, line in enumerate(found.lines):
        name, colour = safe(line.name), theme.colour(slot)
        trace: Figure = {
            "type": "scatter",
            "mode": "lines+markers" if len(line.x) <= 25 else "lines",
            "name": name,
            "x": line.x,
            "y": line.y,
            "line": {"color": colour, "width": 2, "dash": theme.dash(slot)},
            "marker": {"color": colour, "symbol": theme.symbol(slot), "size": 8},
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
    if found.ticks:
        layout["xaxis"] |= {
            "tickmode": "array",
            "tickvals": list(found.ticks.values()),
            "ticktext": [safe(each, 24) for each in found.ticks],
        }
    return {"data": traces, "layout": layout}
