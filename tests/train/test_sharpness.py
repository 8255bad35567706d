"""Watched sharpness equals the dense matrix's eigenvalue, and comes to where the optimizer's steps diverge."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from steepest.curvature import Curvature, matrix, top_eigenvalues
from steepest.data.table import read_table
from steepest.models import build_model
from steepest.optim import make_rule
from steepest.optim.method import GradientMethod
from steepest.recipe import Recipe
from steepest.record.schema import RunKey
from steepest.train.loop import train
from steepest.train.stack import StackedRun, train_stack


def _data():
    draw = np.random.default_rng(0)
    x = draw.normal(size=(120, 4))
    y = np.tanh(x[:, 0] * x[:, 1]) + x[:, 2] ** 2 / 3 + 0.1 * draw.normal(size=120)
    return read_table({**{f"x{i}": x[:, i] for i in range(4)}, "y": y}, target="y").dataset()


DATA = _data()
MODEL = "mlp(hidden=(12,), activation=tanh, dropout=0)"


def _recipe(steps: int = 20, batch: int | None = None, model: str = MODEL, regularizer: str = "") -> Recipe:
    return Recipe(
        data=DATA.fingerprint,
        model=model,
        optimizer="sgd",
        schedule="constant",
        steps=steps,
        batch_size=batch or len(DATA.train),
        metric="rmse",
        regularizer=regularizer,
    )


def _run(
    rule: str,
    recipe: Recipe,
    *,
    watch: tuple[str, ...] = ("sharpness",),
    clip: float | None = None,
    evaluations: int = 4,
):
    key = RunKey(name="sgd", recipe=recipe.id, seed=0, phase="final")
    method = GradientMethod(make_rule(rule), lambda step: 1.0, clip=clip)
    return train(DATA, recipe, key, method, evaluations=evaluations, read_test=True, watch=watch)


def _dense(weights) -> torch.Tensor:
    net = build_model(MODEL, DATA.shape, seed=0).eval()
    net.load_state_dict(weights)
    part = DATA.train
    target = DATA.train.target
    return matrix(
        Curvature.of(net, lambda o, t: torch.nn.functional.mse_loss(o.squeeze(1), t), part.inputs, target),
        "hessian",
    )


@pytest.mark.parametrize("rule", ["sgd(lr=0.05)", "adam(lr=0.01)"])
def test_it_is_the_largest_eigenvalue_of_the_dense_hessian_and_runs_keep_their_bits(rule: str) -> None:
    plain, found = _run(rule, _recipe(), watch=()), _run(rule, _recipe())
    assert all(torch.equal(plain.weights[name], found.weights[name]) for name in plain.weights)
    watched, record = found.record.watched, found.record
    assert watched is not None
    assert watched.sharpness_rows == len(DATA.train)
    assert len(watched.sharpness) == len(record.curve)
    place = [each.step for each in record.curve].index(record.best_step)
    whole = _dense(found.weights)
    largest = float(torch.linalg.eigvalsh(whole.double())[-1])
    assert watched.sharpness[place] == pytest.approx(largest, rel=2e-3)


def test_the_preconditioned_one_is_that_of_the_dense_matrix_divided_by_what_adam_divides_by() -> None:
    recipe, rule = _recipe(), make_rule("adam(lr=0.01, betas=(0.8, 0.95), eps=1e-3)")
    key = RunKey(name="adam", recipe=recipe.id, seed=0, phase="final")
    method = GradientMethod(rule, lambda step: 1.0)
    kept = {}
    original = type(method).divisors

    def noted(self, state):
        found = original(self, state)
        if found is not None:
            names = {parameter: name for name, parameter in state.parameters.items()}
            kept["slots"] = {
                names[parameter]: slots["exp_avg_sq"].clone()
                for parameter, slots in state.optimizer.state.items()
            }
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GradientMethod, "divisors", noted)
        found = train(
            DATA, recipe, key, method, evaluations=4, read_test=True, watch=("sharpness",), keep_last=True
        )
    watched = found.record.watched
    assert watched is not None
    assert found.last is not None
    assert math.isnan(watched.preconditioned[0])
    net = build_model(MODEL, DATA.shape, seed=0)
    roots = torch.cat(
        [(kept["slots"][name] / (1 - 0.95**20)).sqrt().flatten() + 1e-3 for name, _ in net.named_parameters()]
    ) * (1 - 0.8**20)
    scale = roots.double() ** -0.5
    whole = scale[:, None] * _dense(found.last).double() * scale
    assert watched.preconditioned[-1] == pytest.approx(float(torch.linalg.eigvalsh(whole)[-1]), rel=5e-3)
    assert watched.threshold == pytest.approx([2 * 1.8 / (0.2 * 0.01)] * 5)
    assert watched.threshold_formula == "2(1+β₁)/((1−β₁)η)"


def test_stacked_runs_have_the_same_preconditioned_sharpness() -> None:
    recipe = _recipe()
    method = GradientMethod(make_rule("adam(lr=0.01)"), lambda step: 1.0)
    keys = [RunKey(name="adam", recipe=recipe.id, seed=seed, phase="final") for seed in (0, 1)]
    stacked = train_stack(
        [StackedRun(DATA, recipe, key, method) for key in keys],
        evaluations=4, compiling=False, watch=("sharpness",),
    )  # fmt: skip
    alone = _run("adam(lr=0.01)", recipe).record.watched
    together = stacked[0].record.watched
    assert alone is not None
    assert together is not None
    assert together.preconditioned[1:] == pytest.approx(alone.preconditioned[1:], rel=1e-2)
    assert together.sharpness == pytest.approx(alone.sharpness, rel=1e-2)


@pytest.mark.parametrize(
    ("rule", "recipe", "clip", "says"),
    [
        ("sgd(lr=0.01)", _recipe(batch=32), None, "see 32 of"),
        ("sgd(lr=0.01)", _recipe(model="mlp(hidden=(12,), dropout=0.5)"), None, "dropout"),
        ("sgd(lr=0.01)", _recipe(model="mlp(hidden=(12,), norm=batch, dropout=0)"), None, "batch norm"),
        ("sgd(lr=0.01)", _recipe(regularizer="l2(0.1)"), None, "another than the training loss"),
        ("sgd(lr=0.01)", _recipe(), 1.0, "its gradients are clipped"),
        ("lion(lr=0.001)", _recipe(), None, "none is known"),
    ],
)
def test_without_a_threshold_it_says_why(rule: str, recipe: Recipe, clip: float | None, says: str) -> None:
    watched = _run(rule, recipe, clip=clip).record.watched
    assert watched is not None
    assert says in watched.no_threshold
    assert watched.threshold == watched.preconditioned == []
    assert len(watched.sharpness) == 5


def test_eigenvalues_of_a_preconditioned_matrix_are_those_of_the_dense_one() -> None:
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)).double()
    at = Curvature.of(net, torch.nn.CrossEntropyLoss(), torch.randn(9, 3).double(), torch.arange(9) % 2)
    divisor = torch.rand(at.size).double() + 0.1
    found = top_eigenvalues(at, "hessian", count=3, divisor=divisor)
    scale = divisor**-0.5
    dense = torch.linalg.eigvalsh(scale[:, None] * matrix(at, "hessian") * scale).flip(0)
    assert np.allclose(found.values, dense[:3].numpy())
    assert found.residuals.max() < 1e-8


def _edge(steps: int, evaluations: int) -> list[float]:
    watched = _run("sgd(lr=0.25)", _recipe(steps), evaluations=evaluations).record.watched
    assert watched is not None
    assert watched.threshold == pytest.approx([8.0] * len(watched.threshold))
    return [each / 8.0 for each in watched.sharpness]


def test_gradient_descent_comes_to_where_its_steps_would_diverge() -> None:
    assert _edge(400, 2)[-1] == pytest.approx(1.0, abs=0.1)


@pytest.mark.slow
def test_full_batch_descent_stays_at_the_edge_of_stability_and_slow_descent_below_it() -> None:
    assert np.allclose(_edge(1_500, 15)[-8:], 1.0, atol=0.1)
    slow = _run("sgd(lr=0.02)", _recipe(1_500), evaluations=15).record.watched
    assert slow is not None
    assert max(slow.sharpness) < 0.9 * slow.threshold[0]
