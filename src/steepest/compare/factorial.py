r"""Main effects and interactions of arms that are all combinations of the levels of some factors.

A marginal mean averages the arms that have a level, with equal weights, seed by seed and row by row. So the difference
of two of them is a table by seed and row like that of two arms, and its interval is made in the same way
(:mod:`steepest.compare.differences`); with one factor it *is* the difference of two arms. With the mean :math:`y_{ac}`
of the arms with level a of one factor and c of another, an interaction is the difference of two differences,

.. math:: (y_{ac} - y_{bc}) - (y_{ad} - y_{bd}) .

All pairs of levels of all factors are one family, corrected together, and all interactions are another. Within a family
the seeds' parts are pooled relative to the sum of the arms' squared weights, since an average over more arms varies
less by seed. What that covers, ``python -m benchmarks coverage_effects`` prints.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from steepest.compare import folds
from steepest.compare.differences import family
from steepest.compare.effects import Factorial, Interaction, LevelMean, MainEffect
from steepest.compare.intervals import t_interval
from steepest.compare.ranges import difference_within, within
from steepest.compare.scores import Scores, Values, over_sets, weighted
from steepest.evaluate.metrics import metric_info

ArmScores = tuple[Mapping[str, str], Scores]


def factorial(arms: Sequence[ArmScores], seed: int = 0) -> tuple[Factorial | None, str]:
    """Return main effects and interactions of the arms, or None with the reason why there are none.

    A seed that failed in one arm is left out of all; otherwise an effect would compare means over different seeds. With
    several test sets this is done in each of them.

    Args:
        arms: of every arm, the level of each factor that varies and the scores on one metric, with the same seeds in
            the same order. Effects are in the order of the first arm's factors.
        seed: of the bootstrap over rows.

    Returns:
        the effects and an empty text, or None and a reason such as ``one seed``.

    Example:
        >>> from steepest.compare.scores import scores
        >>> values = {("mlp", "32"): [0.9, 0.92, 0.91], ("mlp", "256"): [0.8, 0.81, 0.83],
        ...           ("linear", "32"): [0.7, 0.71, 0.7], ("linear", "256"): [0.7, 0.72, 0.71]}
        >>> found, reason = factorial([({"model": model, "batch_size": size}, scores(f"{model} {size}", "f1", each, []))
        ...                            for (model, size), each in values.items()])
        >>> print(found["model"].effect)
        mlp - linear on f1: 0.155 [0.1335, 0.1765] by 3 seeds, p = 0.0021 corrected for 2 comparisons: mlp is better
    """
    factors = list(dict.fromkeys(name for levels, _ in arms for name in levels))
    names = {name: sorted({levels.get(name, "") for levels, _ in arms}) for name in factors}
    cells = {tuple(levels.get(name, "") for name in factors): each for levels, each in arms}
    combinations = list(itertools.product(*names.values()))
    if not factors or len(combinations) < 2:
        return None, "no factor varies"
    if len(cells) < len(arms):
        return None, "two arms have the same levels of all factors"
    if len(cells) < len(combinations):
        return None, f"{len(arms)} arms are not all {len(combinations)} combinations of their levels"
    if len({len(part.values) for _, each in arms for part in each.sets or (each,)}) > 1:
        return None, "the arms have different numbers of seeds"
    kept, dropped = _complete([replace(cells[each], name=" × ".join(each)) for each in combinations])
    seeds = min(len(part.values) for each in kept for part in each.sets or (each,))
    fewest = 1 if kept[0].sets else 2
    if seeds < fewest:
        lacking = "one seed" if seeds else "no seed"
        return None, f"{lacking} that every arm finished" if dropped else lacking
    design = _Design(factors, names, combinations, kept)
    ordered = {name: design.best_first(name) for name in factors}
    return Factorial(
        metric=kept[0].metric,
        seeds=seeds,
        dropped=dropped,
        effects=_main_effects(design, ordered, seed),
        interactions=_interactions(design, ordered, seed),
    ), ""


@dataclass(frozen=True)
class _Design:
    """The cells of a full factorial, in an order that does not depend on that of the arms."""

    factors: list[str]
    names: dict[str, list[str]]
    combinations: list[tuple[str, ...]]
    cells: list[Scores]

    def mean(self, name: str, **levels: str) -> Scores:
        """Return the mean of the cells that have some levels."""
        places = {factor: place for place, factor in enumerate(self.factors)}
        mine = [
            cell
            for cell, combination in zip(self.cells, self.combinations, strict=True)
            if all(combination[places[factor]] == level for factor, level in levels.items())
        ]
        return weighted(name, mine, [1.0 / len(mine)] * len(mine))

    def best_first(self, factor: str) -> list[str]:
        sign = -1.0 if metric_info(self.cells[0].metric).higher_is_better else 1.0
        means = {
            level: sign * float(self.mean(level, **{factor: level}).values.mean())
            for level in self.names[factor]
        }
        return sorted(self.names[factor], key=lambda level: (means[level], level))


def _complete(cells: Sequence[Scores]) -> tuple[list[Scores], int]:
    """Return the cells without the seeds that one of them lacks, and how many seeds these are."""
    if not cells[0].sets:
        lacking = np.any([~np.isfinite(cell.values) for cell in cells], axis=0)
        return [cell.without(lacking) for cell in cells], int(lacking.sum())
    sets = [_complete(each) for each in zip(*(cell.sets for cell in cells), strict=True)]
    kept = [
        over_sets([each[place] for each, _ in sets], cell.kind, cell.test_share)
        for place, cell in enumerate(cells)
    ]
    return kept, sum(dropped for _, dropped in sets)


def _main_effects(design: _Design, ordered: Mapping[str, list[str]], seed: int) -> list[MainEffect]:
    means = {
        factor: [design.mean(level, **{factor: level}) for level in levels]
        for factor, levels in ordered.items()
    }
    pairs = [(factor, pair) for factor in means for pair in itertools.combinations(means[factor], 2)]
    found = [difference_within(each) for each in family([pair for _, pair in pairs], seed)]
    return [
        MainEffect(
            factor=factor,
            levels=[_level(each) for each in means[factor]],
            pairs=[each for each, (name, _) in zip(found, pairs, strict=True) if name == factor],
        )
        for factor in means
    ]


def _interactions(design: _Design, ordered: Mapping[str, list[str]], seed: int) -> list[Interaction]:
    asked = [
        (both, one, other)
        for both in itertools.combinations(design.factors, 2)
        for one in itertools.combinations(ordered[both[0]], 2)
        for other in itertools.combinations(ordered[both[1]], 2)
    ]
    pairs: list[tuple[Scores, Scores]] = []
    for (factor, by), (a, b), levels in asked:
        at = [
            weighted(
                f"({a} - {b} at {level})",
                [design.mean(name, **{factor: name, by: level}) for name in (a, b)],
                [1.0, -1.0],
            )
            for level in levels
        ]
        pairs.append((at[0], at[1]))
    found = [each.model_copy(update={"better": None}) for each in family(pairs, seed)]
    made = [
        Interaction(factors=both, first=one, second=other, difference=each)
        for (both, one, other), each in zip(asked, found, strict=True)
    ]
    return sorted(made, key=lambda each: -abs(each.difference.mean))


def _level(mean: Scores) -> LevelMean:
    values: Values = mean.values
    found = folds.corrected_t(values, mean.test_share)[:3] if mean.sets else t_interval(values)
    value, low, high = found
    made = LevelMean(level=mean.name, mean=value, low=low, high=high, n=sum(map(math.isfinite, values)))
    return within(made, mean.metric)
