"""Claim: 95 % intervals of differences over several test sets cover at least 93 %, with at most 5 % of false claims.

    python -m benchmarks coverage_folds [--draws N]

Every draw has new rows, which are split into folds, or repeatedly at random. The difference of two arms on a row has
effects of the row (log-normal), the run's seed (Student's t with 5 degrees of freedom) and the training set. The latter
has two parts: one that every training set has for itself, as unstable training does, and a sum over its rows, most of
which it has in common with the other training sets. In the last table networks with random hidden units and a
least-squares output layer are trained on each training set; the truth is the mean over all draws, because the mean over
test sets is an unbiased estimate of what the interval is for.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from benchmarks.coverage import FALSE, LOWEST
from benchmarks.machine import describe_machine
from steepest import rng
from steepest.compare import folds
from steepest.compare.folds import SetKind
from steepest.evaluate import crossed

Values = NDArray[np.float64]

REGIMES = {  # shares of the variance of the mean: rows, seeds, training sets by themselves, training rows in common
    "rows": (0.9, 0.05, 0.05, 0.0),
    "seeds": (0.1, 0.9, 0.0, 0.0),
    "training sets": (0.1, 0.0, 0.9, 0.0),
    "rows and seeds": (0.5, 0.5, 0.0, 0.0),
    "rows and training sets": (0.5, 0.0, 0.5, 0.0),
    "all three": (0.4, 0.3, 0.3, 0.0),
    "all, and a tenth in common": (0.4, 0.25, 0.25, 0.1),
}
COMMON = {"half in common": (0.5, 0.0, 0.0, 0.5)}
"""What no interval over overlapping training sets can hold."""
ROWS = 500
SHARE = 0.2
"""Of the rows, how many a repeated split tests."""
_BLOCK = 100


@dataclass(frozen=True)
class Plan:
    """How rows are split, and how many seeds run on each training set."""

    kind: SetKind
    sets: int
    seeds: int

    @property
    def share(self) -> float:
        """The share of the rows that is tested at a time."""
        return 1.0 / self.sets if self.kind == "folds" else SHARE

    def tested(self, rows: int, times: int, draw: np.random.Generator) -> NDArray[np.intp]:
        """Return which rows are tested, ``[times, sets, rows of one set]``."""
        size = round(rows * self.share)
        if self.kind == "folds":
            return (
                draw.random((times, rows)).argsort(1)[:, : size * self.sets].reshape(times, self.sets, size)
            )
        return draw.random((times, self.sets, rows)).argsort(2)[..., :size]

    def __str__(self) -> str:
        return f"{self.sets} {'folds' if self.kind == 'folds' else 'splits'} × {self.seeds}"


PLANS = [Plan("folds", *each) for each in ((5, 1), (5, 3), (5, 5), (10, 1), (10, 3))]
PLANS += [Plan("repeats", *each) for each in ((5, 1), (5, 3), (10, 3))]


def made(
    plan: Plan,
    shares: Sequence[float],
    times: int,
    arms: int = 1,
    noise: float = 1.0,
    rows: int = ROWS,
    seed: int = 0,
) -> Values:
    """Return ``[sets, times, arms, seeds, rows of one set]`` with a true mean of zero.

    Args:
        plan: how the rows are split.
        shares: of the variance of the mean, as in :data:`REGIMES`.
        times: how many draws.
        arms: how many independent tables on the same split.
        noise: how much larger the variance of the first arm's seeds and training sets is.
        rows: of the table.
        seed: of the draws.
    """
    draw = rng.stream(seed, "data", plan.sets, plan.seeds, rows)
    which = plan.tested(rows, times, draw)
    size, (by_row, by_seed, by_set, common) = which.shape[2], shares
    variance = np.ones((arms, 1, 1))
    variance[0] = noise
    row = (draw.lognormal(0.0, 1.0, (times, arms, rows)) - math.exp(0.5)) / math.sqrt((math.e - 1) * math.e)
    given = draw.standard_t(5, (times, arms, rows)) / math.sqrt(5 / 3)
    found = np.empty((plan.sets, times, arms, plan.seeds, size))
    again = (1.0 - 1.0 / plan.sets) * plan.share if plan.kind == "repeats" else 0.0
    weight = math.sqrt(by_row * size / (1.0 / plan.sets + again))
    for place in range(plan.sets):
        at = which[:, None, place]
        trained = (given.sum(2) - np.take_along_axis(given, at, 2).sum(2)) / (rows - size)
        own = draw.normal(size=(times, arms, 1, 1)) * math.sqrt(by_set * plan.sets)
        seeds = draw.standard_t(5, (times, arms, plan.seeds, 1)) / math.sqrt(5 / 3)
        runs = own + math.sqrt(by_seed * plan.sets * plan.seeds) * seeds
        both = math.sqrt(0.05 * plan.sets * plan.seeds * size) * draw.normal(size=found.shape[1:])
        found[place] = weight * np.take_along_axis(row, at, 2)[:, :, None] + np.sqrt(variance) * runs + both
        found[place] += math.sqrt(common * rows) * trained[:, :, None, None]
    return found


def widths(tables: Sequence[Values], plan: Plan) -> dict[str, tuple[Values, Values]]:
    """Return the mean ``[…]`` and half the width of its 95 % interval by every way to make one."""
    found = folds.parts(tables, plan.kind, plan.share)
    means = np.stack([table.mean((-1, -2)) for table in tables])
    mean, quantile = means.mean(0), float(special.stdtrit(plan.sets - 1, 0.975))
    plain = quantile * means.std(0, ddof=1) / math.sqrt(plan.sets)
    by_value = [folds.corrected_t(each, plan.share) for each in means.reshape(plan.sets, -1).T]
    inside = [crossed.parts(table) for table in tables]
    seeds = np.stack([np.nan_to_num(each.seeds) for each in inside]).mean(0) / plan.sets
    alone = crossed.half_width(found._replace(seeds=seeds, n_seeds=plan.sets * (plan.seeds - 1) + 1))
    return {
        "ours": (found.mean, crossed.half_width(found)),
        "by value": (mean, np.array([each.high - each.mean for each in by_value]).reshape(mean.shape)),
        "uncorrected": (mean, plain),
        "rows and seeds": (mean, alone),
    }


def coverage(draws: Callable[[int, int], Sequence[Values]], plan: Plan, times: int) -> dict[str, float]:
    """Return how often each interval covers zero, over draws of ``[times, seeds, rows]`` by size and number."""
    hits: dict[str, int] = {}
    for start in range(0, times, _BLOCK):
        for name, (mean, half) in widths(draws(min(_BLOCK, times - start), start), plan).items():
            hits[name] = hits.get(name, 0) + int((abs(mean) <= half).sum())
    return {name: hit / times for name, hit in hits.items()}


def simulated(plan: Plan, shares: Sequence[float], times: int) -> dict[str, float]:
    """Return how often each interval of one difference covers."""
    return coverage(lambda count, start: list(made(plan, shares, count, seed=start)[:, :, 0]), plan, times)


def family(
    plan: Plan, shares: Sequence[float], times: int, arms: int = 4, noise: float = 1.0
) -> tuple[float, float]:
    """Return the least coverage of all pairs of arms, and how many families have a false claim."""
    pairs = list(itertools.combinations(range(arms), 2))
    covered, false = np.zeros(len(pairs)), 0
    for start in range(0, times, _BLOCK):
        tables = made(plan, shares, min(_BLOCK, times - start), arms, noise, seed=start)
        found = [
            folds.parts(list(tables[:, :, a] - tables[:, :, b]), plan.kind, plan.share) for a, b in pairs
        ]
        found = crossed.pool(found, arms - 1)
        gaps = abs(np.stack([each.mean for each in found]))
        covered += (gaps <= np.stack([crossed.half_width(each) for each in found])).sum(1)
        level = 1.0 - FALSE / len(pairs)
        false += (gaps > np.stack([crossed.half_width(each, level) for each in found])).any(0).sum()
    return float(covered.min()) / times, float(false) / times


@dataclass(frozen=True)
class Trained:
    """Two networks that are compared: hidden units and penalties, a number or a class, and how the rows are split."""

    name: str
    units: tuple[int, int]
    penalty: tuple[float, float]
    classes: bool
    plan: Plan


TRAINED = (
    Trained("5 units or none", (5, 0), (1.0, 1.0), False, Plan("folds", 5, 3)),
    Trained("30 units, penalty 1 or 10", (30, 30), (1.0, 10.0), False, Plan("folds", 5, 1)),
    Trained("30 or 10 units", (30, 10), (1.0, 1.0), True, Plan("folds", 5, 3)),
    Trained("30 or 100 units", (30, 100), (1.0, 1.0), True, Plan("folds", 10, 1)),
    Trained("5 units or none", (5, 0), (1.0, 1.0), False, Plan("repeats", 10, 1)),
    Trained("30 or 10 units", (30, 10), (1.0, 1.0), True, Plan("repeats", 10, 1)),
)


def trained(case: Trained, times: int, rows: int = ROWS, seed: int = 0) -> Values:
    """Return differences of squared errors, or of who is right, ``[sets, times, seeds, rows of one set]``."""
    plan, draw = case.plan, rng.stream(seed, "data", rows)
    which = plan.tested(rows, times, draw)
    found = np.empty((plan.sets, times, plan.seeds, which.shape[2]))
    for time in range(times):
        inputs = draw.normal(size=(rows, 5))
        mean = np.sin(1.5 * inputs[:, 0]) + 0.7 * inputs[:, 1] * inputs[:, 2] + 0.5 * inputs[:, 3]
        target = mean + 0.5 * draw.standard_t(4, rows) / math.sqrt(2)
        target = np.sign(target) if case.classes else target
        for place, seed_ in itertools.product(range(plan.sets), range(plan.seeds)):
            test = which[time, place]
            train = np.ones(rows, dtype=bool)
            train[test] = False
            losses: list[Values] = []
            for units, penalty in zip(case.units, case.penalty, strict=True):
                hidden = np.tanh(inputs @ draw.normal(size=(5, units)) + draw.normal(size=units))
                known = np.concatenate([hidden, inputs, np.ones((rows, 1))], 1)
                square = known[train].T @ known[train] + penalty * np.eye(known.shape[1])
                output = known[test] @ np.linalg.solve(square, known[train].T @ target[train])
                losses.append(
                    (np.sign(output) == target[test]).astype(float)
                    if case.classes
                    else (output - target[test]) ** 2
                )
            found[place, time, seed_] = losses[0] - losses[1]
    return found


def covered_when_trained(case: Trained, times: int) -> dict[str, float]:
    """Return how often each interval covers the mean over all draws."""
    tables = trained(case, times)
    tables -= tables.mean()
    return coverage(lambda count, start: list(tables[:, start : start + count]), case.plan, times)


def main(arguments: Sequence[str]) -> int:
    """Print the tables; return 1 if the claim does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks coverage_folds")
    parser.add_argument("--draws", type=int, default=2000)
    times = parser.parse_args(arguments).draws
    print(f"{times:,} draws a line, standard error {100 * math.sqrt(0.05 * 0.95 / times):.2f} points; {ROWS} rows; "
          f"{describe_machine('numpy', 'scipy')}")  # fmt: skip
    lowest, false = _print_single(times), 0.0
    covered, false = _print_families(times)
    lowest = min(lowest, covered)
    slack, few = (3 * math.sqrt(FALSE * (1 - FALSE) / count) for count in (times, times // 4))
    trained_lowest = _print_trained(times // 4)
    holds = lowest > LOWEST - slack and false < FALSE + slack and trained_lowest > LOWEST - few
    print(f"\nleast coverage {100 * min(lowest, trained_lowest):.1f} %, most false claims {100 * false:.1f} %; "
          f"{'holds' if holds else 'DOES NOT HOLD'}: at least {LOWEST:.0%} and at most {FALSE:.0%}, but for three "
          "standard errors")  # fmt: skip
    return 0 if holds else 1


def _print_single(times: int) -> float:
    found = {
        (regime, plan): simulated(plan, shares, times)
        for (regime, shares), plan in itertools.product({**REGIMES, **COMMON}.items(), PLANS)
    }
    print("\nHow often the 95 % interval of one difference covers, in %:\n")
    _head("the variance comes from", *map(str, PLANS))
    for regime in (*REGIMES, *COMMON):
        _line([regime, *(f"{100 * found[regime, plan]['ours']:.1f}" for plan in PLANS)])
    print("\nThe same by other ways: the values of the test sets alone, with the correction for overlapping training "
          "sets (ours where "
          "the metric has no values by row) and without it; and rows and seeds alone:\n")  # fmt: skip
    some = list(itertools.product((PLANS[1], PLANS[-1]), ("by value", "uncorrected", "rows and seeds")))
    _head("the variance comes from", *(f"{plan}: {name}" for plan, name in some))
    for regime in (*REGIMES, *COMMON):
        _line([regime, *(f"{100 * found[regime, plan][name]:.1f}" for plan, name in some)])
    return min(
        min(each["ours"], each["by value"]) for (regime, _), each in found.items() if regime in REGIMES
    )


def _print_families(times: int) -> tuple[float, float]:
    print("\nAll pairs of four arms: least coverage and, behind the stroke, families with a false claim, in %; with "
          "runs that vary alike, or ten times as much for one arm:\n")  # fmt: skip
    plans = [Plan("folds", 5, 1), Plan("folds", 5, 3), Plan("folds", 10, 1), Plan("repeats", 5, 3)]
    _head("the variance comes from", "runs vary", *map(str, plans))
    lowest, most = 1.0, 0.0
    for regime, noise in itertools.product(
        ("rows", "seeds", "rows and training sets", "all three"), (1.0, 10.0)
    ):
        found = [family(plan, REGIMES[regime], times, noise=noise) for plan in plans]
        lowest, most = min([lowest, *(each[0] for each in found)]), max([most, *(each[1] for each in found)])
        cells = [f"{100 * covered:.1f} / {100 * false:.1f}" for covered, false in found]
        _line([regime, "equal" if noise == 1.0 else "one tenfold", *cells])
    return lowest, most


def _print_trained(times: int) -> float:
    print(f"\nThe same with networks that are trained, {times:,} draws:\n")
    _head("networks", "metric", "test sets × seeds", "ours", "by value", "uncorrected", "rows and seeds")
    lowest = 1.0
    for case in TRAINED:
        found = covered_when_trained(case, times)
        lowest = min(lowest, found["ours"])
        metric = "accuracy" if case.classes else "squared error"
        _line([case.name, metric, case.plan, *(f"{100 * each:.1f}" for each in found.values())])
    return lowest


def _head(*names: str) -> None:
    _line(names)
    _line(["---"] * len(names))


def _line(cells: Sequence[object]) -> None:
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
