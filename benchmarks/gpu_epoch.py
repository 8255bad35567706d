"""Claim: an epoch of the published crimes run, 107,770 steps of 64 rows, takes at most 8 s on a CUDA device.

    python -m benchmarks gpu_epoch [--steps N] [--precision float32|tf32|bf16]

The crimes network on made rows, exact Adam: steps that the device replays take turns with plain torch in memory on the
same device (``Adam(fused=True)``), a fiftieth of the epoch at a time; then the whole epoch is made, with capturing;
tracing and compiling are done by then, and their time is printed. Before the times, the losses of 8 replayed steps must
be those of our own eager steps, which draw the same masks. A P100 took 911 s for the published epoch. Where there is no
CUDA device, nothing is measured, and that is said.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.machine import describe_machine
from benchmarks.peers.made import CRIMES, SEED, build, dataset_of, make_task
from benchmarks.peers.task import Network
from steepest.data.batches import BatchPlan
from steepest.data.dataset import Dataset
from steepest.objectives import make_objective
from steepest.objectives.target import target_of
from steepest.optim import make_rule
from steepest.optim.method import GradientMethod
from steepest.recipe import Precision
from steepest.schedules import make_schedule
from steepest.sweep.timing import SAME
from steepest.train.compiled import CompiledMethod, Programs
from steepest.train.cuda_method import ReplayedMethod, has_triton
from steepest.train.feed import Feed
from steepest.train.problem import SupervisedProblem, products

STEPS = 107_770
REQUIRED = 8.0
TURNS = 5
CHECKED = 8
READ = 64
"""Steps after which the losses are read."""
PROGRAMS = Programs()
"""Of all runs: they have the same model, batch size and precision."""


@dataclass
class Side:
    """Steps of one program, as many as are asked for."""

    name: str
    losses: Iterator[float]

    def seconds(self, steps: int, device: str) -> float:
        """Make steps and return how long they took; the losses are read, so the device is done."""
        started = time.perf_counter()
        for _ in range(steps):
            next(self.losses)
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        return time.perf_counter() - started


def ours(
    data: Dataset,
    network: Network,
    device: str,
    steps: int,
    precision: Precision,
    kind: type = ReplayedMethod,
) -> Iterator[float]:
    """Yield the losses of steepest's steps."""
    net = build(network, data.shape).to(device)
    problem = SupervisedProblem(
        net, make_objective("", target_of(data)), None, tuple(data.shape.cardinalities), precision
    )
    rule = make_rule(f"{network.optimizer}(lr={network.lr})")
    more = {"programs": PROGRAMS} if issubclass(kind, CompiledMethod) else {}
    method = kind(rule, make_schedule("constant", steps), **more)
    feed = Feed(data.train, BatchPlan(len(data.train), network.batch, SEED), SEED)
    with products(precision):
        for info in method.steps(problem, method.init(problem), feed, 0, steps):
            yield info.loss


def plain(data: Dataset, network: Network, device: str) -> Iterator[float]:
    """Yield the losses of plain torch's steps; they are read every 64 steps, as ours are."""
    net: nn.Module = build(network, data.shape).to(device)
    optimizer = torch.optim.Adam(net.parameters(), lr=network.lr, fused=True)
    part, waiting = data.train, []
    while True:
        order = torch.randperm(len(part), device=device)
        for rows in order[: len(order) - len(order) % network.batch].split(network.batch):
            batch = part.take(rows)
            optimizer.zero_grad()
            loss = F.cross_entropy(net(*batch.inputs), batch.target)
            loss.backward()
            optimizer.step()
            waiting.append(loss.detach())
            if len(waiting) == READ:
                yield from torch.stack(waiting).tolist()
                waiting = []


def measure(network: Network, device: str, steps: int, precision: Precision) -> int:
    """Measure on a device, print the table, and return 1 if the claim does not hold or the losses differ."""
    data = dataset_of(make_task(network, steps * network.batch, 1)).to(device)
    name = torch.cuda.get_device_name() if device.startswith("cuda") else device
    print(
        f"{len(data.train):,} made rows, batch {network.batch}, {precision}, on {name}; {describe_machine('torch')}\n"
    )
    PROGRAMS.made.clear()
    checked = min(CHECKED, steps)
    started = time.perf_counter()
    found, right = (
        list(ours(data, network, device, checked, precision, kind))
        for kind in (ReplayedMethod, GradientMethod)
    )
    print(f"{'joined by Inductor' if has_triton() else 'operation by operation: there is no Triton here'}; tracing, "
          f"compiling and the first steps took {time.perf_counter() - started:.1f} s\n")  # fmt: skip
    apart = max(abs(a - b) / abs(b) for a, b in zip(found, right, strict=True))
    turn = max(READ, steps // 50)
    first = Side("steepest, replayed steps", ours(data, network, device, (TURNS + 1) * turn, precision))
    second = Side("torch in memory, Adam(fused=True)", plain(data, network, device))
    times: dict[str, list[float]] = {each.name: [] for each in (first, second)}
    for i in range(TURNS + 1):
        for each in (first, second):
            seconds = each.seconds(turn, device)
            if i:
                times[each.name].append(seconds)
    print("| | median ms a step | lowest | highest | n |\n| --- | --- | --- | --- | --- |")
    for title, seconds in times.items():
        shown = (1e3 * each / turn for each in (statistics.median(seconds), min(seconds), max(seconds)))
        print(f"| {title} | {' | '.join(f'{each:.3f}' for each in shown)} | {TURNS} |")
    ratios = sorted(b / a for a, b in zip(times[first.name], times[second.name], strict=True))
    print(
        f"\ntorch / steepest: median {statistics.median(ratios):.1f} ({ratios[0]:.1f} … {ratios[-1]:.1f}), n = {TURNS}"
    )
    whole: Any = Side(first.name, ours(data, network, device, steps, precision)).seconds(steps, device)
    holds = whole <= REQUIRED or steps != STEPS
    print(f"the epoch of {steps:,} steps, capturing included: {whole:.1f} s"
          + (f"; at most {REQUIRED:g}: {'holds' if holds else 'DOES NOT HOLD'}" if steps == STEPS else ""))  # fmt: skip
    same = apart <= SAME[precision]
    print(f"losses of {checked} steps differ by {apart:.1e} from eager ones; at most {SAME[precision]:g}: "
          f"{'holds' if same else 'DOES NOT HOLD'}")  # fmt: skip
    return 0 if holds and same else 1


def main(arguments: list[str]) -> int:
    """Measure where there is a CUDA device."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks gpu_epoch", description=__doc__)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--precision", choices=("float32", "tf32", "bf16"), default="float32")
    options = parser.parse_args(arguments)
    if not torch.cuda.is_available():
        print("not measured: there is no CUDA device here.")
        return 0
    return measure(CRIMES, "cuda", options.steps, options.precision)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
