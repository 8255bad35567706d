"""Claim: 95 % intervals of main effects and interactions cover at least 93 %, with at most 5 % of false claims.

    python -m benchmarks coverage_effects [--draws N]

Draws seeds and rows from recorded tables as ``coverage`` does, one table for each combination of the levels of two or
three factors. All arms are equally good, so every effect that is claimed is false. The seeds of all arms vary alike; or
those of one arm, or of half of the arms (one level of the first factor where it has two), have ten times the variance.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.coverage import FALSE, LOWEST, POOL, drawn, recorded
from benchmarks.machine import describe_machine
from steepest.evaluate import crossed

Values = NDArray[np.float64]

DESIGNS = ((2, 2), (3, 2), (4, 3), (2, 2, 2))
NOISE = ("equal", "one tenfold", "half tenfold")
SHARES = (0.1, 0.5, 0.9)
SEEDS = (3, 5)
ROWS = 200


def main_effects(shape: Sequence[int]) -> Values:
    """Return the weights of all arms in the difference of every two levels of every factor ``[pairs, arms]``."""
    return np.array(
        [
            (_mean(shape, {factor: a}) - _mean(shape, {factor: b}))
            for factor, levels in enumerate(shape)
            for a, b in itertools.combinations(range(levels), 2)
        ]
    )


def interactions(shape: Sequence[int]) -> Values:
    """Return the weights of all arms in every difference of two differences ``[interactions, arms]``."""
    return np.array(
        [
            sum(
                sign * _mean(shape, {one: first, other: second})
                for (first, second), sign in zip(itertools.product(pair, by), (1, -1, -1, 1), strict=True)
            )
            for one, other in itertools.combinations(range(len(shape)), 2)
            for pair in itertools.combinations(range(shape[one]), 2)
            for by in itertools.combinations(range(shape[other]), 2)
        ]
    )


def _mean(shape: Sequence[int], levels: dict[int, int]) -> Values:
    arms = itertools.product(*map(range, shape))
    mine = np.array(
        [all(arm[factor] == level for factor, level in levels.items()) for arm in arms], dtype=float
    )
    return mine / mine.sum()


@dataclass(frozen=True)
class Tally:
    """What came out.

    Attributes:
        lowest, highest: least and most coverage of the intervals.
        false: families with a false claim.
        beside: the same where the first pair of levels differs so much that it is always found.
        shown: how often the interval of the largest effect of the first factor covers.
    """

    lowest: float
    highest: float
    false: float
    beside: float
    shown: float


def tried(weights: Values, shown: int, table: Values, seeds: int, rows: int, times: int) -> Tally:
    """Return what the intervals of weighted sums of arms do on draws from ``[arms, M, P]``.

    Args:
        weights: of the arms in each sum.
        shown: how many of the first sums are candidates to be shown: the largest of them is.
        table: of equally good arms.
        seeds, rows: the size of a draw.
        times: how many draws.
    """
    covered, false, beside, chosen = np.zeros(len(weights)), 0, 0, 0
    sizes, independent = (weights**2).sum(1).tolist(), int(np.linalg.matrix_rank(weights))
    null = abs(weights @ weights[0]) < 1e-9  # sums that an effect of the first pair of levels does not change
    for block in drawn(table, seeds, rows, times):
        found = [crossed.parts(np.tensordot(block, each, (1, 0))) for each in weights]
        found = crossed.pool(found, independent, sizes)
        gaps = abs(np.stack([each.mean for each in found]))

        def outside(
            comparisons: int, found: list[crossed.Parts] = found, gaps: Values = gaps
        ) -> NDArray[np.bool_]:
            return gaps > np.stack([crossed.half_width(each, 1.0 - FALSE / comparisons) for each in found])

        missed = outside(1)
        covered += (~missed).sum(1)
        chosen += (~missed)[gaps[:shown].argmax(0), np.arange(gaps.shape[1])].sum()
        false += outside(len(weights)).any(0).sum()  # the first step of Holm's correction decides
        if null.any():
            beside += outside(int(null.sum()))[null].any(0).sum()
    return Tally(*(float(each) / times for each in (covered.min(), covered.max(), false, beside, chosen)))


def table_of(shape: Sequence[int], noise: str, share: float, seeds: int, rows: int = ROWS) -> Values:
    """Return recorded losses of equally good arms, whose seeds have a share of the variance."""
    return recorded((share, 0.95 - share, 0.05), seeds, rows, math.prod(shape), POOL, noise)


def main(arguments: Sequence[str]) -> int:
    """Print the tables; return 1 if the claim does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks coverage_effects")
    parser.add_argument("--draws", type=int, default=2000)
    times = parser.parse_args(arguments).draws
    print(f"{times:,} draws a line, standard error {100 * math.sqrt(0.05 * 0.95 / times):.2f} points; {ROWS} rows; "
          f"{describe_machine('numpy', 'scipy')}\n")  # fmt: skip
    slack = 3 * math.sqrt(FALSE * (1 - FALSE) / times)
    names = (
        "design",
        "seeds vary",
        "seeds' share",
        "seeds",
        "main effects",
        "beside a true one",
        "largest",
        "interactions",
    )
    print(f"| {' | '.join(names)} |\n|{' --- |' * len(names)}")
    lowest, worst = 1.0, 0.0
    for shape, noise, share, seeds in itertools.product(DESIGNS, NOISE, SHARES, SEEDS):
        table = table_of(shape, noise, share, seeds)
        effects = tried(main_effects(shape), math.comb(shape[0], 2), table, seeds, ROWS, times)
        both = tried(interactions(shape), 1, table, seeds, ROWS, times)
        lowest = min(lowest, effects.lowest, both.lowest)
        worst = max(worst, effects.false, effects.beside, both.false)
        cells = ["×".join(map(str, shape)), noise, f"{share:.0%}", seeds, _both(effects), f"{100 * effects.beside:.1f}",
                 f"{100 * effects.shown:.1f}", _both(both)]  # fmt: skip
        print(f"| {' | '.join(map(str, cells))} |", flush=True)
    holds = lowest > LOWEST - slack and worst < FALSE + slack
    print(f"\nleast coverage {100 * lowest:.1f} %, most false claims {100 * worst:.1f} %; "
          f"{'holds' if holds else 'DOES NOT HOLD'}: at least {LOWEST:.0%} and at most {FALSE:.0%}, but for three "
          "standard errors")  # fmt: skip
    return 0 if holds else 1


def _both(found: Tally) -> str:
    return f"{100 * found.lowest:.1f}–{100 * found.highest:.1f} / {100 * found.false:.1f}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
