"""Claim: 95 % intervals of differences cover at least 93 %, and at most 5 % of families have a false claim.

    python -m benchmarks coverage [--draws N] [--folder runs/x]

Draws from recorded runs: a table of test losses by optimizer, seed and row is made once (or read from the folder
of a comparison with at least 20 seeds); then seeds and rows are drawn from it with replacement, again and
again, and each time intervals are made of the draw. The truth is the mean of the whole table. The made tables have
effects of the seed (Student's t with 5 degrees of freedom), of the row (log-normal: losses have long tails) and of
both (t with 4), in shares that are named by the regime. Where it matters, the seeds of some optimizers vary ten times
as much as those of the others, or optimizers come in two groups whose seeds do nearly the same.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from benchmarks import coverage_metrics
from benchmarks.machine import describe_machine
from steepest import rng
from steepest.compare.intervals import holm
from steepest.evaluate import crossed
from steepest.evaluate.rowwise import FEWEST_OF_A_CLASS

Values = NDArray[np.float64]

REGIMES = {  # shares of the variance of the mean: seeds, rows, both together
    "seeds dominate": (0.90, 0.02, 0.08),
    "mixed": (0.45, 0.45, 0.10),
    "rows dominate": (0.02, 0.90, 0.08),
    "only interaction": (0.0, 0.05, 0.95),
}
SEEDS = (3, 5, 10)
ROWS = (100, 500, 2000)
LOWEST, FALSE = 0.93, 0.05
POOL = (200, 2000)
"""Recorded seeds and rows where there are many optimizers."""
_MOST = 4_000_000  # numbers drawn at a time


@dataclass(frozen=True)
class Family:
    """Which differences are asked for at once.

    Attributes:
        name: what is compared with what.
        optimizers, baselines: how many.
        pairs: places in the table, where baselines come last.
        independent: how many of the differences are linearly independent, as the seeds go.
    """

    name: str
    optimizers: int
    baselines: int
    pairs: tuple[tuple[int, int], ...]
    independent: int


def _all_pairs(count: int) -> Family:
    pairs = tuple(itertools.combinations(range(count), 2))
    return Family(f"{len(pairs)}: {count} optimizers", count, 0, pairs, count - 1)


FAMILIES = (
    _all_pairs(2),
    _all_pairs(3),
    _all_pairs(4),
    _all_pairs(6),
    Family("16: 4 optimizers × 4 baselines", 4, 4, tuple(itertools.product(range(4), range(4, 8))), 4),
    Family("16: 1 optimizer against 16", 17, 0, tuple((0, each) for each in range(1, 17)), 16),
)
NOISE = ("equal", "one tenfold", "half tenfold", "two groups")
"""How the seeds of the optimizers vary: alike; one or half of them with ten times the variance; alike, but two groups
of optimizers of which each does nearly the same."""
FEW = (20, 34, 50, 75, 100, 200)
WAYS = ("ours", "own", "pooled", "larger")
"""To get at the seeds' part: ours; each difference's own; the family's; the larger of the two."""


