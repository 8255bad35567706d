"""The spectrum along a path in words: titles and captions of its figures, and its table."""

from __future__ import annotations

import math

from rich import box
from rich.table import Table

from steepest.report.format import MINUS, MISSING
from steepest.spectra.along import SAMPLES, PathSpectrum, SpectrumPoint

MOST_LINES = 12
"""Points that have a line; of more, evenly spaced ones."""

NARROW = {"Gauss-Newton": "Gauss-\nNewton", "of threshold": "of thre-\nshold", "noise scale": "noise\nscale"}
"""Heads in two lines, for the terminal."""

TITLES = {
    "eigenvalues": "Largest eigenvalues",
    "trace": "Trace",
    "gradient": "Gradient norm",
    "noise": "Gradient noise scale",
    "turn": "Turn angle",
    "density": "Spectral density",
}
"""What the figures are called."""


def captions(found: PathSpectrum) -> dict[str, str]:
    """Return what every figure shows, in a sentence or two, by name."""
    bound = (
        f" Above the dotted line, {found.formula}, steps on a quadratic diverge."
        if found.formula
        else " No threshold line: " + found.without + "."
    )
    hidden = any(math.isinf(each.noise.value) for each in found.points)
    return {
        "eigenvalues": f"Curvature in the steepest directions.{bound}",
        "trace": f"The sum of all eigenvalues, by {SAMPLES} random vectors, with its standard error.",
        "gradient": "How long the gradient of the training loss is.",
        "noise": "The batch size at which a gradient is as much noise as signal, with its standard error."
        + (" Triangles: beyond what so many rows can measure." if hidden else ""),
        "turn": "Between the way from the kept point before and the way to the next: 0° is straight on, 90° a right "
        "angle, 180° back.",
        "density": "How all eigenvalues of the Hessian are distributed; every value is drawn as a bell, "
        "whose width is 1 % of the range.",
    }


def heads(found: PathSpectrum) -> list[str]:
    """Return the heads of the table."""
    named = ["step", "loss", "gradient", "Hessian", "Gauss-Newton", "trace", "noise scale", "turn"]
    if found.formula:
        named.insert(4, "of threshold")
    return named


def cells(found: PathSpectrum, point: SpectrumPoint) -> list[str]:
    """Return the line of a point in the table."""
    made = [
        f"{point.step:,}",
        number(point.loss),
        number(point.gradient),
        number(point.hessian[0]),
        number(point.gauss_newton[0]),
        f"{number(point.trace)} ± {number(point.trace_error)}",
        number(point.noise.value),
        number(point.turn),
    ]
    if found.formula:
        made.insert(4, number(point.hessian[0] / point.threshold))
    return made


def table(found: PathSpectrum) -> Table:
    """Return the table for the terminal: a line for each point, or for evenly spaced ones of many."""
    made = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)
    for head in heads(found):
        made.add_column(NARROW.get(head, head), justify="right", no_wrap=True, vertical="bottom")
    last = len(found.points) - 1
    shown = {round(i * last / (MOST_LINES - 1)) for i in range(MOST_LINES)}
    for place in sorted(shown):
        made.add_row(*cells(found, found.points[place]))
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
