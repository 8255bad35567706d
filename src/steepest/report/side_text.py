"""Several comparisons side by side in a terminal: who was best where, and the table that their page begins with."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from steepest.report import format as show
from steepest.report.side_by_side import Side, labelled, overview, remarks, sentence, spans

_WIDE = 120
"""Columns from which a terminal has room for numbers of rows and runs."""


def sides_table(sides: Sequence[Side], width: int = 80) -> RenderableType:
    """Return the headline of several comparisons, a line for each, and what a reader must know to compare them.

    Args:
        sides: two comparisons or more, in the order in which they are shown.
        width: columns of the terminal.
    """
    sides = labelled(sides)
    lines = [overview(each) for each in sides]
    metrics = {each.metric for each in lines}
    value = metrics.pop() if len(metrics) == 1 else ""
    titles = ["comparison", "best network", value or "value", "best baseline", "use"]
    rows = [
        [
            each.label,
            each.network,
            each.value if value else f"{each.metric}\n{each.value}",
            each.baseline,
            each.use or show.MISSING,
        ]
        for each in lines
    ]
    if width >= _WIDE:
        titles += ["rows: training / test", "runs"]
        rows = [[*row, each.rows, each.runs] for row, each in zip(rows, lines, strict=True)]
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for title in titles:
        table.add_column(title, overflow="fold", no_wrap=title == titles[2])
    for row in rows:
        table.add_row(*(Text("\n".join(map(show.printable, each.split("\n")))) for each in row))
    said = [f"± 95 % interval over {spans(sides)}.", *remarks(sides)]
    headline = Text(show.printable(sentence(sides)))
    return Group(table, *(Text(show.printable(each), style="dim") for each in said), headline)
