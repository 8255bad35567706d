"""Newton finds minima to the last digits, goes down where the Hessian is indefinite, and refuses large models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

import steepest as st
from steepest.data.table import read_table
from steepest.errors import OptionError
from steepest.experiment.folder import Folder
from steepest.optim import make_spec
from steepest.optim.derivatives import gradient, hessian, jacobian
from steepest.optim.methods.newton import direction
from steepest.prediction.model import TrainedModel
from steepest.recipe import Recipe
from steepest.rng import stream
from steepest.sweep.contestants import contestants
from steepest.train.problem import problem_of, wide
from tests.optim.test_methods import Drawn, rosenbrock, steps

DRAW = stream(0, "data", 17)
FEATURES = torch.from_numpy(DRAW.standard_normal((200, 5)))
LABELS = torch.from_numpy((DRAW.random(200) < 0.5).astype(float))
PENALTY = 0.01


def logistic(w: torch.Tensor) -> torch.Tensor:
    """The mean log loss of a logistic regression with an intercept, and an l2 penalty of its slopes."""
    margin = (2 * LABELS - 1) * (FEATURES @ w[1:] + w[0])
    return nn.functional.softplus(-margin).mean() + PENALTY * (w[1:] ** 2).sum()


def test_it_finds_the_minimum_of_a_logistic_regression_as_scikit_learn_does() -> None:
    problem = Drawn(logistic, [0.0] * 6)
    infos = steps("newton", problem, 8)
    w = problem.model["w"]
    (slope,) = torch.autograd.grad(logistic(w), w)
    assert float(slope.norm()) < 1e-14

    theirs = LogisticRegression(C=1 / (2 * PENALTY * len(LABELS)), tol=1e-13, solver="newton-cholesky")
    theirs.fit(FEATURES.numpy(), LABELS.numpy())
    expected = [*theirs.intercept_, *theirs.coef_[0]]
    assert w.tolist() == pytest.approx(expected, abs=1e-10)
    assert [info.products for info in infos] == [6.0] * 8
    assert all(info.gradients == pytest.approx(1 + 12 + info.forwards / 3) for info in infos)
    assert sum(info.forwards for info in infos) < 12


def test_errors_are_squared() -> None:
    """Near the minimum, every step doubles the right digits."""
    problem = Drawn(logistic, [0.0] * 6)
    norms = []
    for _ in range(5):
        w = problem.model["w"]
        norms.append(float(torch.autograd.grad(logistic(w), w)[0].norm()))
        steps("newton", problem, 1)
    assert norms[3] < 3 * norms[2] ** 2 < norms[2]


def test_damping_is_added_to_the_diagonal() -> None:
    curvature = torch.tensor([[3.0, 1.0], [1.0, 2.0]], dtype=torch.float64)
    slope = torch.tensor([1.0, -2.0], dtype=torch.float64)
    problem = Drawn(lambda w: 0.5 * w @ curvature @ w + slope @ w, [0.0, 0.0])
    steps("newton(damping=0.5)", problem, 1)
    expected = -np.linalg.solve(curvature.numpy() + 0.5 * np.eye(2), slope.numpy())
    assert problem.model["w"].tolist() == pytest.approx(expected.tolist(), rel=1e-12)


def test_from_a_saddle_it_goes_down() -> None:
    """At (0.1, 1), the Hessian of x⁴ − x² + y² has an eigenvalue below 0, and the undamped step would lead to x = 0."""
    problem = Drawn(lambda w: w[0] ** 4 - w[0] ** 2 + w[1] ** 2, [0.1, 1.0])
    losses = [info.loss for info in steps("newton", problem, 12)]
    assert losses == sorted(losses, reverse=True)
    assert problem.model["w"].tolist() == pytest.approx([0.5**0.5, 0.0], abs=1e-8)


def test_it_follows_rosenbrocks_valley() -> None:
    problem = Drawn(rosenbrock, [-1.2, 1.0])
    losses = [info.loss for info in steps("newton", problem, 30)]
    assert losses == sorted(losses, reverse=True)
    assert problem.model["w"].tolist() == pytest.approx([1.0, 1.0], abs=1e-10)


def test_an_indefinite_matrix_gives_a_way_down() -> None:
    matrix = torch.diag(torch.tensor([2.0, -1.0, 0.0, 0.0], dtype=torch.float64))
    slope = torch.tensor([1.0, 1.0, 1.0, 0.0], dtype=torch.float64)
    way = direction(matrix, slope, 0.0)
    assert float(way @ slope) < 0
    assert way[3] == 0
    assert bool((way[:3] < 0).all())


@pytest.mark.parametrize("bad", [float("nan"), -float("inf")])
def test_no_damping_is_sought_for_a_matrix_that_is_not_finite(bad: float) -> None:
    matrix = torch.tensor([[bad, 0.0], [0.0, 1.0]], dtype=torch.float64)
    with pytest.raises(ValueError, match="no damping makes the Hessian positive definite"):
        direction(matrix, torch.ones(2, dtype=torch.float64), 0.0)


class Scaled(nn.Module):
    """A linear model times a number: its 2-norm, or a root, of a weight that starts at 0."""

    def __init__(self, shape: Any, *, root: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(len(shape.continuous), shape.outputs)
        self.v = nn.Parameter(torch.zeros(1))
        self.root = root

    def forward(self, categorical: torch.Tensor, continuous: torch.Tensor) -> torch.Tensor:
        scale = self.v.abs().sqrt().sum() if self.root else self.v.norm()
        return self.linear(continuous) * (1 + scale)


@pytest.mark.parametrize(
    ("optimizer", "root", "reason"),
    [
        ("newton", False, "the second derivative of the loss, the Hessian, holds NaN or infinite values"),
        ("newton", True, "the gradient holds NaN or infinite values"),
        ("levenberg-marquardt", True, "the derivative of the residuals, the Jacobian, holds NaN or infinite"),
        ("hessian-free", True, "the gradient holds NaN or infinite values"),
    ],
)
def test_a_derivative_that_is_not_finite_ends_a_run_as_diverged(optimizer, root, reason, tmp_path) -> None:
    """The loss is finite, so nothing else would; and no step can be made."""
    draw = stream(0, "data")
    data = {"a": draw.standard_normal(60), "b": draw.standard_normal(60), "y": draw.standard_normal(60)}
    st.compare(
        data, target="y", optimizers=["sgd(lr=0.01)", f"{optimizer}(lr=1)"], seeds=1, epochs=1, batch_size=16,
        model=lambda shape: Scaled(shape, root=root), out=tmp_path / "run", device="cpu", workers=1,
        compile="off", baseline="none",
    )  # fmt: skip
    [found] = [
        each
        for each in Folder(tmp_path / "run").records()
        if each.key.phase == "final" and each.key.name.startswith(optimizer)
    ]
    assert found.outcome == "diverged"
    assert reason in found.reason
    assert "at step 1" in found.reason


def test_derivatives_are_torchs() -> None:
    net = nn.Sequential(
        nn.Linear(3, 4), nn.BatchNorm1d(4, track_running_stats=False), nn.Tanh(), nn.Linear(4, 1)
    ).double()
    inputs = torch.from_numpy(stream(1, "data").standard_normal((7, 3)))
    params = dict(net.named_parameters())

    def outputs(values: dict[str, torch.Tensor]) -> torch.Tensor:
        return torch.func.functional_call(net, values, inputs)[:, 0]

    def flat(tree: Any, rows: int) -> torch.Tensor:
        return torch.cat([each.reshape(rows, -1) for each in tree.values()], dim=1)

    expected = flat(torch.func.jacrev(outputs)(params), 7)
    assert torch.allclose(jacobian(outputs(params), list(params.values())), expected, rtol=1e-12, atol=1e-12)
    few = {"3.weight": params["3.weight"]}  # fewer numbers than residuals
    expected = flat(torch.func.jacrev(lambda some: outputs({**params, **some}))(few), 7)
    assert torch.allclose(jacobian(outputs(params), list(few.values())), expected, rtol=1e-12, atol=1e-12)

    sizes = [each.numel() for each in params.values()]

    def loss(x: torch.Tensor) -> torch.Tensor:
        parts = zip(params.items(), x.split(sizes), strict=True)
        return outputs({name: part.reshape(each.shape) for (name, each), part in parts}).square().mean()

    x = torch.cat([each.detach().reshape(-1) for each in params.values()])
    used, first = gradient(outputs(params).square().mean(), list(params.values()))
    expected = torch.autograd.functional.hessian(loss, x)
    assert torch.allclose(hessian(first, used), expected, rtol=1e-10, atol=1e-12)


def test_a_compared_logistic_regression_reaches_the_optimum(churn, tmp_path) -> None:
    """As a command would have it: all rows in a step, 64 bits, a penalty."""
    options: dict[str, Any] = {
        "model": "linear", "optimizers": ["newton"], "batch_size": "all", "epochs": 8, "seeds": 2, "device": "cpu",
        "precision": "float64", "regularizer": "l2(0.01)", "schedule": "constant", "split": "none",
        "numbers": "standard", "baseline": "none",
    }  # fmt: skip
    plan = st.plan(churn, target="churned", **options)
    plan.run(tmp_path / "run")
    for record in Folder(tmp_path / "run").records():
        assert record.outcome == "finished"
    data = read_table(churn, target="churned", split="none").dataset()
    recipe = Recipe(
        data=data.fingerprint, model="linear", optimizer="newton", schedule="constant", steps=8, metric="log_loss",
        batch_size=len(data.train), precision="float64", regularizer="l2(0.01)",
    )  # fmt: skip
    net, data = wide(TrainedModel.load(tmp_path / "run" / "model").net.train(), data, "float64")
    part = data.training(0).wide()
    problem = problem_of(net, data, recipe)

    def slope() -> float:
        grads = torch.autograd.grad(problem.loss(part), list(net.parameters()))
        return float(torch.cat([each.reshape(-1) for each in grads]).norm())

    assert slope() < 1e-12  # the loss is convex
    with torch.no_grad():
        for each in net.parameters():
            each += 1e-3
    assert slope() > 1e-6


@pytest.mark.parametrize(("name", "others"), [("newton", "line_search"), ("levenberg-marquardt", "scaling")])
def test_there_is_no_rate_to_tune(name: str, others: str) -> None:
    for texts, tune in (([name], [f"{name}: lr=0.1..1"]), ([f"{name}; lr=0.1,1.0"], [])):
        with pytest.raises(OptionError, match=f"{name} has no learning rate to tune") as error:
            contestants(texts, tune)
        assert f"'{name}: damping=0.01..1'" in error.value.hint
        assert others in error.value.hint
    with pytest.raises(OptionError, match=r"the rate of .* is given and to be tuned"):
        contestants([f"{name}(lr=0.5)"], [f"{name}: lr=0.1..1"])
    (found,) = contestants([name], [f"{name}: damping=0.01..1"])
    assert [axis.name for axis in found.axes] == ["damping"]


def test_a_large_model_is_refused_before_anything_runs(churn, tmp_path) -> None:
    with pytest.raises(
        OptionError, match=r"newton solves a system with the Hessian of all [0-9,]+ weights"
    ) as error:
        st.compare(churn, target="churned", optimizers=["adam", "newton"], model="mlp(hidden=(64, 64))",
                   out=tmp_path / "run")  # fmt: skip
    assert "l-bfgs" in error.value.hint
    assert not (tmp_path / "run").exists()
    with pytest.raises(OptionError, match=r"the Hessian of all 9,999,999 weights"):
        make_spec("newton").check(type("Problem", (), {"model": nn.Linear(9_999_998, 1, device="meta")}))
