"""Measured: the deep autoencoder of Martens (2010), by Hessian-free, Nesterov's momentum and Adam.

    python -m benchmarks autoencoder [--passes N] [--out FILE] [--keep FOLDER]

MNIST's 60,000 training images, 784-1000-500-250-30 and back: logistic units, a linear code, the cross-entropy of
pixels, and 15 incoming weights for each unit, drawn from a normal distribution (Martens 2010). Momentum follows the
schedule of Sutskever, Martens, Dahl & Hinton (2013) up to 0.99, at a rate of their grid, on batches of 200. All get as
many passes of gradients: the gradient of a row counts 1, a product with its curvature 2, a loss ⅓. One seed. Methods
take turns of one pass, so that a run that is cut off has as much of each; ``--keep`` has what it goes on from. The
error is theirs: the squared error of an image, summed over pixels.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.machine import describe_machine
from steepest.curvature.outputs import bernoulli
from steepest.data.images.idx import read_idx
from steepest.optim import make_spec
from steepest.optim.methods.hessian_free import HessianFreeState
from steepest.optim.spec import MethodSettings
from steepest.schedules import make_schedule

WIDTHS = (784, 1000, 500, 250, 30)
CONNECTIONS = 15
SEED = 1
BATCH, RATE, MOST_MOMENTUM = 200, 0.01, 0.99
HESSIAN_FREE = "hessian-free(damping=45, cg_iterations=50, curvature=0.2, preconditioner=fisher)"
HESSIAN_FREE_BATCH = 5_000
METHODS = ("hessian-free", "nesterov", "adam")
OUT = Path(__file__).parent / "results" / "autoencoder.json"


def main(arguments: list[str]) -> int:
    """Train, and store the curves after every pass."""
    parser = argparse.ArgumentParser("python -m benchmarks autoencoder")
    parser.add_argument("--passes", type=int, default=12)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--keep", type=Path, help="folder of the weights to go on from")
    given = parser.parse_args(arguments)
    torch.set_flush_denormal(True)
    train, test = images("train"), images("t10k")
    runs = [Run(name, train, given.passes) for name in METHODS]
    for run in runs:
        run.resume(given.keep)
    while any(run.passes < given.passes for run in runs):
        for run in runs:
            if run.passes < given.passes:
                run.one_pass(test)
                run.save(given.keep)
        given.out.parent.mkdir(parents=True, exist_ok=True)
        found = {"machine": describe_machine(), "curves": {run.name: run.curve for run in runs}}
        given.out.write_text(json.dumps(found, indent=1) + "\n")
        for run in runs:
            print(f"{run.name}: {run.curve[-1]}", flush=True)
    return 0


def images(part: str) -> Tensor:
    """Return the pixels of MNIST's images, from 0 to 1."""
    path = Path(os.environ["STEEPEST_DATA"]) / "mnist" / f"{part}-images-idx3-ubyte.gz"
    return torch.from_numpy(read_idx(path).reshape(-1, WIDTHS[0]).copy()).float() / 255


def network() -> nn.Sequential:
    """Return the network, with outputs before the last logistic function."""
    generator, layers = torch.Generator().manual_seed(SEED), list[nn.Module]()
    widths = (*WIDTHS, *WIDTHS[-2::-1])
    for place, (inputs, outputs) in enumerate(pairwise(widths)):
        layer = nn.Linear(inputs, outputs)
        with torch.no_grad():
            layer.weight.zero_()
            layer.bias.zero_()
            for row in layer.weight:
                chosen = torch.randperm(inputs, generator=generator)[:CONNECTIONS]
                row[chosen] = torch.randn(CONNECTIONS, generator=generator)
        layers += [layer, nn.Identity() if place in (3, 7) else nn.Sigmoid()]
    return nn.Sequential(*layers)


