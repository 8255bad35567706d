"""Performance profiles of several comparisons: the figure and the table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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
        return [(name, [f"{share * 100:.0f} %" for share in shares]) for name, shares in found]


def once(fingerprints: Sequence[str]) -> list[int]:
    """Return the places of the comparisons that count: the first one of each data, as the others say nothing new of it.

    Args:
        fingerprints: of the data of each; those whose data is not known count.

    Example:
        >>> once(["a", "b", "a", "", ""])
        [0, 1, 3, 4]
    """
    return [i for i, each in enumerate(fingerprints) if not each or each not in fingerprints[:i]]


def profiles(comparisons: Sequence[Comparison], fingerprints: Sequence[str] = ()) -> Profiles | None:
    """Return the profiles of arms that all comparisons have; None of fewer than three of these, or two such arms.

    Args:
        comparisons: of which the first one of each data counts.
        fingerprints: of the data of each; each is of other data if left out.
    """
    costs: list[dict[str, float]] = []
    for each in comparisons if not fingerprints else [comparisons[i] for i in once(fingerprints)]:
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


def figure(
    found: Profiles, what: str = "comparisons", look: Mapping[str, theme.Style] | None = None
) -> Figure:
    """Return the profiles as steps, one line for each arm, over factors on a logarithmic scale.

    Args:
        found: the profiles.
        what: they are over.
        look: how arms are drawn, where the page has other figures of them.
    """
    look = look or _look(found)
    finite = [each for factors in found.factors.values() for each in factors if math.isfinite(each)]
    most = max([*finite, 1.05]) * 1.03
    traces: list[Figure] = []
    for name, factors in found.factors.items():
        steps = profile(factors)
        x = [1.0, *(factor for factor, _ in steps), most]
        y = [steps[0][1] if steps and steps[0][0] == 1.0 else 0.0, *(share for _, share in steps)]
        style = look[name]
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": safe(name),
                "meta": {"name": name},
                "x": x,
                "y": [100 * share for share in [*y, y[-1]]],
                "line": {"color": style.colour, "width": 2.5, "shape": "hv", "dash": style.dash},
                "hovertemplate": f"<b>{safe(name)}</b><br>within %{{x:.3~f}} × the best: %{{y:.0f}} %<extra></extra>",
            }
        )
    layout = framed("times the best result", f"share of the {what}, %", hovermode="closest")
    end = math.log10(most)
    ticks = {
        "tickmode": "array",
        "tickvals": (marks := _ticks(most)),
        "ticktext": [f"{each:g}" for each in marks],
    }
    layout["xaxis"] |= {"type": "log", "range": [-0.015 * end, end], **ticks}
    layout["yaxis"] |= {"range": [-3, 103]}
    return {"data": traces, "layout": layout}


def chips(found: Profiles, look: Mapping[str, theme.Style] | None = None) -> list[tuple[str, str, str]]:
    """Return the legend of the figure, whose entries hide lines: (name, colour, line pattern)."""
    return [
        (name, style.css, style.dash)
        for name, style in (look or _look(found)).items()
        if name in found.factors
    ]


def _look(found: Profiles) -> dict[str, theme.Style]:
    return {name: theme.Style(place) for place, name in enumerate(found.factors)}


def _ticks(most: float) -> list[float]:
    """Return factors to write along an axis from 1: every one of few digits that is far enough from its neighbours.

    Example:
        >>> _ticks(1.08), _ticks(3.3), _ticks(40.0)
        ([1.0, 1.02, 1.04, 1.06, 1.08], [1.0, 1.2, 1.5, 2.0, 3.0], [1.0, 2.0, 5.0, 10.0, 20.0])
    """
    if most < 1.2:
        step = next(each for each in (0.001, 0.002, 0.005, 0.01, 0.02, 0.05) if (most - 1) / each <= 5)
        return [round(1 + i * step, 3) for i in range(int((most - 1) / step + 1e-9) + 1)]
    if most < 2:
        return [each for each in (1.0, 1.1, 1.2, 1.4, 1.6, 1.8) if each <= most]
    if most < 5:
        return [each for each in (1.0, 1.2, 1.5, 2.0, 3.0, 4.0) if each <= most]
    powers = range(math.floor(math.log10(most)) + 1)
    each = (1.0, 2.0, 5.0) if most < 200 else (1.0,)
    return [first * 10.0**power for power in powers for first in each if first * 10.0**power <= most]
