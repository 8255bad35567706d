"""How arms are shown that differ in several factors: columns of tables, short names, what colours and marks stand for.

A comparison of one factor has none of this: its arms are called by their only level.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from steepest.compare.result import Comparison
from steepest.components import grammar
from steepest.recipe import SUBJECTS
from steepest.report.words import Subject

MOST_MARKS = 4
"""As many line patterns as there are."""


def subject(comparison: Comparison) -> Subject:
    """Return what is compared, in words."""
    own = tuple(arm.name for arm in comparison.arms if arm.name)
    return Subject(
        tuple(shown_factors(comparison)),
        comparison.test_sets,
        own,
        "test rows" if comparison.held_out else "training rows",
    )


def title_of(factor: str) -> str:
    """Return a factor's name as people write it.

    Example:
        >>> title_of("batch_size"), title_of("train_rows")
        ('batch size', 'training rows')
    """
    return {"train_rows": "training rows", "labels": "labels", "precision": "precision"}.get(
        factor, SUBJECTS.get(factor, (factor,))[0]
    )


def varying(comparison: Comparison) -> list[str]:
    """Return the factors in which arms differ where there are several, else nothing."""
    factors = shown_factors(comparison)
    known = all(set(factors) <= set(arm.levels) for arm in comparison.arms)
    return factors if len(factors) > 1 and comparison.arms and known else []


def shown_factors(comparison: Comparison) -> list[str]:
    """Return the factors in which arms differ.

    Where those that were asked for differ in one alone, it is that one: a small dense network that was added beside
    them has a model and a procedure of its own, and is called by its size.
    """
    asked = [arm.factors for arm in comparison.arms if arm.control != "small"]
    own = [name for name in comparison.factors if len({each.get(name, "") for each in asked}) > 1]
    return own if len(own) == 1 and len(asked) < len(comparison.arms) else list(comparison.factors)


def levels_of(comparison: Comparison) -> dict[str, dict[str, str]]:
    """Return, where several factors vary, each arm's levels by its title."""
    return {arm.title: arm.levels for arm in comparison.arms} if varying(comparison) else {}


def optimizers_of(comparison: Comparison) -> dict[str, str]:
    """Return, where arms may share one, each arm's optimizer by its title."""
    if comparison.factors == ["optimizer"]:
        return {}
    return {arm.title: arm.factors.get("optimizer", arm.title) for arm in comparison.arms}


def short_names(comparison: Comparison) -> dict[str, str]:
    """Return a short name for each arm where several factors vary: levels without options that no other level needs.

    An arm that the user named keeps its name.
    """
    factors, levels = varying(comparison), levels_of(comparison)
    if not factors:
        return {}
    shown = {name: short_levels([each[name] for each in levels.values()]) for name in factors}
    made = {
        arm.title: arm.called or ", ".join(shown[name][arm.levels[name]] for name in factors)
        for arm in comparison.arms
    }
    return made if len(set(made.values())) == len(made) else {title: title for title in made}


def short_levels(levels: Sequence[str]) -> dict[str, str]:
    """Return each level without its options, where no other level is then called the same.

    Example:
        >>> short_levels(["momentum(lr=0.1)", "adam(lr=0.1)", "adam(lr=1)"])
        {'momentum(lr=0.1)': 'momentum', 'adam(lr=0.1)': 'adam(lr=0.1)', 'adam(lr=1)': 'adam(lr=1)'}
        >>> short_levels(["l1(0.1) + ema(0.9)", "no regularizer"])
        {'l1(0.1) + ema(0.9)': 'l1 + ema', 'no regularizer': 'no regularizer'}
    """
    bare = {
        each: " + ".join(part.partition("(")[0] for part in grammar.split(each, at="+")) or each
        for each in levels
    }
    bare = {each: name.removesuffix(" schedule").removesuffix(" loss") for each, name in bare.items()}
    often = list(bare.values())
    return {each: each if often.count(name) > 1 else name for each, name in bare.items()}


@dataclass(frozen=True)
class FactorCells:
    """The columns of factors in files of values.

    Attributes:
        names: the factors that vary; none where these are optimizers alone.
        values: of each arm, by its title.
    """

    names: list[str]
    values: dict[str, list[str]]

    def of(self, kind: str, name: str) -> list[str]:
        """Return the values of a row, empty for a baseline."""
        return self.values.get(name, [""] * len(self.names)) if kind != "baseline" else [""] * len(self.names)


def factor_cells(comparison: Comparison) -> FactorCells:
    """Return the columns of factors: what was given, an optimizer or a model as people read it."""
    arms, names = comparison.arms, list(comparison.factors)
    if names == ["optimizer"] or not all(set(names) <= set(arm.levels) for arm in arms):
        return FactorCells([], {})
    return FactorCells(
        names,
        {
            arm.title: [
                (arm.levels if name in ("optimizer", "model") else arm.factors).get(name, "")
                for name in names
            ]
            for arm in arms
        },
    )


@dataclass(frozen=True)
class Scheme:
    """What colours and marks stand for where several factors vary.

    Attributes:
        colour: the factor that colours stand for.
        marks: the factors that line patterns and marker shapes stand for; more than one where they fit.
        colours: the levels of the first, in the order of the palette.
        patterns: the combinations of levels of the others, in the order of the patterns.
    """

    colour: str
    marks: tuple[str, ...]
    colours: tuple[str, ...]
    patterns: tuple[tuple[str, ...], ...]

    @property
    def mark_title(self) -> str:
        """What marks stand for, in words."""
        return ", ".join(map(title_of, self.marks))

    def places(self, levels: dict[str, str]) -> tuple[int, int]:
        """Return the place of an arm in the palette, and among the patterns."""
        return self.colours.index(levels[self.colour]), self.patterns.index(
            tuple(levels[each] for each in self.marks)
        )


def scheme(comparison: Comparison) -> Scheme | None:
    """Return what colours and marks stand for, or None where one factor varies.

    Colours stand for the factor with the most levels; of several, the first one. Marks stand for all the others
    together as long as there are patterns enough, else for the one with the most levels.
    """
    factors, levels = varying(comparison), list(levels_of(comparison).values())
    if not factors:
        return None
    counts = {name: len({each[name] for each in levels}) for name in factors}
    colour, *others = sorted(factors, key=lambda name: -counts[name])
    others.sort(key=factors.index)
    combined = len({tuple(each[name] for name in others) for each in levels})
    marks = others if combined <= MOST_MARKS else [max(others, key=counts.__getitem__)]
    order = {row.name: place for place, row in enumerate(comparison.rows) if row.kind == "arm"}
    arms = sorted(comparison.arms, key=lambda arm: order.get(arm.title, len(order)))
    found = [tuple(arm.levels[name] for name in marks) for arm in arms]
    return Scheme(
        colour=colour,
        marks=tuple(marks),
        colours=tuple(dict.fromkeys(arm.levels[colour] for arm in arms)),
        patterns=tuple(dict.fromkeys(found)),
    )
