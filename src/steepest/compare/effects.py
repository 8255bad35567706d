"""Main effects and interactions of a full factorial as pure data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from steepest.compare.estimates import Difference, Estimate
from steepest.errors import unknown_name
from steepest.record.schema import Frozen

if TYPE_CHECKING:
    import polars as pl


class LevelMean(Estimate):
    """The marginal mean of one level of a factor, over all levels of the other factors, with its t interval over seeds.

    With several test sets the interval is the one over the sets, corrected for the overlap of their training sets.
    """

    level: str


class MainEffect(Frozen):
    """What one factor does on average over the levels of the others.

    Attributes:
        factor: its name.
        levels: marginal means, the best level on the test rows first.
        pairs: the difference of every two levels, the better one first; ``first`` and ``second`` are levels.
    """

    factor: str
    levels: list[LevelMean]
    pairs: list[Difference]

    @property
    def effect(self) -> Difference:
        """The best level less the worst.

        Which two these are was picked by their means on the test rows, with the same runs that the interval is made of.
        The p-value is corrected for all pairs of levels of all factors, which pays for the choice; the interval is that
        of this pair alone, and covers about 90 % where the largest of six differences between equal levels was picked.
        """
        ends = (self.levels[0].level, self.levels[-1].level)
        return next(each for each in self.pairs if (each.first, each.second) == ends)

    @property
    def told_apart(self) -> bool:
        """Whether the effect is detectable after correction."""
        return self.effect.told_apart

    def __str__(self) -> str:
        return f"{self.factor}: {self.effect}"


class Interaction(Frozen):
    """How much a difference of two levels of one factor depends on the level of another.

    Attributes:
        factors: both names.
        first, second: two levels of each of them, a and b of one, c and d of the other.
        difference: (a - b at c) - (a - b at d), averaged over all other factors; neither of its two sides is better.
    """

    factors: tuple[str, str]
    first: tuple[str, str]
    second: tuple[str, str]
    difference: Difference

    @property
    def told_apart(self) -> bool:
        """Whether the interaction is detectable after correction."""
        return self.difference.told_apart

    def __str__(self) -> str:
        return f"{self.factors[0]} × {self.factors[1]}: {self.difference}"


class Factorial(Frozen):
    """The main effects and interactions of a comparison whose arms are all combinations of the levels of some factors.

    Attributes:
        metric: name of the metric.
        seeds: run seeds that every arm finished (on every test set where there are several: the fewest).
        dropped: seeds that were left out of all arms because the run of one arm failed.
        effects: one for each factor that varies.
        interactions: every two factors with every two levels of each, the largest first.
    """

    metric: str
    seeds: int
    dropped: int = 0
    effects: list[MainEffect]
    interactions: list[Interaction] = Field(default_factory=list[Interaction])

    def __getitem__(self, factor: str) -> MainEffect:
        """Return the main effect of a factor by its name.

        Raises:
            UnknownNameError: no factor of this name varies.
        """
        known = {each.factor: each for each in self.effects}
        if factor not in known:
            raise unknown_name("factor that varies in this comparison", factor, known)
        return known[factor]

    @property
    def largest(self) -> Interaction | None:
        """The largest interaction, or None with one factor."""
        return self.interactions[0] if self.interactions else None

    @property
    def frame(self) -> pl.DataFrame:
        """One row for each pair of levels of each factor."""
        import polars as pl

        rows = [
            {
                "factor": effect.factor,
                "first": pair.first,
                "second": pair.second,
                "difference": pair.mean,
                "low": pair.low,
                "high": pair.high,
                "p": pair.p,
                "p_adjusted": pair.p_adjusted,
                "detectable": pair.told_apart,
                "better": pair.better,
                "smallest_detectable": pair.visible,
            }
            for effect in self.effects
            for pair in effect.pairs
        ]
        numbers = ("difference", "low", "high", "p", "p_adjusted", "smallest_detectable")
        kinds = {"better": pl.String} | dict.fromkeys(numbers, pl.Float64)  # a column may be all empty
        return pl.DataFrame(rows, schema_overrides=kinds)

    def __str__(self) -> str:
        lines = [str(each) for each in self.effects]
        if self.largest is not None:
            lines.append(f"largest interaction, {self.largest}")
        if self.dropped:
            seeds = "seed" if self.dropped == 1 else "seeds"
            lines.append(f"left out of all arms: {self.dropped} {seeds} with a failed run")
        return "\n".join(lines)
