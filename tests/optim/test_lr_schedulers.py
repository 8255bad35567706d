"""Every torch ``lr_scheduler``, and a rate set by hand, scale the applied step of every optimizer.

The rule: where a group's ``lr`` becomes k times the rate that the optimizer was made with, the applied step is
k times as long, whether the rate is a factor of the update or the start of something that adapts.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler, swa_utils

import steepest.optim as optim
from steepest.errors import OptionError
from steepest.optim import class_name, names
from steepest.rng import torch_stream

each_optimizer = pytest.mark.parametrize("name", [class_name(name) for name in names()])
STEPS = 12
NOT_AT_ONCE = {
    "HeavyBall": "the rate enters with the gradient, and a step keeps the rate of its time",
    "ScheduleFreeSGD": "between the averages the parameter moves whatever the rate",
    "ScheduleFreeAdamW": "between the averages the parameter moves whatever the rate",
}
"""Optimizers in which another rate is another step from the next gradient on only."""

SCHEDULERS: dict[str, Callable[[Any], Any]] = {
    "LambdaLR": lambda o: lr_scheduler.LambdaLR(o, lambda t: 0.9**t),
    "MultiplicativeLR": lambda o: lr_scheduler.MultiplicativeLR(o, lambda _: 0.8),
    "StepLR": lambda o: lr_scheduler.StepLR(o, 3, 0.1),
    "MultiStepLR": lambda o: lr_scheduler.MultiStepLR(o, [2, 5], 0.3),
    "ConstantLR": lambda o: lr_scheduler.ConstantLR(o, 0.25, 4),
    "LinearLR": lambda o: lr_scheduler.LinearLR(o, 0.2, 1.0, 6),
    "ExponentialLR": lambda o: lr_scheduler.ExponentialLR(o, 0.7),
    "PolynomialLR": lambda o: lr_scheduler.PolynomialLR(o, STEPS, 2.0),
    "CosineAnnealingLR": lambda o: lr_scheduler.CosineAnnealingLR(o, STEPS),
    "CosineAnnealingWarmRestarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 4),
    "CyclicLR": lambda o: lr_scheduler.CyclicLR(o, 1e-3, 1e-2, 3, cycle_momentum=False),
    "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(o, 2e-2, STEPS, cycle_momentum=False),
    "ReduceLROnPlateau": lambda o: lr_scheduler.ReduceLROnPlateau(o, factor=0.1, patience=2),
    "SequentialLR": lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.ConstantLR(o, 0.1, 3), lr_scheduler.ExponentialLR(o, 0.9)], milestones=[3]
    ),
    "ChainedScheduler": lambda o: lr_scheduler.ChainedScheduler(
        [lr_scheduler.ConstantLR(o, 0.5, 5), lr_scheduler.ExponentialLR(o, 0.9)], o
    ),
    "SWALR": lambda o: swa_utils.SWALR(o, swa_lr=1e-3, anneal_epochs=5),
}


def parameter() -> torch.nn.Parameter:
    with torch_stream(0, "init"):
        return torch.nn.Parameter(torch.randn(3, 4, dtype=torch.float64))


def gradients() -> list[torch.Tensor]:
    """Return gradients whose signs change now and then, so that what adapts does adapt."""
    with torch_stream(0, "data", 1):
        return list(torch.randn(STEPS, 3, 4, dtype=torch.float64) + 0.7)


def test_every_scheduler_of_torch_is_in_the_table() -> None:
    here = {*lr_scheduler.__all__, "SWALR"} - {"LRScheduler"}
    assert set(SCHEDULERS) == here


@pytest.mark.filterwarnings(
    "ignore:The epoch parameter in `scheduler.step"
)  # torch's SequentialLR, of itself
@each_optimizer
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_torch_scheduler_multiplies_the_applied_step(name: str, scheduler: str) -> None:
    """The path is that under a pure schedule with the multipliers ``lr / first lr``."""
    rate, kind = 1e-2, getattr(optim, name)
    scheduled, pure = parameter(), parameter()
    optimizer = kind([scheduled], lr=rate)
    drive = SCHEDULERS[scheduler](optimizer)
    rates: list[float] = []
    for grad in gradients():
        rates.append(optimizer.param_groups[0]["lr"])
        scheduled.grad = grad.clone()
        optimizer.step()
        drive.step(*([1.0] if scheduler == "ReduceLROnPlateau" else []))
    assert len(set(rates)) > 1
    twin = kind([pure], lr=rate, schedule=lambda step: rates[step] / rate)
    for grad in gradients():
        pure.grad = grad.clone()
        twin.step()
    torch.testing.assert_close(scheduled, pure, rtol=1e-10, atol=1e-13)


@each_optimizer
@pytest.mark.parametrize("before", [0, 4])
def test_a_rate_set_by_hand_scales_the_applied_step(name: str, before: int) -> None:
    if before and name in NOT_AT_ONCE:
        pytest.skip(NOT_AT_ONCE[name])
    param = parameter()
    optimizer = getattr(optim, name)([param], lr=1e-2)
    *some, last = gradients()[: before + 1]
    for grad in some:
        param.grad = grad.clone()
        optimizer.step()
    moves = []
    for factor in (1.0, 0.1):
        twin = copy.deepcopy(optimizer)
        (group,) = twin.param_groups
        (at,) = group["params"]
        start = at.detach().clone()
        group["lr"] *= factor
        at.grad = last.clone()
        twin.step()
        moves.append(at.detach() - start)
    assert bool(moves[0].any())
    torch.testing.assert_close(moves[1], 0.1 * moves[0], rtol=1e-8, atol=1e-15)


@each_optimizer
def test_a_reduced_rate_is_still_reduced_after_a_restart(name: str) -> None:
    first, second = parameter(), parameter()
    kind = getattr(optim, name)
    one, other = kind([first], lr=1e-2), kind([second], lr=1e-2)
    grads = gradients()
    for grad in grads[:3]:
        first.grad = grad.clone()
        one.step()
    one.param_groups[0]["lr"] = 1e-3
    second.data.copy_(first)
    other.load_state_dict(copy.deepcopy(one.state_dict()))
    for grad in grads[3:6]:
        for param, optimizer in ((first, one), (second, other)):
            param.grad = grad.clone()
            optimizer.step()
    assert torch.equal(first, second)


@each_optimizer
def test_a_rate_set_by_hand_and_a_schedule_are_multiplied(name: str) -> None:
    both, alone = parameter(), parameter()
    kind = getattr(optim, name)
    one = kind([both], lr=1e-2, schedule=lambda step: 0.5 if step else 1.0)
    other = kind([alone], lr=1e-2, schedule=lambda step: 0.05 if step else 1.0)
    for step, grad in enumerate(gradients()[:4]):
        if step == 1:
            one.param_groups[0]["lr"] *= 0.1
        for param, optimizer in ((both, one), (alone, other)):
            param.grad = grad.clone()
            optimizer.step()
    torch.testing.assert_close(both, alone, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("name", ["Rprop", "DeltaBarDelta", "Quickprop", "Adafactor"])
def test_a_rate_of_zero_has_no_multiples(name: str) -> None:
    param = parameter()
    optimizer = getattr(optim, name)([param], lr=0.0)
    param.grad = gradients()[0]
    optimizer.step()
    optimizer.param_groups[0]["lr"] = 0.1
    with pytest.raises(OptionError, match="made with lr=0") as caught:
        optimizer.step()
    assert "lr above 0" in caught.value.hint


@each_optimizer
@pytest.mark.parametrize("rate", [-0.1, float("nan")])
def test_an_impossible_rate_set_by_hand_is_refused(name: str, rate: float) -> None:
    param = parameter()
    optimizer = getattr(optim, name)([param])
    optimizer.param_groups[0]["lr"] = rate
    param.grad = gradients()[0]
    with pytest.raises(OptionError, match="lr="):
        optimizer.step()


@pytest.mark.parametrize(("name", "option"), [("Adam", "betas"), ("Momentum", "momentum"), ("Lion", "betas")])
def test_a_scheduler_that_moves_the_momentum_too(name: str, option: str) -> None:
    """torch's one cycle moves β against the rate; the steps are those with both values set by hand."""
    kind = getattr(optim, name)
    scheduled, by_hand = parameter(), parameter()
    optimizer, twin = kind([scheduled], lr=1e-2), kind([by_hand], lr=1e-2)
    drive = lr_scheduler.OneCycleLR(optimizer, 2e-2, STEPS)
    seen = set()
    for grad in gradients():
        (group,), (own,) = optimizer.param_groups, twin.param_groups
        own.update({"lr": group["lr"], option: group[option]})
        seen.add(group[option])
        for param, each in ((scheduled, optimizer), (by_hand, twin)):
            param.grad = grad.clone()
            each.step()
        drive.step()
    assert len(seen) > 3
    assert torch.equal(scheduled, by_hand)