class Pixels:
    """The cross-entropy of an image's pixels, summed; the mean of a batch's images."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    def loss(self, batch: Tensor) -> Tensor:
        """Return the loss of a batch."""
        return self.batch_loss(self.model(batch), batch)

    def outputs_at(self, batch: Tensor, parameters: Mapping[str, Tensor]) -> Tensor:
        """Return the outputs at other parameters."""
        return torch.func.functional_call(self.model, dict(parameters), (batch,))

    def batch_loss(self, outputs: Tensor, batch: Tensor) -> Tensor:
        """Return the loss of outputs."""
        return nn.functional.binary_cross_entropy_with_logits(outputs, batch, reduction="sum") / len(batch)

    def penalised(self, loss: Tensor, params: Any = None) -> Tensor:
        """Return the loss as it is."""
        del params
        return loss

    def bend(self, outputs: Tensor, batch: Tensor, vector: Tensor) -> Tensor:
        """Return the Hessian in the outputs times a vector."""
        del batch
        return bernoulli(outputs, vector) / len(outputs)


@dataclass
class Batches:
    """Batches of the training images, in an order of their own in every pass."""

    rows: Tensor
    size: int

    def batch(self, step: int) -> Tensor:
        """Return the batch of a step."""
        count = len(self.rows) // self.size
        order = torch.randperm(len(self.rows), generator=torch.Generator().manual_seed(step // count))
        return self.rows[order[(step % count) * self.size :][: self.size]]

    def randomness(self, step: int) -> contextlib.AbstractContextManager[None]:
        """Return a block in which nothing is drawn."""
        del step
        return contextlib.nullcontext()


@dataclass
class Run:
    """A method under way.

    Attributes:
        passes: gradients of the training images so far, as many as there are images being one.
        curve: passes, seconds, steps and errors after each turn.
    """

    name: str
    rows: Tensor
    most: int
    passes: float = 0.0
    step: int = 0
    seconds: float = 0.0
    curve: list[dict[str, float]] = field(default_factory=list[dict[str, float]])

    def __post_init__(self) -> None:
        self.model = network()
        self.problem = Pixels(self.model)
        second = self.name == "hessian-free"
        self.batches = Batches(self.rows, HESSIAN_FREE_BATCH if second else BATCH)
        weights = self.model.parameters()
        if second:
            self.method = make_spec(HESSIAN_FREE).make(MethodSettings(make_schedule("constant", 1_000_000)))
            self.state: HessianFreeState = self.method.init(self.problem)
        else:
            self.optimizer: torch.optim.Optimizer = (
                torch.optim.Adam(weights, lr=1e-3)
                if self.name == "adam"
                else torch.optim.SGD(weights, lr=RATE, momentum=0.5, nesterov=True)
            )

    def one_pass(self, test: Tensor) -> None:
        """Train for about a pass and look at the errors."""
        until, started = math.floor(self.passes + 1 + 1e-9), time.process_time()
        for cost in self.steps():
            self.passes += cost * self.batches.size / len(self.rows)
            self.step += 1
            if self.passes >= until - 1e-9:
                break
        self.seconds += time.process_time() - started
        errors = {"train": error(self.model, self.rows[:10_000]), "test": error(self.model, test)}
        self.curve.append({"passes": self.passes, "steps": self.step, "seconds": self.seconds, **errors})

    def steps(self) -> Iterator[float]:
        """Make steps without end, and yield what each cost in gradients of its batch."""
        if self.name == "hessian-free":
            for info in self.method.steps(self.problem, self.state, self.batches, self.step, 1_000_000):
                yield info.gradients
        last = self.most * len(self.rows) // BATCH - 1_000
        while True:
            for group in self.optimizer.param_groups:
                if "momentum" in group:
                    rising = min(1 - 2 ** (-1 - math.log2(self.step // 250 + 1)), MOST_MOMENTUM)
                    group["momentum"] = min(rising, 0.9) if self.step >= last else rising
            self.optimizer.zero_grad()
            self.problem.loss(self.batches.batch(self.step)).backward()
            self.optimizer.step()
            yield 1.0

    def save(self, folder: Path | None) -> None:
        """Store what it goes on from."""
        if folder is None:
            return
        folder.mkdir(parents=True, exist_ok=True)
        own: Any = (
            {"damping": self.state.memory.damping, "direction": self.state.memory.direction}
            if self.name == "hessian-free"
            else self.optimizer.state_dict()
        )
        told = {each: getattr(self, each) for each in ("passes", "step", "seconds", "curve")}
        torch.save({"model": self.model.state_dict(), "own": own, **told}, folder / f"{self.name}.pt")

    def resume(self, folder: Path | None) -> None:
        """Go on from what was stored, if anything was."""
        path = None if folder is None else folder / f"{self.name}.pt"
        if path is None or not path.exists():
            return
        kept = torch.load(path, weights_only=True)
        self.model.load_state_dict(kept["model"])
        for each in ("passes", "step", "seconds", "curve"):
            setattr(self, each, kept[each])
        if self.name == "hessian-free":
            self.state.memory.damping, self.state.memory.direction = (
                kept["own"]["damping"],
                kept["own"]["direction"],
            )
        else:
            self.optimizer.load_state_dict(kept["own"])


@torch.no_grad()
def error(model: nn.Module, rows: Tensor) -> float:
    """Return the squared error of an image, summed over pixels; the mean of all."""
    parts = [(model(each).sigmoid() - each).square().sum() for each in rows.split(2_000)]
    return float(torch.stack(parts).sum()) / len(rows)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
