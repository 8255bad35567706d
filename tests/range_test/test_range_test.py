"""The learning rate range test: what it suggests, that it changes nothing, and what it refuses."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import steepest as st
from steepest.errors import OptionError
from steepest.range_test.find import lr_find  # imports draw from Python's generator
from steepest.sweep.observer import Observer
from steepest.train.range_test import RangeTest, geometric, run

SILENT = Observer()


def parabola(curvature: float, rate: float, steps: int = 100) -> RangeTest:
    """A test of gradient descent on one weight with noisy targets: it converges at rates below 2/curvature."""
    rates, draw = geometric(rate / 1e4, rate * 1e2, steps), np.random.default_rng(0)

    def losses() -> Any:
        weight = 1.0
        for each in rates:
            error = weight - draw.normal(0.0, 0.1)
            yield 0.5 * curvature * error * error
            weight -= each * curvature * error

    return run("sgd", rates, losses())


@pytest.mark.parametrize("curvature", [0.1, 1.0, 30.0])
def test_it_stops_where_gradient_descent_diverges(curvature: float) -> None:
    test = parabola(curvature, 1 / curvature)
    assert test.ended
    assert 2 / curvature < test.rates[-1] < 20 / curvature
    assert test.lowest is not None
    assert 0.1 / curvature < test.lowest < 10 / curvature
    assert test.steepest is not None
    assert test.rates[0] < test.steepest <= test.lowest
    assert test.suggested == min(test.lowest / 10, test.steepest)


def test_on_a_plateau_the_steepest_fall_counts() -> None:
    rates = geometric(1e-6, 1.0, 100)
    losses = [max(1.0, 2.0 - 0.1 * max(step - 40, 0)) - 1e-4 * step for step in range(100)]
    test = run("sgd", rates, losses)
    assert test.lowest == rates[-1]
    assert test.suggested == test.steepest
    assert rates[45] < test.suggested < rates[60]


def test_the_running_loss_is_an_average_without_bias() -> None:
    test = run("x", geometric(1e-3, 1.0, 4), [3.0, 1.0, 2.0, 5.0])
    past = [0.1 * (0.9**2 * 3.0 + 0.9 * 1.0 + 2.0) / (1 - 0.9**3)]
    assert test.smoothed[0] == pytest.approx(3.0)
    assert test.smoothed[2] == pytest.approx(past[0])


def test_rates_are_a_geometric_row() -> None:
    rates = geometric(1e-6, 10.0, 50)
    assert (rates[0], rates[-1]) == (1e-6, pytest.approx(10.0))
    assert np.diff(np.log(rates)) == pytest.approx(np.log(1e7) / 49)


def test_noise_suggests_nothing() -> None:
    draw = np.random.default_rng(0)
    test = run("sgd", geometric(1e-5, 1.0, 100), draw.normal(1.0, 0.2, 100).tolist())
    assert (test.lowest, test.suggested, test.steepest) == (None, None, None)


def test_a_loss_that_is_still_falling_says_so() -> None:
    test = run("sgd", geometric(1e-5, 1e-2, 50), np.linspace(1.0, 0.2, 50).tolist())
    assert test.still_falling
    assert not test.ended


# --- a model of one's own ---------------------------------------------------------------------------------


class Net(nn.Module):
    """Dropout, batch norm, a count, and a buffer that the forward pass assigns anew."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(3, 8)
        self.norm = nn.BatchNorm1d(8)
        self.drop = nn.Dropout(0.5)
        self.out = nn.Linear(8, 1)
        self.register_buffer("mean", torch.zeros(3))
        self.mean: Tensor
        self.calls = 0
        self.seen: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.seen.append(len(x))
        self.mean = 0.9 * self.mean + 0.1 * x.detach().mean(0)
        return self.out(self.drop(self.norm(self.hidden(x)).relu()) + random.random() + np.random.rand())  # noqa: NPY002


OPTIMIZERS: dict[str, Callable[[nn.Module], torch.optim.Optimizer]] = {
    "adam": lambda net: torch.optim.Adam(net.parameters(), lr=1e-3),
    "adam with a tensor": lambda net: torch.optim.Adam(net.parameters(), lr=torch.tensor(1e-3)),
    "two groups": lambda net: torch.optim.SGD(
        [{"params": [*net.parameters()][:2], "lr": 0.1}, {"params": [*net.parameters()][2:], "lr": 0.01}],
        momentum=0.9,
    ),
    "lbfgs": lambda net: torch.optim.LBFGS(net.parameters(), lr=0.1),
    "steepest's adam with a schedule": lambda net: st.optim.Adam(
        net.parameters(), lr=1e-3, schedule=lambda step: 1 / (1 + step)
    ),
}


def loader() -> Any:
    draw = torch.Generator().manual_seed(1)
    x = torch.randn(96, 3, generator=draw)
    data = torch.utils.data.TensorDataset(x, x.sum(1, keepdim=True))
    return torch.utils.data.DataLoader(
        data, batch_size=16, shuffle=True, generator=torch.Generator().manual_seed(2)
    )


