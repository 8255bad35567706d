"""Numbers that a tutorial and lecture notes print, and the faults of their code, as far as studies repeat them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from steepest.data.catalog import SOURCES, locate, places
from steepest.data.images.idx import read_idx
from steepest.optim import make_rule
from steepest.schedules import make_schedule
from steepest.studies.losses import LINE, PARABOLA, LossesStudy, points
from steepest.studies.minibatch_time import below
from steepest.studies.momentum import MomentumStudy, iterations_of, optimum_of, paths_of, problem_of
from steepest.studies.step_cost import fitted

needs_mnist = pytest.mark.skipif(
    not places(SOURCES.load("mnist")), reason="no MNIST: STEEPEST_DATA names no folder with mnist"
)


def _rounded(values: Tensor) -> list[float]:
    return [round(each, 4) + 0.0 for each in values.tolist()]


@pytest.fixture(scope="module")
def tutorial() -> tuple[nn.Linear, Tensor, Tensor, torch.Generator]:
    """The linear model of the tutorial, its 500 digits, and the generator as the model has left it."""
    files = {each.name.partition("-idx")[0]: each for each in locate("mnist")}
    images, labels = read_idx(files["train-images"]), read_idx(files["train-labels"])
    chosen = np.random.RandomState(2021).choice(60_000, 500)
    counts = np.bincount(images.reshape(-1), minlength=256)
    values = np.arange(256) / 255
    mean = float((counts * values).sum() / counts.sum())
    sd = float(np.sqrt((counts * (values - mean) ** 2).sum() / counts.sum()))
    x = torch.tensor((images[chosen].reshape(500, -1) / 255 - mean) / sd, dtype=torch.float32)
    draw = torch.Generator().manual_seed(2021)
    model = nn.Linear(784, 10)
    for each in model.parameters():
        nn.init.uniform_(each, -1 / 28, 1 / 28, generator=draw)
    return model, x, torch.tensor(labels[chosen].astype(int)), draw


def _stepped(tutorial, rule: str, slot: str, starts: list[Tensor]) -> nn.Linear:
    """Return the model after one step of a rule whose slots begin at given values."""
    model, x, y, _ = tutorial
    made = nn.Linear(784, 10)
    made.load_state_dict(model.state_dict())
    cross_entropy(made(x), y).backward()
    known = make_rule(rule)
    c, _ = known.coefficients(1, 1.0, {})
    with torch.no_grad():
        for each, start in zip(made.parameters(), starts, strict=True):
            assert each.grad is not None
            each.copy_(known.update(each.grad, each, {slot: start}, c)[0])
    return made


@needs_mnist
def test_the_start_of_the_tutorial(tutorial):
    model, *_ = tutorial
    bias = [-0.0290, -0.0033, 0.0100, -0.0320, 0.0022, 0.0221, 0.0307, 0.0243, 0.0159, -0.0064]
    assert _rounded(model.bias) == bias
    assert _rounded(model.weight[0, :3]) == [-0.0264, 0.0010, 0.0173]
    assert _rounded(model.weight[0, -3:]) == [0.0297, 0.0278, -0.0221]


@needs_mnist
def test_a_momentum_step_of_the_tutorial(tutorial):
    model, _, _, draw = tutorial
    starts = [torch.randn(each.shape, generator=draw) for each in model.parameters()]
    after = _stepped(tutorial, "heavy-ball(lr=0.1, momentum=0.9)", "velocity", starts)
    bias = [0.4147, -1.0440, 0.8720, -1.6201, -0.9632, 0.9430, -0.5180, 1.3417, 0.6574, 0.3677]
    assert _rounded(after.bias) == bias
    assert _rounded(after.weight[0, :3]) == [1.5898, 0.0116, -2.0239]
    assert _rounded(after.weight[0, -3:]) == [-1.0871, 0.4030, -0.9577]


RMSPROP = "rmsprop(lr=1e-3, alpha=0.8, eps=1e-8, eps_inside_root=true)"


@needs_mnist
def test_an_rmsprop_step_of_the_tutorial(tutorial):
    model, *_ = tutorial
    starts = [1e-6 * each.detach() for each in model.parameters()]
    after = _stepped(tutorial, RMSPROP, "square_avg", starts)
    bias = [-0.0313, -0.0011, 0.0122, -0.0342, 0.0045, 0.0199, 0.0329, 0.0265, 0.0182, -0.0041]
    assert _rounded(after.bias) == bias
    assert _rounded(after.weight[0, :3]) == [-0.0240, 0.0031, 0.0193]
    assert _rounded(after.weight[0, -3:]) == [0.0316, 0.0297, -0.0198]


def test_negative_mean_squares_are_no_number():
    """The tutorial starts them at 1e-6 times the parameter: of a small gradient the root is of a negative number."""
    rule = make_rule(RMSPROP)
    c, _ = rule.coefficients(1, 1.0, {})
    grad, param = torch.tensor([1e-4, 1.0]), torch.tensor([-1.0, -1.0])
    for start, lost in ((1e-6 * param, [True, False]), (torch.zeros(2), [False, False])):
        assert torch.isnan(rule.update(grad, param, {"square_avg": start}, c)[0]).tolist() == lost


@needs_mnist
def test_two_free_parameters_of_the_tutorial():
    study = MomentumStudy()
    data = study.data("default")
    found = optimum_of(data)
    assert [round(each, 5) for each in found["at"]] == [-1.26281, 0.02895]
    assert (round(found["loss"], 6), found["steps"]) == (2.425684, 7)
    assert [round(each, 5) for each in found["eigenvalues"]] == [0.02412, 0.09354]
    distance = paths_of(data)["distance"]
    assert [f"{each:.3g}" for each in distance["gradient descent"][-1]] == ["0.459", "0.0957"]
    assert [f"{each:.1e}" for each in distance["momentum"][-1]] == ["5.0e-04", "1.7e-05"]
    assert iterations_of(data, [0.0])["at"] == {"0": 116, "0.5": 50}


def test_the_loss_of_two_parameters_is_that_of_the_classifier():
    data = MomentumStudy().data("quick")
    with np.load(data.path) as file:
        x = torch.tensor(file["x_train"][:500].reshape(500, -1) / 255.0)
        y = torch.tensor(file["y_train"][:500].astype(int))
    x = (x - x.mean()) / x.std(correction=0)
    draw = torch.Generator().manual_seed(2021)
    weight = torch.empty(10, 64).uniform_(-1 / 8, 1 / 8, generator=draw).double()
    bias = torch.empty(10).uniform_(-1 / 8, 1 / 8, generator=draw).double()
    losses = problem_of(data)
    for w, b in ((0.5, -1.0), (2.5, 3.7)):
        weight[0, 27], bias[7] = w, b
        expected = float(cross_entropy(x @ weight.T + bias, y))
        assert float(losses(torch.tensor([[w, b]], dtype=torch.float64))[0]) == pytest.approx(expected, 1e-12)


@pytest.mark.parametrize(
    ("degree", "rate", "steps", "loss", "coefficients"),
    [
        (1, 6, 50, 1.20895, [-0.27328, 3.48178]),
        (2, 10, 500, 0.71724, [1.0397, 3.1892, -3.9294]),
    ],
    ids=[LINE, PARABOLA],
)
def test_descents_that_draw_nothing(degree, rate, steps, loss, coefficients):
    x, y = (torch.tensor(each) for each in points(LossesStudy().data("quick")))
    design = torch.stack([x**power for power in range(degree + 1)], 1)
    weights = torch.zeros(degree + 1, dtype=torch.float64, requires_grad=True)
    schedule = make_schedule("inverse-time(period=1)", steps)
    rule = make_rule(f"sgd(lr={rate})").optimizer([weights], schedule=schedule)
    for _ in range(steps):
        rule.zero_grad()
        (design @ weights - y).abs().mean().backward()
        rule.step()
    assert round(float((design @ weights - y).abs().mean().detach()), 5) == loss
    digits = len(str(coefficients[0]).partition(".")[2])
    assert [round(each, digits) for each in weights.tolist()] == coefficients


def test_times_are_fitted_and_read_as_they_are():
    seconds = {"points": [1, 10, 100], "forward": [0.1, 0.1, 0.1], "backward": [0.01, 0.1, 1.0]}
    assert fitted(seconds) == pytest.approx((0.1, 0.01, 1.0))
    assert math.isinf(below({"seconds": [0, 1], "loss": [0.4, 0.6]}))
    assert math.isinf(below({"seconds": [0, 1], "loss": [0.4, None]}))


def test_the_published_penalty_is_twice_the_weight_decay_of_its_text():
    """The code adds λ Σ w² over all parameters, whose gradient is 2 λ w; the text's derivative lacks the 2."""
    strength, start = 0.1, [3.0, -0.5]
    x, y = torch.tensor([[1.0, 2.0]]), torch.tensor([0.7])

    def stepped(rule: str, penalty: float) -> list[float]:
        weights = torch.tensor(start, requires_grad=True)
        optimizer = make_rule(rule).optimizer([weights])
        loss = ((x @ weights - y) ** 2).mean() + penalty * (weights**2).sum()
        loss.backward()
        optimizer.step()
        return weights.tolist()

    published = stepped("momentum(lr=5e-3)", strength)
    assert stepped("momentum(lr=5e-3, weight_decay=0.2)", 0.0) == pytest.approx(published, rel=1e-6)
    as_the_text_says = stepped("momentum(lr=5e-3, weight_decay=0.1)", 0.0)
    assert np.subtract(as_the_text_says, published) == pytest.approx(
        [5e-3 * strength * each for each in start], rel=1e-3
    )
