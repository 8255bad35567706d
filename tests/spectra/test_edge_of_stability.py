"""The published experiment: full-batch descent on digits stays at 2/η under the squared error (Cohen et al., 2021)."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from steepest.curvature import Curvature, top_eigenvalues
from steepest.data.images.idx import read_idx
from steepest.optim import make_rule
from steepest.rng import torch_stream

RULE = make_rule("sgd(lr=0.0265)")
ROWS = 500


def squared(outputs: Tensor, target: Tensor) -> Tensor:
    """Half the squared error of the outputs to the one-hot labels, summed over classes, mean over rows."""
    return 0.5 * (outputs - functional.one_hot(target, 10)).square().sum(1).mean()


def _digits() -> tuple[Tensor, Tensor]:
    folder = Path(os.environ.get("STEEPEST_DATA", "")) / "mnist"
    if not (folder / "train-images-idx3-ubyte.gz").is_file():
        pytest.skip("MNIST is not in the folder that STEEPEST_DATA names")
    images = torch.from_numpy(read_idx(folder / "train-images-idx3-ubyte.gz")[:ROWS]).float().flatten(1)
    labels = torch.from_numpy(read_idx(folder / "train-labels-idx1-ubyte.gz")[:ROWS]).long()
    return (images - images.mean()) / images.std(), labels


def _sharpness(loss: Callable[[Tensor, Tensor], Tensor], looks: list[int]) -> list[float]:
    """Return the largest eigenvalue of the Hessian, as a share of the threshold, after so many steps."""
    images, labels = _digits()
    with torch_stream(0, "init"):
        net = nn.Sequential(nn.Linear(784, 100), nn.Tanh(), nn.Linear(100, 10))
    optimizer = RULE.optimizer(net)
    bound = RULE.stability()
    assert bound is not None
    assert bound.threshold == pytest.approx(75.47, abs=0.01)
    found: list[float] = []
    for step in range(looks[-1] + 1):
        if step in looks:
            at = Curvature.of(net, loss, images, labels, check=False)
            [value] = top_eigenvalues(at, "hessian", count=1, tolerance=1e-3).values
            found.append(float(value) / bound.threshold)
        optimizer.zero_grad()
        loss(net(images), labels).backward()
        optimizer.step()
    return found


@pytest.mark.slow
def test_under_the_squared_error_sharpness_stays_at_two_over_the_rate() -> None:
    found = _sharpness(squared, list(range(1_000, 2_401, 200)))
    assert sum(found) / len(found) == pytest.approx(1.0, abs=0.03)
    assert found == pytest.approx([1.0] * 8, abs=0.05)  # it swings about the threshold


@pytest.mark.slow
def test_under_cross_entropy_it_does_not() -> None:
    found = _sharpness(functional.cross_entropy, list(range(0, 2_401, 400)))
    assert max(found[3:]) < 0.9
