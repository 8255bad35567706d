"""Hessian-free steps on look-ups by rows are those of the whole tables."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from steepest.data.dataset import Part
from steepest.objectives import read_objective
from steepest.optim import make_spec
from steepest.optim.spec import MethodSettings
from steepest.rng import stream, torch_stream
from steepest.train.problem import SupervisedProblem
from steepest.train.weights import KeptWeights, evaluating

ROWS = 60


class Net(nn.Module):
    """Two tables, one with padding, dropout and batch norm."""

    tables = {"shop": "shops.weight", "street": "streets.weight"}  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self.shops = nn.Embedding(40, 3, padding_idx=0)
        self.streets = nn.Embedding(25, 2)
        self.body = nn.Sequential(
            nn.Dropout(0.2), nn.Linear(6, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 3)
        )

    def forward(self, codes: Tensor, values: Tensor) -> Tensor:
        return self.body(torch.cat([self.shops(codes[:, 0]), self.streets(codes[:, 1]), values], 1))


def part() -> Part:
    draw = stream(0, "data")
    codes = torch.from_numpy((draw.random((ROWS, 2)) ** 2 * [40, 25]).astype("int64"))
    values = torch.from_numpy(draw.standard_normal((ROWS, 1)))
    return Part((codes, values), torch.from_numpy(draw.integers(0, 3, ROWS)))


class Batches:
    """Batches of sixteen rows; a third of the rows is never seen."""

    rows = part()

    def batch(self, step: int) -> Part:
        index = stream(1, "order", step).integers(0, 2 * ROWS // 3, 16)
        return self.rows.take(torch.from_numpy(index))

    def randomness(self, step: int) -> Any:
        return torch_stream(0, "dropout", step)


def trained(
    text: str, tables: tuple[str, ...], steps: int
) -> tuple[list[Any], dict[str, Tensor], list[Tensor]]:
    """Return reports, the weights in the end, and the outputs after every twentieth step."""
    with torch_stream(0, "init"):
        net = Net().double()
    problem = SupervisedProblem(
        net, read_objective("cross-entropy"), columns=("shop", "street"), precision="float64"
    )
    method = make_spec(text).make(MethodSettings(lambda step: 1.0, tables=tables))
    state, feed, rows = method.init(problem), Batches(), part()
    assert (method.tables(state) is not None) == bool(tables)
    infos: list[Any] = []
    looks: list[Tensor] = []
    for first in range(0, steps, 20):
        infos += method.steps(problem, state, feed, first, min(steps, 20))
        with torch.no_grad(), evaluating(net.eval(), method, state, problem.codes(rows)):
            looks.append(net(*rows.inputs))
        net.train()
    return infos, KeptWeights(net, method, state).weights(), looks


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ("lr=0.02, damping=3", 200),
        ("lr=0.5, damping=0.5, ratio=damped", 20),
        ("curvature=2.0, damping=5", 20),
        ("curvature=0.4, preconditioner=fisher, decay=0.5", 20),
        ("decay=0.0", 20),
    ],
)
def test_steps_by_rows_are_those_of_whole_tables(options: str, steps: int) -> None:
    text = f"hessian-free(cg_iterations=3, {options})"
    whole = trained(text, (), steps)
    by_rows = trained(text, ("shops.weight", "streets.weight"), steps)
    for name, value in whole[1].items():
        apart = (by_rows[1][name] - value).double().norm()
        assert apart <= 1e-8 * value.double().norm(), (name, float(apart))
    assert [info.loss for info in by_rows[0]] == pytest.approx([info.loss for info in whole[0]], rel=1e-8)
    assert [info.gradients for info in by_rows[0]] == [info.gradients for info in whole[0]]
    for found, wanted in zip(by_rows[2], whole[2], strict=True):
        assert torch.allclose(found, wanted, rtol=1e-7)
    with torch_stream(0, "init"):
        start = Net().double()
    unseen = ~torch.isin(torch.arange(40), part().inputs[0][: 2 * ROWS // 3, 0])
    assert unseen.any()
    assert torch.equal(whole[1]["shops.weight"][unseen], start.shops.weight[unseen])  # never in a proposal
    assert torch.equal(whole[1]["shops.weight"][0], start.shops.weight[0])  # padding


def test_rows_move_after_the_batch_that_named_them() -> None:
    """The warm start moves rows that no later batch names, which a warm start cut to touched rows would not."""
    _, before, _ = trained("hessian-free(cg_iterations=4)", ("shops.weight",), 4)
    _, after, _ = trained("hessian-free(cg_iterations=4)", ("shops.weight",), 6)
    named = torch.cat([Batches().batch(step).inputs[0][:, 0] for step in (4, 5)])
    seen = torch.cat([Batches().batch(step).inputs[0][:, 0] for step in range(4)])
    idle = torch.isin(torch.arange(40), seen) & ~torch.isin(torch.arange(40), named) & (torch.arange(40) > 0)
    assert idle.any()
    moved = (after["shops.weight"] - before["shops.weight"])[idle].abs().amax(1)
    assert bool((moved > 0).all())
