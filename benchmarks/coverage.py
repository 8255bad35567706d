"""Claim: the 95 % intervals of differences cover 93–98 %, and false claims of a difference stay at or below 5 %.

    python -m benchmarks coverage [--draws N] [--folder runs/x]

Draws from recorded runs: a table of test losses by optimizer, seed and row is made once (or read from the folder
of a comparison with at least 20 seeds); then seeds and rows are drawn from it with replacement, again and
again, and each time an interval is made of the draw. The truth is the mean of the whole table. The made tables have
effects of the seed (Student's t with 5 degrees of freedom), of the row (log-normal: losses have long tails) and of
both (t with 4), in shares that are named by the regime.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from benchmarks.machine import describe_machine
from steepest import rng
from steepest.compare import crossed
from steepest.compare.intervals import holm

Values = NDArray[np.float64]

REGIMES = {  # shares of the variance of the mean: seeds, rows, both together
    "seeds dominate": (0.90, 0.02, 0.08),
    "mixed": (0.45, 0.45, 0.10),
    "rows dominate": (0.02, 0.90, 0.08),
    "only interaction": (0.0, 0.05, 0.95),
}
SEEDS = (3, 5, 10)
ROWS = (500, 2000, 5000)
LOWEST, HIGHEST = 0.93, 0.98
POOL = (200, 2000)
"""Recorded seeds and rows where there are many optimizers."""
_MOST = 4_000_000  # numbers drawn at a time


def recorded(
    shares: Sequence[float], seeds: int, rows: int, optimizers: int = 2, pool: tuple[int, int] = (200, 8000)
) -> Values:
    """Return losses ``[optimizer, seed, row]`` of equally good optimizers; the mean of each is exactly 1.

    Args:
        shares: of the variance of the mean over ``seeds`` and ``rows``: seeds, rows, interaction.
        seeds, rows: the size of the draws that the shares are meant for.
        optimizers: how many.
        pool: how many seeds and rows are recorded.
    """
    draw = rng.stream(0, "data", seeds, rows, optimizers)
    by_seed = draw.standard_t(5, (optimizers, pool[0], 1)) / math.sqrt(5 / 3)
    by_row = draw.lognormal(0.0, 1.0, (optimizers, 1, pool[1])) / math.sqrt((math.e - 1) * math.e)
    both = draw.standard_t(4, (optimizers, *pool)) / math.sqrt(2)
    hard = draw.lognormal(0.0, 1.5, (1, 1, pool[1]))  # hard for all: cancels in the differences
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


def widths(found: crossed.Parts) -> dict[str, Values]:
    """Return half the width of the 95 % interval of each way to make one."""
    t_seeds = special.stdtrit(found.n_seeds - 1, 0.975)
    t_rows = special.stdtrit(found.n_rows - 1, 0.975)
    whole = found.seeds + found.rows
    degrees = whole**2 / (found.seeds**2 / (found.n_seeds - 1) + found.rows**2 / (found.n_rows - 1))
    return {
        "both (ours)": crossed.half_width(found),
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


def false_claims(comparisons: int, seeds: int, rows: int, times: int, regime: str = "mixed") -> float:
    """Return the share of families with a false claim: one optimizer against ``comparisons`` equally good ones."""
    table = recorded(REGIMES[regime], seeds, rows, comparisons + 1, POOL)
    false = 0
    for block in drawn(table[:1] - table[1:], seeds, rows, times):
        p = crossed.p_value(crossed.parts(block))
        false += sum(min(holm(each)) < 0.05 for each in p)
    return false / times


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
        p = np.stack([crossed.p_value(crossed.parts(test[:, a] - test[:, b])) for a, b in pairs], axis=1)
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


def _line(cells: Sequence[object]) -> str:
    return f"| {' | '.join(str(each) for each in cells)} |"


def _percent(found: Mapping[str, float], names: Sequence[str]) -> list[str]:
    return [f"{100 * found[name]:.1f}" for name in names]


def main(arguments: Sequence[str]) -> int:
    """Print the tables; return 1 if a claim does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks coverage")
    parser.add_argument("--draws", type=int, default=4000)
    parser.add_argument("--folder", type=Path, help="also draw from the runs of this comparison")
    options = parser.parse_args(arguments)
    times, holds = options.draws, True
    print(f"{times:,} draws a line, standard error {100 * math.sqrt(0.05 * 0.95 / times):.2f} points; "
          f"{describe_machine('numpy', 'scipy')}\n")  # fmt: skip
    names = ["both (ours)", "seeds alone", "rows alone", "Satterthwaite"]
    print("How often 95 % intervals cover, in %:\n")
    print(_line(["regime", "seeds", "rows", *names, "pigeonhole"]))
    print(_line(["---"] * (len(names) + 4)))
    for regime, shares in REGIMES.items():
        for seeds, rows in itertools.product(SEEDS, ROWS):
            table = recorded(shares, seeds, rows)
            found = coverage(table, seeds, rows, times)
            holds &= LOWEST <= found["both (ours)"] <= HIGHEST
            boot = f"{100 * pigeonhole(table, seeds, rows, times // 4):.1f}" if rows == ROWS[0] else ""
            print(_line([regime, seeds, f"{rows:,}", *_percent(found, names), boot]), flush=True)
    if options.folder:
        table, what = of_folder(options.folder)
        for seeds, rows in itertools.product(SEEDS, (min(ROWS[0], table.shape[2]), table.shape[2])):
            found = coverage(table, seeds, rows, times)
            print(_line([what, seeds, f"{rows:,}", *_percent(found, names), ""]), flush=True)
            holds &= LOWEST <= found["both (ours)"] <= HIGHEST
    holds &= _print_claims(times)
    print(f"\n{'holds' if holds else 'DOES NOT HOLD'}: coverage within {LOWEST:.0%} and {HIGHEST:.0%}, "
          "false claims at most 5 % and three standard errors")  # fmt: skip
    return 0 if holds else 1


def _print_claims(times: int) -> bool:
    most = 0.05 + 3 * math.sqrt(0.05 * 0.95 / times)
    rows, holds = 500, True
    print("\nShare of families with a false claim of a difference, in %, all optimizers equally good:\n")
    print(
        _line(
            ["regime", "seeds", "1 comparison", "3", "8", "picked of 4, all pairs", "picked of 4, its own 3"]
        )
    )
    print(_line(["---"] * 7))
    for regime in list(REGIMES)[:3]:
        for seeds in SEEDS:
            plain = [false_claims(size, seeds, rows, times, regime) for size in (1, 3, 8)]
            picked = false_claims_of_the_picked(4, seeds, rows, times, regime)
            holds &= max(*plain, picked["all pairs"]) <= most
            cells: list[Any] = [
                f"{100 * each:.1f}" for each in (*plain, picked["all pairs"], picked["its own"])
            ]
            print(_line([regime, seeds, *cells]), flush=True)
    return holds


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
