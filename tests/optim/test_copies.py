"""Optimizers and schedules are copied, pickled and sent to other processes, and go on alike there."""

from __future__ import annotations

import concurrent.futures
import copy
import multiprocessing
import pickle
from typing import Any

import pytest
import torch

import steepest.optim as optim
from steepest.optim import class_name, make_rule, names
from steepest.optim.rule import Carry, Coefficients, Hyper, Rule, Slots, Start
from steepest.schedules import make_schedule
from tests.optim.test_schedules import EXAMPLES

COPIES = {
    "copy.copy": copy.copy,
    "copy.deepcopy": copy.deepcopy,
    "pickle": lambda what: pickle.loads(pickle.dumps(what)),  # noqa: S301
}
each_copy = pytest.mark.parametrize("way", COPIES)


def parameter() -> torch.nn.Parameter:
    param = torch.nn.Parameter(torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64))
    param.grad = torch.full_like(param, 0.5)
    return param


def after(optimizer: Any, steps: int = 3) -> torch.Tensor:
    """Return the parameter after some more steps."""
    (param,) = optimizer.param_groups[0]["params"]
    for _ in range(steps):
        param.grad = torch.full_like(param, 0.5)
        optimizer.step()
    return param.detach()


class Tenth(Rule[Hyper]):
    """A rule of a user's: a tenth of the rate times the gradient."""

    name = "tenth"
    title = "Tenth"
    citation = "nobody"
    Hyper = Hyper
    grid_centre = 1e-2

    def slots(self) -> dict[str, Start]:
        return {}

    def coefficients(self, step: int, multiplier: float, carry: Carry) -> tuple[Coefficients, Carry]:
        return {"lr": 0.1 * self.hyper.lr * multiplier}, carry

    def update(
        self, grad: torch.Tensor, param: torch.Tensor, slots: Slots, c: Coefficients
    ) -> tuple[torch.Tensor, Slots]:
        return param - grad * c["lr"], {}


class OwnAdam(optim.Adam):
    """A user's subclass of one of ours."""


MADE: dict[str, Any] = {
    **{name: getattr(optim, class_name(name)) for name in names()},
    "a preset by its rule": lambda params, **more: make_rule("momentum").optimizer(params, **more),
    "torch:Adamax": lambda params, **more: make_rule("torch:Adamax").optimizer(params, **more),
    "a user's rule": lambda params, **more: Tenth().optimizer(params, **more),
    "a user's subclass": OwnAdam,
}


@each_copy
@pytest.mark.parametrize("text", EXAMPLES.values(), ids=EXAMPLES)
def test_a_schedule_is_a_value(text: str, way: str) -> None:
    schedule = make_schedule(text, 20)
    again = COPIES[way](schedule)
    assert [again(step) for step in range(21)] == [schedule(step) for step in range(21)]
    assert repr(again) == repr(schedule)


@pytest.mark.parametrize("way", ["copy.deepcopy", "pickle"])
@pytest.mark.parametrize("made", MADE)
def test_an_optimizer_with_a_schedule_goes_on_alike(made: str, way: str) -> None:
    optimizer = MADE[made]([parameter()], schedule=make_schedule("warmup(linear, length=2)", 6))
    after(optimizer, 2)
    twin = COPIES[way](optimizer)
    assert type(twin) is type(optimizer)
    one, other = after(optimizer), after(twin)
    assert torch.equal(one, other)
    without = MADE[made]([parameter()])
    assert not torch.equal(after(without, 5), one)


def test_a_process_that_starts_afresh_goes_on_alike() -> None:
    """As ``multiprocessing`` does with ``spawn``: nothing is there but what the pickle says."""
    optimizer = optim.RMSprop([parameter()], schedule=make_schedule("cosine", 9))
    after(optimizer, 2)
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=spawn) as pool:
        found = pool.submit(after, optimizer).result()
    assert torch.equal(found, after(optimizer))
