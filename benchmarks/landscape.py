"""Claim: 51 × 51 losses of the crimes network on 8,192 rows in 40 s on two cores, 4 times as fast as a plain loop.

    python -m benchmarks landscape [--rounds N] [--points N] [--rows N] [--threads N]

The plane is that of two random directions with the norms of the weights' filters. The plain loop loads the weights of
each point into the module and calls it without gradients in batches of the size of an evaluation. The two take turns:
in a round steepest computes two chunks of points and the loop eight points, both on the same rows, and their losses
must agree to 1e-4. Then steepest computes the whole grid once, what it prepares for all points included.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time

import numpy as np
import torch

from benchmarks.machine import cores, describe_machine
from benchmarks.peers.made import CRIMES, build, made_rows, shape_of
from steepest.data.dataset import Part
from steepest.landscape import POINTS, ROWS
from steepest.landscape.choosing import filter_normalised, random_direction, without_filters
from steepest.landscape.losses import CHUNK, PlaneLosses, batches_of
from steepest.landscape.plane import Plane, flat
from steepest.objectives import make_objective
from steepest.objectives.target import ClassTarget
from steepest.train.problem import SupervisedProblem

SECONDS, TIMES = 40.0, 4.0
FEW = 8
"""Points of the loop in a round."""


def main(arguments: list[str]) -> int:
    """Measure, print the table, and return 1 if the claim does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks landscape")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--points", type=int, default=POINTS)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--threads", type=int, default=cores())
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    problem, plane, part = _made(given.rows)
    side = np.linspace(-1.0, 1.0, given.points)
    grid = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)
    print(f"{given.rows:,} made rows, {plane.origin.numel():,} parameters, {given.threads} threads; "
          f"{describe_machine('torch')}\n")  # fmt: skip
    print("| round | steepest, ms a point | plain loop, ms a point | ratio |\n| --- | --- | --- | --- |")
    losses = PlaneLosses(problem, plane, part, "held")
    losses.many(grid[:CHUNK])
    ratios: list[float] = []
    worst = 0.0
    for turn in range(given.rounds):
        some = grid[np.arange(2 * CHUNK) * 13 % len(grid)]
        start = time.perf_counter()
        found = np.concatenate([losses.many(some[:CHUNK]), losses.many(some[CHUNK:])])
        middle = time.perf_counter()
        plain = _loop(problem, plane, part, some[:FEW])
        end = time.perf_counter()
        ours, loop = (middle - start) / len(some), (end - middle) / FEW
        worst = max(worst, float(np.abs(found[:FEW] / plain - 1).max()))
        ratios.append(loop / ours)
        print(f"| {turn + 1} | {1e3 * ours:.2f} | {1e3 * loop:.2f} | {loop / ours:.2f} |", flush=True)
    start = time.perf_counter()
    whole = PlaneLosses(problem, plane, part, "held")
    for first in range(0, len(grid), CHUNK):
        whole.many(grid[first : first + CHUNK])
    seconds = time.perf_counter() - start
    middle_ratio = statistics.median(ratios)
    print(
        f"\nmedian ratio {middle_ratio:.2f} (n = {len(ratios)}, from {min(ratios):.2f} to {max(ratios):.2f}), at least "
        f"{TIMES:g}; {given.points} × {given.points} points in {seconds:.1f} s, at most {SECONDS:g}; losses differ by "
        f"at most {worst:.1e}."
    )
    return int(middle_ratio < TIMES or seconds > SECONDS or worst > 1e-4)


def _made(rows: int) -> tuple[SupervisedProblem, Plane, Part]:
    """Return the crimes network with its start weights, a plane through them, and made rows."""
    shape = shape_of(CRIMES)
    net = build(CRIMES, shape).eval()
    codes, continuous, target = (torch.from_numpy(each) for each in made_rows(CRIMES, rows))
    part = Part((codes, continuous), target)
    weights = {name: each.detach() for name, each in net.named_parameters()}
    first, second = (
        flat(filter_normalised(random_direction(weights, 0, index), weights, without_filters(net)))
        for index in (0, 1)
    )
    goal = ClassTarget(CRIMES.classes)
    problem = SupervisedProblem(
        net, make_objective("", goal), columns=tuple(shape.cardinalities), target=goal
    )
    return problem, Plane.through(weights, first, second), part


def _loop(problem: SupervisedProblem, plane: Plane, part: Part, points: np.ndarray) -> np.ndarray:
    """Return the losses at points by a plain loop; the module has its own weights again afterwards."""
    net = problem.model
    own = dict(net.named_parameters())
    named = [plane.by_name(each) for each in (plane.origin, *plane.directions)]
    batches = list(batches_of(problem, part))
    found: list[float] = []
    with torch.no_grad():
        for alpha, beta in points.tolist():
            for name, each in own.items():
                origin, first, second = (some[name] for some in named)
                each.copy_(origin + alpha * first + beta * second)
            total = 0.0
            for batch, share in batches:
                total += share * float(torch.nn.functional.cross_entropy(net(*batch.inputs), batch.target))
            found.append(total)
        for name, each in own.items():
            each.copy_(named[0][name])
    return np.array(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