def recorded(
    shares: Sequence[float],
    seeds: int,
    rows: int,
    optimizers: int = 2,
    pool: tuple[int, int] = (200, 8000),
    noise: str = "equal",
    baselines: int = 0,
    *,
    tails: bool = True,
) -> Values:
    """Return losses ``[optimizer, seed, row]`` of equally good optimizers; the mean of each is exactly 1.

    Args:
        shares: of the variance of the mean over ``seeds`` and ``rows``: seeds, rows, interaction.
        seeds, rows: the size of the draws that the shares are meant for.
        optimizers: how many.
        pool: how many seeds and rows are recorded.
        noise: one of :data:`NOISE`.
        baselines: how many more, which come last and are the same for all seeds.
        tails: False for log-normal rows of the first optimizer alone: its differences to the others are lopsided.
    """
    draw = rng.stream(0, "data", seeds, rows, optimizers)
    optimizers += baselines
    by_seed = draw.standard_t(5, (optimizers, pool[0], 1)) / math.sqrt(5 / 3)
    by_row = draw.lognormal(0.0, 1.0, (optimizers, 1, pool[1])) / math.sqrt((math.e - 1) * math.e)
    if not tails:
        by_row[1:] *= 0.05
    both = draw.standard_t(4, (optimizers, *pool)) / math.sqrt(2)
    hard = draw.lognormal(0.0, 1.5, (1, 1, pool[1]))  # hard for all: cancels in the differences
    if noise == "two groups":
        groups = draw.standard_t(5, (2, pool[0], 1)) / math.sqrt(5 / 3)
        by_seed = math.sqrt(0.95) * groups[np.arange(optimizers) % 2] + math.sqrt(0.05) * by_seed
    variances = np.ones(optimizers)
    variances[: {"one tenfold": 1, "half tenfold": (optimizers + 1) // 2}.get(noise, 0)] = 10.0
    by_seed *= np.sqrt(variances)[:, None, None]
    if baselines:
        by_seed[-baselines:] = both[-baselines:] = 0.0
    one, other, rest = (math.sqrt(share) for share in shares)
    both *= rest * math.sqrt(seeds * rows)
    both += one * math.sqrt(seeds) * by_seed + other * math.sqrt(rows) * by_row + hard
    return both - both.mean((1, 2), keepdims=True) + 1.0


def drawn(table: Values, seeds: int, rows: int, times: int, seed: int = 0) -> Iterator[Values]:
    """Yield blocks ``[times, …, seeds, rows]`` of seeds and rows drawn from ``[…, M, P]`` with replacement."""
    draw = rng.stream(seed, "bootstrap", seeds, rows)
    size = max(1, _MOST // (seeds * rows * math.prod(table.shape[:-2])))
    for start in range(0, times, size):
        count = min(size, times - start)
        who = draw.integers(0, table.shape[-2], (count, seeds))
        which = draw.integers(0, table.shape[-1], (count, rows))
        block = np.stack([table[..., a[:, None], b] for a, b in zip(who, which, strict=True)])
        yield block


def ways(found: Sequence[crossed.Parts], independent: int, level: float) -> dict[str, Values]:
    """Return half the widths ``[difference, times]`` of each way to get at the seeds' part of a family."""

    def joined(pick: Callable[[crossed.Parts], Values]) -> Values:
        alone = [each._replace(seeds=pick(each), n_seeds=1 + round(each.degrees)) for each in pooled]
        return np.stack([crossed.half_width(each._replace(pooled=None), level) for each in alone])

    pooled = crossed.pool(found, independent)
    own = np.stack([crossed.half_width(each, level) for each in found])
    if pooled[0].pooled is None:
        return dict.fromkeys(WAYS, own)
    return {
        "ours": np.stack([crossed.half_width(each, level) for each in pooled]),
        "own": own,
        "pooled": joined(lambda each: np.asarray(each.pooled)),
        "larger": joined(lambda each: np.maximum(each.seeds, np.asarray(each.pooled))),
    }


@dataclass(frozen=True)
class Tally:
    """What came out for one way: least and most coverage of the differences, families with a false claim, power."""

    lowest: float
    highest: float
    false: float
    seen: float


def tried(family: Family, table: Values, seeds: int, rows: int, times: int) -> dict[str, Tally]:
    """Return what each way gives on draws from ``[optimizer, M, P]``; ``seen`` is of 5 standard errors of the rows."""
    pairs, level = family.pairs, 1.0 - FALSE / len(family.pairs)
    truth = np.array([(table[a] - table[b]).mean() for a, b in pairs])[:, None]
    shift = np.array([5.0 * (table[a] - table[b]).mean(0).std() / math.sqrt(rows) for a, b in pairs])[:, None]
    covered = {way: np.zeros(len(pairs)) for way in WAYS}
    seen, false = dict.fromkeys(WAYS, 0.0), dict.fromkeys(WAYS, 0.0)
    for block in drawn(table, seeds, rows, times):
        found = [crossed.parts(block[:, a] - block[:, b]) for a, b in pairs]
        gap = np.stack([each.mean for each in found]) - truth
        single, all_together = (ways(found, family.independent, each) for each in (0.95, level))
        for way in WAYS:
            covered[way] += (abs(gap) <= single[way]).sum(1)
            false[way] += (abs(gap) > all_together[way]).any(0).sum()
            seen[way] += (gap + shift > all_together[way]).mean(0).sum()
    return {
        way: Tally(
            *(float(each) / times for each in (covered[way].min(), covered[way].max(), false[way], seen[way]))
        )
        for way in WAYS
    }


def widths(found: crossed.Parts) -> dict[str, Values]:
    """Return half the width of the 95 % interval of each way to make one of a single difference."""
    t_seeds = special.stdtrit(found.n_seeds - 1, 0.975)
    t_rows = special.stdtrit(found.n_rows - 1, 0.975)
    whole = found.seeds + found.rows
    degrees = whole**2 / (found.seeds**2 / (found.n_seeds - 1) + found.rows**2 / (found.n_rows - 1))
    return {
        "ours": crossed.half_width(found),
        "seeds alone": t_seeds * np.sqrt(found.seeds),
        "rows alone": t_rows * np.sqrt(found.rows + found.shared),
        "Satterthwaite": special.stdtrit(degrees, 0.975) * np.sqrt(whole),
    }


def coverage(table: Values, seeds: int, rows: int, times: int) -> dict[str, float]:
    """Return how often each interval of first − second covers the truth, over draws from ``[2, M, P]``."""
    gaps = table[0] - table[1]
    truth = float(gaps.mean())
    hits: dict[str, int] = {}
    for block in drawn(gaps, seeds, rows, times):
        found = crossed.parts(block)
        for name, half in widths(found).items():
            hits[name] = hits.get(name, 0) + int((abs(found.mean - truth) <= half).sum())
    return {name: hit / times for name, hit in hits.items()}


def few_rows(kind: str, seeds: int, pool: tuple[int, int] = (200, 20_000)) -> Values:
    """Return recorded differences ``[seed, row]`` that are hard for few rows.

    Args:
        kind: ``log-normal`` (losses of one of the two have a long tail), ``log-normal both``, ``accuracy`` (few rows
            are right under one of the two alone), or ``rare`` (3 % of the rows make all of the difference).
        seeds: of a draw; the seeds have a hundredth of the variance of 100 rows.
    """
    draw = rng.stream(1, "data", seeds)
    if kind == "accuracy":
        hard = draw.normal(2.5, 2.0, pool[1])
        right = [
            hard + draw.normal(0.0, 0.5, pool[1]) + shift + 0.3 * draw.normal(size=pool) > 0
            for shift in (0.2, 0.0)
        ]
        return right[0].astype(np.float64) - right[1]
    rows = {
        "log-normal": draw.lognormal(0.0, 1.0, pool[1]),
        "log-normal both": draw.lognormal(0.0, 1.0, pool[1]) - draw.lognormal(0.0, 1.0, pool[1]),
        "rare": (draw.random(pool[1]) < 0.03) + draw.normal(0.0, 0.02, pool[1]),
    }[kind]
    return rows + 0.1 * rows.std() * math.sqrt(seeds / 100) * draw.normal(size=(pool[0], 1))


def coverage_of_few(kind: str, seeds: int, rows: int, times: int) -> dict[str, float]:
    """Return how often the interval covers, with and without the two further rows, where there is one at all."""
    table = few_rows(kind, seeds)
    truth, hits, made = float(table.mean()), {"ours": 0, "rows as they are": 0}, 0
    for block in drawn(table, seeds, rows, times):
        found = crossed.parts(block)
        known = np.ptp(block, axis=(1, 2)) > 0
        made += int(known.sum())
        for name, parts in (("ours", found), ("rows as they are", found._replace(tail=0.0 * found.tail))):
            hits[name] += int(((abs(found.mean - truth) <= crossed.half_width(parts)) & known).sum())
    return {name: hit / max(made, 1) for name, hit in hits.items()}


def pigeonhole(table: Values, seeds: int, rows: int, times: int, resamples: int = 400) -> float:
    """Return how often the bootstrap over seeds and rows at once (Owen, 2007) covers the truth."""
    gaps = table[0] - table[1]
    truth, hits = float(gaps.mean()), 0
    draw = rng.stream(1, "bootstrap", seeds, rows)
    for block in drawn(gaps, seeds, rows, times):
        for each in block:
            some = draw.multinomial(seeds, np.full(seeds, 1 / seeds), resamples) / seeds
            others = draw.multinomial(rows, np.full(rows, 1 / rows), resamples) / rows
            low, high = np.quantile(((some @ each) * others).sum(1), [0.025, 0.975])
            hits += bool(low <= truth <= high)
    return hits / times


def false_claims_of_the_picked(
    optimizers: int, seeds: int, rows: int, times: int, regime: str = "mixed"
) -> dict[str, float]:
    """Return the share of families with a false claim about the best on validation, which shares the runs' luck.

    Corrected for all pairs, as we do, and for the picked one's own comparisons alone.
    """
    table = recorded(REGIMES[regime], seeds, rows, optimizers, POOL)
    pairs = list(itertools.combinations(range(optimizers), 2))
    false = {"all pairs": 0, "its own": 0}
    for block in drawn(table, seeds, 2 * rows, times):
        validation, test = block[..., :rows], block[..., rows:]
        picked = validation.mean((-1, -2)).argmin(-1)
        parts = crossed.pool([crossed.parts(test[:, a] - test[:, b]) for a, b in pairs], optimizers - 1)
        p = np.stack([crossed.p_value(each) for each in parts], axis=1)
        for each, best in zip(p, picked, strict=True):
            mine = [place for place, pair in enumerate(pairs) if best in pair]
            corrected = holm(each)
            false["all pairs"] += min(corrected[place] for place in mine) < 0.05
            false["its own"] += min(holm(each[mine])) < 0.05
    return {name: count / times for name, count in false.items()}


def of_folder(path: Path) -> tuple[Values, str]:
    """Return the test losses ``[2, M, P]`` of the two optimizers with the most seeds in a comparison's folder."""
    from steepest.record.store import Folder

    folder = Folder.open(path)
    runs: dict[str, dict[int, str]] = {}
    for record in folder.records():
        if record.key.phase == "final" and record.test:
            runs.setdefault(record.key.name, {})[record.key.seed] = record.key.recipe
    first, second = sorted(runs, key=lambda name: -len(runs[name]))[:2]
    both = sorted(set(runs[first]) & set(runs[second]))
    table = [
        [folder.read_tensors(f"rows/{runs[name][seed]}-{seed}")["loss"].double().numpy() for seed in both]
        for name in (first, second)
    ]
    return np.array(table), f"{first} − {second}, {len(both)} seeds × {len(table[0][0]):,} rows recorded"


def _line(cells: Sequence[object]) -> None:
    print(f"| {' | '.join(str(each) for each in cells)} |", flush=True)


def _head(*names: str) -> None:
    _line(names)
    _line(["---"] * len(names))


def _percent(found: Mapping[str, float]) -> list[str]:
    return [f"{100 * each:.1f}" for each in found.values()]


def main(arguments: Sequence[str]) -> int:
    """Print the tables; return 1 if a claim does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks coverage")
    parser.add_argument("--draws", type=int, default=4000)
    parser.add_argument("--folder", type=Path, help="also draw from the runs of this comparison")
    options = parser.parse_args(arguments)
    times = options.draws
    print(f"{times:,} draws a line, standard error {100 * math.sqrt(0.05 * 0.95 / times):.2f} points; "
          f"{describe_machine('numpy', 'scipy')}")  # fmt: skip
    slack = 3 * math.sqrt(FALSE * (1 - FALSE) / times)
    holds = _print_single(times, options.folder) > LOWEST - slack
    holds &= _print_few(times) > LOWEST - slack
    covered, false = _print_families(times)
    holds &= covered > LOWEST - slack and max(false, _print_claims(times)) < FALSE + slack
    holds &= _print_power(times)
    holds &= _print_metrics(times)
    print(f"\n{'holds' if holds else 'DOES NOT HOLD'}: coverage at least {LOWEST:.0%} and false claims at most "
          f"{FALSE:.0%}, but for three standard errors")  # fmt: skip
    return 0 if holds else 1


def _print_single(times: int, folder: Path | None) -> float:
    print("\nHow often the 95 % interval of a difference alone covers, in %:\n")
    _head("regime", "seeds", "rows", "ours", "seeds alone", "rows alone", "Satterthwaite", "pigeonhole")
    lowest = 1.0
    for regime, shares in REGIMES.items():
        for seeds, rows in itertools.product(SEEDS, ROWS):
            table = recorded(shares, seeds, rows)
            found = coverage(table, seeds, rows, times)
            lowest = min(lowest, found["ours"])
            boot = f"{100 * pigeonhole(table, seeds, rows, times // 4):.1f}" if rows == 500 else ""
            _line([regime, seeds, f"{rows:,}", *_percent(found), boot])
    if folder:
        table, what = of_folder(folder)
        for seeds, rows in itertools.product(SEEDS, (min(500, table.shape[2]), table.shape[2])):
            found = coverage(table, seeds, rows, times)
            _line([what, seeds, f"{rows:,}", *_percent(found), ""])
            lowest = min(lowest, found["ours"])
    return lowest


def _print_few(times: int) -> float:
    print("\nThe same with few rows, where the rows are nearly all of the variance; in brackets without the two "
          "further rows:\n")  # fmt: skip
    _head("rows' differences", "seeds", *(f"{rows} rows" for rows in FEW))
    lowest = 1.0
    for kind, seeds in itertools.product(("log-normal", "log-normal both", "accuracy", "rare"), (1, 3, 10)):
        found = {rows: coverage_of_few(kind, seeds, rows, times) for rows in FEW}
        lowest = min([lowest, *(each["ours"] for rows, each in found.items() if rows >= 100)])
        _line([kind, seeds, *("{} ({})".format(*_percent(each)) for each in found.values())])
    return lowest


def _print_families(times: int) -> tuple[float, float]:
    print("\nSeveral differences at once, 200 rows: least and most coverage of their 95 % intervals and, behind the "
          "stroke, families with a false claim, in %:\n")  # fmt: skip
    _head("family", "seeds vary", "seeds' share", "seeds", "ours", "own", "pooled", "larger")
    covered, false = 1.0, 0.0
    for family, noise, share in itertools.product(FAMILIES, NOISE, (0.1, 0.5, 0.9)):
        if noise == "two groups" and family.optimizers < 4:
            continue
        for seeds in SEEDS:
            table = recorded(
                (share, 0.95 - share, 0.05), seeds, 200, family.optimizers, POOL, noise, family.baselines
            )
            found = tried(family, table, seeds, 200, times)
            covered, false = min(covered, found["ours"].lowest), max(false, found["ours"].false)
            cells = [
                f"{100 * x.lowest:.1f}–{100 * x.highest:.1f} / {100 * x.false:.1f}" for x in found.values()
            ]
            _line([family.name, noise, f"{share:.0%}", seeds, *cells])
    return covered, false


def _print_claims(times: int) -> float:
    print("\nFamilies with a false claim of a difference, in %, all optimizers equally good, 500 rows; with a long "
          "tail of the rows of one optimizer alone, and about the one that was best on validation:\n")  # fmt: skip
    families = FAMILIES[:-1]
    _head("regime", "seeds", *(each.name for each in families), "6: one tail", "picked of 4, all pairs",
          "picked of 4, its own 3")  # fmt: skip
    most = 0.0
    for regime, seeds in itertools.product(list(REGIMES)[:3], SEEDS):
        shares, false = REGIMES[regime], []
        for family, tails in [*((each, True) for each in families), (families[2], False)]:
            table = recorded(
                shares, seeds, 500, family.optimizers, POOL, baselines=family.baselines, tails=tails
            )
            false.append(tried(family, table, seeds, 500, times)["ours"].false)
        picked = false_claims_of_the_picked(4, seeds, 500, times, regime)
        most = max([most, *false, picked["all pairs"]])
        _line([regime, seeds, *(f"{100 * each:.1f}" for each in (*false, *picked.values()))])
    return most


def _print_power(times: int) -> bool:
    print("\nHow often a difference of 5 standard errors of the rows alone is told apart, in %, with 500 rows; in "
          "brackets with each difference's own seeds alone:\n")  # fmt: skip
    families = (FAMILIES[0], FAMILIES[2], FAMILIES[3], FAMILIES[4])
    _head("seeds' share of the variance", "seeds", *(each.name for each in families))
    holds = True
    for share, seeds in itertools.product((0.0, 0.05, 0.1, 0.25, 0.5, 0.75), (2, *SEEDS)):
        cells: list[Any] = []
        for family in families:
            table = recorded(
                (share, 1.0 - share, 0.0), seeds, 500, family.optimizers, POOL, baselines=family.baselines
            )
            found = tried(family, table, seeds, 500, times)
            cells.append(f"{100 * found['ours'].seen:.0f} ({100 * found['own'].seen:.0f})")
            if share <= 0.1 and seeds == 3:
                holds &= found["ours"].seen >= (0.95 if len(family.pairs) == 1 else 0.85)
        _line([f"{share:.0%}", seeds, *cells])
    return holds


def _print_metrics(times: int) -> bool:
    print("\nMetrics that are not a mean over rows, by jackknife pseudo-values, all models equally good: how often the "
          "95 % interval covers (network and baseline, two networks) and, after the slash, how often one of two "
          "networks is told from a baseline, in %:\n")  # fmt: skip
    _head("positive rows", "test rows", "seeds", *coverage_metrics.METRICS)
    holds, slack = True, 3 * math.sqrt(FALSE * (1 - FALSE) / times)
    for share, rows, seeds in itertools.product((0.1, 0.5), (100, 200, 500, 2000), (3, 5)):
        if share * rows < FEWEST_OF_A_CLASS:
            _line([f"{share:.0%}", f"{rows:,}", seeds, *["no interval"] * len(coverage_metrics.METRICS)])
            continue
        found = coverage_metrics.tried(share, rows, seeds, times)
        cells = [
            f"{100 * each.baseline:.1f}, {100 * each.network:.1f} / {100 * each.false:.1f}"
            for each in found.values()
        ]
        _line([f"{share:.0%}", f"{rows:,}", seeds, *cells])
        for each in found.values():
            holds &= min(each.baseline, each.network) > LOWEST - slack and each.false < FALSE + slack
    return holds


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
