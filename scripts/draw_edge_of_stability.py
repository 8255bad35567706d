"""Draw sharpness by step at the edge of stability, for docs/how-to/see-why.md, and print how far it is from 2/η.

``STEEPEST_DATA=FOLDER python scripts/draw_edge_of_stability.py`` with FOLDER/mnist. The published experiment (Cohen et
al., ICLR 2021) on a smaller network: 784-100-10 with tanh, 500 digits, every step on all of them, η = 0.0265.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from steepest.curvature import Curvature, top_eigenvalues
from steepest.data.images.idx import read_idx
from steepest.export.plots import GRID, SOFT, WIDTH, drawing, saved
from steepest.optim import make_rule
from steepest.report import theme
from steepest.rng import torch_stream

RATE, ROWS, STEPS, EVERY = 0.0265, 500, 2_400, 50
IMAGE = Path(__file__).parents[1] / "docs" / "images" / "edge-of-stability.png"
Loss = Callable[[Tensor, Tensor], Tensor]


def squared(outputs: Tensor, target: Tensor) -> Tensor:
    """Half the squared error to the one-hot labels, summed over classes, mean over rows."""
    return 0.5 * (outputs - functional.one_hot(target, 10)).square().sum(1).mean()


def sharpness(loss: Loss, seed: int, *, bias: bool = True) -> np.ndarray:
    """Return the largest eigenvalue of the Hessian at every look."""
    folder = Path(os.environ["STEEPEST_DATA"]) / "mnist"
    images = torch.from_numpy(read_idx(folder / "train-images-idx3-ubyte.gz")[:ROWS]).float().flatten(1)
    labels = torch.from_numpy(read_idx(folder / "train-labels-idx1-ubyte.gz")[:ROWS]).long()
    images = (images - images.mean()) / images.std()
    with torch_stream(seed, "init"):
        net = nn.Sequential(nn.Linear(784, 100, bias=bias), nn.Tanh(), nn.Linear(100, 10, bias=bias))
    optimizer = make_rule(f"sgd(lr={RATE})").optimizer(net)
    found: list[float] = []
    for step in range(STEPS + 1):
        if step % EVERY == 0:
            at = Curvature.of(net, loss, images, labels, check=False)
            found.append(float(top_eigenvalues(at, "hessian", count=1, tolerance=1e-3).values[0]))
        optimizer.zero_grad()
        loss(net(images), labels).backward()
        optimizer.step()
    return np.array(found)


def main() -> None:
    """Measure and draw."""
    steps, bound = np.arange(0, STEPS + 1, EVERY), 2 / RATE
    late = steps >= 1_000
    shown = {"squared error": sharpness(squared, 0), "cross-entropy": sharpness(functional.cross_entropy, 0)}
    runs = [(f"squared error, seed {seed}", sharpness(squared, seed)) for seed in (1, 2)]
    runs += [("squared error, seed 0, no biases", sharpness(squared, 0, bias=False))]
    for name, values in [*shown.items(), *runs]:
        off = values[late] / bound - 1
        print(f"{name}: mean {off.mean():+.1%}, {off.min():+.1%} to {off.max():+.1%}, "
              f"{(abs(off) <= 0.03).sum()} of {late.sum()} looks within 3 %")  # fmt: skip
    with drawing() as figure:
        made = figure(figsize=(WIDTH, 2.6), layout="constrained", dpi=200)
        ax = made.add_subplot()
        ax.axhline(bound, color=SOFT, linewidth=1, linestyle=":", label=f"2/η = {bound:.1f}")
        for slot, (name, values) in enumerate(shown.items()):
            ax.plot(
                steps,
                values,
                color=theme.colour(slot),
                linewidth=1.3,
                label=name,
                linestyle=["-", "--"][slot],
            )
        ax.set_xlabel("step", color=SOFT)
        ax.set_ylabel("largest eigenvalue of the Hessian", color=SOFT)
        ax.set_ylim(bottom=0)
        ax.grid(axis="y", color=GRID, linewidth=0.5)
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)
        ax.legend(frameon=False)
        IMAGE.write_bytes(saved(made, "png"))


if __name__ == "__main__":
    main()
