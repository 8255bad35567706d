"""Losses of many points in one program are those of the module with each point's weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from steepest.data.dataset import InputField, Part, Shape
from steepest.landscape.choosing import random_direction
from steepest.landscape.lifted import PlanePolynomial
from steepest.landscape.losses import PlaneLosses, measure
from steepest.landscape.plane import Plane, flat
from steepest.landscape.stacked import StackedLosses, TooLargeError
from steepest.models import build_model
from steepest.objectives import make_objective
from steepest.objectives.target import ClassTarget, NumberTarget
from steepest.train.problem import SupervisedProblem

TABLE = Shape("classification", {"a": 9, "b": 4}, ("x", "y"), 3)
NUMBERS = Shape("regression", {}, ("x", "y"), 1)
IMAGES = Shape("classification", {}, (), 3, (InputField("image", "image", (1, 8, 8), (), (0.5,), (0.2,)),))

CASES = {
    "embedding-mlp(hidden=[8, 6])": TABLE,
    "linear": TABLE,
    "mlp(hidden=[8], activation='tanh', norm='layer')": NUMBERS,
    "residual-mlp": NUMBERS,
    "wide-deep": TABLE,
    "deep-cross": TABLE,
    "tabm": TABLE,
    "cnn": IMAGES,
}
POINTS = np.array([[0.0, 0.0], [0.3, -0.2], [-0.7, 0.9], [1.0, 1.0]])


def made(model, shape, loss="", rows=21):
    net = build_model(model, shape, seed=1)
    draw = torch.Generator().manual_seed(0)
    if shape is IMAGES:
        inputs = (torch.randint(0, 256, (rows, 1, 8, 8), generator=draw, dtype=torch.uint8),)
    else:
        codes = [torch.randint(0, count, (rows,), generator=draw) for count in shape.cardinalities.values()]
        stacked = torch.stack(codes, 1) if codes else torch.zeros(rows, 0, dtype=torch.long)
        inputs = (stacked, torch.randn(rows, len(shape.continuous), generator=draw))
    net.train()(*inputs)  # running statistics of batch norm
    classes = shape.task == "classification"
    goal = ClassTarget(shape.outputs) if classes else NumberTarget()
    target = torch.randint(0, 3, (rows,), generator=draw) if classes else torch.randn(rows, generator=draw)
    weights = torch.rand(rows, generator=draw) + 0.5
    problem = SupervisedProblem(net.eval(), make_objective(loss, goal), target=goal)
    own = {name: each.detach() for name, each in net.named_parameters() if each.requires_grad}
    first, second = (flat(random_direction(own, 0, index)) * 0.1 for index in (0, 1))
    shift = {name: 0.3 * each.abs() for name, each in net.named_buffers() if each.is_floating_point()}
    return problem, Plane.through(own, first, second, shift=shift), Part(inputs, target, weights)


@pytest.mark.parametrize("model", CASES)
def test_they_are_those_of_the_module(model):
    problem, plane, part = made(model, CASES[model])
    plain = PlaneLosses(problem, plane, part, "held")
    wanted = [plain.at(*point) for point in POINTS]
    assert StackedLosses(problem, plane, part, False, 4).many(POINTS) == pytest.approx(wanted, rel=2e-5)
    assert len(set(wanted)) == len(POINTS)


def test_they_are_interpolated_along_a_line():
    problem, plane, part = made("embedding-mlp(hidden=[8, 6])", TABLE)
    plain = PlaneLosses(problem, plane, part, "interpolated")
    points = np.array([[-0.3, 0.0], [0.5, 0.0], [1.2, 0.0]])
    wanted = [plain.at(*point) for point in points]
    assert StackedLosses(problem, plane, part, True, 8).many(points) == pytest.approx(wanted, rel=2e-5)
    assert plain.at(0.5) != PlaneLosses(problem, plane, part, "held").at(0.5)


@pytest.mark.parametrize("loss", ["absolute", "huber(0.5)", "quantile(0.9)"])
def test_every_loss_is_mapped(loss):
    problem, plane, part = made("mlp(hidden=[8])", NUMBERS, loss)
    plain = PlaneLosses(problem, plane, part, "held")
    found = StackedLosses(problem, plane, part, False, 4).many(POINTS)
    assert found == pytest.approx([plain.at(*point) for point in POINTS], rel=2e-5)


def test_what_comes_before_the_first_activation_is_done_once():
    """Six monomials of batch norm and embeddings, ten behind the first layer where norms move, too."""
    problem, plane, part = made("embedding-mlp(hidden=[8, 6])", TABLE)
    stacked = StackedLosses(problem, plane, part, False, 4)
    first = max(stacked.batches[0][1], key=lambda each: len(getattr(each, "powers", ())))
    assert first.shape == (21, 8)
    assert len(first.powers) == 10
    assert not any(getattr(each, "shape", ())[:1] == (9,) for each in stacked.batches[0][1]), (
        "no table is left"
    )


class Branching(nn.Module):
    """A network that cannot be traced: it looks at its values."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 1)

    def forward(self, codes: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        found = self.layer(values)
        return found if float(found.detach().sum()) > 0 else found * 2


def test_a_network_that_cannot_be_traced_is_measured_point_by_point():
    problem, plane, part = made(Branching, NUMBERS)
    losses = PlaneLosses(problem, plane, part, "held")
    assert losses.many(POINTS) == pytest.approx([losses.at(*point) for point in POINTS])


def test_rows_that_take_much_memory_are_measured_point_by_point():
    problem, plane, part = made("mlp(hidden=[20_000])", NUMBERS)
    with pytest.raises(TooLargeError, match="bytes a row"):
        StackedLosses(problem, plane, part, False, 64)
    losses = PlaneLosses(problem, plane, part, "held")
    assert losses.many(POINTS[:2]) == pytest.approx([losses.at(*point) for point in POINTS[:2]])


def test_a_polynomial_is_the_sum_of_its_monomials():
    found = PlanePolynomial({(0, 0): torch.tensor([1.0, 2.0]), (2, 1): torch.tensor([1.0, -1.0])}).stacked()
    assert found.at(torch.tensor([[3.0, 2.0]])).tolist() == [[19.0, -16.0]]


def test_points_of_more_than_a_chunk_are_cut(monkeypatch):
    problem, plane, part = made("mlp(hidden=[8])", NUMBERS)

    class Run:
        pass

    run = Run()
    run.problem = problem
    points = np.stack([np.linspace(-1, 1, 70), np.zeros(70)], 1)
    found = measure(run, plane, points, part)
    plain = PlaneLosses(problem, plane, part, "held")
    assert found[[0, 63, 64, 69]] == pytest.approx([plain.at(*points[i]) for i in (0, 63, 64, 69)], rel=2e-5)
