"""Claim: with 100,000 users a step of ``dot-bias`` by rows is at least 5 times as fast as a dense one, and equal to it.

    python -m benchmarks ratings_step [--users N] [--items N] [--turns N] [--threads N] [--optimizer adam|momentum]

Made ratings, 50 factors and a bias for each user and item, batch 64. Our steps by rows take turns with our dense steps
and with plain torch in memory, fused and not; all begin with the same weights and draw the same batches. Before the
times, 64 steps by rows and 64 dense ones of ours must have the same losses, and leave the same vectors and biases.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.machine import describe_machine
from steepest import rng
from steepest.data.batches import BatchPlan
from steepest.data.dataset import Dataset, Part, Shape
from steepest.models import build_model
from steepest.objectives import make_objective
from steepest.objectives.target import target_of
from steepest.optim import make_rule
from steepest.optim.method import GradientMethod
from steepest.schedules import make_schedule
from steepest.train.compiled import CompiledMethod
from steepest.train.feed import Feed
from steepest.train.problem import SupervisedProblem, table_columns
from steepest.train.weights import KeptWeights

USERS, ITEMS, RATINGS = 100_000, 10_000, 400_000
FACTORS, BATCH, SEED = 50, 64, 2021
RULES = {"adam": "adam(lr=0.01)", "momentum": "momentum(lr=0.1)"}
REQUIRED = 5.0
CHECKED, SAME = 64, 1e-5
TURNS, SEGMENT = 7, 1.0
"""Turns, and about how many seconds each program works in one."""


def made(users: int, items: int) -> Dataset:
    """Return uniform ratings of uniform pairs."""
    draw = rng.stream(SEED, "data", RATINGS)
    codes = torch.from_numpy(draw.integers(1, [users + 1, items + 1], (RATINGS, 2)))
    ratings = torch.from_numpy(draw.integers(1, 11, RATINGS) / 2).float()
    part = Part((codes, torch.zeros(RATINGS, 0)), ratings)
    shape = Shape("regression", {"user": users + 1, "item": items + 1}, (), 1, bounds=(0.5, 5.0))
    none = part.take(torch.arange(0))
    return Dataset("made", "rating", part, none, none, shape)


def build(data: Dataset) -> nn.Module:
    """Return the network with its start weights."""
    return build_model(f"dot-bias(factors={FACTORS})", data.shape, seed=SEED)


def ours(
    data: Dataset, optimizer: str, steps: int, *, by_rows: bool, kind: type[Any] = CompiledMethod
) -> Iterator[tuple[float, Mapping[str, Tensor]]]:
    """Yield the loss of each of our steps, and the weights at the end of them."""
    net = build(data)
    columns = tuple(data.shape.cardinalities)
    problem = SupervisedProblem(net, make_objective("", target_of(data)), None, columns)
    tables = tuple(table_columns(net, columns)) if by_rows else ()
    method: GradientMethod = kind(make_rule(RULES[optimizer]), make_schedule("constant", steps), None, tables)
    state: Any = method.init(problem)
    feed = Feed(data.train, BatchPlan(RATINGS, BATCH, SEED), SEED)
    for i, info in enumerate(method.steps(problem, state, feed, 0, steps)):
        yield info.loss, KeptWeights(net, method, state).weights() if i == steps - 1 else {}


def plain(data: Dataset, optimizer: str, *, fused: bool) -> Iterator[tuple[float, Mapping[str, Tensor]]]:
    """Yield the losses of plain torch's steps."""
    net = build(data)
    rules: dict[str, Any] = {
        "adam": lambda: torch.optim.Adam(net.parameters(), lr=0.01, fused=fused),
        "momentum": lambda: torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, fused=fused),
    }
    rule, plan = rules[optimizer](), BatchPlan(RATINGS, BATCH, SEED)
    for step in itertools.count():
        batch = data.train.take(plan.indices(step))
        rule.zero_grad()
        loss = (net(*batch.inputs)[:, 0] - batch.target).square().mean()
        loss.backward()
        rule.step()
        yield loss.item(), {}


def differences(data: Dataset, optimizer: str, kind: type[Any] = CompiledMethod) -> tuple[float, float]:
    """Return by how much losses and weights of steps by rows and of dense steps differ at most."""
    rows, dense = (list(ours(data, optimizer, CHECKED, by_rows=each, kind=kind)) for each in (True, False))
    losses = max(abs(a - b) for (a, _), (b, _) in zip(rows, dense, strict=True))
    weights = max(float((rows[-1][1][name] - each).abs().max()) for name, each in dense[-1][1].items())
    return losses, weights


def measure(data: Dataset, optimizer: str, turns: int, kind: type[Any] = CompiledMethod) -> int:
    """Measure, print the table, and return 1 if the claim does not hold or the steps differ."""
    users, items = (each - 1 for each in data.shape.cardinalities.values())
    print(
        f"{users:,} users, {items:,} items, {RATINGS:,} made ratings, batch {BATCH}, {optimizer}; "
        f"{torch.get_num_threads()} thread(s), {describe_machine('torch')}\n"
    )
    losses, weights = differences(data, optimizer, kind)
    sides = {
        "steepest, by rows": ours(data, optimizer, 10**9, by_rows=True, kind=kind),
        "steepest, dense": ours(data, optimizer, 10**9, by_rows=False, kind=kind),
        "torch in memory, fused": plain(data, optimizer, fused=True),
        "torch in memory": plain(data, optimizer, fused=False),
    }
    times: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(turns + 1):
        for name, side in sides.items():
            steps, started = 0, time.perf_counter()
            while not steps or steps % CHECKED or time.perf_counter() - started < SEGMENT:
                next(side)
                steps += 1
            if turn:
                times[name].append(1e3 * (time.perf_counter() - started) / steps)
    first = next(iter(times))
    print("| | ms a step | ratio (lowest … highest) | n |\n| --- | --- | --- | --- |")
    medians: dict[str, float] = {}
    for name, own in times.items():
        ratios = [their / mine for mine, their in zip(times[first], own, strict=True)]
        medians[name] = statistics.median(ratios)
        shown = "" if name == first else f"{medians[name]:.1f} ({min(ratios):.1f} … {max(ratios):.1f})"
        print(f"| {name} | {statistics.median(own):.3f} | {shown} | {turns} |")
    ratio, same = medians["steepest, dense"], max(losses, weights) <= SAME
    fast = ratio >= REQUIRED or users != USERS
    print(f"\ndense / by rows: {ratio:.1f}" + (f"; required {REQUIRED:g}: {'holds' if fast else 'DOES NOT HOLD'}"
                                            if users == USERS else ""))  # fmt: skip
    print(f"after {CHECKED} steps losses differ by at most {losses:.1e}, weights by {weights:.1e}; at most {SAME:g}: "
          f"{'holds' if same else 'DOES NOT HOLD'}")  # fmt: skip
    return 0 if fast and same else 1


def main(arguments: list[str]) -> int:
    """Measure both optimizers, or one."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks ratings_step", description=__doc__)
    parser.add_argument("--users", type=int, default=USERS)
    parser.add_argument("--items", type=int, default=ITEMS)
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--optimizer", choices=tuple(RULES), help="one of them; both without it")
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    data = made(given.users, given.items)
    return max(
        measure(data, each, given.turns) for each in ([given.optimizer] if given.optimizer else list(RULES))
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
