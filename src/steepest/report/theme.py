"""Colours, in one place: the page's variables and the figures' palette, each for light and for dark.

Figures are drawn in the light colours; the page replaces every one by its dark counterpart. The series
start from Okabe & Ito's palette, which people with any colour vision can tell apart, darkened or lightened
for contrast with the background; line patterns and marker shapes repeat what the colour says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from steepest.compare.result import Comparison
from steepest.report.factors import levels_of, scheme

SURFACES: dict[str, tuple[str, str]] = {
    "page": ("#f6f6f3", "#101317"),
    "card": ("#ffffff", "#181c22"),
    "sunken": ("#f4f4f0", "#12161b"),
    "ink": ("#1b2129", "#e8ebef"),
    "soft": ("#59626e", "#a3adb9"),
    "faint": ("#666f7b", "#7f8995"),
    "line": ("#e3e3dd", "#2b323b"),
    "grid": ("#ececea", "#262c34"),
    "accent": ("#00639c", "#6bb4ee"),
    "bar": ("#3b7ea8", "#5b9fcd"),
    "warn": ("#9a5b00", "#f0b24a"),
    "warn-ground": ("#fdf5e6", "#2a2214"),
    "shade": ("#e6e6e0", "#0b0e11"),
    "baseline": ("#6d7580", "#9aa4b0"),
}

SERIES: tuple[tuple[str, str], ...] = (
    ("#0072b2", "#5aaeea"),
    ("#d55e00", "#ff8b42"),
    ("#009e73", "#35c99d"),
    ("#b6498c", "#e794c8"),
    ("#5b1a3a", "#c9507f"),
    ("#3d9bd1", "#a4dafb"),
    ("#c08700", "#f3b52e"),
    ("#66691a", "#d3d67e"),
    ("#4c3fae", "#a99df6"),
    ("#8a7767", "#bfae9d"),
)

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
SYMBOLS = (
    "circle",
    "square",
    "diamond",
    "triangle-up",
    "triangle-down",
    "pentagon",
    "hexagon",
    "star-square",
)

HEAT: tuple[tuple[float, str, str], ...] = (
    (0.0, "#fbfbfa", "#1b2027"),
    (0.05, "#e4eef5", "#1d2f3e"),
    (0.3, "#a3cbe3", "#1f5477"),
    (0.6, "#4793c2", "#2c79b0"),
    (1.0, "#0a4a78", "#6db9ea"),
)

SCALE: tuple[tuple[str, str], ...] = (
    ("#00224e", "#3f63ad"),
    ("#3b496c", "#6d7d9e"),
    ("#6e7073", "#9a968c"),
    ("#a59c74", "#cbbd6c"),
    ("#d9c55c", "#fee838"),
)
"""Colours of points from low to high numbers, evenly spaced: close to cividis, which any colour vision can follow."""


def colour(slot: int) -> str:
    """Return the light colour of the series ``slot``, counted from 0; colours repeat after ten.

    Example:
        >>> colour(0) == colour(10)
        True
    """
    return SERIES[slot % len(SERIES)][0]


def dash(slot: int) -> str:
    """Return the line pattern of a series: it changes after five, so that of 30 series no two share both."""
    return DASHES[slot // 5 % len(DASHES)]


def symbol(slot: int) -> str:
    """Return the marker shape of a series."""
    return SYMBOLS[slot % len(SYMBOLS)]


def translucent(hexadecimal: str, opacity: float) -> str:
    """Return a colour as ``rgba``.

    Example:
        >>> translucent("#0072b2", 0.2)
        'rgba(0,114,178,0.2)'
    """
    red, green, blue = (int(hexadecimal[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity:g})"


BAND_OPACITY = 0.16


def dark_for_light() -> dict[str, str]:
    """Return the dark counterpart of every colour that a figure may contain."""
    pairs = [*SURFACES.values(), *SERIES, *((light, dark) for _, light, dark in HEAT)]
    bands = [(translucent(light, BAND_OPACITY), translucent(dark, BAND_OPACITY)) for light, dark in SERIES]
    return dict([*pairs, *bands])


def css_variables(mode: int) -> str:
    """Return the declarations of all colours for light (0) or dark (1)."""
    surfaces = [f"--{name}:{pair[mode]}" for name, pair in SURFACES.items()]
    series = [f"--series-{slot}:{pair[mode]}" for slot, pair in enumerate(SERIES)]
    return ";".join([*surfaces, *series])


@dataclass(frozen=True)
class Style:
    """How an arm is drawn.

    Attributes:
        slot: its place in the palette.
        pattern: the place of its line pattern and marker shape, where these have a meaning of their own; None where
            they follow the palette.
    """

    slot: int
    pattern: int | None = None

    @property
    def colour(self) -> str:
        """Its light colour."""
        return colour(self.slot)

    @property
    def dash(self) -> str:
        """Its line pattern."""
        return dash(self.slot) if self.pattern is None else DASHES[self.pattern % len(DASHES)]

    @property
    def symbol(self) -> str:
        """Its marker shape."""
        return symbol(self.slot if self.pattern is None else self.pattern)

    @property
    def css(self) -> str:
        """The name of its colour's variable in the page."""
        return f"series-{self.slot % len(SERIES)}"


def shared_styles(comparisons: Sequence[Comparison]) -> dict[str, Style]:
    """Return how each arm is drawn on a page of several comparisons: in one colour in all of them.

    Colours are in the order in which names appear, those of the first comparison first.
    """
    names = dict.fromkeys(name for each in comparisons for name in styles(each))
    return {name: Style(slot) for slot, name in enumerate(names)}


def styles(comparison: Comparison) -> dict[str, Style]:
    """Return how each arm is drawn: colours in the order of the rows, so the best comes first.

    Where several factors vary, a colour stands for a level of one of them, a pattern for levels of the others.
    """
    names = [row.name for row in comparison.rows if row.kind == "arm"]
    names += [band.name for band in comparison.curves] + [curve.name for curve in comparison.rates]
    found = {name: Style(slot) for slot, name in enumerate(dict.fromkeys(names))}
    meaning = scheme(comparison)
    if meaning is not None:
        found |= {name: Style(*meaning.places(levels)) for name, levels in levels_of(comparison).items()}
    return found
