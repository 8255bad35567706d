"""The published notebook: its Quickprop is SGD, and its Hessian-free reports a loss of steps that it does not take."""

from __future__ import annotations

import copy
import shlex

import pytest
import torch

from steepest.cli import main
from steepest.optim import make_rule
from steepest.record.store import Folder
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


@pytest.mark.slow
def test_published_hessian_free_reports_a_loss_that_its_network_does_not_have(real_data, tmp_path) -> None:
    """On the real crimes the reported training loss ends far below the loss after the step (1.62 and 2.66)."""
    del real_data
    command = (
        "compare crimes-2018 --schedule constant --seeds 1 --epochs 1 --batch-size 64 --train-rows 40000 "
        "--baseline none -o \"hessian-free(lr=5e-3, damping=0.5, cg_iterations=3, variant='notebook-2021')\""
    )
    assert main([*shlex.split(command), "--out", str(tmp_path / "run")]) == 0
    [record] = [each for each in Folder(tmp_path / "run").records() if each.key.phase == "final"]
    last = record.curve[-1]
    assert last.train_loss < 0.75 * last.validation["log_loss"]
    assert last.validation["log_loss"] < record.curve[0].validation["log_loss"]
