"""The figures and the table of ratings: by user, predictions against the truth, and the busiest users and items."""

from __future__ import annotations

import math
from dataclasses import dataclass

from steepest.compare.rated import Crosstab, Hexagons
from steepest.compare.result import Comparison
from steepest.report import theme
from steepest.report.factors import subject
from steepest.report.figures import Figure, framed, safe
from steepest.wording import counted

MAIN, MARGIN = 0.82, 0.86
"""The share of the figure that the hexagons take, and where the margins begin."""


def drawn(comparison: Comparison) -> dict[str, Figure]:
    """Return the figures of ratings by name; none for other data."""
    found = comparison.rated
    if found is None:
        return {}
    figures = {"crosstab": _crosstab(found.crosstab)}
    if found.hexagons is not None:
        figures["hexagons"] = _hexagons(found.hexagons)
    return figures


def _scale() -> list[list[float | str]]:
    return [[stop, light] for stop, light, _ in theme.HEAT]


def _crosstab(found: Crosstab) -> Figure:
    """Return the ratings as a heat map; cells without one are empty."""
    users, items = (list(range(len(each))) for each in (found.users, found.items))
    hover = [
        [
            f"{safe(found.user)} <b>{safe(user)}</b><br>{safe(title)}<br>"
            + ("no rating" if rating is None else f"rating {rating:g}")
            for title, rating in zip(found.titles, line, strict=True)
        ]
        for user, line in zip(found.users, found.ratings, strict=True)
    ]
    trace: Figure = {
        "type": "heatmap",
        "x": items,
        "y": users,
        "z": found.ratings,
        "text": [["" if each is None else f"{each:g}" for each in line] for line in found.ratings],
        "texttemplate": "%{text}",
        "textfont": {"size": 11},
        "hovertext": hover,
        "hoverinfo": "text",
        "hoverongaps": False,
        "colorscale": _scale(),
        "showscale": False,
        "xgap": 1,
        "ygap": 1,
    }
    layout = framed(safe(found.item), safe(found.user), hovermode="closest")
    ticks = {"tickmode": "array", "showgrid": False, "ticks": "", "automargin": True}
    layout["xaxis"] |= {
        **ticks,
        "tickvals": items,
        "ticktext": [safe(each, 24) for each in found.titles],
        "side": "top",
        "tickangle": -90,
        "ticklabeloverflow": "allow",
        "showline": False,
        "range": [-0.5, len(items) - 0.5],
    }
    layout["yaxis"] |= {
        **ticks,
        "tickvals": users,
        "ticktext": [safe(each, 18) for each in found.users],
        "range": [len(users) - 0.5, -0.5],
    }
    return {"data": [trace], "layout": layout}


def _hexagons(found: Hexagons) -> Figure:
    """Return the hexagons as marks coloured by the logarithm of their rows, with a histogram along both axes."""
    most = math.log10(max(found.rows, default=1)) or 1.0
    bins = (found.high - found.low) / len(found.true)
    places = [found.low + (i + 0.5) * bins for i in range(len(found.true))]
    bar = theme.SURFACES["bar"][0]
    rows: Figure = {
        "type": "scatter",
        "mode": "markers",
        "x": found.x,
        "y": found.y,
        "customdata": found.rows,
        "marker": {
            "symbol": "hexagon2",
            "size": 15,
            "color": [math.log10(each) for each in found.rows],
            "cmin": -0.1 * most,
            "cmax": most,
            "colorscale": _scale(),
        },
        "hovertemplate": "true %{x:.3~g}<br>predicted %{y:.3~g}<br>%{customdata} rows<extra></extra>",
    }
    line: Figure = {
        "type": "scatter",
        "mode": "lines",
        "x": [found.low, found.high],
        "y": [found.low, found.high],
        "line": {"color": theme.SURFACES["faint"][0], "width": 1, "dash": "dot"},
        "hoverinfo": "skip",
    }
    above: Figure = {
        "type": "bar",
        "x": places,
        "y": found.true,
        "width": bins,
        "yaxis": "y2",
        "marker": {"color": bar},
        "hovertemplate": "true %{x:.3~g}: %{y} rows<extra></extra>",
    }
    beside: Figure = {
        "type": "bar",
        "orientation": "h",
        "x": found.predicted,
        "y": places,
        "width": bins,
        "xaxis": "x2",
        "marker": {"color": bar},
        "hovertemplate": "predicted %{y:.3~g}: %{x} rows<extra></extra>",
    }
    room = (found.high - found.low) * 0.04
    span = [found.low - room, found.high + room]
    layout = framed("true rating", "predicted rating", hovermode="closest", bargap=0)
    hidden = {"showgrid": False, "zeroline": False, "showticklabels": False, "domain": [MARGIN, 1.0]}
    layout["xaxis"] |= {"domain": [0.0, MAIN], "range": span}
    layout["yaxis"] |= {"domain": [0.0, MAIN], "range": span}
    layout["xaxis2"] = {**hidden, "anchor": "y"}
    layout["yaxis2"] = {**hidden, "anchor": "x"}
    return {"data": [line, rows, above, beside], "layout": layout}


@dataclass(frozen=True)
class UserLine:
    """A line of the table by user, as texts."""

    arm: str
    baseline: bool
    rmse: str
    mae: str
    ndcg: str
    recall: str


def lines(comparison: Comparison) -> list[UserLine]:
    """Return the table by user, the smallest RMSE first."""
    found = comparison.rated
    return [
        UserLine(
            each.arm,
            each.baseline,
            f"{each.rmse:.4f}",
            f"{each.mae:.4f}",
            _text(each.ndcg),
            _text(each.recall),
        )
        for each in sorted([] if found is None else found.scores, key=lambda each: each.rmse)
    ]


def _text(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def sentence(comparison: Comparison) -> list[str]:
    """Return the measures by user of the winner's network, and of the baseline that ranks best, for ratings."""
    found = comparison.rated
    mine = [each for each in ([] if found is None else found.scores) if each.arm == comparison.winner]
    if found is None or not mine:
        return []
    [own] = mine
    name = subject(comparison).name(own.arm)
    over = f"Averaged over {counted(found.users, 'user')}"
    said = f"{over}, the RMSE of {name} is {own.rmse:.3f} and its MAE {own.mae:.3f}"
    if not comparison.held_out:  # users have rated what is ranked
        return [f"{said}."]
    if found.too_few:
        most = f"most have no more than {counted(found.k, 'item')} that they had not rated"
        return [f"{said}; {most}, so that a ranking of these shows nothing."]
    if own.ndcg is None or own.recall is None:
        return [f"{said}."]
    ranks = f"NDCG@{found.k} is {own.ndcg:.3f} and recall@{found.k} {own.recall:.3f}"
    if found.chance_ndcg is not None and found.chance_recall is not None:
        ranks += f" (a random order has {found.chance_ndcg:.3f} and {found.chance_recall:.3f})"
    ranked = [(each.ndcg, each.arm) for each in found.scores if each.baseline and each.ndcg is not None]
    beside = (
        "; the best baseline there is {1}, with an NDCG@{2} of {0:.3f}".format(*max(ranked), found.k)
        if ranked
        else ""
    )
    return [f"{said}; in a ranking of all unseen items, {ranks}{beside}."]
