"""Performance profiles of several comparisons: the figure and the table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from steepest.compare.profiles import cost, profile, ratios
from steepest.compare.result import Comparison, Row
from steepest.report import theme
from steepest.report.figures import Figure, framed, safe
from steepest.report.view import metric_of

FEWEST = 3
"""Comparisons of which a profile says something; of two, their rankings say the same."""
WITHIN = (1.0, 1.01, 1.05, 1.1, 1.5, 2.0)
"""Factors that have a column of the table."""


@dataclass(frozen=True)
class Profiles:
    """The profiles of the arms that several comparisons have.

    Attributes:
        factors: of each arm, one for each comparison that counts.
        comparisons: how many these are.
    """

    factors: dict[str, list[float]]
    comparisons: int

    @property
    def lines(self) -> list[tuple[str, list[str]]]:
        """Each arm with the share of the comparisons in which it is within each factor, the best first."""
        found = [
            (name, [sum(each <= most + 1e-12 for each in factors) / len(factors) for most in WITHIN])
            for name, factors in self.factors.items()
        ]
        found.sort(key=lambda line: [-share for share in line[1]])
        return [(name, [f"{share:.0%}" for share in shares]) for name, shares in found]


def profiles(comparisons: Sequence[Comparison]) -> Profiles | None:
    """Return the profiles of arms that all comparisons have; None of fewer than three of these, or two such arms."""
    costs: list[dict[str, float]] = []
    for each in comparisons:
        metric = metric_of(each, each.metric)
        costs.append(
            {
                row.name: _cost(row, each.metric, metric.higher_is_better)
                for row in each.rows
                if row.kind == "arm" and each.metric in row.metrics
            }
        )
    found = ratios(costs)
    count = min((len(each) for each in found.values()), default=0)
    return Profiles(found, count) if count >= FEWEST and len(found) > 1 else None


def _cost(row: Row, metric: str, higher: bool) -> float:
    """Return the cost of an arm's mean; of one of which a run failed it is infinite: the mean is of what survived."""
    known = row.metrics[metric]
    return math.inf if known.n < row.seeds else cost(known.mean, higher=higher)


def figure(found: Profiles, what: str = "comparisons") -> Figure:
    """Return the profiles as steps, one line for each arm.

    Args:
        found: the profiles.
        what: they are over.
    """
    finite = [each for factors in found.factors.values() for each in factors if math.isfinite(each)]
    most = max([*finite, 1.05]) * 1.03
    traces: list[Figure] = []
    for place, (name, factors) in enumerate(found.factors.items()):
        steps = profile(factors)
        x = [1.0, *(factor for factor, _ in steps), most]
        y = [steps[0][1] if steps and steps[0][0] == 1.0 else 0.0, *(share for _, share in steps)]
        style = theme.Style(place)
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": safe(name),
                "x": x,
                "y": [100 * share for share in [*y, y[-1]]],
                "line": {"color": style.colour, "width": 2.5, "shape": "hv", "dash": style.dash},
                "hovertemplate": f"<b>{safe(name)}</b><br>within %{{x:.3~f}} × the best: %{{y:.0f}} %<extra></extra>",
            }
        )
    layout = framed("factor above the best", f"{what} within it, %", hovermode="closest")
    layout["xaxis"] |= {"range": [1.0 - 0.01 * (most - 1), most]}
    layout["yaxis"] |= {"range": [-3, 103]}
    layout["showlegend"] = True
    layout["legend"] = {"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0}
    return {"data": traces, "layout": layout}
