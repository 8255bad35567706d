"""Which classes the winner confuses: a matrix of few classes, the most confused pairs of many."""

from __future__ import annotations

from dataclasses import dataclass

from steepest.compare.result import ClassLine, Comparison
from steepest.report import format as show
from steepest.report import theme
from steepest.report.figures import Figure, framed, safe
from steepest.wording import counted

MOST_IN_MATRIX = 60
"""A matrix of more classes has cells that nobody can hit, and labels over each other."""
MOST_PAIRS = 30
MOST_CLASSES_SHOWN = 30
"""Of more classes than a matrix holds, so many are in sight: those with the lowest F1."""
_NUMBERED = 20
"""Cells of more classes have no room for their numbers."""


@dataclass(frozen=True)
class ConfusedPair:
    """A line of the table of confused pairs, as texts.

    Attributes:
        true, predicted: the labels.
        rows: how many rows of the one were predicted as the other, or the sum of their weights.
        share: these of all rows of the true class, in percent.
    """

    true: str
    predicted: str
    rows: str
    share: float


def drawn(comparison: Comparison) -> dict[str, Figure]:
    """Return the confusion matrix by its name; none without classes, or where they are too many for one."""
    fits = 0 < len(comparison.classes) <= MOST_IN_MATRIX
    return {"confusion": matrix(comparison)} if fits and comparison.confusion else {}


def matrix(comparison: Comparison) -> Figure:
    """Return the winner's confusion matrix: colours by the share of the true class, counts on hover."""
    labels = [safe(_label(each)) for each in comparison.classes]
    short = [safe(_label(each), 18) for each in comparison.classes]
    shares: list[list[float | None]] = []
    hover: list[list[list[str]]] = []
    for true, counts in enumerate(comparison.confusion):
        total = sum(counts)
        shares.append([each / total if total else None for each in counts])
        hover.append(
            [
                [labels[true], label, show.count(each), show.count(total), _percent(each, total)]
                for label, each in zip(labels, counts, strict=True)
            ]
        )
    size = len(labels)
    places = list(range(size))
    trace: Figure = {
        "type": "heatmap",
        "x": places,
        "y": places,
        "z": shares,
        "zmin": 0,
        "zmax": 1,
        "customdata": hover,
        "hovertemplate": "true <b>%{customdata[0]}</b><br>predicted <b>%{customdata[1]}</b><br>"
        f"%{{customdata[2]}} of %{{customdata[3]}} rows{', by weight' if comparison.weight else ''}"
        "%{customdata[4]}<extra></extra>",
        "hoverongaps": False,
        "colorscale": [[stop, light] for stop, light, _ in theme.HEAT],
        "showscale": False,
        "xgap": 1 if size <= 25 else 0.5,
        "ygap": 1 if size <= 25 else 0.5,
    }
    if size <= _NUMBERED:
        trace["text"] = [["" if each is None else f"{each * 100:.0f}" for each in row] for row in shares]
        trace["texttemplate"] = "%{text}"
        trace["textfont"] = {"size": 11}
    layout = framed("predicted", "true", hovermode="closest")
    ticks = {"tickmode": "array", "tickvals": places, "ticktext": short, "showgrid": False, "ticks": ""}
    layout["xaxis"] |= {
        **ticks,
        "side": "top",
        "ticklabelstandoff": 3,
        "tickangle": 0 if max(map(len, short), default=0) <= 3 else -90,
        "ticklabeloverflow": "allow",
        "range": [-0.5, size - 0.5],
    }
    layout["yaxis"] |= {**ticks, "ticklabelstandoff": 6, "range": [size - 0.5, -0.5]}
    layout["xaxis"] |= {"showline": False, "automargin": True}
    layout["yaxis"] |= {"automargin": True}
    return {"data": [trace], "layout": layout}


def pairs(comparison: Comparison) -> list[ConfusedPair]:
    """Return the pairs of classes with the most confused rows, where the classes are too many for a matrix."""
    if len(comparison.classes) <= MOST_IN_MATRIX:
        return []
    labels = [_label(each) for each in comparison.classes]
    return [
        ConfusedPair(
            labels[true],
            labels[predicted],
            show.count(rows),
            100.0 * rows / sum(comparison.confusion[true]),
        )
        for rows, true, predicted in _confused(comparison)[:MOST_PAIRS]
    ]


def caption(comparison: Comparison) -> str:
    """Return how much of all errors the shown pairs are; nothing where there are none."""
    found = _confused(comparison)
    if not found:
        return ""
    rows, shown = (sum(each for each, *_ in some) for some in (found, found[:MOST_PAIRS]))
    wrong = f"{show.count(rows)} rows{', by weight,' if comparison.weight else ''} were predicted as another class"
    if len(found) <= MOST_PAIRS:
        return f"In all, {wrong}."
    most = f"the {MOST_PAIRS} pairs with the most of {counted(len(found), 'pair')}"
    return f"In all, {wrong}; {most} have {show.number(100 * shown / rows, 0)} % of them."


def worst(comparison: Comparison) -> list[ClassLine]:
    """Return the classes with the lowest F1, the lowest first, where they are too many to show all at once."""
    if len(comparison.classes) <= MOST_IN_MATRIX:
        return []
    known = [each for each in comparison.classes if each.rows]
    return sorted(known, key=lambda each: each.f1 if each.f1 == each.f1 else -1.0)[:MOST_CLASSES_SHOWN]


def _confused(comparison: Comparison) -> list[tuple[float, int, int]]:
    """Return (rows, true, predicted) of all pairs of different classes with rows, the most rows first."""
    found = [
        (rows, true, predicted)
        for true, counts in enumerate(comparison.confusion)
        for predicted, rows in enumerate(counts)
        if rows > 0 and true != predicted
    ]
    return sorted(found, key=lambda each: (-each[0], *each[1:]))


def _label(line: ClassLine) -> str:
    return line.label or "(empty)"


def _percent(rows: float, total: float) -> str:
    return f" ({rows / total * 100:.1f} %)" if total else ""
