"""Arms that differ in several factors, in a terminal: a column for each factor, and a line for each main effect."""

from __future__ import annotations

import itertools
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from steepest.compare.effects import Factorial, MainEffect
from steepest.compare.estimates import Difference
from steepest.compare.result import Comparison
from steepest.report import format as show
from steepest.report.digits import Digits
from steepest.report.factors import short_levels, shown_factors, title_of
from steepest.report.words import cell_text

_LEVELS = 28
"""Characters of the two levels of a main effect."""


@dataclass(frozen=True)
class LevelColumns:
    """The columns of levels as texts.

    Attributes:
        head: the titles of the columns, in two lines.
        lines: of each arm, by its title, the lines with its levels.
        width: characters of all columns.
    """

    head: str
    lines: Mapping[str, Sequence[str]]
    width: int


def level_columns(comparison: Comparison, widest: int = 13) -> LevelColumns | None:
    """Return a column for each factor that varies, and one for names where arms have them; None for a single factor.

    Args:
        comparison: the result.
        widest: characters of a column, beyond which its levels are wrapped.
    """
    factors, arms = shown_factors(comparison), comparison.arms
    if len(factors) < 2 or not arms or any(name not in arm.levels for arm in arms for name in factors):
        return None
    columns = [
        (
            title_of(name).replace(" ", "\n"),
            [cell_text(name, arm.levels[name]) for arm in arms],
        )
        for name in factors
    ]
    if any(arm.called for arm in arms):
        columns.insert(0, ("name", [arm.called for arm in arms]))
    texts: list[list[list[str]]] = []
    for head, cells in columns:
        above = ["", *head.split("\n")][-2:]
        below = [wrapped(show.printable(each), widest) for each in cells]
        width = max(len(line) for lines in (above, *below) for line in lines)
        texts.append([[line.ljust(width) for line in lines] for lines in (above, *below)])
    blank = [" " * len(lines[0][0]) for lines in texts]
    rows = [
        ["  ".join(each[i] or blank[i] for i in range(len(each))).rstrip() for each in _together(row)]
        for row in zip(*texts, strict=True)
    ]
    head, *body = rows
    return LevelColumns(
        head="\n".join(head),
        lines={arm.title: lines for arm, lines in zip(arms, body, strict=True)},
        width=max(len(line) for lines in rows for line in lines),
    )


def _together(cells: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    return list(itertools.zip_longest(*cells, fillvalue=""))


def effects_table(found: Factorial, written: Digits) -> Table:
    """Return a line for each factor: its best level less its worst, and whether that difference is detectable.

    The largest interaction follows if it is detectable.
    """
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("main effect", no_wrap=True)
    table.add_column("best − worst level", max_width=_LEVELS)
    table.add_column("difference [95 % CI]", no_wrap=True)
    table.add_column("detectable", no_wrap=True)
    for each in found.effects:
        best, worst = _bare(each, (each.effect.first, each.effect.second))
        table.add_row(title_of(each.factor), f"{best} − {worst}", *_verdict(each.effect, written))
    largest = found.largest
    if largest is not None and largest.told_apart:
        effects = (found[name] for name in largest.factors)
        (a, b), (c, d) = map(_bare, effects, (largest.first, largest.second))
        table.add_row("interaction", f"{a} − {b}, {c} vs {d}", *_verdict(largest.difference, written))
    return table


def _bare(effect: MainEffect, levels: Sequence[str]) -> list[str]:
    """Return some levels of a factor as they stand below its name, without options that none of all needs."""
    every = {each.level: cell_text(effect.factor, show.printable(each.level)) for each in effect.levels}
    short = short_levels(list(every.values()))
    return [short[every[each]] for each in levels]


def _verdict(found: Difference, written: Digits) -> tuple[Text, str]:
    gap = Text(" ".join(each for each in written.gap(found, sign=True, tight=True) if each))
    if found.ends is None:
        return gap, found.reason or ""
    return gap, "yes" if found.told_apart else "no, corrected" if found.only_uncorrected else "no"


def wrapped(name: str, width: int) -> list[str]:
    """Break a specification where a person would: at blanks, behind brackets and commas, then at equals signs.

    Example:
        >>> wrapped("momentum(lr=0.1)", 13)
        ['momentum(', 'lr=0.1)']
    """
    lines = [""]
    for piece in re.findall(r"[^\s(,]*[(,]?\s*", name):
        long = len(piece.rstrip()) > width
        for part in re.findall(r"[^=]*=?", piece) if long else [piece]:
            for some in textwrap.wrap(part, width) if len(part) > width else [part]:
                if len(lines[-1]) + len(some.rstrip()) > width and lines[-1]:
                    lines.append("")
                lines[-1] += some
    return [each.rstrip() for each in lines]
