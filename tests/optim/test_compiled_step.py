"""``torch.compile`` on a step: the updates are compiled once, whatever changes from step to step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch._dynamo.utils import counters

import steepest.optim as optim
from steepest.optim import class_name, names
from steepest.rng import torch_stream
from steepest.schedules import make_schedule

OPTIMIZERS = [class_name(name) for name in names()]
KINDS = ["Adam", "Quickprop", "NAdam", "Adafactor", "Muon", "ScheduleFreeAdamW"]
"""One for each kind of scalars and of coupling."""
STEPS = 20
pytestmark = [  # what torch's compiler warns of by itself, at a step of torch's own optimizers too
    pytest.mark.filterwarnings("ignore:Profiler record function:UserWarning"),
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning"),
    pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning"),
]


@pytest.fixture(autouse=True)
def _fresh() -> Any:
    torch.compiler.reset()
    counters.clear()
    yield
    torch.compiler.reset()
    counters.clear()


def run(
    make: Callable[..., Any], backend: str | None, *, drive: bool = True, dtype=torch.float64
) -> list[Any]:
    """Return parameters of several shapes after some steps under torch's cosine, compiled or not."""
    shapes = [(4, 3), (3,), (2, 3, 2), (1,)]
    with torch_stream(0, "init"):
        params = [torch.nn.Parameter(torch.randn(shape, dtype=dtype)) for shape in shapes]
    optimizer = make(params)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS) if drive else None
    step = optimizer.step if backend is None else torch.compile(optimizer.step, backend=backend)
    with torch_stream(0, "data", 1):
        for _ in range(STEPS):
            for param in params:
                param.grad = torch.randn_like(param) + 0.5
            step()
            if scheduler is not None:
                scheduler.step()
    return params


def same(
    make: Callable[..., Any], backend: str, graphs: int = 1, tolerance: float = 1e-9, **options: Any
) -> None:
    eager = run(make, None, **options)
    compiled = run(make, backend, **options)
    assert counters["stats"]["unique_graphs"] == graphs, counters
    for one, other in zip(eager, compiled, strict=True):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", KINDS)
def test_twenty_steps_at_twenty_rates_are_one_graph(name: str) -> None:
    more = {"dtype": "float64"} if name == "Muon" else {}
    same(lambda params: getattr(optim, name)(params, lr=0.01, **more), "aot_eager")


def test_with_our_schedule_and_groups_that_climb() -> None:
    """And with a group of another rate: its scalars are its own."""

    def make(params: list[torch.nn.Parameter]) -> Any:
        schedule = make_schedule("warmup(cosine)", STEPS)
        groups = [{"params": params[:2]}, {"params": params[2:], "lr": 0.3, "weight_decay": 0.1}]
        return optim.AdamW(groups, maximize=True, schedule=schedule)

    same(make, "aot_eager", drive=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_by_the_default_compiler(name: str) -> None:
    tolerance = 2e-2 if name == "Muon" else 1e-5  # its Newton-Schulz steps are in bfloat16
    make = getattr(optim, name)
    same(lambda params: make(params, lr=0.01), "inductor", tolerance=tolerance, dtype=torch.float32)


def test_a_compiled_training_step_with_a_closure() -> None:
    def train(backend: str | None) -> torch.Tensor:
        with torch_stream(0, "init"):
            net = torch.nn.Linear(3, 2)
            inputs = torch.randn(8, 3)
        optimizer = optim.Quickprop(net.parameters(), lr=0.05)

        def closure() -> torch.Tensor:
            optimizer.zero_grad()
            loss = net(inputs).square().mean()
            loss.backward()
            return loss

        step = optimizer.step if backend is None else torch.compile(optimizer.step, backend=backend)
        losses = [float(step(closure).detach()) for _ in range(STEPS)]
        assert losses[-1] < losses[0]
        return net.weight.detach()

    torch.testing.assert_close(train("aot_eager"), train(None))


def test_gradients_that_come_and_go_are_a_graph_for_each_pattern() -> None:
    with torch_stream(0, "init"):
        params = [torch.nn.Parameter(torch.randn(3)) for _ in range(2)]
    optimizer = optim.Adam(params, lr=0.1)
    step = torch.compile(optimizer.step, backend="aot_eager")
    for number in range(STEPS):
        params[0].grad = torch.ones(3)
        params[1].grad = torch.ones(3) if number % 3 else None
        step()
    assert [optimizer.state[param]["step"] for param in params] == [20, 13]
    assert counters["stats"]["unique_graphs"] == 2


def test_mistakes_are_refused_as_ever() -> None:
    param = torch.nn.Parameter(torch.ones(3))
    optimizer = optim.Adam([param])
    param.grad = torch.ones(3)
    step = torch.compile(optimizer.step, backend="aot_eager")
    step()
    with optimizer.evaluating(), pytest.raises(optim.OptionError, match=r"inside evaluating\(\)"):
        step()
    optimizer.param_groups[0]["lr"] = -1.0
    with pytest.raises(optim.OptionError, match="lr=-1"):
        step()
