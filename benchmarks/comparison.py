"""Claim: a whole comparison, compiling and report included, takes a quarter of a DataLoader loop with the same runs.

    python -m benchmarks comparison [--optimizers N] [--rates N] [--seeds N] [--rows N] [--repetitions N]

Optimizers × learning rates × seeds of a 784-32-10 network on images, one epoch each, batch 64. Ours is the command
``steepest compare … --sweep`` from its start to its report; it tunes before it sweeps, so it makes more steps than the
peers, which are counted but not credited. A peer is a loop that makes the same runs, half of them in each of two
processes with one thread, over a ``DataLoader`` or over tensors in memory, with torch's fused optimizers; it evaluates
once at each run's end and writes nothing. A peer makes some of the runs, which stand for all. Where Optuna is there,
a third peer is the loop in memory with Optuna choosing optimizer and rate of every run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.machine import cores, describe_machine

OPTIMIZERS = ("sgd", "momentum", "nesterov", "adam", "adamw", "rmsprop", "adagrad", "nadam")
PEERS = {
    "torch DataLoader": ("loader", 4.0),
    "torch in memory": ("memory", 3.0),
    "Optuna, torch in memory": ("optuna", 3.0),
}
"""Title, kind and required ratio."""
BATCH, HIDDEN, CLASSES, PIXELS = 64, 32, 10, 784
SAMPLE = 4
"""Runs that each process of a peer makes."""


def main(arguments: list[str]) -> int:
    """Measure, print the table, and return 1 if the claim does not hold."""
    if arguments[:1] == ["--peer"]:
        return loop(Path(arguments[2]), arguments[1])
    parser = argparse.ArgumentParser("python -m benchmarks comparison")
    parser.add_argument("--optimizers", type=int, default=8)
    parser.add_argument("--rates", type=int, default=7)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--repetitions", type=int, default=1)
    given = parser.parse_args(arguments)
    runs = given.optimizers * given.rates * given.seeds
    print(f"{runs} runs of {given.rows // BATCH} steps; {describe_machine('torch')}\n")
    peers = {title: each for title, each in PEERS.items() if each[0] != "optuna" or find_spec("optuna")}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "images.npz"
        make_images(data, given.rows)
        found: dict[str, list[float]] = {title: [] for title in peers}
        seconds: list[float] = []
        for number in range(given.repetitions):
            took, steps, workers = ours(data, Path(folder) / f"run{number}", given)
            seconds.append(took)
            print(f"steepest: {took:.0f} s, {steps:,} steps in all, {workers} runs at a time", flush=True)
            for title, (kind, _) in peers.items():
                found[title].append(peer(data, kind) * runs)
    print("\n| peer | seconds, all runs | steepest | ratio (lowest … highest) | n | required |")
    print("| --- | --- | --- | --- | --- | --- |")
    worst = 0
    for title, (_, required) in peers.items():
        ratios = [theirs / own for theirs, own in zip(found[title], seconds, strict=True)]
        middle = float(np.median(ratios))
        print(
            f"| {title} | {np.median(found[title]):.0f} | {np.median(seconds):.0f} | {middle:.2f} "
            f"({min(ratios):.2f} … {max(ratios):.2f}) | {len(ratios)} | {required:g} |"
        )
        worst = max(worst, int(middle < required))
    return worst


def make_images(path: Path, rows: int) -> None:
    """Write images of noise around a pattern for each class."""
    random = np.random.default_rng(0)
    patterns = random.integers(0, 256, (CLASSES, PIXELS))
    labels = random.integers(0, CLASSES, rows)
    noise = random.integers(0, 256, (rows, PIXELS))
    pixels = (0.2 * patterns[labels] + 0.8 * noise).astype(np.uint8).reshape(rows, 28, 28)
    np.savez(path, images=pixels, labels=labels)


def ours(data: Path, out: Path, given: argparse.Namespace) -> tuple[float, int, int]:
    """Return the seconds of the command, the steps of all its runs, and how many were made at a time."""
    rates = ",".join(f"{0.001 * 10 ** (number / 2):.4g}" for number in range(given.rates))
    command = [sys.executable, "-m", "steepest", "compare", str(data), "--kind", "images", "--out", str(out)]
    command += ["--model", f"mlp(hidden=[{HIDDEN}])", "--batch-size", str(BATCH), "--epochs", "1"]
    command += ["--seeds", str(given.seeds), "--learning-rates", rates, "--sweep", "--baseline", "none", "-q"]
    for name in OPTIMIZERS[: given.optimizers]:
        command += ["-o", name]
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - started
    lines = (out / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line)["record"] for line in lines if '"event":"run"' in line]
    shared = any(each["shared"] for each in records)
    return seconds, sum(each["steps"] for each in records), cores() if shared else 1


def peer(data: Path, kind: str) -> float:
    """Return the seconds of a run, as two processes make them beside each other."""
    command = [sys.executable, "-m", "benchmarks", "comparison", "--peer", kind, str(data)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    took = [float(process.communicate()[0].splitlines()[-1]) for process in processes]
    return sum(took) / len(took) / SAMPLE / 2


def loop(data: Path, kind: str) -> int:
    """Make some runs and print their seconds; reading the data does not count."""
    torch.set_num_threads(1)
    with np.load(data) as arrays:
        pixels = torch.from_numpy(arrays["images"]).float().flatten(1)
        labels = torch.from_numpy(arrays["labels"])
    pixels = (pixels - pixels.mean()) / pixels.std()
    held = len(labels) // 10
    train = pixels[2 * held :], labels[2 * held :]

    def run(number: int, name: str, rate: float) -> float:
        torch.manual_seed(number)
        net = torch.nn.Sequential(
            torch.nn.Linear(PIXELS, HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, CLASSES)
        )
        optimizer = getattr(torch.optim, name)(net.parameters(), lr=rate, fused=True)
        for images, target in batches(*train, kind=kind):
            optimizer.zero_grad()
            F.cross_entropy(net(images), target).backward()
            optimizer.step()
        with torch.no_grad():
            return float((net(pixels[:held]).argmax(1) == labels[:held]).float().mean())

    started = time.perf_counter()
    if kind == "optuna":
        driven(run)
    else:
        for number in range(SAMPLE):
            run(number, "Adam" if number % 2 else "SGD", 0.01)
    print(time.perf_counter() - started)
    return 0


def driven(run: Callable[[int, str, float], float]) -> None:
    """Let Optuna choose what the runs are."""
    import optuna  # pyright: ignore[reportMissingImports]

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
    study.optimize(
        lambda trial: run(
            trial.number,
            trial.suggest_categorical("optimizer", ["Adam", "SGD"]),
            trial.suggest_float("rate", 1e-3, 1.0, log=True),
        ),
        n_trials=SAMPLE,
    )


def batches(images: Tensor, labels: Tensor, *, kind: str) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the batches of an epoch."""
    if kind == "loader":
        yield from DataLoader(TensorDataset(images, labels), BATCH, shuffle=True, drop_last=True)
        return
    for some in torch.randperm(len(labels)).split(BATCH):
        if len(some) == BATCH:
            yield images[some], labels[some]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
