"""The figures and the table of a curve: what was fitted to the points, and how far that is from the exact optimum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from steepest.compare.fits import Fits, FittedCurve, Optimum
from steepest.compare.result import Comparison
from steepest.report import theme
from steepest.report.factors import subject
from steepest.report.figures import Figure, framed, meta_of, safe
from steepest.report.words import listed
from steepest.wording import significant

RESIDUALS = "residuals-"
"""The names of the figures of residuals begin so."""
MOST_RESIDUALS = 6
"""Arms whose residuals are drawn."""
MOST_COEFFICIENTS = 6
"""A line of the table shows so many."""


def drawn(comparison: Comparison) -> dict[str, Figure]:
    """Return the figures of a curve by name: the fits, and the residuals of each arm's; none for other data."""
    found = comparison.fits
    if found is None or not found.fits:
        return {}
    stems = {
        f"{RESIDUALS}{place}": _residuals(comparison, found, fit)
        for place, fit in enumerate(_own(comparison))
    }
    return {"fits": _curves(comparison, found), **stems}


def residual_figures(comparison: Comparison) -> list[tuple[str, str]]:
    """Return the name of the figure and the title of each arm whose residuals are drawn, the winner first."""
    return [(f"{RESIDUALS}{place}", fit.name) for place, fit in enumerate(_own(comparison))]


def number(comparison: Comparison) -> int:
    """Return how many arms have a fit."""
    return 0 if comparison.fits is None else sum(not each.exact for each in comparison.fits.fits)


def _own(comparison: Comparison) -> list[FittedCurve]:
    """Return the fits of arms in the order of the results, the winner's first, and no more than are readable."""
    found = [] if comparison.fits is None else [each for each in comparison.fits.fits if not each.exact]
    order = {row.name: place for place, row in enumerate(comparison.rows) if row.kind == "arm"}
    found.sort(key=lambda each: (each.name != comparison.winner, order.get(each.name, len(order))))
    return found[:MOST_RESIDUALS]


def _points(found: Fits) -> list[Figure]:
    ink, faint = (theme.SURFACES[name][0] for name in ("soft", "faint"))
    shown: list[Figure] = []
    for held in (False, True):
        rows = [i for i, each in enumerate(found.held) if each is held]
        if not rows:
            continue
        what = "held out" if held else "training"
        shown.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": [found.x[i] for i in rows],
                "y": [found.y[i] for i in rows],
                "marker": {
                    "color": faint if held else ink,
                    "size": 6,
                    "symbol": "circle-open" if held else "circle",
                },
                "hovertemplate": f"{safe(found.x_title)} %{{x:.4~g}}<br>{safe(found.y_title)} %{{y:.4~g}}"
                f"<extra>{what}</extra>",
            }
        )
    return shown


def _curves(comparison: Comparison, found: Fits) -> Figure:
    """Return every fit through the points; exact optima are dotted, dark, and lie above the fits."""
    styles, shown = theme.styles(comparison), meta_of(comparison)
    dark = theme.SURFACES["ink"][0]
    traces: list[Figure] = []
    for each in sorted(found.fits, key=lambda each: each.exact):
        colour = dark if each.exact else styles[each.name].colour
        dash = "dot" if each.exact else styles[each.name].dash
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": safe(each.name),
                "x": found.grid,
                "y": each.values,
                "line": {"color": colour, "width": 2, "dash": dash},
                **({} if each.exact else {"meta": shown(each.name), "legendgroup": each.name}),
                "hovertemplate": f"<b>{safe(each.name)}</b><br>%{{x:.4~g}}: %{{y:.5~g}}<extra></extra>",
            }
        )
    layout = framed(safe(found.x_title), safe(found.y_title), hovermode="closest")
    return {"data": [*_points(found), *traces], "layout": layout}


def _residuals(comparison: Comparison, found: Fits, fit: FittedCurve) -> Figure:
    """Return an arm's fit with a stem from its prediction to every point."""
    style = theme.styles(comparison).get(fit.name)
    colour = theme.SURFACES["bar"][0] if style is None else style.colour
    x: list[float | None] = []
    y: list[float | None] = []
    for place, predicted, true in zip(found.x, fit.at_points, found.y, strict=True):
        x += [place, place, None]
        y += [predicted, true, None]
    stems = {
        "type": "scatter",
        "mode": "lines",
        "x": x,
        "y": y,
        "line": {"color": colour, "width": 1.5},
        "opacity": 0.5,
        "hoverinfo": "skip",
    }
    line = {
        "type": "scatter",
        "mode": "lines",
        "name": safe(fit.name),
        "x": found.grid,
        "y": fit.values,
        "line": {"color": colour, "width": 2},
        "hovertemplate": f"<b>{safe(fit.name)}</b><br>%{{x:.4~g}}: %{{y:.5~g}}<extra></extra>",
    }
    layout = framed(safe(found.x_title), safe(found.y_title), hovermode="closest")
    return {"data": [stems, line, *_points(found)], "layout": layout}


@dataclass(frozen=True)
class OptimumLine:
    """A line of the table of exact optima, as texts."""

    arm: str
    loss: str
    value: str
    least: str
    gap: str
    coefficients: str
    exact: str


def lines(optima: Sequence[Optimum]) -> list[OptimumLine]:
    """Return the table of exact optima, the nearest one first."""
    return [
        OptimumLine(
            arm=each.arm,
            loss=each.loss,
            value=significant(each.value, 7),
            least=significant(each.least, 7),
            gap=gap_text(each),
            coefficients=_listed(each.coefficients),
            exact=_listed(each.exact),
        )
        for each in sorted(optima, key=lambda each: each.gap)
    ]


def gap_text(found: Optimum) -> str:
    """Return how far a training loss is above its optimum, with what rounding makes of it cut off.

    Example:
        >>> about = {"arm": "a", "loss": "absolute", "solved": "", "coefficients": [], "exact": []}
        >>> gap_text(Optimum(value=1.20895, least=1.2089304, **about)), gap_text(Optimum(value=1.0, least=1.0, **about))
        ('2.0e-5', '0')
    """
    if abs(found.gap) <= 1e-12 * max(abs(found.least), 1e-300):
        return "0"
    if abs(found.gap) >= 1e-3:
        return significant(found.gap, 3)
    mantissa, exponent = f"{found.gap:.1e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def _listed(values: Sequence[float]) -> str:
    shown = ", ".join(significant(each, 6).replace("-", "−") for each in values[:MOST_COEFFICIENTS])
    return shown if len(values) <= MOST_COEFFICIENTS else f"{shown}, … ({len(values)})"


def sentence(comparison: Comparison) -> list[str]:
    """Return how far each arm is above the exact optimum of its training loss, where that is known."""
    name = subject(comparison).name
    if not comparison.optima:
        return []
    gaps = [
        f"{name(each.arm)} {gap_text(each)}" for each in sorted(comparison.optima, key=lambda each: each.gap)
    ]
    return [f"Above the exact optimum of the training loss: {listed(gaps)}."]
