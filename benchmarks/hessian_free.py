"""Measured: a Hessian-free step of the crimes network, by rows and by whole tables, against the published way.

    python -m benchmarks hessian_free [--repetitions N] [--seconds S] [--most SECONDS]

Seven embeddings of 61,385 × 128 and smaller, hidden layers of 128 and 64 with batch norm, batch 64, three iterations of
conjugate gradients. The published way (:mod:`benchmarks.peers.published_hf`, a small version of our own) has dense
vectors of all parameters, differentiates backwards twice and makes two products an iteration. Without dropout, where
both have the same function, the losses of their first steps are compared. Ways take turns; the ratio is taken within a
turn, and no turn begins after ``--most`` seconds: steps of the dense ways take long on a busy machine. Aimed at are 20
times with the step compiled as one program; the eager step is measured beside it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from torch import Tensor

from benchmarks.machine import describe_machine
from benchmarks.peers.made import CRIMES, SEED, build, dataset_of, make_task
from benchmarks.peers.published_hf import PublishedHessianFree
from benchmarks.peers.task import Network
from steepest.data.batches import BatchPlan
from steepest.objectives import make_objective
from steepest.objectives.target import target_of
from steepest.optim import make_spec
from steepest.optim.spec import MethodSettings
from steepest.schedules import make_schedule
from steepest.train.compiled_hessian_free import CompiledHessianFree
from steepest.train.feed import Feed
from steepest.train.problem import SupervisedProblem, table_columns

ROWS = 20_000
STEPS = 1_000_000
AIM = 20.0
STEPS_COMPARED = 6
SAME = 1e-3
"""By so much of itself a loss of the published way may differ without dropout, in 32 bits."""
PUBLISHED = "published way"
COMPILED = "hessian-free by rows, compiled"
OPTIONS = "lr=5e-3, damping=0.5, cg_iterations=3"
WAYS = {
    PUBLISHED: "",
    "hessian-free, whole tables": f"hessian-free({OPTIONS})",
    "hessian-free by rows": f"hessian-free({OPTIONS})",
    COMPILED: f"hessian-free({OPTIONS})",
    "hessian-free by rows, variant='notebook-2021'": f"hessian-free({OPTIONS}, variant='notebook-2021')",
}


def main(arguments: list[str]) -> int:
    """Measure and print the table; return 1 if losses differ."""
    parser = argparse.ArgumentParser("python -m benchmarks hessian_free")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of a way in a turn")
    parser.add_argument("--most", type=float, default=180.0, help="seconds after which no turn begins")
    given = parser.parse_args(arguments)
    started = time.perf_counter()
    print(f"{describe_machine()}; batch {CRIMES.batch}, 3 iterations", flush=True)
    still = replace(CRIMES, dropout=0.0)
    variant = next(reversed(WAYS))
    first = [
        [loss for _, loss in zip(range(STEPS_COMPARED), steps(way, still), strict=False)]
        for way in (PUBLISHED, variant)
    ]
    apart = max(abs(a - b) / abs(a) for a, b in zip(*first, strict=True))
    print(
        f"Without dropout, losses of {STEPS_COMPARED} steps differ by {apart:.1e} of themselves.\n",
        flush=True,
    )
    running = {way: steps(way, CRIMES) for way in WAYS}
    for each in running.values():
        next(each)
    times: dict[str, list[float]] = {way: [] for way in WAYS}
    for turn in range(given.repetitions):
        if turn and time.perf_counter() - started > given.most:
            break
        for way, each in running.items():
            times[way].append(timed(each, given.seconds))
    print(table(times))
    eager, best = (statistics.median(ratios(times, way)) for way in ("hessian-free by rows", COMPILED))
    print(f"\nBy rows and compiled {best:.3g} times as fast as the published way, eager {eager:.3g}.")
    print(f"Aimed at are {AIM:g}.")
    return int(apart > SAME)


def timed(running: Iterator[float], seconds: float) -> float:
    """Return the milliseconds of a step."""
    started, count = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        next(running)
        count += 1
    return 1_000 * (time.perf_counter() - started) / count


def table(times: dict[str, list[float]]) -> str:
    """Return the table."""
    lines = ["| way | ms a step | as fast as published (lowest … highest) | n |", "| --- | --- | --- | --- |"]
    for way, found in times.items():
        faster = ratios(times, way)
        lines.append(
            f"| {way} | {statistics.median(found):.3g} | {statistics.median(faster):.3g} "
            f"({min(faster):.3g} … {max(faster):.3g}) | {len(found)} |"
        )
    return "\n".join(lines)


def ratios(times: dict[str, list[float]], way: str) -> list[float]:
    """Return how many times as fast as the published way a way was, for every turn."""
    return [a / b for a, b in zip(times[PUBLISHED], times[way], strict=True)]


def steps(way: str, network: Network) -> Iterator[float]:
    """Make steps of a new network without end, and yield the loss that each reports."""
    task = make_task(network, ROWS, 1)
    data = dataset_of(task)
    net = build(network, data.shape).train()
    columns = tuple(data.shape.cardinalities)
    problem = SupervisedProblem(net, make_objective("", target_of(data)), None, columns)
    feed = Feed(data.train, BatchPlan(len(data.train), network.batch, SEED), SEED)
    if way != PUBLISHED:
        tables = tuple(table_columns(net, columns)) if "rows" in way else ()
        spec: Any = make_spec(WAYS[way])
        settings = MethodSettings(make_schedule("constant", STEPS), tables=tables)
        method = CompiledHessianFree(spec, settings) if way == COMPILED else spec.make(settings)
        state: Any = method.init(problem)
        for info in method.steps(problem, state, feed, 0, STEPS):
            yield info.loss
    optimizer = PublishedHessianFree([each for each in net.parameters() if each.requires_grad])
    for step in range(STEPS):
        yield optimizer.step(_closure(problem, feed.batch(step)))


def _closure(problem: SupervisedProblem, batch: Any) -> Callable[[], tuple[Tensor, Tensor]]:
    def closure() -> tuple[Tensor, Tensor]:
        outputs = problem.outputs_at(batch, {})
        return problem.batch_loss(outputs, batch), outputs

    return closure


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
