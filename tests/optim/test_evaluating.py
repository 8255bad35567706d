"""Inside ``evaluating()`` a model has the parameters to evaluate; what would go wrong there is refused."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch

import steepest.optim as optim
from steepest.errors import OptionError
from steepest.optim import class_name, names
from steepest.rng import torch_stream

each_optimizer = pytest.mark.parametrize("name", [class_name(name) for name in names()])


def trained(name: str, steps: int = 4) -> tuple[torch.nn.Parameter, Any]:
    """Return a parameter after some steps on a parabola, and its optimizer."""
    param = torch.nn.Parameter(torch.tensor([[1.0, -2.0, 3.0]], dtype=torch.float64))
    optimizer = getattr(optim, name)([param], lr=0.05)
    for _ in range(steps):
        param.grad = param.detach().clone()
        optimizer.step()
    return param, optimizer


def step_with_closure(optimizer: Any) -> None:
    optimizer.step(lambda: torch.zeros(()))


MISUSES: dict[str, Callable[[Any], Any]] = {
    "step()": lambda optimizer: optimizer.step(),
    "step(closure)": step_with_closure,
    "state_dict()": lambda optimizer: optimizer.state_dict(),
    "load_state_dict()": lambda optimizer: optimizer.load_state_dict(optimizer.saved),
    "copy.deepcopy": copy.deepcopy,
    "pickle.dumps": pickle.dumps,
}


@each_optimizer
@pytest.mark.parametrize("misuse", MISUSES)
def test_what_needs_the_training_parameters_is_refused(name: str, misuse: str) -> None:
    """For every optimizer, though most evaluate where they train: another one is then no surprise."""
    param, optimizer = trained(name)
    optimizer.saved = copy.deepcopy(optimizer.state_dict())
    twin, other = trained(name)
    with optimizer.evaluating(), pytest.raises(OptionError, match=r"inside evaluating\(\)") as caught:
        MISUSES[misuse](optimizer)
    assert "after the block" in caught.value.hint
    for each, own in ((param, optimizer), (twin, other)):  # and nothing has changed
        each.grad = torch.ones_like(each)
        own.step()
    assert torch.equal(param, twin)


def test_a_gradient_scaler_cannot_step_there_either() -> None:
    param = torch.nn.Parameter(torch.ones(3))
    optimizer = optim.ScheduleFreeSGD([param], lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
    scaler.scale(param.sum()).backward()
    with optimizer.evaluating(), pytest.raises(OptionError, match=r"step\(\) inside evaluating\(\)"):
        scaler.step(optimizer)


@each_optimizer
def test_blocks_may_be_nested(name: str) -> None:
    param, optimizer = trained(name)
    training = param.detach().clone()
    with optimizer.evaluating():
        outer = param.detach().clone()
        with optimizer.evaluating():
            assert torch.equal(param, outer)
            assert torch.equal(optimizer.evaluation_parameters()[param], outer)
        assert torch.equal(param, outer)
        with pytest.raises(OptionError):
            optimizer.step()
    assert torch.equal(param, training)
    optimizer.step()


def test_the_training_parameters_return_after_an_error() -> None:
    param, optimizer = trained("ScheduleFreeAdamW")
    training = param.detach().clone()

    def fails() -> None:
        with optimizer.evaluating():
            assert not torch.equal(param, training)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert torch.equal(param, training)
    optimizer.step()


def test_before_the_first_step_there_is_nothing_to_move() -> None:
    param, optimizer = trained("ScheduleFreeAdamW", steps=0)
    with optimizer.evaluating():
        assert param.tolist() == [[1.0, -2.0, 3.0]]


def test_statistics_of_batch_norm_belong_to_the_averaged_weights() -> None:
    """What the page of Schedule-Free says to do before an evaluation: training batches forward in the block."""
    with torch_stream(0, "init"):
        net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3, momentum=None))
        batches = [torch.randn(16, 2) + 1.0 for _ in range(4)]
    optimizer = optim.ScheduleFreeSGD(net.parameters(), lr=0.5)
    for batch in batches:
        optimizer.zero_grad()
        (net(batch) - batch.sum(1, keepdim=True)).square().mean().backward()
        optimizer.step()
    with optimizer.evaluating(), torch.no_grad():
        net[1].reset_running_stats()
        net.train()
        for batch in batches:
            net(batch)
        net.eval()
        averaged = net[0](torch.cat(batches))
    torch.testing.assert_close(net[1].running_mean, averaged.mean(0))
    weights_of_training = net[0](torch.cat(batches)).mean(0)
    assert not torch.allclose(net[1].running_mean, weights_of_training)
