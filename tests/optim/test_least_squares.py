"""Levenberg–Marquardt finds the published minima of classic problems, and fits curves by plain commands.

The problems, starts and minima are those of Moré, Garbow & Hillstrom, *Testing unconstrained optimization software*,
ACM Transactions on Mathematical Software 7, 1981.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor, nn

import steepest as st
from steepest.cli import main
from steepest.errors import OptionError
from steepest.experiment.folder import Folder
from steepest.objectives import read_objective
from steepest.optim.least_squares import Damping, LinearizedResiduals, levenberg_marquardt
from steepest.rng import stream
from steepest.train.problem import SupervisedProblem
from tests.train.steps import table

OSBORNE = [
    0.844, 0.908, 0.932, 0.936, 0.925, 0.908, 0.881, 0.850, 0.818, 0.784, 0.751, 0.718, 0.685, 0.658, 0.628, 0.603,
    0.580, 0.558, 0.538, 0.522, 0.506, 0.490, 0.478, 0.467, 0.457, 0.448, 0.438, 0.431, 0.424, 0.420, 0.414, 0.411,
    0.406,
]  # fmt: skip


def rosenbrock(x: Tensor) -> Tensor:
    return torch.stack([10 * (x[1] - x[0] ** 2), 1 - x[0]])


def freudenstein_roth(x: Tensor) -> Tensor:
    a, b = x
    return torch.stack([-13 + a + ((5 - b) * b - 2) * b, -29 + a + ((b + 1) * b - 14) * b])


def powell_singular(x: Tensor) -> Tensor:
    a, b, c, d = x
    return torch.stack([a + 10 * b, 5**0.5 * (c - d), (b - 2 * c) ** 2, 10**0.5 * (a - d) ** 2])


def jennrich_sampson(x: Tensor) -> Tensor:
    i = torch.arange(1, 11, dtype=x.dtype)
    return 2 + 2 * i - ((i * x[0]).exp() + (i * x[1]).exp())


def osborne(x: Tensor) -> Tensor:
    t = 10 * torch.arange(33, dtype=x.dtype)
    return torch.tensor(OSBORNE, dtype=x.dtype) - (x[0] + x[1] * (-t * x[3]).exp() + x[2] * (-t * x[4]).exp())


@pytest.mark.parametrize("scaling", [True, False])
@pytest.mark.parametrize(
    ("problem", "start", "minima"),
    [
        (rosenbrock, [-1.2, 1.0], [0.0]),
        (freudenstein_roth, [0.5, -2.0], [0.0, 48.9842536792]),
        (powell_singular, [3.0, -1.0, 0.0, 1.0], [0.0]),
        (jennrich_sampson, [0.3, 0.4], [124.362182356]),
        (osborne, [0.5, 1.5, -1.0, 0.01, 0.02], [5.46489469748e-5]),
    ],
)
def test_published_minima(
    problem: Callable[[Tensor], Tensor], start: list[float], minima: list[float], scaling: bool
) -> None:
    found = levenberg_marquardt(problem, torch.tensor(start, dtype=torch.float64), scaling=scaling)
    assert found.converged
    assert any(found.value == pytest.approx(each, rel=1e-9, abs=1e-20) for each in minima), found
    assert found.value == pytest.approx(float(problem(found.x).square().sum()), rel=1e-12, abs=1e-30)
    assert found.evaluations < 300


def test_an_undamped_step_is_that_of_gauss_and_newton_and_a_damped_one_solves_the_normal_equations() -> None:
    draw = stream(0, "data")
    derivative = torch.from_numpy(draw.standard_normal((9, 4)))
    residuals = torch.from_numpy(draw.standard_normal(9))
    linear = LinearizedResiduals(derivative, residuals)
    scale = torch.tensor([1.0, 2.0, 0.5, 3.0], dtype=torch.float64)
    for damping in (0.0, 0.3):
        matrix = derivative.T @ derivative + damping * torch.diag(scale**2)
        expected = -torch.linalg.solve(matrix, derivative.T @ residuals)
        step = linear.step(damping, scale)
        assert torch.allclose(step, expected, rtol=1e-12)
        fall = residuals.square().sum() - (residuals + derivative @ step).square().sum()
        assert linear.fall(step) == pytest.approx(float(fall), rel=1e-12)


def test_the_damping_follows_the_gain_ratio() -> None:
    damping = Damping(0.9)
    assert damping.after(1.0).value == pytest.approx(0.3)
    assert damping.after(0.5).value == pytest.approx(0.9)
    assert damping.after(0.1).value == pytest.approx(0.9 * (1 + 0.8**3))
    assert [damping.after(float("nan")), damping.after(-1.0).after(-1.0)] == [
        Damping(1.8, 4.0),
        Damping(7.2, 8.0),
    ]


def test_a_derivative_that_is_not_finite_is_no_minimum() -> None:
    start = torch.zeros(1, dtype=torch.float64)
    found = levenberg_marquardt(lambda x: torch.stack([x[0].abs().sqrt() + 1, x[0] - 1]), start)
    assert not found.converged
    assert (found.value, found.jacobians, found.steps) == (2.0, 1, 0)


def test_the_squares_of_residuals_sum_to_the_loss() -> None:
    data = table("regression")
    rows = data.train.take(torch.arange(20))
    weights = torch.linspace(0.0, 2.0, 20)

    class Sum(nn.Module):
        def __init__(self, members: bool) -> None:
            super().__init__()
            self.scale, self.members = nn.Parameter(torch.ones(())), members

        def forward(self, categorical: Tensor, continuous: Tensor) -> Tensor:
            found = self.scale * continuous.sum(1, keepdim=True)
            return torch.stack([found, found**2], 1) if self.members else found

    for members in (False, True):
        problem = SupervisedProblem(Sum(members), read_objective("squared"))
        for batch in (rows, replace(rows, weights=weights)):
            squares = problem.residuals(batch).square().sum()
            assert float(squares.detach()) == pytest.approx(float(problem.loss(batch).detach()), rel=1e-5)


@pytest.mark.parametrize(
    ("target", "options", "fact", "hint"),
    [
        ("minutes", {"loss": "absolute"}, "but the training loss is the absolute error", "--loss squared"),
        ("minutes", {"regularizer": "l2(0.1)"}, "its loss is the sum of squares alone", "leave one"),
        ("churned", {}, "levenberg-marquardt needs the squared error, but", "take newton"),
        ("minutes", {"model": "mlp(hidden=(80, 80))"}, "the Gauss-Newton matrix of all", "l-bfgs"),
    ],
)
def test_what_it_cannot_take_is_refused_before_anything_runs(target, options, fact, hint, tmp_path) -> None:
    draw = stream(0, "data")
    minutes = draw.standard_normal(300)
    data = {
        "age": draw.standard_normal(300),
        "minutes": minutes,
        "churned": ["no" if x < 0 else "yes" for x in minutes],
    }
    with pytest.raises(OptionError, match=fact) as error:
        st.compare(data, target=target, optimizers=["levenberg-marquardt"], out=tmp_path / "run", **options)
    assert hint in error.value.hint
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_network_of_61_weights_fits_sinc_by_a_plain_command(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    x = np.linspace(-1, 1, 20_000)
    pl.DataFrame({"x": x, "y": np.sinc(10 * x / np.pi)}).write_csv("sinc.csv")
    command = (
        "compare sinc.csv --target y --split none --model 'mlp(hidden=(20,), activation=tanh)' --numbers standard "
        "-o levenberg-marquardt --epochs 50 --batch-size 1000 --seeds 1 --schedule constant --baseline none --out run"
    )
    assert main(shlex.split(command)) == 0, capsys.readouterr().err
    [record] = [each for each in Folder(tmp_path / "run").records() if each.key.phase == "final"]
    assert record.steps == 1000
    assert record.curve[-1].gradients >= 1000 * 62
    assert record.last["rmse"] ** 2 < 1e-6
