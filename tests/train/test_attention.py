"""Methods that differentiate twice train networks whose attention torch would fuse."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from steepest.data.batches import BatchPlan
from steepest.data.dataset import Part
from steepest.objectives import make_objective
from steepest.objectives.target import ClassTarget, NumberTarget
from steepest.optim import make_spec
from steepest.optim.closures import HessianFree
from steepest.optim.spec import MethodSettings
from steepest.train import compiled_hessian_free
from steepest.train.aot import Compiled
from steepest.train.compiled_hessian_free import CompiledHessianFree
from steepest.train.feed import Feed
from steepest.train.problem import SupervisedProblem
from tests.curvature.nets import nets


def losses(spec: str, *, compiled: bool = False) -> list[float]:
    """Return the losses of two steps on all rows."""
    net, inputs = nets()["attention"]
    classes = torch.tensor([0, 2, 1, 1, 0, 2, 2])
    squares = spec.startswith("levenberg")
    if squares:  # with more residuals than parameters, whose Jacobian is formed by differentiating twice
        inputs, classes = inputs.repeat(60, 1, 1), classes.repeat(60)
        net = nn.Sequential(net, nn.Linear(3, 1, dtype=torch.float64))
    target = NumberTarget() if squares else ClassTarget(3)
    part = Part((inputs,), classes.double() if squares else classes)
    problem = SupervisedProblem(net, make_objective("", target), None, (), "float64")
    settings = MethodSettings(lambda step: 1.0)
    own: Any = make_spec(spec)
    method = CompiledHessianFree(own, settings) if compiled else own.make(settings)
    feed = Feed(part, BatchPlan(len(part), len(part), 0), 0)
    return [each.loss for each in method.steps(problem, method.init(problem), feed, 0, 2)]


@pytest.mark.parametrize("spec", ["hessian-free(cg_iterations=2)", "newton", "levenberg-marquardt"])
def test_attention_is_differentiated_twice(spec: str) -> None:
    found = losses(spec)
    assert found[1] < found[0]


def test_a_compiled_step_is_the_eager_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(traced: Any, *_: Any, **__: Any) -> Compiled:
        return Compiled(lambda tensors: [traced.graph(*tensors)], 0.0)

    monkeypatch.setattr(compiled_hessian_free, "compiled", run)
    spec = "hessian-free(cg_iterations=2)"
    assert losses(spec, compiled=True) == pytest.approx(losses(spec), rel=1e-9)


def test_attention_in_a_closure_is_differentiated_twice() -> None:
    net, inputs = nets()["attention"]
    optimizer, loss = HessianFree(net), nn.CrossEntropyLoss()

    def closure() -> Any:
        outputs = net(inputs)
        return loss(outputs, torch.tensor([0, 2, 1, 1, 0, 2, 2])), outputs

    first = float(optimizer.step(closure))
    assert float(optimizer.step(closure)) < first