def trained(make: Callable[[nn.Module], torch.optim.Optimizer], *, test: bool) -> list[Any]:
    """Train a few steps, test or not, train on; return everything that there is to compare."""
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    random.seed(0)
    net = Net()
    optimizer, batches = make(net), loader()
    own_schedule = isinstance(optimizer, st.optim.Adam)
    scheduler = None if own_schedule else torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)

    def epoch() -> None:
        for x, y in batches:

            def closure(x: Tensor = x, y: Tensor = y) -> Tensor:
                optimizer.zero_grad()
                value = nn.functional.mse_loss(net(x), y)
                value.backward()
                return value

            optimizer.step(closure)
        if scheduler is not None:
            scheduler.step()

    def everything() -> list[Any]:
        grads = [None if each.grad is None else each.grad.clone() for each in net.parameters()]
        return copy.deepcopy(
            [net.state_dict(), optimizer.state_dict(), grads, net.calls, net.seen, net.training,
             torch.get_rng_state(), np.random.get_state(), random.getstate()]  # noqa: NPY002
        )  # fmt: skip

    epoch()
    net.eval()
    before = everything()
    if test:
        result = lr_find(net, optimizer, nn.functional.mse_loss, batches, steps=20, observer=SILENT)
        assert len(result.tests[0].rates) > 3
        same(everything(), before)
    net.train()
    epoch()
    return everything()


def same(first: Any, second: Any) -> None:
    if isinstance(first, Tensor):
        assert torch.equal(first, second)
    elif isinstance(first, np.ndarray):
        assert np.array_equal(first, second)
    elif isinstance(first, dict):
        assert first.keys() == second.keys()
        for key in first:
            same(first[key], second[key])
    elif isinstance(first, list | tuple):
        assert len(first) == len(second)
        for one, other in zip(first, second, strict=True):
            same(one, other)
    else:
        assert first == second or callable(first)


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler")
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_model_is_left_as_it_was_and_so_is_the_run_after_it(name: str) -> None:
    make = OPTIMIZERS[name]
    same(trained(make, test=True), trained(make, test=False))


def test_an_error_in_the_middle_undoes_everything_too() -> None:
    net, x = Net(), torch.randn(8, 3)
    optimizer = torch.optim.Adam(net.parameters())
    before = copy.deepcopy(net.state_dict())

    def fails(outputs: Tensor, target: Tensor) -> Tensor:
        if net.calls > 3:
            raise ZeroDivisionError
        return (outputs - target).square().mean()

    with pytest.raises(ZeroDivisionError):
        lr_find(net, optimizer, fails, [(x, x[:, :1])], observer=SILENT)
    same(net.state_dict(), before)
    assert not optimizer.state
    assert net.calls == 0


def test_groups_keep_the_ratio_of_their_rates() -> None:
    net = nn.Linear(1, 1)
    optimizer = torch.optim.SGD([{"params": [net.weight], "lr": 0.1}, {"params": [net.bias], "lr": 0.4}])
    seen: list[list[float]] = []
    step = optimizer.step
    optimizer.step = lambda *_: seen.append([each["lr"] for each in optimizer.param_groups]) or step()  # type: ignore[method-assign]
    x = torch.ones(4, 1)
    lr_find(net, optimizer, nn.functional.mse_loss, [(x, x)], steps=5, start=1e-4, stop=1e-2, observer=SILENT)
    assert [each[0] for each in seen] == pytest.approx(geometric(1e-4, 1e-2, 5))
    assert all(each[1] == pytest.approx(4 * each[0]) for each in seen)
    assert [each["lr"] for each in optimizer.param_groups] == [0.1, 0.4]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"batches": iter([])}, "read only once"),
    ({"batches": []}, "there is no batch"),
    ({"batches": [torch.ones(2, 3)]}, "a batch is a Tensor"),
    ({"loss": lambda out, target: (out - target).squeeze(1)}, "the shape [2]"),
    ({"start": 1.0, "stop": 0.1}, "do not rise"),
    ({"steps": 2}, "2 steps are too few"),
    ({"seeds": 3}, "nothing else"),
    ({"loss": None}, "with its optimizer, a loss and batches"),
]


@pytest.mark.parametrize(("options", "said"), WRONG)
def test_what_cannot_be_tested_is_refused(options: dict[str, Any], said: str) -> None:
    net = nn.Linear(3, 1)
    batches = [(torch.ones(2, 3), torch.ones(2, 1))]
    given = {
        "optimizer": torch.optim.SGD(net.parameters()),
        "loss": nn.functional.mse_loss,
        "batches": batches,
    }
    with pytest.raises(OptionError, match=said.replace("[", r"\[")):
        lr_find(net, **{**given, **options}, observer=SILENT)
