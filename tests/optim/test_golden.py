"""The printed outputs of two published exercises (momentum and RMSprop on 500 MNIST digits), to four decimals."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from steepest.optim import make_rule

MNIST = Path(os.environ.get("STEEPEST_DATA", "/absent")) / "mnist"

pytestmark = pytest.mark.skipif(
    not (MNIST / "train-images-idx3-ubyte.gz").is_file(), reason="STEEPEST_DATA has no mnist"
)


def read(name: str, skip: int) -> np.ndarray:
    return np.frombuffer(gzip.decompress((MNIST / name).read_bytes()), np.uint8, offset=skip)


@pytest.fixture(scope="module")
def exercise():
    """The model at its start, its gradient on the 500 digits, and the exercise's random velocities."""
    pixels = read("train-images-idx3-ubyte.gz", 16).reshape(-1, 784) / np.float32(255)
    labels = read("train-labels-idx1-ubyte.gz", 8)
    chosen = np.random.RandomState(2021).choice(60_000, 500)
    inputs = torch.from_numpy((pixels[chosen] - pixels.mean()) / pixels.std())
    with torch.random.fork_rng():
        torch.manual_seed(2021)
        model = torch.nn.Linear(784, 10)
        velocities = [torch.randn_like(each) for each in model.parameters()]
    torch.nn.functional.cross_entropy(
        model(inputs), torch.from_numpy(labels[chosen].astype(np.int64))
    ).backward()
    return model, velocities


def close(found: torch.Tensor, printed: list[float]) -> None:
    torch.testing.assert_close(found.detach(), torch.tensor(printed), rtol=0, atol=6e-5)


def test_the_start_is_the_published_one(exercise) -> None:
    printed = [-0.0290, -0.0033, 0.0100, -0.0320, 0.0022, 0.0221, 0.0307, 0.0243, 0.0159, -0.0064]
    close(exercise[0].bias, printed)


@pytest.mark.parametrize("form", ["heavy-ball", "momentum"])
def test_momentum_exercise(exercise, form: str) -> None:
    """One step from the drawn velocity, in the exercise's own form and in torch's (b = −v/lr)."""
    model, (_, velocity) = exercise
    rule = make_rule(f"{form}(lr=0.1, momentum=0.9)")
    slots = {"velocity": velocity} if form == "heavy-ball" else {"momentum_buffer": -velocity / 0.1}
    c, _ = rule.coefficients(2, 1.0, {})
    bias, _ = rule.update(model.bias.grad, model.bias.detach(), slots, c)
    printed = [0.4147, -1.0440, 0.8720, -1.6201, -0.9632, 0.9430, -0.5180, 1.3417, 0.6574, 0.3677]
    close(bias, printed)


def test_rmsprop_exercise(exercise) -> None:
    """One step from squares of a millionth of the parameter, with ε inside the root."""
    model, _ = exercise
    rule = make_rule("rmsprop(lr=1e-3, alpha=0.8, eps=1e-8, eps_inside_root=True)")
    c, _ = rule.coefficients(1, 1.0, {})
    start = model.bias.detach()
    bias, _ = rule.update(model.bias.grad, start, {"square_avg": 1e-6 * start}, c)
    printed = [-0.0313, -0.0011, 0.0122, -0.0342, 0.0045, 0.0199, 0.0329, 0.0265, 0.0182, -0.0041]
    close(bias, printed)
