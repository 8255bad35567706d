"""Measured: the same runs in one program, on all cores, against two processes that make them one after the other.

    python -m benchmarks stacked [--runs N] [--steps N] [--repetitions N] [--device cuda]

Two networks: that of the flights (embeddings, dropout, Adam) and 784-32-10 on images (momentum), batch 64. A stack is
:func:`steepest.train.stack.train_stack`, of all runs with as many threads as there are cores, or of half of them in
each of two processes with one thread; against it are compiled single runs, half of them in each of two processes.
Compiling is not part of the times. Nothing is required: comparisons take the way that the table shows to be faster.
Beside it stands the share of the machine's peak that single runs reach, in matrix products: those of a step, counted by
torch, against products of 1,024 × 1,024 numbers on each core.

On a CUDA device one stack of all runs stands against single runs, replayed one after the other, of which a few are
measured; the claim is that 256 runs take at most a fiftieth of the time.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
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
REQUIRED = 50
"""Times as fast as alone, on a CUDA device."""
ALONE = 4
"""Runs that are made alone there."""


def main(arguments: list[str]) -> int:
    """Measure both networks and print the table."""
    parser = argparse.ArgumentParser("python -m benchmarks stacked")
    parser.add_argument("--runs", type=int, default=8)
    parser.add_argument("--steps", type=int, default=1_000)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--side", nargs=3, default=None, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.side:
        made = (
            products(*given.side) if given.side[1] == PRODUCTS else side(*given.side, given.runs, given.steps)
        )
        print(json.dumps(made))
        return 0
    print(f"{given.runs} runs of {given.steps:,} steps, batch 64; {describe_machine('torch')}\n")
    if given.device == "cuda":
        return on_device(given)
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


def side(name: str, kind: str, folder: str, runs: int, steps: int, device: str = "cpu") -> float:
    """Return the milliseconds of a step of a run, as this process makes them."""
    torch.set_num_threads(cores() if kind == "all cores" else 1)
    make = made(name, folder, runs, steps, stacking=kind != "single", device=device)
    make()
    return make()


def made(
    name: str, folder: str, runs: int, steps: int, *, stacking: bool, device: str
) -> Callable[[], float]:
    """Return what makes some runs and returns the milliseconds of a step of a run, without compiling."""
    from steepest.record.schema import RunKey
    from steepest.schedules import make_schedule
    from steepest.train.compiled import CompiledMethod, Programs
    from steepest.train.cuda_method import ReplayedMethod
    from steepest.train.loop import train
    from steepest.train.stack import StackedRun, train_stack

    rule = make_rule(CASES[name])
    recipe, data = setting(name, folder, steps)
    on = data.to(device)
    programs, constant = Programs(), make_schedule("constant", steps)
    kind = ReplayedMethod if device == "cuda" else CompiledMethod

    def method(number: int) -> CompiledMethod:
        return kind(rule.with_lr(0.001 * 1.1 ** (number % 20)), constant, programs=programs)

    def make() -> float:
        keys = [RunKey(name=name, recipe=recipe.id, seed=seed, phase="final") for seed in range(runs)]
        started = time.perf_counter()
        if stacking:
            members = [StackedRun(on, recipe, key, method(key.seed)) for key in keys]
            found = [each.record for each in train_stack(members, evaluations=1, device=device)]
        else:
            found = [
                train(on, recipe, key, method(key.seed), evaluations=1, device=device).record for key in keys
            ]
        seconds = time.perf_counter() - started
        return 1e3 * (seconds - sum(each.clocks.compile for each in found)) / runs / steps

    return make


def on_device(given: argparse.Namespace) -> int:
    """Measure both networks on a CUDA device, print the table, and return 1 if the claim does not hold."""
    if not torch.cuda.is_available():
        print("not measured: there is no CUDA device here.")
        return 0
    print(f"on {torch.cuda.get_device_name()}\n")
    print("| network | ms a step and run in a stack | alone | ratio (lowest … highest) | n |")
    print("| --- | --- | --- | --- | --- |")
    torch.set_num_threads(1)
    slow = False
    with tempfile.TemporaryDirectory() as folder:
        make_images(Path(folder) / "images.npz", 12_000)
        for name in CASES:
            sides = [
                made(name, folder, runs, given.steps, stacking=stacking, device="cuda")
                for runs, stacking in ((given.runs, True), (min(given.runs, ALONE), False))
            ]
            for each in sides:
                each()
            stacked, alone = (np.array(each) for each in zip(
                *([each() for each in sides] for _ in range(given.repetitions)), strict=True))  # fmt: skip
            ratios = alone / stacked
            slow |= bool(np.median(ratios) < REQUIRED)
            print(
                f"| {name} | {np.median(stacked):.4f} | {np.median(alone):.4f} | {np.median(ratios):.1f} "
                f"({ratios.min():.1f} … {ratios.max():.1f}) | {len(ratios)} |",
                flush=True,
            )
    print(f"\nat least {REQUIRED}: {'DOES NOT HOLD' if slow else 'holds'}")
    return 1 if slow else 0


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
