"""Inside one step the loss is one function: masks, draws, batch and buffers are held, whoever evaluates it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from steepest.data.batches import BatchPlan
from steepest.data.dataset import Part
from steepest.objectives import make_objective
from steepest.objectives.target import NumberTarget
from steepest.optim.foreign import foreign
from steepest.optim.method import GradientMethod
from steepest.rng import torch_stream
from steepest.schedules import make_schedule
from steepest.train.feed import Feed
from steepest.train.problem import SupervisedProblem


class Thrice(torch.optim.SGD):
    """Evaluates three times at the same parameters, draws numbers of its own in between, and steps."""

    def __init__(self, params: Any, lr: float = 0.1, draws: bool = False) -> None:
        super().__init__(params, lr=lr)
        self.draws, self.seen = draws, []

    def step(self, closure: Any) -> Any:
        for _ in range(3):
            if self.draws:
                torch.randn(5)
            self.seen.append(float(closure().detach()))
        self.seen.append([p.grad.clone() for p in self.param_groups[0]["params"]])
        super().step()
        return self.seen[0]


class Noise(nn.Module):
    """Draws from torch's own generator and reads a buffer that it moves, as a running normaliser does."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            x = x + 0.1 * torch.randn_like(x) - self.mean
            self.mean = 0.9 * self.mean + 0.1 * x.mean().detach()  # assigned anew, not moved in place
        return x


def net() -> nn.Module:
    class Net(nn.Sequential):
        def forward(self, categorical: torch.Tensor, continuous: torch.Tensor) -> torch.Tensor:
            return super().forward(continuous)

    with torch_stream(0, "init"):
        return Net(
            Noise(),
            nn.Linear(3, 8),
            nn.BatchNorm1d(8),
            nn.Dropout(0.5),
            nn.AlphaDropout(0.2),
            nn.Linear(8, 1),
        )


def run(kind: type[torch.optim.Optimizer], steps: int, **options: Any) -> tuple[nn.Module, Any, list[Any]]:
    with torch_stream(0, "data"):
        part = Part((torch.zeros(24, 0, dtype=torch.int64), torch.randn(24, 3)), torch.randn(24))
    feed = Feed(part, BatchPlan(24, 8, 0), seed=0)
    problem = SupervisedProblem(net(), make_objective("squared", NumberTarget()))
    method = GradientMethod(foreign(kind, kind.__name__)(**options), make_schedule("constant", 9))
    state = method.init(problem)
    infos = list(method.steps(problem, state, feed, 0, steps))
    return problem.model, state.optimizer, infos


@pytest.mark.parametrize("draws", [False, True])
def test_several_evaluations_at_the_same_parameters_have_one_loss(draws: bool) -> None:
    _, optimizer, infos = run(Thrice, 2, draws=draws)
    for step in range(2):
        first, second, third, _ = optimizer.seen[4 * step : 4 * step + 4]
        assert first == second == third == infos[step].loss
    assert optimizer.seen[0] != optimizer.seen[4], "another step has other masks"
    assert [info.gradients for info in infos] == [3.0, 3.0]


def test_several_evaluations_leave_what_one_leaves() -> None:
    """The way of an optimizer that evaluates thrice at the same place is the way of one that evaluates once."""
    thrice, _, infos = run(Thrice, 3)
    once, _, expected = run(torch.optim.SGD, 3, lr=0.1)
    assert [info.loss for info in infos] == [info.loss for info in expected]
    found, wanted = thrice.state_dict(), once.state_dict()
    assert {name for name, each in wanted.items() if not torch.equal(each, found[name])} == set()
    assert int(found["2.num_batches_tracked"]) == 3
    assert not torch.equal(found["0.mean"], torch.zeros(1))


def test_the_library_optimizer_searches_along_one_function() -> None:
    """torch's line search accepts a step only if the loss falls: with other masks at each evaluation it may rise."""
    _, _, infos = run(torch.optim.LBFGS, 2, line_search_fn="strong_wolfe", max_iter=4)
    model, _, _ = run(torch.optim.LBFGS, 1, line_search_fn="strong_wolfe", max_iter=4)
    assert infos[0].gradients > 2
    assert float(model.state_dict()["2.num_batches_tracked"]) == 1
