"""Measured: the same runs in one program, on all cores, against two processes that make them one after the other.

    python -m benchmarks stacked [--runs N] [--steps N] [--repetitions N]

Two networks: that of the flights (embeddings, dropout, Adam) and 784-32-10 on images (momentum), batch 64. A stack is
:func:`steepest.train.stack.train_stack`, of all runs with as many threads as there are cores, or of half of them in
each of two processes with one thread; against it are compiled single runs, half of them in each of two processes.
Compiling is not part of the times. Nothing is required: comparisons take the way that the table shows to be faster.
Beside it stands the share of the machine's peak that single runs reach, in matrix products: those of a step, counted by
torch, against products of 1,024 × 1,024 numbers on each core.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

import steepest as st
from benchmarks.comparison import make_images
from benchmarks.machine import cores, describe_machine
from steepest.data.dataset import Dataset
from steepest.experiment.settings import decide
from steepest.optim import make_rule
from steepest.recipe import Execution, Recipe
from steepest.sweep.observer import Observer

PRODUCTS = "products"
SINGLE = "single runs in two processes"
WAYS = {
    SINGLE: ("single", 2),
    "a stack in each of two processes": ("stack", 2),
    "a stack on all cores": ("all cores", 1),
}
"""What a process makes, and how many processes there are."""
CASES = {"flights": "adam", "784-32-10": "momentum"}


def main(arguments: list[str]) -> int:
    """Measure both networks and print the table."""
    parser = argparse.ArgumentParser("python -m benchmarks stacked")
    parser.add_argument("--runs", type=int, default=8)
    parser.add_argument("--steps", type=int, default=1_000)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--side", nargs=3, default=None, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.side:
        made = (
            products(*given.side) if given.side[1] == PRODUCTS else side(*given.side, given.runs, given.steps)
        )
        print(json.dumps(made))
        return 0
    print(f"{given.runs} runs of {given.steps:,} steps, batch 64; {describe_machine('torch')}\n")
    print(
        "| network | way | ms a step and run | single runs in two processes | ratio (lowest … highest) | n |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        make_images(Path(folder) / "images.npz", 12_000)
        for name in CASES:
            found: dict[str, list[float]] = {way: [] for way in WAYS}
            for _ in range(given.repetitions):
                for way, (kind, processes) in WAYS.items():
                    found[way].append(measured(name, kind, processes, folder, given))
            single = np.array(found.pop(SINGLE))
            for way, each in found.items():
                ratios = single / np.array(each)
                print(
                    f"| {name} | {way} | {np.median(each):.3f} | {np.median(single):.3f} | {np.median(ratios):.2f} "
                    f"({ratios.min():.2f} … {ratios.max():.2f}) | {len(ratios)} |",
                    flush=True,
                )
            output = start(name, PRODUCTS, folder, 1, given).communicate()[0]
            operations, peak = json.loads(output.splitlines()[-1])
            reached = operations / (1e-3 * float(np.median(single)))
            print(
                f"\n{name}: {operations / 1e6:.1f} MFLOP in the matrix products of a step, "
                f"{reached / 1e9:.0f} GFLOP/s in single runs, {reached / peak:.0%} of the "
                f"{peak / 1e9:.0f} GFLOP/s at the peak of {cores()} cores\n"
            )
    return 0


def measured(name: str, kind: str, processes: int, folder: str, given: argparse.Namespace) -> float:
    """Return the milliseconds of a step of a run, where some processes make their share of the runs each."""
    started = [start(name, kind, folder, given.runs // processes, given) for _ in range(processes)]
    took = [float(json.loads(each.communicate()[0].splitlines()[-1])) for each in started]
    return sum(took) / processes / processes


def start(name: str, kind: str, folder: str, runs: int, given: argparse.Namespace) -> subprocess.Popen[str]:
    """Start a process that measures one side."""
    command = [
        sys.executable,
        "-m",
        "benchmarks",
        "stacked",
        "--runs",
        str(runs),
        "--steps",
        str(given.steps),
    ]
    return subprocess.Popen([*command, "--side", name, kind, folder], stdout=subprocess.PIPE, text=True)


def products(name: str, kind: str, folder: str) -> tuple[float, float]:
    """Return the operations in the matrix products of a step, and those a second of all cores at their best."""
    from torch.utils.flop_counter import FlopCounterMode

    from steepest.sweep.bench import Bench, Way

    del kind
    torch.set_num_threads(1)
    recipe, data = setting(name, folder, 1)
    with FlopCounterMode(display=False) as counter:
        Bench(data, recipe, None, "cpu").begin(Way(make_rule(CASES[name]), Execution())).make(1)
    one, seconds = torch.rand(1024, 1024), []
    for _ in range(20):
        started = time.perf_counter()
        torch.mm(one, one)
        seconds.append(time.perf_counter() - started)
    return float(counter.get_total_flops()), cores() * 2 * 1024**3 / min(seconds)


def side(name: str, kind: str, folder: str, runs: int, steps: int) -> float:
    """Return the milliseconds of a step of a run, as this process makes them."""
    from steepest.record.schema import RunKey
    from steepest.schedules import make_schedule
    from steepest.train.compiled import CompiledMethod, Programs
    from steepest.train.loop import train
    from steepest.train.stack import Member, train_stack

    torch.set_num_threads(cores() if kind == "all cores" else 1)
    rule = make_rule(CASES[name])
    recipe, data = setting(name, folder, steps)
    programs, constant = Programs(), make_schedule("constant", steps)

    def method(number: int) -> CompiledMethod:
        return CompiledMethod(rule.with_lr(0.001 * 1.1**number), constant, programs=programs)

    def made() -> float:
        key = RunKey(name=name, recipe=recipe.id, seed=0, phase="final")
        started = time.perf_counter()
        if kind != "single":
            members = [Member(data, recipe, key, method(number)) for number in range(runs)]
            found = [each.record for each in train_stack(members, evaluations=1)]
        else:
            found = [train(data, recipe, key, method(number), evaluations=1).record for number in range(runs)]
        seconds = time.perf_counter() - started
        return seconds - sum(each.clocks.compile for each in found)

    made()
    return 1e3 * made() / runs / steps


def setting(name: str, folder: str, steps: int) -> tuple[Recipe, Dataset]:
    """Return the recipe of a network's runs, and its data."""
    if name == "flights":
        plan = st.plan("flights", optimizers=[CASES[name]])
    else:
        images, model = f"{folder}/images.npz", "mlp(hidden=[32])"
        plan = st.plan(images, model=model, optimizers=[CASES[name]], batch_size=64)
    settings = decide(plan.experiment, plan.table, plan.given, Observer())
    arm = settings.arms[0]
    data = settings.datasets[arm.folds[0]]
    changes = {"steps": steps, "optimizer": CASES[name], "schedule": "constant", "data": data.fingerprint}
    return arm.recipe.model_copy(update=changes), data


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
