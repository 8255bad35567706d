"""The answer of a study as pure data: what its part of the report shows."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field

from steepest.record.schema import Frozen

Way = Literal["published", "corrected", "tuned"]
"""How an arm of a study is trained: as published; with what was wrong there corrected; or with its rate tuned."""


class StudyRow(Frozen):
    """One arm of a study.

    Attributes:
        name: its title in the comparison, behind the name of that where it is not the study's own.
        part: the name of that comparison.
        way: how it is trained.
        cells: a text for each column.
    """

    name: str
    way: Way
    cells: list[str]
    part: str = ""

    @property
    def title(self) -> str:
        """Its title in the comparison."""
        return self.name.removeprefix(f"{self.part}: ") if self.part else self.name


class Beside(Frozen):
    """A published statement or number, and what was measured here.

    Attributes:
        what: what it is of.
        published, measured: in words or numbers.
        reason: what is known of why they differ; empty where they agree or nothing is.
    """

    what: str
    published: str
    measured: str
    reason: str = ""


class Check(Frozen):
    """What must be true of a study's result.

    Attributes:
        what: the statement.
        passed: whether it holds.
        found: the numbers.
    """

    what: str
    passed: bool
    found: str


class FigureLine(Frozen):
    """A line of a figure, with an interval at each of its points where there is one.

    Attributes:
        name: in the legend.
        x, y: its points.
        low, high: the ends of the intervals.
        joined: whether the points are joined.
    """

    name: str
    x: list[float]
    y: list[float]
    low: list[float] = Field(default_factory=list)
    high: list[float] = Field(default_factory=list)
    joined: bool = True


class FigureSurface(Frozen):
    """A number at each place of a grid, drawn behind the lines of a figure.

    Attributes:
        name: of the number.
        x, y: the places.
        z: a row for each y, in it a number for each x.
        pixels: draw each number as a square, coloured from blue over grey at 0 to red; else draw contours.
    """

    name: str
    x: list[float]
    y: list[float]
    z: list[list[float]]
    pixels: bool = False


MOST_WHOLE = 8
"""Whole numbers along x up to which each has a tick: none would be a fraction."""


class Drawing(Frozen):
    """A figure of a study.

    Attributes:
        title, x, y: of the figure and of its axes.
        lines: what is drawn.
        logarithmic, logarithmic_y: whether the axis along x is, and that along y.
        surface: what is behind the lines.
        ticks: texts at places along x; none where the axis is of numbers.
        caption: what is to be known of it.
    """

    title: str
    x: str
    y: str
    lines: list[FigureLine]
    logarithmic: bool = False
    logarithmic_y: bool = False
    surface: FigureSurface | None = None
    ticks: dict[str, float] = Field(default_factory=dict)
    caption: str = ""

    @property
    def all_ticks(self) -> dict[str, float]:
        """The texts at places along x: those given, else every whole number of few, such as epochs."""
        places = sorted({x for line in self.lines for x in line.x})
        whole = bool(places) and all(x == round(x) for x in places)
        if (
            self.ticks
            or self.logarithmic
            or self.surface
            or not whole
            or places[-1] - places[0] >= MOST_WHOLE
        ):
            return self.ticks
        return {f"{x:,}": float(x) for x in range(int(places[0]), int(places[-1]) + 1)}


class Studied(Frozen):
    """What a study found.

    Attributes:
        name: of the study.
        size: ``quick``, ``default`` or ``full``.
        question: what it asks.
        answer: its sentence, filled from the measured differences.
        short: the same for the cell of a table, with what answers the published question; empty where the first
            sentence does.
        source: where the published numbers are from.
        data: what it is made on.
        columns: heads of the columns of ``rows``.
        rows: the arms.
        beside: published beside measured.
        checks: the checks, each with whether it holds.
        drawings: its figures.
        notes: what else is to be known.
    """

    name: str
    size: str
    question: str
    answer: str
    short: str = ""
    source: str
    data: str
    columns: list[str]
    rows: list[StudyRow]
    beside: list[Beside] = Field(default_factory=list)
    checks: list[Check] = Field(default_factory=list)
    drawings: list[Drawing] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)

    @property
    def headline(self) -> str:
        """The first sentence of the answer."""
        return first_sentence(self.answer)[0]

    @property
    def rest(self) -> str:
        """The sentences behind it."""
        return first_sentence(self.answer)[1]

    @property
    def over_seeds(self) -> bool:
        """Whether the rows have means over seeds with their intervals."""
        return any("±" in cell for row in self.rows for cell in row.cells)


def first_sentence(text: str) -> tuple[str, str]:
    """Return the first sentence of a text, and what comes after it.

    Example:
        >>> first_sentence("It helps by 1.3 [0.1, 2.5] points. More does not.")
        ('It helps by 1.3 [0.1, 2.5] points.', 'More does not.')
    """
    first, *rest = re.split(r"(?<=[.!?])\s+(?=[A-Z])", text, maxsplit=1)
    return first, "".join(rest)
