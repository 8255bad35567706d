"""The legend of figures in which colours stand for one factor and patterns for others."""

from __future__ import annotations

from dataclasses import dataclass

from steepest.compare.result import Comparison
from steepest.report.factors import Scheme, levels_of, scheme, title_of
from steepest.report.theme import Style


@dataclass(frozen=True)
class Key:
    """One entry: a level, how it is drawn, and what its button hides traces by."""

    text: str
    id: str
    style: Style


@dataclass(frozen=True)
class LegendGroup:
    """The levels that colours or patterns stand for.

    Attributes:
        what: ``colour`` or ``line``.
        title: the factor or factors.
        keys: their levels.
    """

    what: str
    title: str
    keys: list[Key]


def legend(comparison: Comparison) -> list[LegendGroup]:
    """Return the legend where several factors vary, else nothing: then every arm has an entry of its own."""
    found = scheme(comparison)
    if found is None:
        return []
    colours = [Key(each, _id("colour", (each,)), Style(slot, 0)) for slot, each in enumerate(found.colours)]
    patterns = [
        Key(", ".join(each), _id("line", each), Style(0, place)) for place, each in enumerate(found.patterns)
    ]
    return [
        LegendGroup("colour", title_of(found.colour), colours),
        LegendGroup("line", found.mark_title, patterns),
    ]


def legend_keys(comparison: Comparison) -> dict[str, tuple[str, str]]:
    """Return the entries that each arm belongs to, by its title."""
    found = scheme(comparison)
    return {} if found is None else {name: _ids(found, each) for name, each in levels_of(comparison).items()}


def _ids(found: Scheme, levels: dict[str, str]) -> tuple[str, str]:
    return _id("colour", (levels[found.colour],)), _id("line", tuple(levels[each] for each in found.marks))


def _id(what: str, levels: tuple[str, ...]) -> str:
    return f"{what}: {', '.join(levels)}"
