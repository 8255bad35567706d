"""Hessian-free optimization of models: the problems of runs, and torch's style in one's own loop."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from steepest import optim
from steepest.curvature import Curvature, diagonal
from steepest.data.dataset import Part
from steepest.errors import ModelError, OptionError
from steepest.objectives import read_objective
from steepest.optim import make_spec
from steepest.optim.methods.hessian_free import squared_gradients
from steepest.optim.spec import MethodSettings
from steepest.regularizers import read_regularizers
from steepest.rng import torch_stream
from steepest.testing.methods import SmallBatches, SmallRegression, run
from steepest.train.problem import SupervisedProblem

NUMBERS = torch.linspace(-2.0, 2.0, 36, dtype=torch.float64).reshape(12, 3)
WEIGHTS = torch.tensor([1.0, 0.0, 2.0, 0.5, 3.0, 1.0, 1.0, 1.0, 2.0, 0.1, 0.1, 1.0]).double()
CLASSES = torch.tensor([0, 1, 2, 0, 1, 2, 1, 1, 0, 2, 2, 0])


class Members(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 6)

    def forward(self, values: Tensor) -> Tensor:
        return self.layer(values).reshape(-1, 2, 3)


def problem(kind: str) -> tuple[SupervisedProblem, Part]:
    with torch_stream(0, "init"):
        net = Members() if kind == "members" else nn.Linear(3, 1 if kind == "huber" else 3)
    net.double()
    weights = WEIGHTS if "rows" in kind or kind == "members" else None
    target = NUMBERS[:, 0] if kind == "huber" else CLASSES
    made = SupervisedProblem(
        net,
        read_objective("huber(0.5)" if kind == "huber" else "cross-entropy"),
        class_weights=(0.5, 1.0, 4.0) if "classes" in kind or kind == "members" else None,
        precision="float64",
        regularizers=read_regularizers("l2(0.1)") if "penalty" in kind else (),
    )
    return made, Part((NUMBERS.roll(1, 1),), target, weights)


@pytest.mark.parametrize(
    "kind", ["plain", "rows", "classes", "rows and classes", "members", "huber", "penalty"]
)
def test_problems_know_the_hessian_of_their_loss_in_the_outputs(kind: str) -> None:
    made, batch = problem(kind)
    outputs = made.outputs_at(batch, {}).detach()
    h: Any = torch.autograd.functional.hessian(lambda o: made.batch_loss(o, batch), outputs)
    v = torch.linspace(-1, 1, outputs.numel(), dtype=torch.float64).reshape(outputs.shape)
    wanted = (h.reshape(v.numel(), -1) @ v.reshape(-1)).reshape(v.shape)
    assert torch.allclose(made.bend(outputs, batch, v), wanted, rtol=1e-10, atol=1e-12)


class Only:
    """Feeds one batch."""

    def __init__(self, batch: Part) -> None:
        self.rows = batch

    def batch(self, step: int) -> Part:
        return self.rows

    def randomness(self, step: int) -> Any:
        return torch_stream(0, "dropout", step)


def trained(text: str, made: SupervisedProblem, batch: Part, steps: int) -> list[Any]:
    method = make_spec(text).make(MethodSettings(lambda step: 1.0))
    return list(method.steps(made, method.init(made), Only(batch), 0, steps))


@pytest.mark.parametrize("kind", ["rows and classes", "huber", "penalty"])
def test_it_finds_the_minimum_of_a_convex_loss(kind: str) -> None:
    made, batch = problem(kind)
    if kind != "penalty":  # separable classes have no minimum
        batch.inputs[0].add_(torch.sin(7 * NUMBERS))
    infos = trained("hessian-free", made, batch, 60)
    loss, _ = made.losses(batch)
    loss.backward()
    assert all(float(each.grad.abs().max()) < 1e-6 for each in made.model.parameters())  # type: ignore[union-attr]
    assert infos[-1].loss < infos[0].loss
    for info in infos:
        assert info.gradients == pytest.approx(1 + 2 * info.products + info.forwards / 3)


def test_a_least_squares_problem_takes_one_step() -> None:
    net = nn.Linear(3, 1, bias=False).double()
    inputs = torch.sin(3 * NUMBERS.T @ NUMBERS) + torch.eye(3).double()
    made = SupervisedProblem(net, read_objective("squared"), precision="float64")
    target = torch.tensor([1.0, -2.0, 5.0]).double()
    [info] = trained("hessian-free(damping=0)", made, Part((inputs,), target), 1)
    assert torch.allclose(net(inputs).squeeze(1), target)
    assert info.products == 3


def test_losses_without_curvature_are_refused() -> None:
    made = SupervisedProblem(nn.Linear(3, 1), read_objective("absolute"))
    with pytest.raises(OptionError, match=r"hessian-free needs curvature, .* of the absolute error is zero"):
        make_spec("hessian-free").make(MethodSettings(lambda step: 1.0)).init(made)


def test_problems_without_outputs_are_refused() -> None:
    class Bare:
        model = nn.Linear(1, 1)

        def loss(self, batch: Any) -> Tensor:
            return self.model(batch).sum()

    with pytest.raises(OptionError, match="needs a loss that is a function of a model's outputs"):
        make_spec("hessian-free").make(MethodSettings(lambda step: 1.0)).init(Bare())


class Rooted(SmallRegression):
    """A finite loss with a finite gradient, whose curvature is not finite."""

    def bend(self, outputs: Tensor, batch: Tensor, vector: Tensor) -> Tensor:
        return super().bend(outputs, batch, vector) * float("inf")


@pytest.mark.parametrize(
    "options", ["", "preconditioner=none", "preconditioner=fisher", "variant='notebook-2021'"]
)
def test_a_curvature_that_is_not_finite_ends_the_run(options: str) -> None:
    fit = Rooted()
    before = [each.detach().clone() for each in fit.model.parameters()]
    [info] = run(make_spec(f"hessian-free({options})"), fit, (1,))
    assert info.broken == "a product with the Gauss-Newton matrix holds NaN or infinite values"
    assert all(torch.equal(a, b) for a, b in zip(before, fit.model.parameters(), strict=True))


def test_an_infinite_penalty_ends_the_run() -> None:
    made, batch = problem("penalty")
    with torch.no_grad():
        for each in made.model.parameters():
            each.fill_(1e200)
    [info] = trained("hessian-free", made, batch, 1)
    assert info.broken == "the loss with its penalties is inf"


class Seen(SmallRegression):
    """Remembers the rows whose curvature is asked for."""

    def bend(self, outputs: Tensor, batch: Tensor, vector: Tensor) -> Tensor:
        self.rows = batch.tolist()
        return super().bend(outputs, batch, vector)


@pytest.mark.parametrize(
    ("share", "rows", "counted"),
    [(0.25, range(4), 0.25), (1.0, range(16), 1.0), (2.5, range(40), 2.5), (0.01, range(1), 1 / 16)],
)
def test_the_curvature_has_rows_of_its_own(share: float, rows: range, counted: float) -> None:
    fit = Seen(noisy=share > 1)
    [info] = run(make_spec(f"hessian-free(cg_iterations=3, curvature={share})"), fit, (1,), parts=3)
    assert fit.rows == list(rows)
    assert info.products == pytest.approx(fit.products * counted)


@pytest.mark.parametrize("noisy", [False, True])
def test_squared_gradients_of_rows_are_met_on_the_mean(noisy: bool) -> None:
    fit = SmallRegression(noisy=noisy)
    at = Curvature.of(fit.model, nn.MSELoss(), fit.inputs, fit.target)
    wanted = diagonal(at, "empirical-fisher")
    apart = (squared_gradients(at, 2000) - wanted).norm() / wanted.norm()
    assert float(apart) < 0.1


def test_the_published_variant_draws_anew_and_reports_what_it_does_not_take() -> None:
    fit = SmallRegression(noisy=True)
    text = "hessian-free(variant='notebook-2021', cg_iterations=3, lr=5e-3, damping=0.5)"
    infos = run(make_spec(text), fit, (5,))
    evaluated = fit.places
    assert infos[0].loss != evaluated[0][1]  # not the one before the step
    moved = dict(fit.model.named_buffers())["1.num_batches_tracked"]
    assert int(moved) == len(evaluated)  # at every evaluation
    again = [loss for weights, loss in evaluated if torch.equal(weights, evaluated[0][0])]
    assert len(set(again)) == len(again)
    quiet = SmallRegression()
    infos = run(make_spec(text), quiet, (5,))
    with torch.no_grad():
        after = float(quiet.loss(SmallBatches().batch(0)))
    assert infos[-1].loss < 0.8 * after


def classifier() -> tuple[nn.Module, Tensor, Tensor]:
    with torch_stream(0, "init"):
        net = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Dropout(0.2), nn.Linear(5, 3))
    return net.double(), torch.sin(5 * NUMBERS), CLASSES


def loop(optimizer: Any, net: nn.Module, inputs: Tensor, target: Tensor, steps: int) -> list[float]:
    losses = []

    def closure() -> tuple[Tensor, Tensor]:
        outputs = net(inputs)
        loss = nn.functional.cross_entropy(outputs, target)
        losses.append(float(loss.detach()))
        return loss, outputs

    return [float(optimizer.step(closure)) for _ in range(steps)]


def test_in_torchs_style_it_takes_the_same_steps() -> None:
    net, inputs, target = classifier()
    for each in net.modules():
        if isinstance(each, nn.Dropout):
            each.p = 0.0
    other = classifier()[0]
    other.load_state_dict(net.state_dict())
    other[3].p = 0.0  # type: ignore[index]
    optimizer = optim.HessianFree(net, cg_iterations=6)
    losses = loop(optimizer, net, inputs, target, 5)
    made = SupervisedProblem(other, read_objective("cross-entropy"), precision="float64")
    infos = trained("hessian-free(cg_iterations=6)", made, Part((inputs,), target), 5)
    assert losses == pytest.approx([info.loss for info in infos], rel=1e-9)
    for name, each in net.state_dict().items():
        assert torch.allclose(each, other.state_dict()[name], rtol=1e-6, atol=1e-9), name


def test_in_torchs_style_the_function_is_held_and_the_state_is_saved() -> None:
    ends = []
    for stop in (False, True):
        net, inputs, target = classifier()
        torch.manual_seed(0)
        optimizer = optim.HessianFree(net, cg_iterations=6)
        losses = loop(optimizer, net, inputs, target, 3)
        if stop:
            weights, state = net.state_dict(), optimizer.state_dict()
            net, _, _ = classifier()
            net.load_state_dict(weights)
            optimizer = optim.HessianFree(net, cg_iterations=6)
            optimizer.load_state_dict(state)
        losses += loop(optimizer, net, inputs, target, 3)
        assert int(net[1].num_batches_tracked) == 6  # type: ignore[index]
        ends.append((losses, [each.clone() for each in net.state_dict().values()]))
    assert ends[0][0] == ends[1][0]
    assert all(torch.equal(a, b) for a, b in zip(ends[0][1], ends[1][1], strict=True))
    assert ends[0][0][-1] < ends[0][0][0]


def test_in_torchs_style_a_curvature_that_is_not_finite_is_an_error() -> None:
    net = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(net.weight)
    optimizer = optim.HessianFree(net)

    def closure() -> tuple[Tensor, Tensor]:
        outputs = net(torch.ones(1, 1))
        return outputs.clamp(min=0).pow(1.5).sum() + outputs.sum(), outputs

    with pytest.raises(ModelError, match="Gauss-Newton matrix holds NaN or infinite values"):
        optimizer.step(closure)
    assert not net.weight.detach().any()


def test_what_torchs_style_cannot_do_is_refused() -> None:
    net, inputs, target = classifier()
    groups = [{"params": [each]} for each in net.parameters()]
    with pytest.raises(OptionError, match="one damping and one learning rate for all parameters"):
        optim.HessianFree(groups)
    with pytest.raises(OptionError, match="has no option 'curvature'"):
        optim.HessianFree(net, curvature=0.5)
    with pytest.raises(OptionError, match="damping=-1"):
        optim.HessianFree(net, damping=-1)
    optimizer = optim.HessianFree(net)
    with pytest.raises(OptionError, match="no function of the outputs"):
        optimizer.step(lambda: (nn.functional.cross_entropy(net(inputs), target), net(inputs)))
    with pytest.raises(OptionError, match="has no curvature"):
        optimizer.step(lambda: (lambda outputs: (outputs.sum(), outputs))(net(inputs)))
