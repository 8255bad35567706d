"""The published notebook's Quickprop is SGD: what its table of results really compared."""

from __future__ import annotations

import copy

import torch

from steepest.optim import make_rule
from steepest.rng import torch_stream
from tests.reference.notebook_quickprop import NotebookQuickprop


def paths(make, steps: int = 200) -> list[torch.Tensor]:
    """Train a small network and return its parameters."""
    with torch_stream(0, "init"):
        net = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 3))
    net = copy.deepcopy(net)
    optimizer = make(list(net.parameters()))
    with torch_stream(0, "data"):
        inputs, labels = torch.randn(64, 8), torch.randint(0, 3, (64,))
    for _ in range(steps):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(inputs), labels).backward()
        optimizer.step()
    return [param.detach() for param in net.parameters()]


def distance(first: list[torch.Tensor], second: list[torch.Tensor]) -> float:
    return max(float((one - other).abs().max()) for one, other in zip(first, second, strict=True))


def test_published_quickprop_port() -> None:
    """The port's settings (lr 1, sgd_lr 0.01, μ 1.75) give SGD at 0.01; Fahlman's rule goes elsewhere."""
    port = paths(lambda params: NotebookQuickprop(params, lr=1.0, sgd_lr=1e-2, max_growth=1.75))
    sgd = paths(lambda params: make_rule("sgd(lr=0.01)").optimizer(params))
    published = paths(lambda params: make_rule("quickprop(lr=0.01)").optimizer(params))
    assert distance(port, sgd) < 1e-6
    assert distance(published, sgd) > 1e-2


def test_an_idle_weight_stays_finite_where_the_mended_port_divides_zero_by_zero() -> None:
    """With the counter mended, an embedding row without gradient turns NaN at step 2; the rule leaves it."""
    row = torch.nn.Parameter(torch.ones(3))
    mended = NotebookQuickprop([row])
    for step in range(2):
        row.grad = torch.zeros(3)
        mended.step()
        mended.state[row]["step"] = step + 1
    assert bool(torch.isnan(row).all())
    row = torch.nn.Parameter(torch.ones(3))
    optimizer = make_rule("quickprop").optimizer([row])
    for _ in range(5):
        row.grad = torch.zeros(3)
        optimizer.step()
    assert torch.equal(row.detach(), torch.ones(3))
