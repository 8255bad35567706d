"""The spectrum along a path as a table for the terminal."""

from __future__ import annotations

import math

from rich import box
from rich.table import Table

from steepest.report.format import MINUS, MISSING
from steepest.spectra.along import PathSpectrum

MOST_LINES = 12
"""Points that have a line; of more, evenly spaced ones."""


def table(found: PathSpectrum) -> Table:
    """Return the table: a line for each point, or for evenly spaced ones of many."""
    made = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)
    heads = ["step", "loss", "gradient", "Hessian", "Gauss-\nNewton", "trace", "noise\nscale", "turn"]
    if found.formula:
        heads.insert(4, "of thre-\nshold")
    for head in heads:
        made.add_column(head, justify="right", no_wrap=True, vertical="bottom")
    last = len(found.points) - 1
    shown = {round(i * last / (MOST_LINES - 1)) for i in range(MOST_LINES)}
    for place in sorted(shown):
        each = found.points[place]
        cells = [
            f"{each.step:,}",
            number(each.loss),
            number(each.gradient),
            number(each.hessian[0]),
            number(each.gauss_newton[0]),
            f"{number(each.trace)} ± {number(each.trace_error)}",
            number(each.noise.value),
            number(each.turn),
        ]
        if found.formula:
            cells.insert(4, number(each.hessian[0] / each.threshold))
        made.add_row(*cells)
    return made


def number(value: float) -> str:
    """Return a number with three digits.

    Example:
        >>> number(-0.01234), number(float("nan")), number(float("inf"))
        ('−0.0123', '–', '∞')
    """
    if math.isnan(value):
        return MISSING
    return "∞" if math.isinf(value) else f"{value:.3g}".replace("-", MINUS)
