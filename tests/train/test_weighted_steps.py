"""Steps on rows with weights: a weight of k is k copies of the row, in every executor."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from steepest.data.batches import BatchPlan
from steepest.data.dataset import Dataset, Shape
from steepest.optim import make_rule
from steepest.optim.method import GradientMethod
from steepest.schedules import make_schedule
from steepest.train.cuda_method import ReplayedMethod
from steepest.train.feed import Feed
from tests.train.steps import (
    STEPS,
    TABLES,
    distance,
    eager,
    in_float64,
    one_program,
    opened,
    problem_of,
    run,
    table,
    without_compiling,
)

WEIGHTS = (1.0, 2.0, 0.5)
BOTH = [("classification", "", None), ("classification", "", WEIGHTS)] + [
    ("regression", loss, None) for loss in ("squared", "absolute", "huber(0.5)", "quantile(0.9)")
]


def data_of(task: str) -> Dataset:
    made = in_float64(table() if task == "classification" else opened(task).dataset())
    repeats = torch.arange(len(made.train)) % 4
    return replace(made, train=replace(made.train, weights=repeats.double()))


def gradients(data: Dataset, **options) -> dict[str, torch.Tensor]:
    problem = problem_of(data, **options)
    problem.model.eval()  # without dropout, whose masks differ
    problem.loss(data.train).backward()
    return {name: each.grad for name, each in problem.model.named_parameters() if each.grad is not None}


@pytest.mark.parametrize(("task", "loss", "weights"), BOTH)
def test_a_whole_weight_is_so_many_copies_of_the_row(task: str, loss: str, weights) -> None:
    data = data_of(task)
    repeats = data.train.weights.long()
    copies = replace(data.train, weights=None).take(torch.arange(len(data.train)).repeat_interleave(repeats))
    found = gradients(data, loss=loss, weights=weights)
    right = gradients(replace(data, train=copies), loss=loss, weights=weights)
    assert found.keys() == right.keys()
    for name, each in right.items():
        assert torch.allclose(found[name], each, rtol=1e-10, atol=1e-14), name
    unweighted = gradients(replace(data, train=replace(data.train, weights=None)), loss=loss, weights=weights)
    assert any(not torch.allclose(unweighted[name], each, rtol=1e-3) for name, each in right.items())


@pytest.mark.parametrize("tables", [(), TABLES])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_weighted_steps_are_the_same_however_they_are_made(monkeypatch, tables, weights) -> None:
    without_compiling(monkeypatch)
    data = data_of("classification")
    text, schedule = "adam(lr=0.01)", "cosine"
    right = run(data, eager(text), weights=weights)
    plain = run(replace(data, train=replace(data.train, weights=None)), eager(text), weights=weights)
    assert right.losses != plain.losses
    replayed = ReplayedMethod(make_rule(text), make_schedule(schedule, STEPS), None, tables)
    for method in (eager(text, tables=tables), one_program(text, tables=tables), replayed):
        found = run(data, method, weights=weights)
        assert found.losses == pytest.approx(right.losses, rel=1e-9)
        assert distance(found.weights, right) <= 1e-6


def test_a_batch_without_weight_moves_nothing() -> None:
    data = data_of("regression")
    none = replace(data, train=replace(data.train, weights=torch.zeros(len(data.train)).double()))
    problem = problem_of(none)
    found = run(none, eager("sgd(lr=0.1)"), problem=problem)
    assert set(found.losses) == {0.0}
    assert all(torch.equal(each, found.start[name]) for name, each in problem.model.named_parameters())


@pytest.mark.parametrize("regularizer", ["", "l2(0.1)"])
def test_a_batch_without_weight_is_the_same_in_parts(regularizer: str) -> None:
    data = data_of("regression")
    weights = data.train.weights.clone()
    order = BatchPlan(len(weights), 16, 0)
    weights[order.indices(2)] = 0.0  # one batch has none, and so has a part of another
    weights[order.indices(4)[:6]] = 0.0
    some = replace(data, train=replace(data.train, weights=weights))
    one, three = (
        run(some, replaced(eager("adam(lr=0.01)"), count), regularizer=regularizer, model=Straight)
        for count in (1, 3)
    )
    assert one.losses[2] == 0.0
    assert three.losses == pytest.approx(one.losses, rel=1e-9)
    assert distance(three.weights, one) <= 1e-6
    without = run(data, eager("adam(lr=0.01)"), regularizer=regularizer, model=Straight)
    assert distance(without.weights, one) > 1e-3


def replaced(method: GradientMethod, accumulate: int) -> GradientMethod:
    return GradientMethod(method.rule, method.schedule, method.clip, (), accumulate=accumulate)


class Straight(nn.Module):
    """A model without dropout or batch norm, which parts of a batch would change."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.head = nn.Linear(len(shape.continuous), shape.outputs)

    def forward(self, categorical: torch.Tensor, continuous: torch.Tensor) -> torch.Tensor:
        return self.head(continuous)


def test_rows_carry_their_weights() -> None:
    part = data_of("regression").train
    index = torch.tensor([5, 3])
    feed = Feed(part, BatchPlan(len(part), 8, 0), 0)
    assert torch.equal(part.take(index).weights, part.weights[index])
    assert part.to("cpu").weights is part.weights
    assert replace(part, weights=part.weights.float()).wide().weights.dtype == torch.float64
    assert torch.equal(feed.batches(0, 3).weights[2], feed.batch(2).weights)
